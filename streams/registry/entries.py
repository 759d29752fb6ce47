"""What the registry holds, and how each entry lies on the topic ``registry``.

A record's key is ``kind:name``, its value JSON; a null value removes the entry.

=========  ==================  ==================================================
kind       name                value
=========  ==================  ==================================================
dapp       the Dapp's name     ``manifest`` (program.toml as JSON), ``program_sha256``,
                               ``history`` (deployments, oldest first), ``status``,
                               ``keys`` (operators' keys that it may pay with, by name),
                               ``retention`` (days by table, in place of the manifest's),
                               ``queries`` (SQL by name, beside the manifest's)
owner      the owner's name    ``since_ms``
device     its DID             ``owner``, ``status``, ``credential`` (by which it is the
                               owner's, if by one); the public key is in the DID
hold       a device's DID      ``fault``, ``sha256`` of the credential, ``since_ms``
grant      ``owner/dapp``      ``since_ms``, ``until_ms`` (null: until it is removed),
                               ``devices`` (their DIDs or names; none: all of the owner's),
                               ``event_types`` (none: all)
publisher  ``dapp/key``        ``owner``, ``token_sha256``, ``is_gateway``, ``is_reader``,
                               ``status``
erasure    a UUID              ``owner``, ``devices``, ``asked_ms``; once it is in the log
                               ``ordered_ms`` and ``partitions`` (by Dapp); once it is carried
                               out ``certificate``
=========  ==================  ==================================================
"""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import orjson

from streams.registry.deployments import Deployed, Deployment
from streams.registry.manifest import Manifest, ManifestError, parse_manifest
from streams.wallet.credentials.evidence import Evidence

PUBLISHER_TOKEN: Final = "w3b_"  # how a publisher's token begins, as W3bStream's do


class Kind(StrEnum):
    """What an entry is; the first part of its key."""

    DAPP = "dapp"
    OWNER = "owner"
    DEVICE = "device"
    GRANT = "grant"
    PUBLISHER = "publisher"
    HOLD = "hold"
    ERASURE = "erasure"


class DeviceStatus(StrEnum):
    """Whether a device may send. A revoked one stays known, so that it is refused by that name."""

    ACTIVE = "active"
    REVOKED = "revoked"


class DappStatus(StrEnum):
    """Whether its program runs. A paused Dapp's messages are taken and wait."""

    ACTIVE = "active"
    PAUSED = "paused"


class EntryError(ValueError):
    """An entry that must not be written, or a record that holds none; says what is wrong."""


@dataclass(frozen=True, slots=True)
class Dapp:
    """An application that the node serves.

    ``manifest`` and ``program_sha256`` are the deployment that the registry wants; the log says
    which one runs where (`streams.registry.deployments`).
    """

    manifest: Manifest
    program_sha256: str
    history: tuple[Deployed, ...] = ()  # oldest first, the one wanted now last
    status: DappStatus = DappStatus.ACTIVE
    keys: tuple[str, ...] = ()  # operators' keys whose money its program may spend, in order
    retention: Mapping[str, int | None] = field(default_factory=dict)  # the operator's word on it
    queries: Mapping[str, str] = field(default_factory=dict)  # the operator's, SQL by name

    @property
    def name(self) -> str:
        """The Dapp's name."""
        return self.manifest.dapp.name

    @property
    def terms(self) -> Mapping[str, int | None]:
        """How many days, and MiB, of rows the database keeps by table; None: no such term."""
        return {**self.manifest.retention.model_dump(), **self.retention}

    @property
    def saved_queries(self) -> Mapping[str, str]:
        """What the Dapp's users may ask: SQL by name, the manifest's and the operator's."""
        return {name: one.sql for name, one in self.manifest.queries.items()} | dict(self.queries)

    @property
    def deployment(self) -> Deployment:
        """What the registry wants to run."""
        return Deployment(self.manifest, self.program_sha256)

    @property
    def deployment_sha256(self) -> str:
        """Its name. Not made anew of its content: a later version may write that differently."""
        return self.history[-1].sha256 if self.history else self.deployment.sha256

    @property
    def first_sha256(self) -> str:
        """What runs where no barrier has named a deployment yet."""
        return self.history[0].sha256 if self.history else self.deployment_sha256


@dataclass(frozen=True, slots=True)
class Owner:
    """Someone who owns devices and grants Dapps their data."""

    name: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Device:
    """A device, named by its public key (did:key), and by which credential it is the owner's."""

    did: str
    owner: str
    status: DeviceStatus = DeviceStatus.ACTIVE
    credential: Evidence | None = None  # None: the operator said so

    @property
    def name(self) -> str:
        """The device's DID."""
        return self.did


@dataclass(frozen=True, slots=True)
class Hold:
    """A device whose owner's credential does not hold just now, and why (a fault's name).

    An entry of its own, so that who looks at credentials and who revokes devices never write over
    each other. It is over once the device has another credential.
    """

    device: str
    fault: str
    sha256: str  # of the credential
    since_ms: int

    @property
    def name(self) -> str:
        """The device's DID."""
        return self.device


@dataclass(frozen=True, slots=True)
class Grant:
    """An owner's leave for a Dapp to have what the owner's devices send, in [since, until).

    ``devices``: of these alone; None: of all that the owner has and will have. ``event_types``:
    what they send as one of these alone; None: as any.
    """

    owner: str
    dapp: str
    since_ms: int
    until_ms: int | None = None
    devices: frozenset[str] | None = None
    event_types: frozenset[str] | None = None

    @property
    def name(self) -> str:
        """``owner/dapp``."""
        return f"{self.owner}/{self.dapp}"

    def holds_at(self, now_ms: int) -> bool:
        """Whether the grant covers this instant."""
        return self.since_ms <= now_ms and (self.until_ms is None or now_ms < self.until_ms)

    def covers(self, device: str) -> bool:
        """Whether the grant is of what this device sends, by its name."""
        return self.devices is None or device in self.devices


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who sends to one Dapp with a token of long life, as W3bStream's publishers do.

    ``key`` is what its messages call their device. A gateway sends for devices that it names,
    like an account's access key there.
    """

    dapp: str
    key: str
    owner: str
    token_sha256: str  # the token itself is told once and kept nowhere
    is_gateway: bool = False
    is_reader: bool = False  # it may ask the Dapp's saved queries, and send nothing
    status: DeviceStatus = DeviceStatus.ACTIVE

    @property
    def name(self) -> str:
        """``dapp/key``."""
        return f"{self.dapp}/{self.key}"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an owner's devices have sent so far is to go, and what came of it.

    Attributes:
        name: a UUID; the same again is the same erasure.
        owner: whose devices they are.
        devices: their DIDs.
        asked_ms: when.
        ordered_ms: when its records were written to the log; None: not yet.
        partitions: by Dapp, into how many partitions each.
        certificate: what it did and what remains, once it is carried out.
    """

    name: str
    owner: str
    devices: tuple[str, ...]
    asked_ms: int
    ordered_ms: int | None = None
    partitions: Mapping[str, int] = field(default_factory=dict)
    certificate: Mapping[str, Any] | None = None


Entry = Dapp | Owner | Device | Grant | Publisher | Hold | Erasure

_KINDS: Final[Mapping[type, Kind]] = {
    Dapp: Kind.DAPP,
    Owner: Kind.OWNER,
    Device: Kind.DEVICE,
    Grant: Kind.GRANT,
    Publisher: Kind.PUBLISHER,
    Hold: Kind.HOLD,
    Erasure: Kind.ERASURE,
}


_BY_NAME: Final[Mapping[str, Kind]] = {kind.value: kind for kind in Kind}


def kind_of(entry: Entry) -> Kind:
    """An entry's kind."""
    return _KINDS[type(entry)]


def encode_key(kind: Kind, name: str) -> bytes:
    """The record's key."""
    return f"{kind}:{name}".encode()


def encode_value(entry: Entry) -> bytes:
    """The record's value."""
    match entry:
        case Dapp():
            body: dict[str, Any] = {
                "manifest": entry.manifest.model_dump(mode="json"),
                "program_sha256": entry.program_sha256,
                "history": [asdict(one) for one in entry.history],
                "status": entry.status,
                "keys": list(entry.keys),
                "retention": dict(entry.retention),
                "queries": dict(entry.queries),
            }
        case Owner():
            body = {"since_ms": entry.since_ms}
        case Device():
            body = {"owner": entry.owner, "status": entry.status}
            if entry.credential is not None:
                body["credential"] = entry.credential.to_json()
        case Grant():
            body = {"since_ms": entry.since_ms, "until_ms": entry.until_ms}
            if entry.devices is not None:
                body["devices"] = sorted(entry.devices)
            if entry.event_types is not None:
                body["event_types"] = sorted(entry.event_types)
        case Publisher():
            body = asdict(entry)
            del body["dapp"], body["key"]
        case Hold():
            body = asdict(entry)
            del body["device"]
        case Erasure():
            body = asdict(entry)
            del body["name"]
    return orjson.dumps(body)


# Most of a million devices' records differ in their keys alone: loading them takes half the time,
# and each owner's name is kept once.
@lru_cache(65_536)
def _device_fields(value: bytes) -> tuple[str, DeviceStatus, Evidence | None]:
    body = orjson.loads(value)
    owner, status = sys.intern(body["owner"]), DeviceStatus(body["status"])
    said = body.get("credential")
    return owner, status, None if said is None else Evidence.from_json(said)


def decode(key: bytes | None, value: bytes | None) -> tuple[Kind, str, Entry | None]:
    """Kind, name and entry (None: removed) of a record.

    Raises:
        EntryError: the record was not written by this module, or by a newer version of it.
    """
    try:
        kind_text, _, name = (key or b"").decode().partition(":")
        kind = _BY_NAME[kind_text]
        if value is None:
            return kind, name, None
        if kind is Kind.DEVICE:
            return kind, name, Device(name, *_device_fields(value))
        body = orjson.loads(value)
        match kind:
            case Kind.DAPP:
                manifest = parse_manifest(body["manifest"], f"registry record of Dapp {name}")
                entry: Entry = Dapp(
                    manifest,
                    body["program_sha256"],
                    tuple(Deployed(**one) for one in body.get("history", ())),
                    DappStatus(body.get("status", DappStatus.ACTIVE)),
                    tuple(body.get("keys", ())),
                    body.get("retention", {}),
                    body.get("queries", {}),
                )
            case Kind.OWNER:
                entry = Owner(name, int(body["since_ms"]))
            case Kind.GRANT:
                owner, _, dapp = name.rpartition("/")
                until_ms, devices = body["until_ms"], body.get("devices")
                event_types = body.get("event_types")
                entry = Grant(
                    owner,
                    dapp,
                    int(body["since_ms"]),
                    None if until_ms is None else int(until_ms),
                    None if devices is None else frozenset(devices),
                    None if event_types is None else frozenset(event_types),
                )
            case Kind.PUBLISHER:
                dapp, _, publisher = name.partition("/")
                status = DeviceStatus(body.pop("status"))
                entry = Publisher(dapp, publisher, status=status, **body)
            case Kind.HOLD:
                entry = Hold(name, **body)
            case Kind.ERASURE:
                devices = tuple(body.pop("devices"))
                entry = Erasure(name, devices=devices, **body)
    except (ValueError, KeyError, TypeError, ManifestError) as error:
        raise EntryError(f"registry record {key!r} cannot be read: {error!r}") from error
    if entry.name != name:
        raise EntryError(f"registry record {key!r} holds {entry.name!r}")
    return kind, name, entry
