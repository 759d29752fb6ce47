"""Cron schedules as a door: each tick is an ordinary message.

A tick's message id follows from Dapp, schedule and tick, so that two processes or a restart make a
tick once. Of the ticks that passed while the node was away the latest is made when it is back, the
others are not: a program that was asleep wants to wake, not to be called a thousand times.
"""

import datetime
import hashlib

import orjson
from croniter import croniter

from streams.records import Message
from streams.registry.sources import ScheduleSection


def due(cron: str, after_ms: int, now_ms: int) -> int | None:
    """The latest tick behind ``after_ms`` and not behind ``now_ms``; None if there is none.

    Times are milliseconds since 1970; cron's fields are read in UTC.
    """
    # The latest before the next whole second: croniter's is strictly before what it is given.
    behind_now = datetime.datetime.fromtimestamp(now_ms // 1000 + 1, datetime.UTC)
    tick = croniter(cron, behind_now).get_prev(datetime.datetime)
    tick_ms = int(tick.timestamp()) * 1000
    return tick_ms if tick_ms > after_ms else None


def identity(schedule: ScheduleSection) -> str:
    """What a schedule is known by, wherever it stands in its manifest."""
    said = f"{schedule.cron}\0{schedule.event_type}".encode()
    return f"schedule:{hashlib.sha256(said).hexdigest()[:32]}"


def message(dapp: str, number: int, schedule: ScheduleSection, tick_ms: int) -> Message:
    """A tick's message.

    Args:
        number: of the schedule in the manifest, from 0: the device is ``schedule:<number>``.
    """
    id = f"w3b tick\0{dapp}\0{identity(schedule)}\0{tick_ms}".encode()
    tick = datetime.datetime.fromtimestamp(tick_ms / 1000, datetime.UTC)
    return Message(
        device=f"schedule:{number}",
        payload=orjson.dumps({"ID": str(number), "Timestamp": tick.strftime("%Y-%m-%dT%H:%M:%SZ")}),
        message_id=hashlib.sha256(id).digest()[:16],
        time_ms=tick_ms,
        event_type=schedule.event_type,
    )
