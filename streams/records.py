"""Every record on Kafka's topics, byte for byte.

A record has to be read without Python: a program's driver and the sink's encoder, both in
wasm, see hundreds of thousands a second. So the layout is fixed binary, little-endian, and the
same 32 bytes open every kind. Kafka's own headers are not used: `produce_batch` has none.

The header (``HEADER``, 32 bytes)::

    offset size  field
    0      1     magic 0xB3: a UTF-8 continuation byte, so that no text starts with it
    1      1     version 1
    2      1     kind (`Kind`)
    3      1     label length t
    4      2     device length d
    6      1     flags: 1, the message's sender waits for an answer
    7      1     reserved, 0
    8      8     time: milliseconds since 1970, the device's own clock
    16     16    message id

A **message** is followed by ``label`` (the event type, UTF-8), ``device`` (UTF-8) and the
payload. A raw value (first byte not the magic) is a message too, from a trusted producer:
device = the record's key, event type DEFAULT, time = the record's timestamp.

A **barrier** cuts an epoch: label and device are empty, the id's first 8 bytes are the epoch
number that ends here. The SHA-256 of the deployment (program and manifest, see
`streams.registry.deployments`) that runs from here on may follow.

An **erasure** is in every partition too: what the devices that it names sent before it is to go,
and what came of it. It has the layout of what execute writes (below), with the erasure's own id and
time. Execute writes it on to its outputs at the same place, so that whoever reads one of those
topics meets it behind everything that came of earlier messages and before everything else.

What execute writes (every other kind) continues with 24 more bytes (``OUTPUT``)::

    32     8     epoch
    40     8     program: the first 8 bytes of the program's SHA-256
    48     4     index: of the claim in its (epoch, partition), of other outputs in their message;
                 of an erasure, how many keys of keyed state went
    52     4     a: length of the first body part

and then label, device, body part A (a bytes) and body part B (the rest).

=============  ===========================  ======================  ==========================
kind           label                        A                       B
=============  ===========================  ======================  ==========================
RESULT         the message's event type     empty                   the JSON object
CLAIM          the message's event type     subject                 salt (16 bytes) ‖ statement
EFFECT         send_tx, mqtt, metrics …     target                  body
DEAD_LETTER    the reason (`DeadReason`)    detail, UTF-8           the original value, untouched
                                                                    (its first MiB)
LOG            level                        source                  text, UTF-8
SUMMARY        empty                        empty                   ``SUMMARY_BODY``
ANSWER         how the event ended          why, UTF-8              handlers' codes, 4 bytes each
ERASURE        empty                        empty                   devices' names, a line each
=============  ===========================  ======================  ==========================

The key of each is the device (of a dead letter: the original key, whatever bytes it was).
State records (`state.<dapp>`) are key → value of their own: see `streams.execution.state`.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

MAGIC: Final = 0xB3
VERSION: Final = 1
DEFAULT_EVENT_TYPE: Final = "DEFAULT"
SALT_BYTES: Final = 16
ROOT_BYTES: Final = 32

HEADER: Final = struct.Struct("<BBBBHHQ16s")
WANTS_ANSWER: Final = 1
OUTPUT: Final = struct.Struct("<Q8sII")
_LABEL_LENGTH_AT: Final = 3
# partition, then input, claims and state root, then counts: messages (accepted events), repeats,
# dead letters, results, claims, then the program's whole SHA-256, which the authorities sign
SUMMARY_BODY: Final = struct.Struct("<I32s32s32sQQQQQ32s")


class Kind(IntEnum):
    """What a record is; the third byte of its header."""

    MESSAGE = 1
    BARRIER = 2
    RESULT = 3
    CLAIM = 4
    EFFECT = 5
    DEAD_LETTER = 6
    LOG = 7
    SUMMARY = 8
    ANSWER = 9
    ERASURE = 10


class DeadReason(StrEnum):
    """Why a message became a dead letter; the label of its record and a metric's label."""

    MALFORMED_RECORD = "malformed_record"  # starts with the magic byte, but is not a message
    NO_DEVICE = "no_device"  # a raw record without a key
    KEY_NOT_UTF8 = "key_not_utf8"
    NO_VALUE = "no_value"  # Kafka's null value
    TOO_LARGE = "too_large"  # a payload over what one event may have
    NO_HANDLER = "no_handler"  # no handler for this event type, and none for DEFAULT
    RETURNED_ERROR = "returned_error"  # the handler returned a negative code
    TRAP = "trap"
    FUEL_EXHAUSTED = "fuel_exhausted"
    STACK_EXHAUSTED = "stack_exhausted"
    OUTPUT_LIMIT = "output_limit"
    STATE_LIMIT = "state_limit"
    LOG_LIMIT = "log_limit"
    EFFECT_LIMIT = "effect_limit"
    SQL_LIMIT = "sql_limit"  # the event's SQL statements took more than it may have
    FILES_LIMIT = "files_limit"


# An effect that could not be carried out; its dead letter's B is the effect's whole record.
EFFECT_REFUSED: Final = "effect_refused"


class RecordError(ValueError):
    """Bytes that claim to be a record and are not; says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Message:
    """A device's message as it lies in ``messages.<dapp>``."""

    device: str
    payload: bytes
    message_id: bytes
    time_ms: int
    event_type: str = DEFAULT_EVENT_TYPE
    flags: int = 0

    def encode(self) -> bytes:
        """The record's value."""
        prefix = message_prefix(
            self.device, self.event_type, self.message_id, self.time_ms, self.flags
        )
        return prefix + self.payload


def message_prefix(
    device: str, event_type: str, message_id: bytes, time_ms: int, flags: int = 0
) -> bytes:
    """All of a message's value but its payload; ``flags``: 0 or ``WANTS_ANSWER``.

    Raises:
        RecordError: a text that is too long for its length field, or an id not of 16 bytes.
    """
    label = event_type.encode()
    name = device.encode()
    if len(label) > 0xFF or len(name) > 0xFFFF or len(message_id) != 16:
        raise RecordError("event type over 255 bytes, device over 65,535, or id not of 16 bytes")
    header = HEADER.pack(
        MAGIC, VERSION, Kind.MESSAGE, len(label), len(name), flags, time_ms, message_id
    )
    return header + label + name


def event_type_of(value: bytes) -> str:
    """The event type of a message's record that `message_prefix` begins."""
    return value[HEADER.size : HEADER.size + value[_LABEL_LENGTH_AT]].decode()


def barrier(epoch: int, time_ms: int, deployment: bytes = b"") -> bytes:
    """The value of the record that ends ``epoch`` in one partition.

    ``deployment``: the SHA-256 of what runs from there on; empty: what ran before.
    """
    header = HEADER.pack(
        MAGIC, VERSION, Kind.BARRIER, 0, 0, 0, time_ms, epoch.to_bytes(8, "little") + bytes(8)
    )
    return header + deployment


def kind_of(value: bytes) -> Kind:
    """The kind of a record; a raw value is a message.

    Raises:
        RecordError: the magic byte with an unknown version or kind behind it.
    """
    if not value or value[0] != MAGIC:
        return Kind.MESSAGE
    if len(value) < HEADER.size or value[1] != VERSION:
        raise RecordError("magic byte without a version 1 header of 32 bytes")
    try:
        return Kind(value[2])
    except ValueError as error:
        raise RecordError(f"unknown record kind {value[2]}") from error


def decode_message(value: bytes) -> Message:
    """A message from an endpoint record's value (not from a raw one).

    Raises:
        RecordError: not such a record, or cut short.
    """
    if kind_of(value) is not Kind.MESSAGE or value[:1] != bytes([MAGIC]):
        raise RecordError("not an endpoint's message record")
    _, _, _, label_len, device_len, flags, time_ms, message_id = HEADER.unpack_from(value)
    device_at = HEADER.size + label_len
    payload_at = device_at + device_len
    if payload_at > len(value):
        raise RecordError("message cut short inside its event type or device")
    return Message(
        device=value[device_at:payload_at].decode(),
        payload=value[payload_at:],
        message_id=message_id,
        time_ms=time_ms,
        event_type=value[HEADER.size : device_at].decode(),
        flags=flags,
    )


@dataclass(frozen=True, slots=True)
class Output:
    """What execute wrote: a result, claim, effect, dead letter, log, summary or answer."""

    kind: Kind
    label: str
    device: bytes
    time_ms: int
    message_id: bytes
    epoch: int
    program: bytes
    index: int
    a: bytes
    b: bytes

    def encode(self) -> bytes:
        """The record's value (execute's own come from wasm; this serves tests and tools)."""
        label = self.label.encode()
        return b"".join(
            (
                HEADER.pack(
                    MAGIC,
                    VERSION,
                    self.kind,
                    len(label),
                    len(self.device),
                    0,
                    self.time_ms,
                    self.message_id,
                ),
                OUTPUT.pack(self.epoch, self.program, self.index, len(self.a)),
                label,
                self.device,
                self.a,
                self.b,
            )
        )


def decode_output(value: bytes) -> Output:
    """One of execute's records.

    Raises:
        RecordError: not such a record, or cut short.
    """
    kind = kind_of(value)
    label_at = HEADER.size + OUTPUT.size
    if kind in (Kind.MESSAGE, Kind.BARRIER) or len(value) < label_at:
        raise RecordError("not a record that execute wrote")
    _, _, _, label_len, device_len, _, time_ms, message_id = HEADER.unpack_from(value)
    epoch, program, index, a_len = OUTPUT.unpack_from(value, HEADER.size)
    device_at = label_at + label_len
    a_at = device_at + device_len
    if a_at + a_len > len(value):
        raise RecordError("output record cut short")
    return Output(
        kind=kind,
        label=value[label_at:device_at].decode(),
        device=value[device_at:a_at],
        time_ms=time_ms,
        message_id=message_id,
        epoch=epoch,
        program=program,
        index=index,
        a=value[a_at : a_at + a_len],
        b=value[a_at + a_len :],
    )


@dataclass(frozen=True, slots=True)
class Summary:
    """What one partition says at a barrier: the roots and counts of the epoch that ends there."""

    epoch: int
    partition: int
    program: bytes
    input_root: bytes
    claims_root: bytes
    state_root: bytes
    messages: int
    repeats: int
    dead: int
    results: int
    claims: int


def decode_summary(output: Output) -> Summary:
    """The summary in an output record of kind SUMMARY.

    Raises:
        RecordError: another kind, or a body of another length.
    """
    if output.kind is not Kind.SUMMARY or len(output.b) != SUMMARY_BODY.size:
        raise RecordError("not a partition's epoch summary")
    partition, input_root, claims_root, state_root, *counts, program = SUMMARY_BODY.unpack(output.b)
    return Summary(output.epoch, partition, program, input_root, claims_root, state_root, *counts)


# How an event ended, in an answer's label, if it became no dead letter.
PROCESSED: Final = "processed"
REPEAT: Final = "repeat"  # it came before, and ran then


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a message: ``PROCESSED``, ``REPEAT`` or a `DeadReason`, why, the codes."""

    outcome: str
    why: str
    codes: tuple[int, ...]  # of the handlers that ran, in their order


def decode_answer(output: Output) -> Answer:
    """The answer in an output record of kind ANSWER.

    Raises:
        RecordError: another kind, or codes cut short.
    """
    if output.kind is not Kind.ANSWER or len(output.b) % 4:
        raise RecordError("not an answer to a message's sender")
    codes = struct.unpack(f"<{len(output.b) // 4}i", output.b)
    return Answer(output.label, output.a.decode(errors="replace"), codes)


@dataclass(frozen=True, slots=True)
class Erasure:
    """Everything of these devices that comes before it is to go.

    Attributes:
        erasure_id: 16 bytes; several records may be of one erasure.
        time_ms: when it was ordered.
        devices: their names, as in messages.
        keys: how many keys of keyed state execute removed; 0 in ``messages.<dapp>``.
    """

    erasure_id: bytes
    time_ms: int
    devices: tuple[str, ...]
    keys: int = 0

    def encode(self) -> bytes:
        """The record's value."""
        names = "\n".join(self.devices).encode()
        head = (Kind.ERASURE, "", b"", self.time_ms, self.erasure_id, 0, bytes(8), self.keys)
        return Output(*head, a=b"", b=names).encode()


def decode_erasure(output: Output) -> Erasure:
    """The erasure in an output record of kind ERASURE; names that are no text are nobody's.

    Raises:
        RecordError: another kind.
    """
    if output.kind is not Kind.ERASURE:
        raise RecordError("not an erasure")
    names = output.b.decode(errors="replace")
    devices = tuple(names.split("\n")) if names else ()
    return Erasure(output.message_id, output.time_ms, devices, output.index)
