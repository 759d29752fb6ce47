"""Ticks of cron expressions: when one is due, and what its message is."""

import json
from datetime import UTC, datetime

import pytest

from streams.endpoint.schedule import due, message
from streams.registry.sources import ScheduleSection


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("cron", "after", "now", "tick"),
    [
        ("*/5 * * * *", "2026-11-24T10:00:00", "2026-11-24T10:04:59", None),
        ("*/5 * * * *", "2026-11-24T10:00:00", "2026-11-24T10:05:00", "2026-11-24T10:05:00"),
        ("*/5 * * * *", "2026-11-24T10:00:00", "2026-11-24T10:05:59", "2026-11-24T10:05:00"),
        # The node was away for a day: the latest of those that it missed.
        ("*/5 * * * *", "2026-11-23T10:00:00", "2026-11-24T10:13:00", "2026-11-24T10:10:00"),
        ("0 0 1 * *", "2026-11-02T00:00:00", "2026-11-24T10:00:00", None),
        ("30 6 * * 1", "2026-11-16T06:30:00", "2026-11-24T00:00:00", "2026-11-23T06:30:00"),
    ],
)
def test_the_latest_tick_that_is_due(cron: str, after: str, now: str, tick: str | None) -> None:
    assert due(cron, ms(after), ms(now)) == (None if tick is None else ms(tick))


def test_a_ticks_message_is_the_same_wherever_it_is_made() -> None:
    schedule = ScheduleSection(cron="*/5 * * * *", event_type="TICK")
    tick_ms = ms("2026-11-24T10:05:00")
    made = message("tally", 2, schedule, tick_ms)
    assert made == message("tally", 2, schedule, tick_ms)
    assert made.device == "schedule:2"
    assert made.event_type == "TICK"
    assert json.loads(made.payload) == {"ID": "2", "Timestamp": "2026-11-24T10:05:00Z"}
    others = [
        message("tally", 2, schedule, tick_ms + 300_000),
        message("other", 2, schedule, tick_ms),
        message("tally", 2, ScheduleSection(cron="5 * * * *", event_type="TICK"), tick_ms),
    ]
    assert len({made.message_id, *(one.message_id for one in others)}) == 4
