"""How long to wait before what has failed is started again."""

from typing import Final

_FIRST_S: Final = 0.2
_STEADY_S: Final = 3.0


class BackOff:
    """Pauses that double while failures follow each other.

    What begins them anew is how long it was *well*, not how long it ran or how often it fell:
    ten kills of a broker that works are no crash loop, and by its age since its start a broker
    that starts in five seconds would rarely count as steady (tried: results came again 7 s after
    the first of eight kills a quarter of a minute apart, and 18 s after the last).
    """

    def __init__(self, pause_s_max: float) -> None:
        """``pause_s_max``: the longest pause, in seconds."""
        self._pause_s_max = pause_s_max
        self._next_s = _FIRST_S

    def pause_s(self, well_s: float) -> float:
        """The pause after a failure, in seconds.

        Args:
            well_s: for how long it had been well; 0 for what never was.
        """
        if well_s > _STEADY_S:
            self._next_s = _FIRST_S
        pause_s = min(self._next_s, self._pause_s_max)
        self._next_s = 2 * pause_s
        return pause_s
