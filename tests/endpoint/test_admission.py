"""Who may send to whom."""

from collections.abc import Mapping, Sequence

import pytest

from streams.endpoint.admission import (
    Refusal,
    RefusedError,
    admit_device,
    admit_named_device,
    admit_to_dapp,
    granted_dapps,
    granted_types,
)
from streams.records import Message
from streams.registry.entries import Dapp, Device, DeviceStatus, Grant, Hold, Publisher
from streams.registry.manifest import parse_manifest
from streams.wallet.credentials.evidence import Evidence

NOW_MS = 1_700_000_000_000


class Book:
    """A directory out of entries."""

    def __init__(self, *entries: Dapp | Device | Grant | Publisher) -> None:
        self._dapps = {entry.name: entry for entry in entries if isinstance(entry, Dapp)}
        self._devices = {entry.did: entry for entry in entries if isinstance(entry, Device)}
        self._publishers = [entry for entry in entries if isinstance(entry, Publisher)]
        self._grants = [entry for entry in entries if isinstance(entry, Grant)]

    def dapp(self, name: str) -> Dapp | None:
        return self._dapps.get(name)

    def device(self, did: str) -> Device | None:
        return self._devices.get(did)

    def hold(self, did: str) -> Hold | None:
        return HOLD if did == HOLD.device else None

    def grants(self, owner: str) -> Mapping[str, Grant]:
        return {grant.dapp: grant for grant in self._grants if grant.owner == owner}

    def publisher(self, dapp: str, key: str) -> Publisher | None:
        return next((one for one in self._publishers if (one.dapp, one.key) == (dapp, key)), None)

    def publisher_of(self, token_sha256: str) -> Publisher | None:
        return next((one for one in self._publishers if one.token_sha256 == token_sha256), None)


def _dapp(name: str) -> Dapp:
    manifest = parse_manifest({"dapp": {"name": name}, "program": {"file": "a.wasm"}}, name)
    return Dapp(manifest, "0" * 64)


CAR = Device("did:key:zCar", "ann")
HOLD = Hold("did:key:zHeld", "expired", "ab" * 32, NOW_MS)
BOOK = Book(
    CAR,
    Device("did:key:zOld", "ann", DeviceStatus.REVOKED),
    Device("did:key:zLone", "bob"),
    Device("did:key:zHeld", "bob", credential=Evidence("ab" * 32, ("did:web:a#k",))),
    _dapp("driving"),
    _dapp("weather"),
    _dapp("secret"),
    Grant("ann", "driving", NOW_MS - 1000),
    Grant("ann", "weather", NOW_MS - 1000, NOW_MS),
    Grant("ann", "gone", NOW_MS - 1000),
    Grant("cyd", "secret", 0),
)


def _refusal(error: pytest.ExceptionInfo[RefusedError]) -> Refusal:
    return error.value.refusal


def test_a_device_is_admitted_unless_unknown_or_revoked() -> None:
    assert admit_device(BOOK, "did:key:zCar") is CAR
    with pytest.raises(RefusedError) as error:
        admit_device(BOOK, "did:key:zNone")
    assert _refusal(error) is Refusal.DEVICE_UNKNOWN
    with pytest.raises(RefusedError) as error:
        admit_device(BOOK, "did:key:zOld")
    assert _refusal(error) is Refusal.DEVICE_REVOKED
    with pytest.raises(RefusedError, match="does not hold: expired") as error:
        admit_device(BOOK, "did:key:zHeld")
    assert _refusal(error) is Refusal.CREDENTIAL_REFUSED


@pytest.mark.parametrize(
    ("dapp", "refusal"),
    [
        ("nowhere", Refusal.UNKNOWN_DAPP),
        ("gone", Refusal.UNKNOWN_DAPP),
        ("secret", Refusal.NOT_GRANTED),
        ("weather", Refusal.NOT_GRANTED),
    ],
)
def test_a_dapp_must_be_served_and_granted_now(dapp: str, refusal: Refusal) -> None:
    admit_to_dapp(BOOK, CAR, "driving", NOW_MS)
    with pytest.raises(RefusedError) as error:
        admit_to_dapp(BOOK, CAR, dapp, NOW_MS)
    assert _refusal(error) is refusal


def test_a_grant_holds_from_its_start_until_its_end() -> None:
    assert granted_dapps(BOOK, CAR, NOW_MS - 1) == ["driving", "weather"]
    assert granted_dapps(BOOK, CAR, NOW_MS) == ["driving"]
    with pytest.raises(RefusedError) as error:
        granted_dapps(BOOK, CAR, NOW_MS - 1001)
    assert _refusal(error) is Refusal.NOT_GRANTED


def test_a_grant_of_some_devices_is_of_no_others() -> None:
    def publisher(key: str, is_gateway: bool = False) -> Publisher:
        return Publisher("driving", key, "eve", "ab" * 32, is_gateway)

    one = Device("did:key:zOne", "eve")
    other, gateway = Device("did:key:zOther", "eve"), publisher("gate", True)
    scope = frozenset({one.did, "imei-1"})
    grant = Grant("eve", "driving", NOW_MS, devices=scope)
    book = Book(one, other, _dapp("driving"), grant)
    assert granted_dapps(book, one, NOW_MS) == ["driving"]
    for sender in (one, publisher("imei-1"), gateway):
        admit_to_dapp(book, sender, "driving", NOW_MS)
    for name in (one.did, "imei-1"):
        admit_named_device(book, gateway, name)
    for refused in (
        lambda: granted_dapps(book, other, NOW_MS),
        lambda: admit_to_dapp(book, other, "driving", NOW_MS),
        lambda: admit_to_dapp(book, publisher("imei-2"), "driving", NOW_MS),
        lambda: admit_named_device(book, gateway, other.did),
        lambda: admit_named_device(book, gateway, "imei-2"),
    ):
        with pytest.raises(RefusedError) as error:
            refused()
        assert _refusal(error) is Refusal.NOT_GRANTED


def test_an_owner_without_grants_reaches_nobody() -> None:
    with pytest.raises(RefusedError) as error:
        granted_dapps(BOOK, Device("did:key:zLone", "bob"), NOW_MS)
    assert _refusal(error) is Refusal.NOT_GRANTED


def test_event_types_that_a_dapp_was_not_granted() -> None:
    book = Book(
        Grant("eve", "driving", NOW_MS, event_types=frozenset({"TRIP", "FUEL"})),
        Grant("eve", "weather", NOW_MS, event_types=frozenset({"RAIN"})),
        Grant("eve", "all", NOW_MS),
    )

    def granted(dapps: list[str], *types: str) -> Sequence[str]:
        values = [[Message("d", b"", bytes(16), 1, type_).encode()] for type_ in types]
        return granted_types(book, "eve", dapps, values)

    assert granted(["driving"], "TRIP", "FUEL", "TRIP") == ["driving"]
    assert granted(["all", "driving", "weather"], "TRIP") == ["all", "driving"]
    assert granted(["all"], "any", "thing") == ["all"]
    for dapps, types in (
        (["driving"], ["RAIN"]),
        (["driving", "weather"], ["SNOW"]),
        (["all", "driving"], ["TRIP", "RAIN"]),  # which would have some of them only
    ):
        with pytest.raises(RefusedError) as error:
            granted(dapps, *types)
        assert _refusal(error) is Refusal.NOT_GRANTED
