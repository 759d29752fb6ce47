"""What the audit log is told of a change."""

from dataclasses import replace
from typing import Any

import pytest

from streams.audit.record import Author, Record
from streams.registry.changes import changed, removed
from streams.registry.deployments import Deployed
from streams.registry.entries import (
    Dapp,
    Device,
    DeviceStatus,
    Entry,
    Grant,
    Hold,
    Kind,
    Publisher,
    kind_of,
)
from streams.registry.manifest import parse_manifest
from tests.registry.test_entries import ENTRIES

ANN = Author("ann", "http")
MANIFEST = parse_manifest({"dapp": {"name": "driving"}, "program": {"file": "a.wasm"}}, "here")
DAPP = Dapp(MANIFEST, "ab" * 32, (Deployed("cd" * 32, "ab" * 32, "1", 5),))
DEVICE = Device("did:key:z1", "ann")
PUBLISHER = Publisher("driving", "imei-1", "ann", "0123456789abcdef" * 4)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: type(entry).__name__)
def test_an_entry_is_added_whole_and_removed_whole(entry: Entry) -> None:
    added = changed(entry, None, ANN, 7)
    gone = removed(kind_of(entry), entry.name, entry, ANN, 8)
    assert (added.action, added.before, gone.action, gone.after) == ("add", None, "remove", None)
    assert added.after == gone.before
    assert (added.kind, added.name, added.at_ms, added.author) == (
        kind_of(entry), entry.name, 7, ANN,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "was", "is_"),
    [
        (DEVICE, replace(DEVICE, status=DeviceStatus.REVOKED),
         {"status": "active"}, {"status": "revoked"}),
        (Grant("ann", "driving", 7), Grant("ann", "driving", 7, 9, frozenset({"b", "a"})),
         {"until_ms": None, "devices": None}, {"until_ms": 9, "devices": ["a", "b"]}),
        (DAPP, replace(DAPP, keys=("default",)), {"keys": []}, {"keys": ["default"]}),
        (replace(DAPP, retention={"messages": 7, "results": 8}),
         replace(DAPP, retention={"messages": 9, "results": 8}),
         {"retention": {"messages": 7}}, {"retention": {"messages": 9}}),
        (DAPP, DAPP, {}, {}),
    ],
)  # fmt: skip
def test_of_a_change_only_what_differs_is_said(
    before: Entry, after: Entry, was: dict[str, Any], is_: dict[str, Any]
) -> None:
    said = changed(after, before, ANN, 7)
    assert (said.action, said.before, said.after) == ("change", was, is_)


def test_another_token_is_said_and_not_told() -> None:
    said = changed(replace(PUBLISHER, token_sha256="f" * 64), PUBLISHER, ANN, 7)
    assert (said.before, said.after) == ({"token": "0123456789ab"}, {"token": "f" * 12})


def test_it_is_found_by_whom_it_concerns() -> None:
    def concerned(record: Record) -> tuple[str, str, str]:
        return record.owner, record.device, record.dapp

    assert concerned(changed(DEVICE, None, ANN, 7)) == ("ann", "did:key:z1", "")
    assert concerned(changed(PUBLISHER, None, ANN, 7)) == ("ann", "imei-1", "driving")
    assert concerned(changed(Grant("ann", "driving", 7), None, ANN, 7)) == ("ann", "", "driving")
    assert concerned(changed(DAPP, None, ANN, 7)) == ("", "", "driving")
    hold = Hold("did:key:z1", "expired", "ab" * 32, 7)
    assert concerned(changed(hold, None, ANN, 7)) == ("", "did:key:z1", "")
    assert concerned(removed(Kind.DEVICE, "did:key:z1", None, ANN, 7)) == ("", "", "")
