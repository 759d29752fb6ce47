from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Event(_message.Message):
    __slots__ = ("header", "payload")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    header: Header
    payload: bytes
    def __init__(self, header: _Optional[_Union[Header, _Mapping]] = ..., payload: _Optional[bytes] = ...) -> None: ...

class Header(_message.Message):
    __slots__ = ("event_type", "pub_id", "token", "pub_time", "event_id")
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    PUB_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    PUB_TIME_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    event_type: str
    pub_id: str
    token: str
    pub_time: int
    event_id: str
    def __init__(self, event_type: _Optional[str] = ..., pub_id: _Optional[str] = ..., token: _Optional[str] = ..., pub_time: _Optional[int] = ..., event_id: _Optional[str] = ...) -> None: ...
