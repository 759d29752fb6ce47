"""Whether a client is in its consumer group, as librdkafka's statistics tell.

Seen: a client that was made while its broker was stopped for half a minute never joined, and was
polled for minutes without an error; its partitions stood still, and all looked well. So a client
that stays out of its group is given up, and another one joins.
"""

from collections.abc import Mapping
from typing import Any, Final

from streams import limits
from streams.clock import SystemClock

_MEMBER: Final = "up", "steady"  # the group's state and the membership's


class NotAMember(RuntimeError):
    """The client has not joined its group, and says nothing of it."""


class Membership:
    """Of one client; all methods are called on its reader's thread."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._absent_since_s: float | None = None
        self._state = ""

    def heard(self, told: Mapping[str, Any], is_wanted: bool) -> None:
        """Take librdkafka's statistics; ``is_wanted``: whether it is to be in the group."""
        state = told["cgrp"]["state"], told["cgrp"]["join_state"]
        self._state = " ".join(state)
        if state == _MEMBER or not is_wanted:
            self._absent_since_s = None
        elif self._absent_since_s is None:
            self._absent_since_s = self._clock.monotonic_s()

    def begin_anew(self) -> None:
        """The owner was told of partitions, which may have taken its time."""
        self._absent_since_s = None

    def check(self) -> None:
        """See that it was not out of the group for long.

        Raises:
            NotAMember: it was.
        """
        if self._absent_since_s is None:
            return
        absent_s = self._clock.monotonic_s() - self._absent_since_s
        if absent_s > limits.ABSENT_S_MAX:
            raise NotAMember(f"not in its group for {absent_s:.0f} s (the client is {self._state})")
