"""Entries of the registry and their records."""

import pytest

from streams.registry.checks import check
from streams.registry.deployments import Deployed
from streams.registry.entries import (
    Dapp,
    DappStatus,
    Device,
    DeviceStatus,
    Entry,
    EntryError,
    Erasure,
    Grant,
    Hold,
    Kind,
    Owner,
    Publisher,
    decode,
    encode_key,
    encode_value,
    kind_of,
)
from streams.registry.manifest import parse_manifest
from streams.wallet.credentials.evidence import Evidence
from streams.wallet.did import KeyKind
from streams.wallet.keys import generate

DID = generate(KeyKind.ED25519).did
UUID = "0b8d9a1e-5f55-4c1c-8a5e-0123456789ab"
MANIFEST = parse_manifest({"dapp": {"name": "driving"}, "program": {"file": "a.wasm"}}, "here")
ENTRIES: list[Entry] = [
    Dapp(MANIFEST, "ab" * 32),
    Dapp(MANIFEST, "ab" * 32, (Deployed("cd" * 32, "ab" * 32, "1", 5),), DappStatus.PAUSED),
    Dapp(MANIFEST, "ab" * 32, keys=("default", "buyer")),
    Owner("ann@example.org", 7),
    Device(DID, "ann"),
    Device(DID, "ann", DeviceStatus.REVOKED),
    Device(DID, "did:web:a%3A1", credential=Evidence("ab" * 32, ("did:web:a%3A1#k",), 7)),
    Device(DID, "ann", credential=Evidence("ab" * 32, ("a#b",), None, (("a", "b", "3", "d"),))),
    Hold(DID, "expired", "ab" * 32, 7),
    Grant("0xAbC:1", "driving", 7),
    Grant("ann", "driving", 7, 8),
    Grant("ann", "driving", 7, None, frozenset({DID, "imei-1"})),
    Grant("ann", "driving", 7, None, None, frozenset({"TRIP"})),
    Publisher("driving", "aa:bb/7", "ann", "ab" * 32),
    Publisher("driving", "gate", "ann", "ab" * 32, True, DeviceStatus.REVOKED),
    Erasure(UUID, "ann", (DID,), 7),
    Erasure(UUID, "ann", (DID,), 7, 8, {"driving": 2}, {"done_ms": 9}),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: type(entry).__name__)
def test_an_entry_comes_back_from_its_record(entry: Entry) -> None:
    check(entry)
    key = encode_key(kind_of(entry), entry.name)
    assert decode(key, encode_value(entry)) == (kind_of(entry), entry.name, entry)
    assert decode(key, None) == (kind_of(entry), entry.name, None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, b"{}"),
        (b"", b"{}"),
        (b"\xff:a", b"{}"),
        (b"nothing:a", b"{}"),
        (b"device:a", b""),
        (b"device:a", b"[]"),
        (b"device:a", b"{}"),
        (b"device:a", b'{"owner": 7, "status": "active"}'),
        (b"device:a", b'{"owner": "ann", "status": "lost"}'),
        (b"owner:a", b'{"since_ms": null}'),
        (b"grant:ann", b'{"since_ms": 1, "until_ms": null}'),
        (b"dapp:other", encode_value(ENTRIES[0])),
        (b"dapp:a", b'{"manifest": {}, "program_sha256": ""}'),
    ],
)
def test_what_is_no_record_of_an_entry(key: bytes | None, value: bytes) -> None:
    with pytest.raises(EntryError, match="registry record"):
        decode(key, value)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (Dapp(MANIFEST, "AB" * 32), "program_sha256"),
        (Dapp(MANIFEST, "ab" * 32, keys=("../authority",)), "key '../authority'"),
        (Owner("", 0), "owner ''"),
        (Publisher("driving", "did:key:z1", "ann", "ab" * 32), "begins with none of"),
        (Publisher("driving", "", "ann", "ab" * 32), "1 to 256 bytes"),
        (Publisher("driving", "a", "ann", "x"), "no hash"),
        (Owner("a/b", 0), "owner 'a/b'"),
        (Device("did:key:z6Mk", "ann"), "device 'did:key:z6Mk'"),
        (Device(DID, "a b"), "owner 'a b'"),
        (Erasure("an erasure", "ann", (DID,), 0), "is a UUID"),
        (Erasure(UUID, "ann", (), 0), "1 to 1000 devices"),
        (Erasure(UUID, "ann", ("imei-1",), 0), "device 'imei-1'"),
        (Grant("ann", "Driving", 0), "Dapp 'Driving'"),
        (Grant("ann", "driving", 5, 5), "ends before it begins"),
        (Grant("ann", "driving", 5, event_types=frozenset()), "names 1 to 64 event types"),
        (Grant("ann", "driving", 5, event_types=frozenset({"x" * 65})), "has 1 to 64 bytes"),
    ],
)
def test_what_must_not_be_written(entry: Entry, said: str) -> None:
    with pytest.raises(EntryError, match=said):
        check(entry)


def test_kinds_are_all_of_the_entries() -> None:
    assert {kind_of(entry) for entry in ENTRIES} == set(Kind)
