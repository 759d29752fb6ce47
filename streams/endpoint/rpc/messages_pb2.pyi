from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ChallengeRequest(_message.Message):
    __slots__ = ("device",)
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    device: str
    def __init__(self, device: _Optional[str] = ...) -> None: ...

class ChallengeAnswer(_message.Message):
    __slots__ = ("challenge", "expires_ms")
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    challenge: str
    expires_ms: int
    def __init__(self, challenge: _Optional[str] = ..., expires_ms: _Optional[int] = ...) -> None: ...

class LogInRequest(_message.Message):
    __slots__ = ("device", "challenge", "signature")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    device: str
    challenge: str
    signature: bytes
    def __init__(self, device: _Optional[str] = ..., challenge: _Optional[str] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Token(_message.Message):
    __slots__ = ("token", "expires_ms")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    token: str
    expires_ms: int
    def __init__(self, token: _Optional[str] = ..., expires_ms: _Optional[int] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("payload", "event_type", "time_ms", "id", "device")
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    payload: bytes
    event_type: str
    time_ms: int
    id: str
    device: str
    def __init__(self, payload: _Optional[bytes] = ..., event_type: _Optional[str] = ..., time_ms: _Optional[int] = ..., id: _Optional[str] = ..., device: _Optional[str] = ...) -> None: ...

class SendRequest(_message.Message):
    __slots__ = ("dapp", "message")
    DAPP_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    dapp: str
    message: Message
    def __init__(self, dapp: _Optional[str] = ..., message: _Optional[_Union[Message, _Mapping]] = ...) -> None: ...

class SendBatchRequest(_message.Message):
    __slots__ = ("dapp", "messages", "id")
    DAPP_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    dapp: str
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    id: str
    def __init__(self, dapp: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., id: _Optional[str] = ...) -> None: ...

class Accepted(_message.Message):
    __slots__ = ("ids", "dapps")
    IDS_FIELD_NUMBER: _ClassVar[int]
    DAPPS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    dapps: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ..., dapps: _Optional[_Iterable[str]] = ...) -> None: ...

class Outcomes(_message.Message):
    __slots__ = ("acknowledged", "refused")
    ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    acknowledged: _containers.RepeatedScalarFieldContainer[int]
    refused: _containers.RepeatedCompositeFieldContainer[Refused]
    def __init__(self, acknowledged: _Optional[_Iterable[int]] = ..., refused: _Optional[_Iterable[_Union[Refused, _Mapping]]] = ...) -> None: ...

class Refused(_message.Message):
    __slots__ = ("number", "name", "text", "retry_after_s", "id")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    number: int
    name: str
    text: str
    retry_after_s: int
    id: str
    def __init__(self, number: _Optional[int] = ..., name: _Optional[str] = ..., text: _Optional[str] = ..., retry_after_s: _Optional[int] = ..., id: _Optional[str] = ...) -> None: ...
