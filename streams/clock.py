"""The one place that reads a wall clock; everything else is handed a `Clock`."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where a room gets its time from."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        return time.monotonic()


class ManualClock:
    """A clock that tests move by hand."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC, as last set."""
        return self._now_ms

    def monotonic_s(self) -> float:
        """The same instant in seconds."""
        return self._now_ms / 1000

    def advance_ms(self, by_ms: int) -> None:
        """Move on."""
        self._now_ms += by_ms
