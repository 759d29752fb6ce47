"""Whose turn it is on the cores: a Dapp whose events are slow takes what the others leave.

Fuel bounds an event, so a program that loops for ever on each costs its node some tenth of a
second a message, message after message: a core of its own, and of two cores the half that
another Dapp's reader, program and broker would have used. Limits do not help there: such an
event is allowed, only dear. So the threads that run slow events ask the kernel for the least
share (`nice 19`: 15 parts against 1,024 of each ordinary thread). On an idle machine they run as
fast as any.

A thread's nice value can only be raised without privileges, so there are two pools: ordinary
threads, and patient ones for the Dapp whose last turn was slow.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from streams import limits
from streams.execution.instance import Outcome

_LEAST_SHARE: Final = 19  # of the nice values

Piece = TypeVar("Piece")


class Turns:
    """The threads that one Dapp's events run on. `run` is called by one thread at a time."""

    def __init__(self, dapp: str) -> None:
        self._ordinary = ThreadPoolExecutor(thread_name_prefix=f"run {dapp}")
        self._patient = ThreadPoolExecutor(
            thread_name_prefix=f"patient {dapp}", initializer=_be_patient
        )
        self.is_slow = False  # the Dapp's latest turn was

    def run(self, run: Callable[[Piece], Outcome], pieces: Sequence[Piece]) -> list[Outcome]:
        """Run each piece of a batch, at once; their outcomes in the same order."""
        threads = self._patient if self.is_slow else self._ordinary
        outcomes = list(threads.map(run, pieces))
        events = sum(one.processed + sum(one.dead.values()) for one in outcomes)
        fuel = sum(one.fuel for one in outcomes)
        self.is_slow = fuel > limits.SLOW_EVENT_FUEL * max(events, 1)
        return outcomes

    def stop(self) -> None:
        """Wait for what runs, then end the threads."""
        self._ordinary.shutdown()
        self._patient.shutdown()


def _be_patient() -> None:
    # Linux: this thread alone, by its own id.
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LEAST_SHARE)
