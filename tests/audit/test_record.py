"""An audit record and its bytes."""

import json
from typing import Any

import pytest

from streams.audit.record import NODE, AuditError, Author, Record, at_command, decode, operator

RECORD = Record(
    at_ms=7,
    author=Author("did:pkh:eip155:1:0xAb", "http"),
    action="change",
    kind="grant",
    name="ann/driving",
    owner="ann",
    dapp="driving",
    before={"until_ms": None},
    after={"until_ms": 9},
)
REFUSALS = Record(
    at_ms=0, author=Author("", "mqtt"), action="refuse", kind="device", name="",
    reason="not_granted", times=40,
)  # fmt: skip


@pytest.mark.parametrize("record", [RECORD, REFUSALS])
def test_a_record_comes_back_from_its_value(record: Record) -> None:
    assert decode(record.encode()) == record


def test_its_key_says_of_what_it_is() -> None:
    assert RECORD.key() == b"grant:ann/driving"


def _changed(**change: Any) -> bytes:
    return json.dumps({**json.loads(RECORD.encode()), **change}).encode()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b"7",
        b"{}",
        _changed(who=7),
        _changed(name=None),
        _changed(at_ms="now"),
        _changed(at_ms=-1),
        _changed(times=2**63),
        _changed(before=[]),
        _changed(colour="red"),
    ],
)
def test_what_is_none(value: bytes) -> None:
    with pytest.raises(AuditError, match="not an audit record"):
        decode(value)


def test_authors_say_what_they_are() -> None:
    assert operator("ann", "grpc") == Author("operator:ann", "grpc")
    assert at_command().who.startswith("operator:")
    assert at_command().door == "command"
    assert NODE.who == "node"


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert at_command().who.removeprefix("operator:").isdecimal()
