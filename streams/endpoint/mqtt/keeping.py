"""What sessions are to survive a restart: the compacted topic ``sessions``.

A session that its client wants kept has a record while it has subscriptions, and one for each
message that waits for the client; a null takes a record back. Both are small and rare beside what
comes in.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.clock import Clock
from streams.endpoint.admission import RefusedError
from streams.endpoint.append import Appender, Settled
from streams.endpoint.mqtt.outbox import Downlink
from streams.topics import SESSIONS

log = logging.getLogger(__name__)

_POLL_S: Final = 0.2
_POLL_RECORDS_MAX: Final = 10_000
_LOAD_S: Final = 60.0


class SessionName(msgspec.Struct, frozen=True, array_like=True):
    """Whose a session is, and what the client calls itself."""

    sender: str
    client_id: str


class KeptSession(msgspec.Struct, frozen=True):
    """A session as it is kept.

    Attributes:
        expiry_s: how long it is kept without a connection.
        left_ms: when it had its last one, since 1970; None: it has one.
        subscriptions: QoS by topic filter.
    """

    expiry_s: int
    left_ms: int | None
    subscriptions: dict[str, int]


class _Key(msgspec.Struct, frozen=True, array_like=True):
    """``place``: of a message; empty for the session itself."""

    sender: str
    client_id: str
    place: str = ""


class _KeptMessage(msgspec.Struct, frozen=True, array_like=True):
    topic: str
    payload: bytes


@dataclass
class Found:
    """A session that was kept, and its messages in order."""

    session: KeptSession | None = None
    messages: dict[str, Downlink] = field(default_factory=dict)


class Keeping:
    """Writes what is to be kept, and reads it at the start."""

    def __init__(self, kafka: Mapping[str, Any], appender: Appender, clock: Clock) -> None:
        """``kafka``: how clients reach Kafka (confluent-kafka's configuration keys)."""
        self._kafka = dict(kafka)
        self._appender = appender
        self._clock = clock

    # --- writing ---------------------------------------------------------------------------------

    def put_session(self, name: SessionName, session: KeptSession, settled: Settled) -> None:
        """Keep a session; ``settled`` is told once Kafka has it.

        Raises:
            RefusedError: LOG_UNAVAILABLE.
        """
        self._post([(_key(name), msgspec.msgpack.encode(session))], settled)

    async def put_messages(self, messages: Sequence[tuple[SessionName, Downlink]]) -> None:
        """Returns once Kafka has messages that wait for clients.

        Raises:
            RefusedError: LOG_UNAVAILABLE.
        """
        await self._appender.append_records(
            SESSIONS,
            [
                {
                    "key": _key(name, one.place),
                    "value": msgspec.msgpack.encode(_KeptMessage(one.topic, one.payload)),
                }
                for name, one in messages
            ],
        )

    def remove(self, name: SessionName, messages: Iterable[Downlink], *, whole: bool) -> None:
        """Take messages back, and with ``whole`` the session. One that stays by mischance is told
        to the client again, or expires again: both are allowed."""
        keys = [_key(name, one.place) for one in messages] + ([_key(name)] if whole else [])
        if not keys:
            return
        try:
            self._post([(key, None) for key in keys], _note)
        except RefusedError as refused:
            _note(refused)

    def _post(self, records: Sequence[tuple[bytes, bytes | None]], settled: Settled) -> None:
        self._appender.post_records(
            SESSIONS, [{"key": key, "value": value} for key, value in records], settled
        )

    # --- reading ---------------------------------------------------------------------------------

    def load(self) -> dict[SessionName, Found]:
        """All that is kept. Blocks.

        Raises:
            KeepingError: it could not be read, or not in time.
        """
        found: dict[SessionName, Found] = {}
        deadline_s = self._clock.monotonic_s() + _LOAD_S
        consumer = Consumer(
            {
                **self._kafka,
                "group.id": "sessions",  # demanded by the client; no group is joined
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
            }
        )
        try:
            consumer.assign([TopicPartition(SESSIONS, 0, 0)])
            while self._clock.monotonic_s() < deadline_s:
                # `consume` would wait to see whether more come.
                first = consumer.poll(_POLL_S)
                more = consumer.consume(_POLL_RECORDS_MAX, 0) if first is not None else []
                for record in [first, *more] if first is not None else []:
                    error = record.error()
                    if error is None:
                        _apply(found, record.key() or b"", record.value())
                    elif error.code() == KafkaError._PARTITION_EOF:
                        return found
                    else:
                        log.warning("sessions: %s", error)
        except KafkaException as error:
            raise KeepingError(f"the topic {SESSIONS!r} could not be read: {error}") from error
        finally:
            consumer.close()
        raise KeepingError(f"the topic {SESSIONS!r} could not be read in {_LOAD_S:.0f} s")


class KeepingError(RuntimeError):
    """What was kept cannot be had."""


def _key(name: SessionName, place: str = "") -> bytes:
    return msgspec.json.encode(_Key(name.sender, name.client_id, place))


def _note(refused: RefusedError | None) -> None:
    if refused is not None:
        log.warning("an MQTT session was not written: %s", refused)


def _apply(found: dict[SessionName, Found], key: bytes, value: bytes | None) -> None:
    try:
        of = msgspec.json.decode(key, type=_Key)
        one = found.setdefault(SessionName(of.sender, of.client_id), Found())
        if of.place and value is not None:
            kept = msgspec.msgpack.decode(value, type=_KeptMessage)
            one.messages[of.place] = Downlink(of.place, kept.topic, kept.payload)
        elif of.place:
            one.messages.pop(of.place, None)
        else:
            one.session = None if value is None else msgspec.msgpack.decode(value, type=KeptSession)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("sessions: a record that is none: %s", error)
