"""Ten thousand programs from wasm-smith through the engine, in one process.

    python -m tests.soak_modules [--modules N] [--first SEED]

Before them, a hundred thousand events that each make their program's memory larger. No module may
take the process down, break a ceiling, come to something else on a replay or in other batches, or
leave memory behind. Exit status 1 when one does.
"""

import argparse
import gc
import sys
import time
from typing import Final

import psutil

from tests.execution.feeding import numbered
from tests.execution.survey import Survey
from tests.execution.test_hostile import growing

_WARM: Final = 500  # modules after which the process has what it keeps: compiler, allocators
_GROWTH_MAX: Final = 200_000_000
_TELL_EVERY: Final = 500
_GROWING: Final = 100_000
_GROWING_BATCH: Final = 2_000
_MB: Final = 1_000_000


def main() -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak_modules", description=__doc__)
    parser.add_argument("--modules", type=int, default=10_000, metavar="N")
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    options = parser.parse_args()
    problems = _grow()
    survey, warm, most = Survey(), 0, 0
    began_s = time.monotonic()
    for count, seed in enumerate(range(options.first, options.first + options.modules), 1):
        survey.take(seed)
        if count % _TELL_EVERY and count != options.modules:
            continue
        now = _rss()
        most = max(most, now)
        if count <= _WARM:
            warm = now
        print(
            f"{count:,} modules in {time.monotonic() - began_s:,.0f} s: {survey.ran:,} ran, "
            f"{now / _MB:,.0f} MB, {len(survey.problems)} problems",
            flush=True,
        )
    print(f"not run: {dict(survey.refused)}")
    print(f"events: {dict(survey.events)}")
    print(f"memory: {warm / _MB:,.0f} MB after {_WARM}, at most {most / _MB:,.0f} MB, "
          f"{_rss() / _MB:,.0f} MB in the end")  # fmt: skip
    problems += survey.problems
    if _rss() - warm > _GROWTH_MAX:
        problems.append("memory did not return to where it was")
    for problem in problems:
        print(f"WRONG: {problem}")
    return 1 if problems else 0


def _grow() -> list[str]:
    instance = growing(pages=4)
    before = 0
    for first in range(0, _GROWING, _GROWING_BATCH):
        instance.run(numbered([b"x"] * _GROWING_BATCH, first))
        instance.commit()
        before = before or _rss()
    after = _rss()
    print(
        f"{_GROWING:,} events that each grew memory: {instance.renewals:,} new instances, "
        f"{before / _MB:,.0f} MB after {_GROWING_BATCH:,}, {after / _MB:,.0f} MB in the end",
        flush=True,
    )
    return ["events that grew memory left it behind"] if after - before > _GROWTH_MAX else []


def _rss() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss


if __name__ == "__main__":
    sys.exit(main())
