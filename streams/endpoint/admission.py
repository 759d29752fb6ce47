"""Who may send to whom. Pure: the registry's view and the time come in, a verdict goes out."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol

from streams.records import event_type_of
from streams.registry.checks import check_device_name
from streams.registry.entries import (
    Dapp,
    Device,
    DeviceStatus,
    EntryError,
    Grant,
    Hold,
    Publisher,
)

_SHOWN_TYPES_MAX: Final = 5


class Refusal(StrEnum):
    """Why a request was refused: one name at every door, in answers and in metrics."""

    MALFORMED_REQUEST = "malformed_request"  # a parameter or a field
    MALFORMED_JSON = "malformed_json"
    MALFORMED_CBOR = "malformed_cbor"
    NO_MESSAGES = "no_messages"
    TOO_LARGE = "too_large"  # the body, or one payload in it
    TOO_MANY_MESSAGES = "too_many_messages"
    TOO_SLOW = "too_slow"  # the body did not come within the time
    TOKEN_MISSING = "token_missing"
    TOKEN_EXPIRED = "token_expired"
    TOKEN_FORGED = "token_forged"
    CHALLENGE_EXPIRED = "challenge_expired"
    CHALLENGE_FORGED = "challenge_forged"
    CHALLENGE_USED = "challenge_used"
    SIGNATURE_INVALID = "signature_invalid"
    DOMAIN_MISMATCH = "domain_mismatch"  # what was signed is for somebody else
    DEVICE_UNKNOWN = "device_unknown"
    DEVICE_REVOKED = "device_revoked"
    CREDENTIAL_REFUSED = "credential_refused"  # by which a device is its owner's
    DEVICE_OWNED = "device_owned"  # by somebody else
    OWNER_UNKNOWN = "owner_unknown"
    TOO_MANY_DEVICES = "too_many_devices"  # of one owner
    NOT_GRANTED = "not_granted"
    UNKNOWN_DAPP = "unknown_dapp"
    DEVICE_RATE_EXCEEDED = "device_rate_exceeded"  # of messages a second, as the next two
    OWNER_RATE_EXCEEDED = "owner_rate_exceeded"
    DAPP_RATE_EXCEEDED = "dapp_rate_exceeded"
    ADDRESS_RATE_EXCEEDED = "address_rate_exceeded"  # of log-ins and registrations from one
    UNKNOWN_QUERY = "unknown_query"  # the Dapp has none of this name
    QUERY_REFUSED = "query_refused"  # by the database: a parameter, a limit, a right
    DATABASE_UNAVAILABLE = "database_unavailable"
    OVERLOADED = "overloaded"
    LOG_UNAVAILABLE = "log_unavailable"  # Kafka did not take it, or not in time
    BROKEN_PROTOCOL = "broken_protocol"  # bytes that are not what MQTT allows there
    NOT_FOUND = "not_found"  # no such path or topic, or nothing of this name for an operator
    NOT_POSSIBLE = "not_possible"  # what an operator asked for, as things are
    # What HTTP knows besides.
    METHOD_NOT_ALLOWED = "method_not_allowed"
    INTERNAL = "internal"


class RefusedError(Exception):
    """A refusal: its name, and one sentence on what was wrong and what to do."""

    def __init__(
        self,
        refusal: Refusal,
        message: str,
        retry_id: str | None = None,
        retry_after_s: int | None = None,
        *,
        device: str = "",
        owner: str = "",
        dapp: str = "",
    ) -> None:
        """``retry_id``: the id with which a retry of the same request is recognised.

        ``retry_after_s``: when a retry may succeed. ``device``, ``owner`` and ``dapp``: who was
        refused, as far as it is known, for the audit log.
        """
        super().__init__(f"{refusal}: {message}")
        self.refusal = refusal
        self.message = message
        self.retry_id = retry_id
        self.retry_after_s = retry_after_s
        self.device = device
        self.owner = owner
        self.dapp = dapp

    def of(self, *, device: str = "", owner: str = "", dapp: str = "") -> None:
        """Say whom it is about, as far as it does not say that yet."""
        self.device = self.device or device
        self.owner = self.owner or owner
        self.dapp = self.dapp or dapp


class Directory(Protocol):
    """The part of the registry that admission asks."""

    def dapp(self, name: str) -> Dapp | None:
        """A Dapp by its name."""
        ...

    def device(self, did: str) -> Device | None:
        """A device by its DID."""
        ...

    def hold(self, did: str) -> Hold | None:
        """Why a device's credential does not hold, if it does not."""
        ...

    def grants(self, owner: str) -> Mapping[str, Grant]:
        """An owner's grants by Dapp."""
        ...

    def publisher(self, dapp: str, key: str) -> Publisher | None:
        """A Dapp's publisher by its key."""
        ...

    def publisher_of(self, token_sha256: str) -> Publisher | None:
        """The publisher that has a token."""
        ...


def name_of(sender: Device | Publisher) -> str:
    """What messages call the device of who sends them."""
    return sender.key if isinstance(sender, Publisher) else sender.did


def admit_device(directory: Directory, did: str) -> Device:
    """The device, if it may send at all. Ask only about one that has proved who it is.

    Raises:
        RefusedError: DEVICE_UNKNOWN, DEVICE_REVOKED or CREDENTIAL_REFUSED.
    """
    device = directory.device(did)
    if device is None:
        raise RefusedError(
            Refusal.DEVICE_UNKNOWN,
            "this device is not registered: ask its owner to add it",
            device=did,
        )
    if device.status is not DeviceStatus.ACTIVE:
        raise RefusedError(
            Refusal.DEVICE_REVOKED,
            "this device was revoked by its owner or the operator",
            device=did,
            owner=device.owner,
        )
    if device.credential is not None and (hold := directory.hold(did)) is not None:
        raise RefusedError(
            Refusal.CREDENTIAL_REFUSED,
            f"the credential by which this device is its owner's does not hold: {hold.fault}",
            device=did,
            owner=device.owner,
        )
    return device


def admit_publisher(directory: Directory, token_sha256: str) -> Publisher:
    """The publisher that has a token, if it may send at all.

    Raises:
        RefusedError: TOKEN_FORGED or DEVICE_REVOKED.
    """
    publisher = directory.publisher_of(token_sha256)
    if publisher is None:
        raise RefusedError(Refusal.TOKEN_FORGED, "this node did not issue it")
    if publisher.status is not DeviceStatus.ACTIVE:
        raise RefusedError(
            Refusal.DEVICE_REVOKED,
            "this token was revoked by the operator",
            device=publisher.key,
            owner=publisher.owner,
            dapp=publisher.dapp,
        )
    return publisher


def admit_named_device(directory: Directory, publisher: Publisher, name: str) -> None:
    """Whether a publisher may send as the device ``name``.

    Raises:
        RefusedError: NOT_GRANTED, DEVICE_UNKNOWN, DEVICE_REVOKED, or MALFORMED_REQUEST.
    """
    if name == publisher.key:
        return
    if not publisher.is_gateway:
        raise RefusedError(
            Refusal.NOT_GRANTED, "this token is one device's: for others use a gateway's token"
        )
    grant = directory.grants(publisher.owner).get(publisher.dapp)
    if grant is not None and not grant.covers(name):
        raise RefusedError(Refusal.NOT_GRANTED, "the owner has not granted this device's data")
    if name.startswith("did:"):
        if admit_device(directory, name).owner != publisher.owner:
            raise RefusedError(Refusal.NOT_GRANTED, "the device belongs to another owner")
        return
    try:
        check_device_name(name)
    except EntryError as error:
        raise RefusedError(Refusal.MALFORMED_REQUEST, f"{error}") from None
    known = directory.publisher(publisher.dapp, name)
    if known is not None and known.status is not DeviceStatus.ACTIVE:
        raise RefusedError(Refusal.DEVICE_REVOKED, "this device was revoked by the operator")


def admit_to_dapp(directory: Directory, device: Device | Publisher, dapp: str, now_ms: int) -> None:
    """Whether the device's messages may go to one Dapp.

    Raises:
        RefusedError: UNKNOWN_DAPP or NOT_GRANTED.
    """
    if directory.dapp(dapp) is None:
        raise RefusedError(
            Refusal.UNKNOWN_DAPP, "this node serves no such Dapp: GET /v1/dapps lists those it does"
        )
    if isinstance(device, Publisher) and device.is_reader:
        raise RefusedError(Refusal.NOT_GRANTED, "this token is for asking queries only")
    if isinstance(device, Publisher) and device.dapp != dapp:
        raise RefusedError(Refusal.NOT_GRANTED, "the token is for another Dapp")
    grant = directory.grants(device.owner).get(dapp)
    if grant is None or not (grant.holds_at(now_ms) and _covers_sender(grant, device)):
        raise RefusedError(
            Refusal.NOT_GRANTED, "the device's owner has not granted this Dapp its devices' data"
        )


def _covers_sender(grant: Grant, sender: Device | Publisher) -> bool:
    """Whether it may send at all: which devices a gateway may name is looked at for each."""
    if isinstance(sender, Publisher):
        return sender.is_gateway or grant.covers(sender.key)
    return grant.covers(sender.did)


def granted_dapps(directory: Directory, device: Device, now_ms: int) -> list[str]:
    """Every Dapp that the device's owner has granted and that the node serves, by name.

    Raises:
        RefusedError: NOT_GRANTED, if there is none.
    """
    dapps = sorted(
        name
        for name, grant in directory.grants(device.owner).items()
        if grant.holds_at(now_ms) and grant.covers(device.did) and directory.dapp(name) is not None
    )
    if not dapps:
        raise RefusedError(Refusal.NOT_GRANTED, "the device's owner has not granted any Dapp here")
    return dapps


def granted_types(
    directory: Directory, owner: str, dapps: Sequence[str], values: Iterable[Sequence[bytes]]
) -> Sequence[str]:
    """Those of the Dapps that have been granted an owner's messages by their event types.

    A Dapp that was granted none of the types is left out where others take them.

    Args:
        directory: knows.
        owner: of the messages' devices.
        dapps: to which they may go otherwise.
        values: the messages' records, as `streams.records` has them.

    Raises:
        RefusedError: NOT_GRANTED, no Dapp may have them, or one may have some of them only.
    """
    grants = directory.grants(owner)
    scopes = {
        dapp: grant.event_types
        for dapp in dapps
        if (grant := grants.get(dapp)) is not None and grant.event_types is not None
    }
    if not scopes:
        return dapps
    types = {event_type_of(value) for some in values for value in some}
    left = [dapp for dapp in dapps if dapp not in scopes or types & scopes[dapp]]
    others = {one for dapp in left if dapp in scopes for one in types - scopes[dapp]}
    if left and not others:
        return left
    asked = " or ".join(scopes)
    named = ", ".join(sorted(others or types)[:_SHOWN_TYPES_MAX])
    raise RefusedError(
        Refusal.NOT_GRANTED,
        f"the device's owner has not granted {asked} events of the type {named}",
        dapp=next(iter(scopes)),
    )
