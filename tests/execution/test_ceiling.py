"""A state at its ceiling: told before, kept at it, and the events that fit go on."""

import pytest

from streams import limits
from streams.execution.instance import Instance
from streams.execution.program import Ceilings
from streams.records import DeadReason
from tests.execution.feeding import numbered, state
from tests.execution.guests import program

# Sets the key that the payload is to 1,000 bytes.
WRITER = """
 (func (export "start") (param $rid i32) (result i32)
   (call $read (local.get $rid))
   (drop (call $set_db (call $in) (call $len) (i32.const 2048) (i32.const 1000)))
   (i32.const 0))
"""


def test_the_share_of_the_ceiling_is_told_and_past_it_events_fail_alone() -> None:
    instance = Instance(program(WRITER, ceilings=Ceilings(state_bytes=10_040)), "d", 0)
    some = instance.run(numbered([b"%d" % i for i in range(8)]))
    assert 0.79 < some.state_share < limits.STATE_SHARE_WARNED
    more = instance.run(numbered([b"%d" % i for i in range(8, 12)] + [b""], 8))
    assert more.dead == {DeadReason.STATE_LIMIT: 3}
    assert more.processed == 2
    assert limits.STATE_SHARE_WARNED < more.state_share <= 1
    assert list(state(more)) == [b"8", b"9"]


def test_keys_are_counted_whatever_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STATE_KEYS_MAX", 3)
    instance = Instance(program(WRITER), "d", 0)
    outcome = instance.run(numbered([b"a", b"b", b"a", b"c", b"d", b"a", b"e"]))
    assert outcome.dead == {DeadReason.STATE_LIMIT: 2}
    assert (outcome.state_keys, outcome.state_share) == (3, 1)
    (first, _) = [one["value"] for one in outcome.records["dead"]]
    assert b"as many keys as a partition may have" in first
