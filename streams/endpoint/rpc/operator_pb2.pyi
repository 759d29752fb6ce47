from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Nothing(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DappName(_message.Message):
    __slots__ = ("dapp",)
    DAPP_FIELD_NUMBER: _ClassVar[int]
    dapp: str
    def __init__(self, dapp: _Optional[str] = ...) -> None: ...

class DappKey(_message.Message):
    __slots__ = ("dapp", "key")
    DAPP_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    dapp: str
    key: str
    def __init__(self, dapp: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class AddDappRequest(_message.Message):
    __slots__ = ("manifest", "program", "keys")
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    manifest: str
    program: bytes
    keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, manifest: _Optional[str] = ..., program: _Optional[bytes] = ..., keys: _Optional[_Iterable[str]] = ...) -> None: ...

class DappAdded(_message.Message):
    __slots__ = ("dapp", "outcome", "sends_transactions")
    DAPP_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    SENDS_TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    dapp: Dapp
    outcome: str
    sends_transactions: bool
    def __init__(self, dapp: _Optional[_Union[Dapp, _Mapping]] = ..., outcome: _Optional[str] = ..., sends_transactions: _Optional[bool] = ...) -> None: ...

class Dapps(_message.Message):
    __slots__ = ("dapps",)
    DAPPS_FIELD_NUMBER: _ClassVar[int]
    dapps: _containers.RepeatedCompositeFieldContainer[Dapp]
    def __init__(self, dapps: _Optional[_Iterable[_Union[Dapp, _Mapping]]] = ...) -> None: ...

class Dapp(_message.Message):
    __slots__ = ("name", "program_sha256", "status", "keys", "history", "manifest")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_SHA256_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    program_sha256: str
    status: str
    keys: _containers.RepeatedScalarFieldContainer[str]
    history: _containers.RepeatedCompositeFieldContainer[Deployment]
    manifest: _struct_pb2.Struct
    def __init__(self, name: _Optional[str] = ..., program_sha256: _Optional[str] = ..., status: _Optional[str] = ..., keys: _Optional[_Iterable[str]] = ..., history: _Optional[_Iterable[_Union[Deployment, _Mapping]]] = ..., manifest: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Deployment(_message.Message):
    __slots__ = ("sha256", "program_sha256", "version", "since_ms")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_SHA256_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    program_sha256: str
    version: str
    since_ms: int
    def __init__(self, sha256: _Optional[str] = ..., program_sha256: _Optional[str] = ..., version: _Optional[str] = ..., since_ms: _Optional[int] = ...) -> None: ...

class AddOwnerRequest(_message.Message):
    __slots__ = ("owner", "grant")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    owner: str
    grant: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, owner: _Optional[str] = ..., grant: _Optional[_Iterable[str]] = ...) -> None: ...

class Owner(_message.Message):
    __slots__ = ("owner", "devices", "granted")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    owner: str
    devices: int
    granted: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, owner: _Optional[str] = ..., devices: _Optional[int] = ..., granted: _Optional[_Iterable[str]] = ...) -> None: ...

class Owners(_message.Message):
    __slots__ = ("owners",)
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    owners: _containers.RepeatedCompositeFieldContainer[Owner]
    def __init__(self, owners: _Optional[_Iterable[_Union[Owner, _Mapping]]] = ...) -> None: ...

class ListGrantsRequest(_message.Message):
    __slots__ = ("owner",)
    OWNER_FIELD_NUMBER: _ClassVar[int]
    owner: str
    def __init__(self, owner: _Optional[str] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("owner", "dapp", "since_ms", "until_ms", "devices", "event_types")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    DAPP_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPES_FIELD_NUMBER: _ClassVar[int]
    owner: str
    dapp: str
    since_ms: int
    until_ms: int
    devices: _containers.RepeatedScalarFieldContainer[str]
    event_types: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, owner: _Optional[str] = ..., dapp: _Optional[str] = ..., since_ms: _Optional[int] = ..., until_ms: _Optional[int] = ..., devices: _Optional[_Iterable[str]] = ..., event_types: _Optional[_Iterable[str]] = ...) -> None: ...

class GrantRequest(_message.Message):
    __slots__ = ("owner", "dapp", "until_ms", "devices", "event_types")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    DAPP_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPES_FIELD_NUMBER: _ClassVar[int]
    owner: str
    dapp: str
    until_ms: int
    devices: _containers.RepeatedScalarFieldContainer[str]
    event_types: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, owner: _Optional[str] = ..., dapp: _Optional[str] = ..., until_ms: _Optional[int] = ..., devices: _Optional[_Iterable[str]] = ..., event_types: _Optional[_Iterable[str]] = ...) -> None: ...

class Grants(_message.Message):
    __slots__ = ("grants",)
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    grants: _containers.RepeatedCompositeFieldContainer[Grant]
    def __init__(self, grants: _Optional[_Iterable[_Union[Grant, _Mapping]]] = ...) -> None: ...

class GrantName(_message.Message):
    __slots__ = ("owner", "dapp")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    DAPP_FIELD_NUMBER: _ClassVar[int]
    owner: str
    dapp: str
    def __init__(self, owner: _Optional[str] = ..., dapp: _Optional[str] = ...) -> None: ...

class ListDevicesRequest(_message.Message):
    __slots__ = ("owner",)
    OWNER_FIELD_NUMBER: _ClassVar[int]
    owner: str
    def __init__(self, owner: _Optional[str] = ...) -> None: ...

class AddDeviceRequest(_message.Message):
    __slots__ = ("device", "owner", "grant")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    device: str
    owner: str
    grant: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, device: _Optional[str] = ..., owner: _Optional[str] = ..., grant: _Optional[_Iterable[str]] = ...) -> None: ...

class DeviceName(_message.Message):
    __slots__ = ("device",)
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    device: str
    def __init__(self, device: _Optional[str] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ("device", "owner", "status", "granted")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    device: str
    owner: str
    status: str
    granted: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, device: _Optional[str] = ..., owner: _Optional[str] = ..., status: _Optional[str] = ..., granted: _Optional[_Iterable[str]] = ...) -> None: ...

class Devices(_message.Message):
    __slots__ = ("devices",)
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    def __init__(self, devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ...) -> None: ...

class EraseDeviceRequest(_message.Message):
    __slots__ = ("device", "erasure")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    ERASURE_FIELD_NUMBER: _ClassVar[int]
    device: str
    erasure: str
    def __init__(self, device: _Optional[str] = ..., erasure: _Optional[str] = ...) -> None: ...

class EraseOwnerRequest(_message.Message):
    __slots__ = ("owner", "erasure")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    ERASURE_FIELD_NUMBER: _ClassVar[int]
    owner: str
    erasure: str
    def __init__(self, owner: _Optional[str] = ..., erasure: _Optional[str] = ...) -> None: ...

class ErasureName(_message.Message):
    __slots__ = ("erasure",)
    ERASURE_FIELD_NUMBER: _ClassVar[int]
    erasure: str
    def __init__(self, erasure: _Optional[str] = ...) -> None: ...

class Erasure(_message.Message):
    __slots__ = ("erasure", "owner", "devices", "asked_ms", "state", "places_done", "places", "tables_going", "certificate")
    ERASURE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    ASKED_MS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PLACES_DONE_FIELD_NUMBER: _ClassVar[int]
    PLACES_FIELD_NUMBER: _ClassVar[int]
    TABLES_GOING_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    erasure: str
    owner: str
    devices: _containers.RepeatedScalarFieldContainer[str]
    asked_ms: int
    state: str
    places_done: int
    places: int
    tables_going: _containers.RepeatedScalarFieldContainer[str]
    certificate: _struct_pb2.Struct
    def __init__(self, erasure: _Optional[str] = ..., owner: _Optional[str] = ..., devices: _Optional[_Iterable[str]] = ..., asked_ms: _Optional[int] = ..., state: _Optional[str] = ..., places_done: _Optional[int] = ..., places: _Optional[int] = ..., tables_going: _Optional[_Iterable[str]] = ..., certificate: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Erasures(_message.Message):
    __slots__ = ("erasures",)
    ERASURES_FIELD_NUMBER: _ClassVar[int]
    erasures: _containers.RepeatedCompositeFieldContainer[Erasure]
    def __init__(self, erasures: _Optional[_Iterable[_Union[Erasure, _Mapping]]] = ...) -> None: ...

class AddPublisherRequest(_message.Message):
    __slots__ = ("dapp", "key", "owner", "kind")
    DAPP_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    dapp: str
    key: str
    owner: str
    kind: str
    def __init__(self, dapp: _Optional[str] = ..., key: _Optional[str] = ..., owner: _Optional[str] = ..., kind: _Optional[str] = ...) -> None: ...

class PublisherName(_message.Message):
    __slots__ = ("dapp", "key")
    DAPP_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    dapp: str
    key: str
    def __init__(self, dapp: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class PublisherToken(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class Publisher(_message.Message):
    __slots__ = ("dapp", "key", "kind", "owner", "status")
    DAPP_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    dapp: str
    key: str
    kind: str
    owner: str
    status: str
    def __init__(self, dapp: _Optional[str] = ..., key: _Optional[str] = ..., kind: _Optional[str] = ..., owner: _Optional[str] = ..., status: _Optional[str] = ...) -> None: ...

class Publishers(_message.Message):
    __slots__ = ("publishers",)
    PUBLISHERS_FIELD_NUMBER: _ClassVar[int]
    publishers: _containers.RepeatedCompositeFieldContainer[Publisher]
    def __init__(self, publishers: _Optional[_Iterable[_Union[Publisher, _Mapping]]] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ("components", "roles")
    class ComponentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Health
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Health, _Mapping]] = ...) -> None: ...
    class RolesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Health
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Health, _Mapping]] = ...) -> None: ...
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    components: _containers.MessageMap[str, Health]
    roles: _containers.MessageMap[str, Health]
    def __init__(self, components: _Optional[_Mapping[str, Health]] = ..., roles: _Optional[_Mapping[str, Health]] = ...) -> None: ...

class Health(_message.Message):
    __slots__ = ("address", "healthy", "reason", "note")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    address: str
    healthy: bool
    reason: str
    note: str
    def __init__(self, address: _Optional[str] = ..., healthy: _Optional[bool] = ..., reason: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class QueryRequest(_message.Message):
    __slots__ = ("sql", "format", "parameters")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SQL_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    sql: str
    format: str
    parameters: _containers.ScalarMap[str, str]
    def __init__(self, sql: _Optional[str] = ..., format: _Optional[str] = ..., parameters: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Rows(_message.Message):
    __slots__ = ("rows",)
    ROWS_FIELD_NUMBER: _ClassVar[int]
    rows: str
    def __init__(self, rows: _Optional[str] = ...) -> None: ...

class ProofRequest(_message.Message):
    __slots__ = ("dapp", "subject", "epoch", "partition", "index")
    DAPP_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    dapp: str
    subject: str
    epoch: int
    partition: int
    index: int
    def __init__(self, dapp: _Optional[str] = ..., subject: _Optional[str] = ..., epoch: _Optional[int] = ..., partition: _Optional[int] = ..., index: _Optional[int] = ...) -> None: ...

class Proof(_message.Message):
    __slots__ = ("epoch", "partition", "index", "proof")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    partition: int
    index: int
    proof: str
    def __init__(self, epoch: _Optional[int] = ..., partition: _Optional[int] = ..., index: _Optional[int] = ..., proof: _Optional[str] = ...) -> None: ...

class AuditRequest(_message.Message):
    __slots__ = ("device", "owner", "dapp", "since_ms", "most")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    DAPP_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    device: str
    owner: str
    dapp: str
    since_ms: int
    most: int
    def __init__(self, device: _Optional[str] = ..., owner: _Optional[str] = ..., dapp: _Optional[str] = ..., since_ms: _Optional[int] = ..., most: _Optional[int] = ...) -> None: ...

class AuditRecord(_message.Message):
    __slots__ = ("at_ms", "who", "door", "action", "kind", "name", "owner", "device", "dapp", "reason", "times", "before", "after")
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    DOOR_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    DAPP_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    at_ms: int
    who: str
    door: str
    action: str
    kind: str
    name: str
    owner: str
    device: str
    dapp: str
    reason: str
    times: int
    before: _struct_pb2.Struct
    after: _struct_pb2.Struct
    def __init__(self, at_ms: _Optional[int] = ..., who: _Optional[str] = ..., door: _Optional[str] = ..., action: _Optional[str] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., owner: _Optional[str] = ..., device: _Optional[str] = ..., dapp: _Optional[str] = ..., reason: _Optional[str] = ..., times: _Optional[int] = ..., before: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., after: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Audit(_message.Message):
    __slots__ = ("records",)
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[AuditRecord]
    def __init__(self, records: _Optional[_Iterable[_Union[AuditRecord, _Mapping]]] = ...) -> None: ...

class StateRequest(_message.Message):
    __slots__ = ("dapp", "key")
    DAPP_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    dapp: str
    key: str
    def __init__(self, dapp: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class State(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[StateValue]
    def __init__(self, values: _Optional[_Iterable[_Union[StateValue, _Mapping]]] = ...) -> None: ...

class StateValue(_message.Message):
    __slots__ = ("partition", "key", "value", "hex")
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    HEX_FIELD_NUMBER: _ClassVar[int]
    partition: int
    key: str
    value: str
    hex: str
    def __init__(self, partition: _Optional[int] = ..., key: _Optional[str] = ..., value: _Optional[str] = ..., hex: _Optional[str] = ...) -> None: ...

class RetentionRequest(_message.Message):
    __slots__ = ("dapp", "within_days")
    DAPP_FIELD_NUMBER: _ClassVar[int]
    WITHIN_DAYS_FIELD_NUMBER: _ClassVar[int]
    dapp: str
    within_days: int
    def __init__(self, dapp: _Optional[str] = ..., within_days: _Optional[int] = ...) -> None: ...

class SetRetentionRequest(_message.Message):
    __slots__ = ("dapp", "terms")
    class TermsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DAPP_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    dapp: str
    terms: _containers.ScalarMap[str, str]
    def __init__(self, dapp: _Optional[str] = ..., terms: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Retention(_message.Message):
    __slots__ = ("tables",)
    TABLES_FIELD_NUMBER: _ClassVar[int]
    tables: _containers.RepeatedCompositeFieldContainer[TableTerm]
    def __init__(self, tables: _Optional[_Iterable[_Union[TableTerm, _Mapping]]] = ...) -> None: ...

class TableTerm(_message.Message):
    __slots__ = ("table", "set_by", "days", "mib", "leaving")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    SET_BY_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    MIB_FIELD_NUMBER: _ClassVar[int]
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    table: str
    set_by: str
    days: int
    mib: int
    leaving: Leaving
    def __init__(self, table: _Optional[str] = ..., set_by: _Optional[str] = ..., days: _Optional[int] = ..., mib: _Optional[int] = ..., leaving: _Optional[_Union[Leaving, _Mapping]] = ...) -> None: ...

class Leaving(_message.Message):
    __slots__ = ("rows", "oldest", "newest")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    OLDEST_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIELD_NUMBER: _ClassVar[int]
    rows: int
    oldest: str
    newest: str
    def __init__(self, rows: _Optional[int] = ..., oldest: _Optional[str] = ..., newest: _Optional[str] = ...) -> None: ...

class SaveQueryRequest(_message.Message):
    __slots__ = ("dapp", "name", "sql")
    DAPP_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    dapp: str
    name: str
    sql: str
    def __init__(self, dapp: _Optional[str] = ..., name: _Optional[str] = ..., sql: _Optional[str] = ...) -> None: ...

class QueryName(_message.Message):
    __slots__ = ("dapp", "name")
    DAPP_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    dapp: str
    name: str
    def __init__(self, dapp: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class Queries(_message.Message):
    __slots__ = ("queries",)
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    queries: _containers.RepeatedCompositeFieldContainer[SavedQuery]
    def __init__(self, queries: _Optional[_Iterable[_Union[SavedQuery, _Mapping]]] = ...) -> None: ...

class SavedQuery(_message.Message):
    __slots__ = ("name", "set_by", "sql")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SET_BY_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    name: str
    set_by: str
    sql: str
    def __init__(self, name: _Optional[str] = ..., set_by: _Optional[str] = ..., sql: _Optional[str] = ...) -> None: ...

class RebuildRequest(_message.Message):
    __slots__ = ("dapp", "start")
    DAPP_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    dapp: str
    start: int
    def __init__(self, dapp: _Optional[str] = ..., start: _Optional[int] = ...) -> None: ...

class Rebuilt(_message.Message):
    __slots__ = ("partitions",)
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    partitions: _containers.RepeatedCompositeFieldContainer[RebuiltPartition]
    def __init__(self, partitions: _Optional[_Iterable[_Union[RebuiltPartition, _Mapping]]] = ...) -> None: ...

class RebuiltPartition(_message.Message):
    __slots__ = ("topic", "partition", "start", "end")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    topic: str
    partition: int
    start: int
    end: int
    def __init__(self, topic: _Optional[str] = ..., partition: _Optional[int] = ..., start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class Rights(_message.Message):
    __slots__ = ("statements",)
    STATEMENTS_FIELD_NUMBER: _ClassVar[int]
    statements: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, statements: _Optional[_Iterable[str]] = ...) -> None: ...

class CollectFilesRequest(_message.Message):
    __slots__ = ("aside_hours", "dry_run")
    ASIDE_HOURS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    aside_hours: int
    dry_run: bool
    def __init__(self, aside_hours: _Optional[int] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class FilesCollected(_message.Message):
    __slots__ = ("collected", "unknown")
    COLLECTED_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    collected: _containers.RepeatedCompositeFieldContainer[CollectedFiles]
    unknown: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, collected: _Optional[_Iterable[_Union[CollectedFiles, _Mapping]]] = ..., unknown: _Optional[_Iterable[str]] = ...) -> None: ...

class CollectedFiles(_message.Message):
    __slots__ = ("dapp", "named", "put_aside", "put_aside_bytes", "removed", "removed_bytes")
    DAPP_FIELD_NUMBER: _ClassVar[int]
    NAMED_FIELD_NUMBER: _ClassVar[int]
    PUT_ASIDE_FIELD_NUMBER: _ClassVar[int]
    PUT_ASIDE_BYTES_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    REMOVED_BYTES_FIELD_NUMBER: _ClassVar[int]
    dapp: str
    named: int
    put_aside: int
    put_aside_bytes: int
    removed: int
    removed_bytes: int
    def __init__(self, dapp: _Optional[str] = ..., named: _Optional[int] = ..., put_aside: _Optional[int] = ..., put_aside_bytes: _Optional[int] = ..., removed: _Optional[int] = ..., removed_bytes: _Optional[int] = ...) -> None: ...

class Wallet(_message.Message):
    __slots__ = ("did", "method", "keys", "credentials")
    class KeysEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    did: str
    method: str
    keys: _containers.ScalarMap[str, str]
    credentials: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, did: _Optional[str] = ..., method: _Optional[str] = ..., keys: _Optional[_Mapping[str, str]] = ..., credentials: _Optional[_Iterable[str]] = ...) -> None: ...
