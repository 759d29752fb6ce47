"""An effect as its record has it, and how a batch's slices are read for those of some labels."""

from collections.abc import Collection
from dataclasses import dataclass

from streams.delivery.batch import Slice, spans
from streams.records import HEADER, OUTPUT, Kind, Output, RecordError, decode_output

_LABEL_AT = HEADER.size + OUTPUT.size


@dataclass(frozen=True, slots=True)
class Effect:
    """What a program asked for.

    Attributes:
        dapp: whose program.
        partition: of the event that asked, and of an answer.
        record: its record: ``label``, ``a`` (the target) and ``b`` (the body).
        value: the record's bytes.
    """

    dapp: str
    partition: int
    record: Output
    value: bytes


def effects_of(piece: Slice, labels: Collection[str]) -> list[Effect]:
    """A slice's effects of these labels; what is no effect record is passed over (the sink puts
    it into its dead letters)."""
    wanted = {label.encode() for label in labels}
    sizes = {len(label) for label in wanted}
    dapp = piece.topic.partition(".")[2]
    packed = piece.packed
    found = []
    for _, start, end in spans(piece):
        # Most records may be of another label: look at that before anything is decoded.
        if end - start < _LABEL_AT or packed[start + 2] != Kind.EFFECT:
            continue
        size = packed[start + 3]
        if size not in sizes or packed[start + _LABEL_AT : start + _LABEL_AT + size] not in wanted:
            continue
        value = packed[start:end]
        try:
            found.append(Effect(dapp, piece.partition, decode_output(value), value))
        except (RecordError, UnicodeDecodeError):
            continue
    return found
