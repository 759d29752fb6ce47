"""What comes back from the world: messages to the device whose event asked, and dead letters."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from streams import limits, records, topics
from streams.delivery.effects import Effect
from streams.delivery.transaction import Write
from streams.records import Kind, Message


@dataclass(frozen=True, slots=True)
class Answer:
    """A message that answers an effect.

    Attributes:
        dapp, partition, device: of the event that asked.
        event_type: which handler shall have it.
        of: the effect's id; the message's own follows from it.
    """

    dapp: str
    partition: int
    device: str
    event_type: str
    of: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """An effect that cannot be carried out, however often it is tried; ``detail`` says why."""

    effect: Effect
    detail: str


Reaction = Answer | Refusal


def writes_of(reactions: Iterable[Reaction], now_ms: int) -> list[Write]:
    """The records that reactions become, a `Write` for each partition that gets any."""
    by_place: dict[tuple[str, int], Write] = {}
    for one in reactions:
        if isinstance(one, Answer):
            place = topics.messages(one.dapp), one.partition
            record = {"key": one.device.encode(), "value": _message(one, now_ms).encode()}
        else:
            place = topics.dead(one.effect.dapp), one.effect.partition
            record = {"key": one.effect.record.device, "value": _dead_letter(one)}
        by_place.setdefault(place, Write(*place, [])).records.append(record)
    return list(by_place.values())


def message_id(dapp: str, of: bytes) -> bytes:
    """The id of the message that answers an effect, 16 bytes: a repeat has the same."""
    return hashlib.sha256(b"w3b answer\0" + dapp.encode() + b"\0" + of).digest()[:16]


def _message(answer: Answer, now_ms: int) -> Message:
    return Message(
        device=answer.device,
        payload=answer.payload,
        message_id=message_id(answer.dapp, answer.of),
        time_ms=now_ms,
        event_type=answer.event_type,
    )


def _dead_letter(refusal: Refusal) -> bytes:
    letter = replace(
        refusal.effect.record,
        kind=Kind.DEAD_LETTER,
        label=records.EFFECT_REFUSED,
        a=refusal.detail.encode(),
        b=refusal.effect.value,
    )
    return letter.encode()


def fits(event_type: str, payload: bytes | Sequence[int] = b"") -> bool:
    """Whether a message may have this event type and payload."""
    size = len(event_type.encode())
    return 1 <= size <= limits.EVENT_TYPE_BYTES_MAX and len(payload) <= limits.PAYLOAD_BYTES_MAX
