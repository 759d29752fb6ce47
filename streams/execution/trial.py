"""A program tried on events one by one, without any service: `w3b program run`, golden tests."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from streams.delivery.batch import pack_records
from streams.execution.files import file_answers
from streams.execution.instance import ALL_LOGS, Instance
from streams.execution.program import Program
from streams.filesystem.store import FileStore
from streams.records import DEFAULT_EVENT_TYPE, SALT_BYTES, DeadReason, Message, decode_output

_STATE_PREFIX: Final = b"k"
_FILES: Final = "memory://trial"  # what a program keeps there is gone with the process
_FIELDS: Final = {"device", "time_ms", "event_type", "payload", "payload_text"}


class EventError(ValueError):
    """A line that is no event; says what an event is."""


@dataclass(frozen=True, slots=True)
class Event:
    """A message to try."""

    payload: bytes
    device: str = "device"
    time_ms: int = 0
    event_type: str = DEFAULT_EVENT_TYPE

    def record(self, number: int) -> bytes:
        """As an endpoint would write it; ``number`` becomes its id."""
        id_ = number.to_bytes(16, "big")
        return Message(self.device, self.payload, id_, self.time_ms, self.event_type).encode()


@dataclass(slots=True)
class Effects:
    """What one event did, as a line of a golden file says it."""

    code: int
    error: str | None = None
    detail: str | None = None  # explains the error; not part of a golden file
    logs: list[tuple[str, str, str]] = field(default_factory=list)
    kv: dict[bytes, bytes] = field(default_factory=dict)
    results: list[Any] = field(default_factory=list)
    claims: list[tuple[str, str]] = field(default_factory=list)
    effects: list[tuple[str, str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The form that wasm_programs/README.md describes."""
        kv = {_text(key): base64.b64encode(self.kv[key]).decode() for key in sorted(self.kv)}
        return {
            "code": self.code,
            "error": self.error,
            "logs": [list(one) for one in self.logs],
            "kv": kv,
            "results": self.results,
            "claims": [list(one) for one in self.claims],
            "effects": [list(one) for one in self.effects],
        }


def parse_event(line: bytes) -> Event:
    """An event from a line of JSON.

    Raises:
        EventError: not such a line.
    """
    try:
        given = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise EventError(f"not JSON: {error}") from error
    if not isinstance(given, dict) or not ({"payload", "payload_text"} & given.keys()):
        raise EventError('an event is {"payload": JSON or "payload_text": text, …}')
    if unknown := sorted(given.keys() - _FIELDS):
        raise EventError(f"unknown field {unknown[0]!r}; there are {', '.join(sorted(_FIELDS))}")
    text = given.get("payload_text")
    rest = {name: given[name] for name in ("device", "time_ms", "event_type") if name in given}
    event = Event(orjson.dumps(given["payload"]) if text is None else str(text).encode(), **rest)
    if not isinstance(event.device, str) or not isinstance(event.event_type, str):
        raise EventError("`device` and `event_type` are texts")
    if not isinstance(event.time_ms, int) or event.time_ms < 0:
        raise EventError("`time_ms` is a whole number of milliseconds since 1970")
    return event


def parse_events(lines: Iterable[bytes]) -> Iterator[Event]:
    """Events from lines of JSON; empty ones are passed over.

    Raises:
        EventError: a line that is no event, with its number.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield parse_event(line)
        except EventError as error:
            raise EventError(f"line {number}: {error}") from error


class Trial:
    """One partition of a program, fed event by event; its files are kept in memory."""

    def __init__(self, program: Program, dapp: str = "trial") -> None:
        self._instance = Instance(program, dapp, 0, ALL_LOGS, file_answers(FileStore(_FILES)))
        self._count = 0

    def feed(self, event: Event) -> Effects:
        """Run one event; state stays for the next."""
        self._count += 1
        value = event.record(self._count)
        packed = pack_records([event.device.encode()], [value], [self._count], [event.time_ms])
        outcome = self._instance.run(packed)
        self._instance.commit()
        effects = Effects(self._instance.code)
        records: Mapping[str, list[dict[str, Any]]] = outcome.records
        outputs = {
            stream: [decode_output(one["value"]) for one in records[stream]]
            for stream in ("results", "claims", "effects", "dead", "logs")
        }
        for letter in outputs["dead"]:
            effects.error, effects.detail = str(DeadReason(letter.label)), _text(letter.a)
        effects.logs = [(one.label, _text(one.a), _text(one.b)) for one in outputs["logs"]]
        effects.results = [orjson.loads(one.b) for one in outputs["results"]]
        effects.claims = [(_text(one.a), _text(one.b[SALT_BYTES:])) for one in outputs["claims"]]
        effects.effects = [(one.label, _text(one.a), _text(one.b)) for one in outputs["effects"]]
        effects.kv = {
            one["key"][len(_STATE_PREFIX) :]: one["value"]
            for one in records["state"]
            if one["key"].startswith(_STATE_PREFIX)
        }
        return effects

    def feed_all(self, lines: Iterable[bytes]) -> Iterator[Effects]:
        """Run lines of JSON, see `parse_events`."""
        return map(self.feed, parse_events(lines))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
