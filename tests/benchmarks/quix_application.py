"""A Quix Streams application that takes one event at a time: a process of its own.

Quix Streams pins an older Kafka client and an older pydantic than the node's, so it is installed
apart (`requirements-quix.lock`, into build/quix) and this file runs on that Python: it imports
nothing of the node. ``python -m tests.benchmarks.quix_application SERVERS SOURCE TARGET MODE
COUNT`` takes the program from its standard input and prints events a second.

Exactly once, as its documentation has it: input offsets and results in one Kafka transaction a
checkpoint. It is spared what would slow it further: no state store (the program's state is a dict
that a crash forgets), and bare payloads instead of records.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, Final, Literal
from uuid import uuid4

from quixstreams import Application  # type: ignore[import-not-found, unused-ignore]

from tests.benchmarks.naive import NaiveEngine

_WARM_EVENTS: Final = 200  # before the clock starts: joining the group is not measured
# By default every five seconds: a run is shorter, and what it processed would not be committed.
_CHECKPOINT_EVENTS: Final = 5_000
_QUIET_S: Final = 30.0  # without a message: the topic holds fewer than were asked for

Mode = Literal["fresh", "kept", "loop"]
Body = Callable[[bytes, bytes, int, Any], list[bytes]]  # value, key, time in ms, headers


class _Meter:
    """When the first counted event came and when the last one was done."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._seen = 0
        self._began_s = self._ended_s = 0.0

    def tick(self) -> None:
        self._seen += 1
        if self._seen == _WARM_EVENTS:
            self._began_s = time.perf_counter()
        elif self._seen == _WARM_EVENTS + self._count:
            self._ended_s = time.perf_counter()

    @property
    def per_s(self) -> float:
        if not self._ended_s:
            raise TimeoutError(f"{self._seen} of {_WARM_EVENTS + self._count} events came")
        return self._count / (self._ended_s - self._began_s)


def events_per_s(
    servers: str, source: str, target: str, binary: bytes, mode: Mode, count: int
) -> float:
    """Events a second over ``count`` events, a result each, the program's instance fresh or kept.

    ``loop``: no program, the event itself is the result.

    Raises:
        TimeoutError: they did not come through.
    """
    meter = _Meter(count)
    with tempfile.TemporaryDirectory() as folder:
        app = Application(
            broker_address=servers,
            consumer_group=f"quix-{uuid4().hex}",
            auto_offset_reset="earliest",
            processing_guarantee="exactly-once",
            auto_create_topics=False,
            commit_every=_CHECKPOINT_EVENTS,
            state_dir=folder,
            loglevel="ERROR",
        )
        events = app.topic(source, key_deserializer="bytes", value_deserializer="bytes")
        results = app.topic(target, key_serializer="bytes", value_serializer="bytes")
        body = _passing(meter) if mode == "loop" else _running(meter, binary, mode == "kept")
        app.dataframe(events).apply(body, expand=True, metadata=True).to_topic(results)
        app.run(count=_WARM_EVENTS + count, timeout=_QUIET_S, collect=False)
    return meter.per_s


def _passing(meter: _Meter) -> Body:
    def take(value: bytes, key: bytes, time_ms: int, headers: Any) -> list[bytes]:
        meter.tick()
        return [value]

    return take


def _running(meter: _Meter, binary: bytes, kept: bool) -> Body:
    engine = NaiveEngine(binary, kept=kept, host_logs=False)

    def take(value: bytes, key: bytes, time_ms: int, headers: Any) -> list[bytes]:
        outcome = engine.handle("start", value, key.decode(), time_ms)
        meter.tick()
        return outcome.results

    return take


if __name__ == "__main__":
    _servers, _source, _target, _mode, _count = sys.argv[1:]
    assert _mode in ("fresh", "kept", "loop"), _mode
    print(events_per_s(_servers, _source, _target, sys.stdin.buffer.read(), _mode, int(_count)))
