"""From what a call said to messages. Pure, a whole request at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtocolBuffer

from streams import limits
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.bodies import Options, check_event_type, check_time, id_stem, read_id
from streams.endpoint.rpc.messages_pb2 import (
    Message,
    SendBatchRequest,
)
from streams.records import DEFAULT_EVENT_TYPE, HEADER, message_prefix

_TIME_AT: Final = HEADER.size - 24  # a time of 8 bytes and an id of 16 close the header
_NO_ID: Final = bytes(16)

_T = TypeVar("_T", bound=ProtocolBuffer)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch's messages, ready for Kafka."""

    request_id: UUID
    values: dict[str, list[bytes]]  # record values by device, each device's in order
    ids: list[str]  # of the messages, in the order in which they were sent


def decode(type_: type[_T], data: bytes, bytes_max: int = limits.GRPC_REQUEST_BYTES_MAX) -> _T:
    """A call's request.

    Raises:
        RefusedError: MALFORMED_REQUEST, it is not one; TOO_LARGE.
    """
    if len(data) > bytes_max:
        raise RefusedError(
            Refusal.TOO_LARGE, f"a request of this call may have {bytes_max} bytes: send several"
        )
    try:
        asked: _T = type_.FromString(data)
    except DecodeError:
        raise RefusedError(
            Refusal.MALFORMED_REQUEST, f"these bytes are no {type_.DESCRIPTOR.full_name}"
        ) from None
    return asked


def options_of(message: Message, now_ms: int) -> Options:
    """What a message says of itself; what it leaves out gets its default.

    Raises:
        RefusedError: MALFORMED_REQUEST, naming the field.
    """
    event_type = message.event_type or DEFAULT_EVENT_TYPE
    check_event_type(event_type)
    check_time(message.time_ms)
    return Options(read_id(message.id or None), message.time_ms or now_ms, event_type)


def read_batch(
    asked: SendBatchRequest, sender: str, now_ms: int, admit_as: Callable[[str], None]
) -> Batch:
    """The messages of a batch, all or none.

    Args:
        asked: the call's request.
        sender: the device that messages are of which name none.
        now_ms: the time of messages that say none.
        admit_as: raises RefusedError if the sender may not send as that device.

    Raises:
        RefusedError: NO_MESSAGES, TOO_MANY_MESSAGES, MALFORMED_REQUEST or TOO_LARGE (with the
            number of the first message at fault, from 0), or as ``admit_as``.
    """
    messages = asked.messages
    if not messages:
        raise RefusedError(Refusal.NO_MESSAGES, "the batch has no messages")
    if len(messages) > limits.REQUEST_MESSAGES_MAX:
        raise RefusedError(
            Refusal.TOO_MANY_MESSAGES,
            f"a batch may have {limits.REQUEST_MESSAGES_MAX} messages: send several",
        )
    request_id = read_id(asked.id or None)
    stem = id_stem(request_id)
    stem_text = str(UUID(bytes=stem + bytes(4)))[:-8]
    batch = Batch(request_id, {}, [])
    frames: dict[tuple[str, str], _Frame] = {}
    number = 0
    try:
        for number, message in enumerate(messages):
            sort = (message.device, message.event_type)
            frame = frames.get(sort)
            if frame is None:
                device = message.device or sender
                if device != sender:
                    admit_as(device)
                values = batch.values.setdefault(device, [])
                frame = frames[sort] = _Frame.of(device, message.event_type, values)
            payload = message.payload
            if len(payload) > limits.PAYLOAD_BYTES_MAX:
                raise RefusedError(
                    Refusal.TOO_LARGE, f"a payload may have {limits.PAYLOAD_BYTES_MAX} bytes"
                )
            time_ms = message.time_ms
            check_time(time_ms)
            if text := message.id:
                given = read_id(text)
                id_ = given.bytes
                batch.ids.append(str(given))
            else:
                id_ = stem + number.to_bytes(4)
                batch.ids.append(f"{stem_text}{number:08x}")
            time_bytes = (time_ms or now_ms).to_bytes(8, "little")
            frame.values.append(frame.before + time_bytes + id_ + frame.after + payload)
    except RefusedError as error:
        raise RefusedError(
            error.refusal, f"nothing was written: messages[{number}]: {error.message}"
        ) from None
    return batch


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the records of one device and event type have in common, around time and id."""

    before: bytes
    after: bytes
    values: list[bytes]  # the device's

    @classmethod
    def of(cls, device: str, event_type: str, values: list[bytes]) -> "_Frame":
        event_type = event_type or DEFAULT_EVENT_TYPE
        check_event_type(event_type)
        prefix = message_prefix(device, event_type, _NO_ID, 0)
        return cls(prefix[:_TIME_AT], prefix[HEADER.size :], values)
