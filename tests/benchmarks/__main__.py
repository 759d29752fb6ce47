"""``python -m tests.benchmarks``: all benchmarks, or some, as a table and as JSON."""

import argparse
import importlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import Row, Spread
from tests.local_components import LocalComponents

# Name and module; each has a `run(components)` that answers rows.
BENCHMARKS: Final = {
    "pipeline": "pipeline",
    "small": "small_pipeline",
    "quix": "quix",
    "workers": "workers",
    "neighbour": "neighbour",
    "engine": "engine",
    "http": "http_messages",
    "mqtt": "mqtt_messages",
    "grpc": "grpc_messages",
    "sink": "sink",
    "freshness": "freshness",
    "analysts": "analysts",
    "restart": "restart",
    "registry": "registry",
    "memory": "memory",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them; 1 if a target was missed that had been reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, metavar="NAME",
                        help=f"one of {', '.join(BENCHMARKS)}; may be repeated")  # fmt: skip
    parser.add_argument("--rows", type=int, metavar="N", help="messages that `analysts` asks about")
    options = parser.parse_args(arguments)
    rows: dict[str, list[Row]] = {}
    took_s: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="w3b-bench-") as folder:
        components = LocalComponents(Path(folder))
        try:
            for name in options.only or BENCHMARKS:
                print(f"{name} …", file=sys.stderr, flush=True)
                started_s = time.monotonic()
                run: Callable[..., list[Row]]
                run = importlib.import_module(f"tests.benchmarks.{BENCHMARKS[name]}").run
                scale = {"rows": options.rows} if options.rows and name == "analysts" else {}
                rows[name] = run(components, **scale)
                took_s[name] = round(time.monotonic() - started_s, 1)
        finally:
            components.close()
    _print(rows)
    if options.json:
        options.json.write_text(json.dumps(_report(rows, took_s), indent=2) + "\n")
    return 1 if any(row.failed for some in rows.values() for row in some) else 0


def _report(rows: dict[str, list[Row]], took_s: dict[str, float]) -> dict[str, Any]:
    return {
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_after": round(os.getloadavg()[1], 2),  # over 5 minutes: this run, and others
        },
        "took_s": took_s,
        "benchmarks": {name: [row.as_json() for row in some] for name, some in rows.items()},
    }


def _print(rows: dict[str, list[Row]]) -> None:
    table = Table(title=f"{os.cpu_count()} cores; medians (least … most of the runs)")
    for heading in ("what", "figure", "baseline", "ratio", "target", "met"):
        table.add_column(heading, justify="left" if heading in ("what", "baseline") else "right")
    for row in (row for some in rows.values() for row in some):
        against = row.baseline or ""
        if row.baseline_figure is not None:
            against += f"\n{_spread(row.baseline_figure)} {row.unit}"
        table.add_row(
            row.what,
            f"{_spread(row.figure)}\n{row.unit}",
            against,
            "" if row.ratio is None else f"{row.ratio:.3g} ×",
            row.target or "",
            row.verdict,
        )
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    for row in (row for some in rows.values() for row in some):
        if row.note:
            console.print(f"{row.what}: {row.note}")
        for check in row.checks:
            said = "as it should be" if check.passes else "TOO SLOW: do not trust the ratio over it"
            console.print(
                f"baseline: {check.what}: {check.measured:,.0f}/s, {check.share:.0%} of"
                f" {check.expected:,.0f} ({check.source}): {said}"
            )


def _spread(spread: Spread) -> str:
    digits = 2 if spread.median < 100 else 0
    median, least, most = (
        f"{one:,.{digits}f}" for one in (spread.median, spread.least, spread.most)
    )
    return f"{median} ({least} … {most})"


if __name__ == "__main__":
    sys.exit(main())
