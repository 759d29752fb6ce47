"""Whose turn it is: slow events run on threads that yield, until they are slow no more."""

import os
import threading

import pytest

from streams.execution.instance import Instance, Outcome
from streams.execution.program import Ceilings
from streams.execution.turns import Turns
from tests.execution.feeding import numbered
from tests.execution.guests import ACTOR, program


@pytest.mark.slow
def test_slow_events_yield_until_they_are_slow_no_more() -> None:
    actor = program(ACTOR, ceilings=Ceilings(fuel=50_000_000))
    instances = [Instance(actor, "d", partition) for partition in range(2)]
    shares: list[int] = []
    first = 0

    def turn(*payloads: bytes) -> list[Outcome]:
        nonlocal first
        batch, first = numbered(payloads, first), first + len(payloads)

        def run(instance: Instance) -> Outcome:
            shares.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            outcome = instance.run(batch)
            instance.commit()
            return outcome

        return turns.run(run, instances)

    turns = Turns("d")
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        (one, _) = turn(b"ok", b"loop")
        assert 50_000_000 <= one.fuel < 51_000_000
        assert turns.is_slow
        turn(b"loop", b"ok")
        turn(*[b"ok"] * 20)
        assert not turns.is_slow
        turn(b"ok", b"loop", *[b"ok"] * 20)  # one slow event among many is nothing to yield for
        turn(b"ok")
    finally:
        turns.stop()
    assert shares == [usual] * 2 + [19] * 4 + [usual] * 4
