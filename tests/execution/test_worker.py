"""Workers on a real Kafka: each message counts once, whoever ran it and however often."""

import struct
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer
from prometheus_client import REGISTRY

from streams import topics
from streams.delivery.admin import ensure_topics
from streams.delivery.replay import replay
from streams.records import Message, decode_output
from tests.execution.worker_process import Fed
from tests.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow]

PARTITIONS = 4
DEVICES = 8

Join = Callable[..., Fed]


class Log:
    """A Dapp's topics: what was sent, what came out."""

    def __init__(self, kafka: str) -> None:
        self.dapp = f"d{uuid.uuid4().hex[:12]}"
        self.config = {"bootstrap.servers": kafka}
        ensure_topics(self.config, topics.dapp_topics(self.dapp, PARTITIONS))
        self.sent: Counter[bytes] = Counter()
        self._producer = Producer(self.config | {"acks": "all"})

    def send(self, messages: int, repeats: int = 0) -> None:
        """Messages of all devices, over all partitions; the last ``repeats`` are sent twice."""
        values = []
        for number in range(messages):
            device = number % DEVICES
            payload = b'{"n": "%s"}' % uuid.uuid4().hex.encode()
            message = Message(f"did:{device}", payload, uuid.uuid4().bytes, number)
            values.append((device % PARTITIONS, message.encode()))
            self.sent[payload] += 1
        for partition, value in values + values[len(values) - repeats :]:
            self._producer.produce(topics.messages(self.dapp), value, b"k", partition=partition)
        assert self._producer.flush(30) == 0

    def results(self) -> Counter[bytes]:
        """The results' bodies, as readers of committed records see them."""
        return Counter(
            decode_output(one.value() or b"").b
            for partition in range(PARTITIONS)
            for batch in replay(self.config, topics.results(self.dapp), partition)
            for one in batch
        )

    def counts(self) -> int:
        """All devices' counts in keyed state, added up."""
        state = {
            one.key(): one.value() or b""
            for partition in range(PARTITIONS)
            for batch in replay(self.config, topics.state(self.dapp), partition)
            for one in batch
        }
        return sum(struct.unpack("<I", v)[0] for k, v in state.items() if k and k[:1] == b"k")

    def check(self, deadline_s: float = 60) -> None:
        """Everything that was sent comes out, once."""
        wait_until(lambda: self.results().total() >= self.sent.total(), "results", deadline_s)
        assert self.results() == self.sent
        assert self.counts() == self.sent.total()

    @property
    def aborts(self) -> float:
        return REGISTRY.get_sample_value("w3b_execute_aborts_total", {"dapp": self.dapp}) or 0


@pytest.fixture
def log(kafka: str) -> Log:
    return Log(kafka)


@pytest.fixture
def join(kafka: str, log: Log) -> Iterator[Join]:
    """Starts workers of this process; all have stopped in the end, none of them failed."""
    started: list[Fed] = []

    def start(slot: str = "0") -> Fed:
        started.append(Fed(kafka, log.dapp, slot).start())
        return started[-1]

    yield start
    for fed in started:
        fed.stop()
        assert fed.failures == []


def test_results_state_and_offsets_commit(log: Log, join: Join) -> None:
    log.send(2_000, repeats=50)
    join()
    log.check()
    log.send(100)
    log.check()
    assert log.aborts == 0


def test_a_restart_goes_on_from_the_state_that_was_left(log: Log, join: Join) -> None:
    log.send(500)
    first = join()
    log.check()
    first.stop()
    log.send(500, repeats=20)
    join()
    log.check()


def test_a_successor_with_the_same_slot_takes_over(log: Log, join: Join) -> None:
    """As after a crash: the predecessor never left, the successor fences it."""
    log.send(500)
    first = join()
    log.check()
    first.hold()
    log.send(300)
    wait_until(lambda: not first.batches.empty() or first.fetched > 0, "a batch")
    second = join()
    log.check()
    first.go_on()
    log.send(200)
    log.check()
    first.stop()
    # It was told: its transaction or its membership was fenced, and nothing of it counts.
    first.failures.clear()
    assert second.failures == []


def test_batches_held_over_a_rebalance_are_taken_back_and_run_again(log: Log, join: Join) -> None:
    log.send(400)
    first = join()
    log.check()
    first.hold()
    before = first.fetched
    log.send(400)
    wait_until(lambda: first.fetched > before, "a batch")
    join("1")  # takes half of the partitions: what was fetched before is of the old generation
    wait_until(lambda: log.results().total() > 400, "the other worker's results")
    first.go_on()
    log.check()
    assert log.aborts >= 1
    log.send(400)
    log.check()


def test_two_workers_share_and_one_dies(log: Log, join: Join, kafka: str) -> None:
    log.send(400)
    join("0")
    command = [sys.executable, "-m", "tests.execution.worker_process", kafka, log.dapp, "1"]
    with subprocess.Popen(command) as other:
        try:
            log.check()
            for _ in range(5):
                log.send(400)
        finally:
            other.kill()
    log.send(400)
    log.check()
    log.send(100)
    log.check()
