"""Devices from a CSV file: every line taken, passed over or refused by its number."""

import io
from collections.abc import Mapping, Sequence

import pytest

from streams.registry.entries import Device, DeviceStatus, Entry, Grant, Owner
from streams.registry.importing import ImportFileError, Tally, import_devices, read_devices
from streams.wallet.did import KeyKind
from streams.wallet.keys import from_secret

DIDS = [from_secret(KeyKind.ED25519, number.to_bytes(32)).did for number in range(10)]


class Written:
    """What was put is known at once, as it is to a view that has followed."""

    def __init__(self, *entries: Entry) -> None:
        self.entries: list[Entry] = list(entries)
        self.puts = 0

    def put(self, entries: Sequence[Entry]) -> None:
        self.entries += entries
        self.puts += 1

    def device(self, did: str) -> Device | None:
        return next((e for e in self.entries if isinstance(e, Device) and e.did == did), None)

    def owner(self, name: str) -> Owner | None:
        return next((e for e in self.entries if isinstance(e, Owner) and e.name == name), None)

    def grants(self, owner: str) -> Mapping[str, Grant]:
        grants = [e for e in self.entries if isinstance(e, Grant)]
        return {grant.dapp: grant for grant in grants if grant.owner == owner}


def imported(text: str, written: Written, owner: str | None = None, *dapps: str) -> Tally:
    lines = read_devices(io.StringIO(text, newline=""), owner)
    *_, tally = import_devices(lines, written, dapps, written.put, 7)
    return tally


def test_lines_become_devices_with_their_owners_and_grants() -> None:
    written = Written(Owner("bob", 1))
    text = f"Owner , did\r\nann,{DIDS[0]}\r\n bob,{DIDS[1]}\r\n\r\nann,{DIDS[2]}"
    tally = imported(text, written, None, "driving")
    assert (tally.added, tally.known, tally.refused, written.puts) == (3, 0, [], 1)
    assert written.entries[1:] == [
        Owner("ann", 7), Grant("ann", "driving", 7), Grant("bob", "driving", 7),
        Device(DIDS[0], "ann"), Device(DIDS[1], "bob"), Device(DIDS[2], "ann"),
    ]  # fmt: skip
    again = imported(text, written, None, "driving")
    assert (again.added, again.known, written.puts) == (0, 3, 1)


def test_what_cannot_be_taken_is_told_by_its_line_and_holds_up_no_other() -> None:
    written = Written(Device(DIDS[0], "bob"), Device(DIDS[1], "ann", DeviceStatus.REVOKED))
    rows = [
        ("did:key:z6Mk", "ann"), ("", "ann"), (DIDS[2], "a b"), (DIDS[0], "ann"), (DIDS[1], "ann"),
        (DIDS[3], "ann"), (DIDS[3], "ann"), (DIDS[3], "bob"), (DIDS[4],), (DIDS[4], "ann", "x"),
        ('"' + DIDS[4] + '"x', "ann"), (DIDS[4] + "\udcff", "ann"), (DIDS[5], "ann"),
    ]  # fmt: skip
    tally = imported("did,owner\n" + "\n".join(map(",".join, rows)), written)
    assert (tally.added, tally.known) == (2, 1)
    assert [line.number for line in tally.refused] == [2, 3, 4, 5, 6, 9, 10, 11, 12, 13]
    told = " | ".join(line.refused or "" for line in tally.refused)
    for word in ("not a did:key", "'a b'", "belongs to 'bob'", "was revoked", "by another line",
                 "1 fields", "3 fields", "expected after"):  # fmt: skip
        assert word in told
    assert written.device(DIDS[5]) == Device(DIDS[5], "ann")


@pytest.mark.parametrize("text", ["", "did\n", "did,owner,colour\n", "did,did\n", "did;owner\n"])
def test_the_first_line_names_the_columns(text: str) -> None:
    with pytest.raises(ImportFileError, match="did,owner"):
        imported(text, Written())
    with pytest.raises(ImportFileError, match="has to be did,"):
        imported("did,owner\n", Written(), "ann")
    assert imported(f"did\n{DIDS[0]}", Written(), "ann").added == 1


def test_chunks_are_put_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.registry.importing._CHUNK_DEVICES", 4)
    written = Written()
    lines = read_devices(io.StringIO("did\n" + "\n".join(DIDS)), "ann")
    steps = import_devices(lines, written, (), written.put, 7)
    assert [step.added for step in steps] == [4, 8, 10]
    assert written.puts == 3
