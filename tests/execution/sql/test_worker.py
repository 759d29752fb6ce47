"""SQL of programs on a real Kafka: workers are killed, and every statement counts once."""

import random
import subprocess
import sys
import uuid
from collections import Counter

import orjson
import pytest
from confluent_kafka import Producer

from streams import topics
from streams.delivery.admin import ensure_topics
from streams.delivery.replay import replay
from streams.records import Message
from tests.execution.sql.tables import request
from tests.execution.worker_process import Fed
from tests.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow]

PARTITIONS = 2
COUNT = (
    "INSERT INTO cars (name, n) VALUES (?, 1)"
    " ON CONFLICT (name) DO UPDATE SET n = cars.n + 1, income = cars.income + 0.5"
)


class Dapp:
    """A Dapp's topics, and what its tables have to hold: how often each name was counted."""

    def __init__(self, kafka: str) -> None:
        self.name = f"d{uuid.uuid4().hex[:12]}"
        self.config = {"bootstrap.servers": kafka}
        ensure_topics(self.config, topics.dapp_topics(self.name, PARTITIONS))
        self.counted: Counter[tuple[int, str]] = Counter()
        self._producer = Producer(self.config | {"acks": "all"})
        self._chance = random.Random(7)

    def send(self, events: int) -> None:
        """Counts of names; one in ten traps afterwards, and counts nothing."""
        for _ in range(events):
            partition, name = self._chance.randrange(PARTITIONS), f"n{self._chance.randrange(20)}"
            traps = self._chance.random() < 0.1
            payload = (b"t" if traps else b"e") + request(COUNT, {"string": name})
            value = Message("did:x", payload, uuid.uuid4().bytes, 1).encode()
            self._producer.produce(topics.messages(self.name), value, b"k", partition=partition)
            self.counted[partition, name] += not traps
        assert self._producer.flush(30) == 0

    def rows(self) -> tuple[Counter[tuple[int, str]], Counter[tuple[int, str]]]:
        """What the rows of the changelog say: counts, and halves of incomes."""
        counts: Counter[tuple[int, str]] = Counter()
        incomes: Counter[tuple[int, str]] = Counter()
        for partition in range(PARTITIONS):
            newest = {
                one.key(): one.value()
                for batch in replay(self.config, topics.state(self.name), partition)
                for one in batch
            }
            for key, value in newest.items():
                if key and value and key.startswith(b"qcars\0"):
                    row = orjson.loads(value)
                    counts[partition, row["name"]] = row["n"]
                    incomes[partition, row["name"]] = int(float(row["income"]) * 2)
        return counts, incomes

    def check(self) -> None:
        """Every event that did not trap counted once."""
        wanted = +self.counted
        wait_until(lambda: self.rows()[0].total() >= wanted.total(), "the counts")
        counts, incomes = self.rows()
        assert counts == wanted
        assert incomes == Counter({name: count - 1 for name, count in wanted.items()})


def test_statements_count_once_whoever_is_killed(kafka: str) -> None:
    dapp = Dapp(kafka)
    command = [sys.executable, "-m", "tests.execution.worker_process", kafka, dapp.name, "0", "sql"]
    for _ in range(2):
        with subprocess.Popen(command) as worker:
            try:
                dapp.send(300)
                done = dapp.rows()[0].total()
                wait_until(lambda before=done: dapp.rows()[0].total() > before, "the first counts")
                dapp.send(500)
            finally:
                worker.kill()
    dapp.send(200)
    last = Fed(kafka, dapp.name, "0", "sql").start()
    try:
        dapp.check()
        dapp.send(100)  # on what was restored, and on what followed
        dapp.check()
    finally:
        last.stop()
    assert last.failures == []
