"""What a benchmark says: figures of several runs, their baseline, what was hoped for."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

RUNS: Final = 3
# Of what the same baseline reached when the design was measured. Below it either the machine is
# busy or the baseline is not at its best; a ratio over it would flatter.
BASELINE_SHARE_MIN: Final = 0.7


@dataclass(frozen=True, slots=True)
class Spread:
    """Several runs of one measurement, in the row's unit."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, runs: Sequence[float]) -> "Spread":
        """The spread of at least one run."""
        return cls(statistics.median(runs), min(runs), max(runs))


@dataclass(frozen=True, slots=True)
class Check:
    """Whether a baseline, or a part of it, is as fast as it is known to be."""

    what: str
    measured: float
    expected: float
    source: str  # of ``expected``

    @property
    def share(self) -> float:
        """How much of what was expected it reached."""
        return self.measured / self.expected

    @property
    def passes(self) -> bool:
        """Whether a ratio over this baseline means what it says."""
        return self.share >= BASELINE_SHARE_MIN


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. ``ratio`` is figure over baseline, or over the limit it has to keep."""

    what: str
    unit: str
    figure: Spread
    baseline: str | None = None
    baseline_figure: Spread | None = None
    ratio_min: float | None = None  # the target: so many times the baseline
    ratio_max: float | None = None  # or: at most so many times
    figure_max: float | None = None  # or: no more than this
    figure_min: float | None = None  # or: at least this; beside ``ratio_min``, either of them
    aim: bool = False  # the target has not been reached yet: a miss is said, and fails nothing
    checks: tuple[Check, ...] = ()
    note: str | None = None

    @property
    def ratio(self) -> float | None:
        """Of the medians: they come from runs in turns."""
        if self.baseline_figure is None:
            return None
        return self.figure.median / self.baseline_figure.median

    @property
    def target(self) -> str | None:
        """In words."""
        least = []
        if self.figure_min is not None:
            least.append(f"≥ {self.figure_min:,g} {self.unit}")
        if self.ratio_min is not None:
            least.append(f"≥ {self.ratio_min:g} ×")
        if least:
            return " or ".join(least)
        if self.ratio_max is not None:
            return f"≤ {self.ratio_max:g} ×"
        if self.figure_max is not None:
            return f"≤ {self.figure_max:g} {self.unit}"
        return None

    @property
    def met(self) -> bool | None:
        """``None``: there is no target."""
        if self.figure_min is not None and self.figure.median >= self.figure_min:
            return True
        if self.ratio_min is not None:
            assert self.ratio is not None
            return self.ratio >= self.ratio_min
        if self.ratio_max is not None:
            assert self.ratio is not None
            return self.ratio <= self.ratio_max
        if self.figure_max is not None:
            return self.figure.most <= self.figure_max
        return None if self.figure_min is None else False

    @property
    def failed(self) -> bool:
        """Whether something that had been reached is lost."""
        return self.met is False and not self.aim

    @property
    def verdict(self) -> str:
        """For the table's last column."""
        if self.met is None:
            return ""
        if self.met:
            return "yes"
        return "NO" if self.failed else "not yet"

    def as_json(self) -> Mapping[str, Any]:
        """All of it, what follows from it included."""
        checks = [
            {**asdict(one), "share": round(one.share, 3), "passes": one.passes}
            for one in self.checks
        ]
        ratio = None if self.ratio is None else round(self.ratio, 3)
        derived = {"ratio": ratio, "target": self.target, "met": self.met, "checks": checks}
        return {**asdict(self), **derived}


def in_turns(
    measurements: Mapping[str, Callable[[], float]], runs: int = RUNS
) -> dict[str, Spread]:
    """Each measurement ``runs`` times, one after the other, round after round."""
    seen: dict[str, list[float]] = {name: [] for name in measurements}
    for _ in range(runs):
        for name, measure in measurements.items():
            seen[name].append(measure())
    return {name: Spread.of(values) for name, values in seen.items()}
