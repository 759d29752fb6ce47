"""Refusals on their way into the audit log."""

from streams.audit.refusals import Tally


def test_those_of_one_kind_are_one_record() -> None:
    tally = Tally()
    for now_ms in range(7, 1_007):
        tally.count("http", "device_revoked", now_ms, device="did:key:z1")
    tally.count("http", "device_revoked", 9, device="did:key:z2", owner="ann")
    tally.count("mqtt", "not_granted", 9, device="did:key:z1", dapp="driving", times=4)
    records = tally.take()
    assert [(one.author.door, one.reason, one.device, one.times) for one in records] == [
        ("http", "device_revoked", "did:key:z1", 1_000),
        ("http", "device_revoked", "did:key:z2", 1),
        ("mqtt", "not_granted", "did:key:z1", 4),
    ]
    assert [one.at_ms for one in records] == [7, 9, 9]
    assert {(one.action, one.kind) for one in records} == {("refuse", "request")}
    assert (records[1].owner, records[2].dapp) == ("ann", "driving")
    assert tally.take() == []


def test_a_flood_of_names_is_bounded_and_counted_whole() -> None:
    tally = Tally(most=10)
    for number in range(100_000):
        tally.count("http", ("a", "b")[number % 2], 1, device=f"did:key:z{number}")
    records = tally.take()
    assert len(records) == 12
    assert sum(one.times for one in records) == 100_000
    assert {one.reason for one in records if not one.device} == {"a", "b"}
