"""A new deployment takes over at a barrier: there, nowhere else, and with the state that was."""

import pytest

from streams.execution.instance import NO_DEPLOYMENT, Instance
from streams.execution.program import Program
from streams.records import barrier, decode_summary
from tests.execution.feeding import as_changelog, message, numbered, outputs, packed
from tests.execution.guests import program

# Always the same result, and the same value under one key.
ECHO = """
 (func (export "start") (param $rid i32) (result i32)
   (drop (call $set_db (i32.const 64) (i32.const 9) (i32.const 2048) (i32.const 8)))
   (drop (call $result (i32.const 256) (i32.const 9)))
   (i32.const 0))
 (data (i32.const 256) "{\\"v\\": 1 }") (data (i32.const 2048) "by first")
"""
# What the one before left under the key, and an env of its own.
LATER = """
 (func (export "begin") (param $rid i32) (result i32)
   (drop (call $get_db (i32.const 64) (i32.const 9) (i32.const 16) (i32.const 20)))
   (drop (call $get_env (i32.const 300) (i32.const 4) (i32.const 24) (i32.const 28)))
   (memory.copy (i32.const 520) (i32.load (i32.const 16)) (i32.load (i32.const 20)))
   (memory.copy (i32.const 536) (i32.load (i32.const 24)) (i32.load (i32.const 28)))
   (drop (call $result (i32.const 512) (i32.const 31)))
   (i32.const 0))
 (data (i32.const 512) "{\\"was\\":\\"        \\",\\"is\\":\\"     \\"}")
 (data (i32.const 300) "NAME")
"""
FIRST, SECOND = bytes([1]) * 32, bytes([2]) * 32


@pytest.fixture(scope="module")
def known() -> dict[bytes, Program]:
    later = program(LATER, env={"NAME": "later"}, routes={"DEFAULT": "begin"})
    echo = program(ECHO)
    return {NO_DEPLOYMENT: echo, FIRST: echo, SECOND: later}


def bodies(*outcomes) -> list[bytes]:
    return [one.b for outcome in outcomes for one in outputs(outcome, "results")]


def test_the_program_changes_at_the_barrier_that_names_another_deployment(known):
    instance = Instance(known.__getitem__, "d", 0)
    log = [
        message(b"", 0), barrier(1, 5), message(b"", 2), barrier(2, 6, FIRST), message(b"", 4),
        barrier(3, 7, SECOND), message(b"", 6), barrier(4, 8), message(b"", 8),
    ]  # fmt: skip
    outcome = instance.run(packed(log))
    by_program = [one.program for one in outputs(outcome, "results")]
    first, second = (known[one].digest[:8] for one in (FIRST, SECOND))
    assert by_program == [first] * 3 + [second] * 2
    assert bodies(outcome)[2:] == [b'{"v": 1 }'] + [b'{"was":"by first","is":"later"}'] * 2
    summaries = [decode_summary(one).program for one in outputs(outcome, "claims")]
    assert summaries == [known[FIRST].digest] * 3 + [known[SECOND].digest]


def test_it_does_not_matter_where_batches_were_cut_or_a_restart_was(known):
    log = [message(b"", 0), barrier(1, 5, FIRST), message(b"", 2), barrier(2, 6, SECOND)]
    log += [message(b"", 4), barrier(3, 7, FIRST), message(b"", 6)]
    whole = Instance(known.__getitem__, "d", 0).run(packed(log))
    instance, parts = Instance(known.__getitem__, "d", 0), []
    for at, one in enumerate(log):
        parts.append(instance.run(packed([one], at)))
        instance = Instance(known.__getitem__, "d", 0)
        instance.restore(as_changelog(*parts))
    assert bodies(*parts) == bodies(whole)
    assert as_changelog(parts[-1])[-200:] == as_changelog(whole)[-200:]


def test_a_takeover_is_taken_back_with_its_batch(known):
    instance = Instance(known.__getitem__, "d", 0)
    instance.run(numbered([b"a"]))
    instance.commit()
    over = instance.run(packed([barrier(1, 5, SECOND), message(b"", 2)], 1))
    assert instance.rollback()
    other = instance.run(packed([message(b"", 1)], 1))
    assert [one.program for one in outputs(other, "results")] == [known[FIRST].digest[:8]]
    assert instance.rollback()
    again = instance.run(packed([barrier(1, 5, SECOND), message(b"", 2)], 1))
    assert again.records == over.records


def test_a_program_that_cannot_be_had_stops_at_the_barrier_and_may_come_later(known):
    lacking = {NO_DEPLOYMENT: known[FIRST]}
    instance = Instance(lacking.__getitem__, "d", 0)
    before = instance.run(numbered([b"a"]))
    with pytest.raises(KeyError):
        instance.run(packed([message(b"", 1), barrier(1, 5, SECOND), message(b"", 3)], 1))
    lacking |= known
    restored = Instance(lacking.__getitem__, "d", 0)
    restored.restore(as_changelog(before))
    outcome = restored.run(packed([message(b"", 1), barrier(1, 5, SECOND), message(b"", 3)], 1))
    assert len(bodies(outcome)) == 2
