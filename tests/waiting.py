"""Waiting for what has to happen, instead of sleeping and hoping."""

import time
from collections.abc import Callable

DEADLINE_S = 60.0
POLL_S = 0.05


def wait_until(
    condition: Callable[[], bool], what: str = "it", deadline_s: float = DEADLINE_S
) -> None:
    """Return when `condition` holds.

    Raises:
        AssertionError: it did not within `deadline_s`; names `what`.
    """
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, f"waited {deadline_s:.0f} s for {what}"
        time.sleep(POLL_S)
