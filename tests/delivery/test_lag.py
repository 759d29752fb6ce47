"""A reader's lag, by a real client's statistics: what was not taken yet, and nothing else."""

import uuid

import pytest
from prometheus_client import REGISTRY

from streams import limits
from streams.delivery.transaction import TransactionalWriter, Write
from tests.delivery.kafka_topics import config, fill, new_topic
from tests.delivery.members import Member
from tests.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STATISTICS_MS", 100)


def lag(stage: str, unit: str) -> float | None:
    return REGISTRY.get_sample_value(f"w3b_lag_{unit}", {"stage": stage, "dapp": ""})


def test_what_waits_is_counted_until_it_is_taken(kafka: str) -> None:
    topic, stage = new_topic(kafka), f"g{uuid.uuid4().hex[:12]}"
    fill(kafka, topic, [b"x"] * 1_000)
    member = Member(kafka, f"{stage}.any", [topic], released=False).start()
    wait_until(
        lambda: (
            len(member.batches) == limits.BATCH_QUEUE_MAX
            and lag(stage, "messages") == 1_000 - member.messages
        ),
        "the lag of a reader that is held up",
    )
    wait_until(lambda: (lag(stage, "seconds") or 0) >= 1, "its age")

    def is_worked_off() -> bool:
        member.reader.release()
        return lag(stage, "messages") == 0

    wait_until(is_worked_off, "the lag to be worked off")
    assert lag(stage, "seconds") == 0
    assert member.messages == 1_000
    member.reader.stop()
    assert member.failures == []
    assert lag(stage, "messages") is None


def test_a_marker_behind_the_last_record_is_no_lag(kafka: str) -> None:
    topic, stage = new_topic(kafka), f"g{uuid.uuid4().hex[:12]}"
    writer = TransactionalWriter(config(kafka), stage)
    writer.start()
    writer.write([Write(topic, 0, [{"value": b"x"}] * 3)], (), None)
    member = Member(kafka, stage, [topic]).start()
    wait_until(lambda: member.messages == 3)
    wait_until(lambda: lag(stage, "messages") == 0, "no lag")
    writer.write([Write(topic, 0, [{"value": b"y"}])], (), None)
    wait_until(lambda: member.messages == 4)
    wait_until(lambda: lag(stage, "messages") == 0, "no lag again")
    assert lag(stage, "seconds") == 0
    member.reader.stop()
    writer.close()
