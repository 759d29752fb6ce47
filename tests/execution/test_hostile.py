"""Programs that mean harm: whatever one does to itself, the host and its neighbours stay whole."""

from streams.execution.instance import Instance
from streams.execution.program import Ceilings
from streams.records import DeadReason
from tests.execution.feeding import numbered, state
from tests.execution.guests import program

SMALL = Ceilings(fuel=3_000_000, output_bytes=100_000, state_bytes=10 << 20)


def driver_bytes(instance: Instance) -> int:
    """The host's own memory, keyed state included."""
    return int(instance._memory.data_len(instance._linked.store))


def test_keys_of_events_that_fail_do_not_stay_in_memory() -> None:
    writing = program(
        """
        (func (export "start") (param $rid i32) (result i32) (local $n i32)
          (call $read (local.get $rid))
          (memory.copy (i32.const 8192) (call $in) (call $len))
          (loop $more
            (i32.store (i32.const 8200) (local.get $n))
            (drop (call $set_db (i32.const 8192) (i32.const 1000) (i32.const 0) (i32.const 0)))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $n) (i32.const 1000))))
          (unreachable))
        """,
        ceilings=SMALL,
    )
    instance = Instance(writing, "d", 0)
    sizes = []
    for first in range(0, 200, 50):
        outcome = instance.run(numbered([b"%08d" % i for i in range(first, first + 50)], first))
        instance.commit()
        assert outcome.dead == {DeadReason.TRAP: 50}
        assert state(outcome) == {}
        sizes.append(driver_bytes(instance))
    assert sizes[-1] == sizes[0]
    assert instance.state_keys == 0
