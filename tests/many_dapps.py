"""A hundred Dapps on one node, and one more: what they cost, and whether anybody is stopped.

    python -m tests.many_dapps [--dapps N]

Adds Dapp after Dapp while one of them is asked for a result again and again; prints how long its
results took meanwhile, what the idle node uses, and how soon the last one added gave its first
result. Exit status 1 when the steady one had to wait for the others.
"""

import argparse
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

import psutil

from streams import topics
from tests.integration import tally_program
from tests.integration.following import Following
from tests.integration.recovery import Prober, tally_probe
from tests.integration.running import COMPONENTS, PROCESSES, RunningNode, running
from topologies.commands.dapp import add

STEADY_S_MAX: Final = 2.0  # for a result that takes some 0.1 s when nobody else comes
FIRST_S_MAX: Final = 20.0  # from `w3b dapp add` to the new Dapp's first result
_IDLE_S: Final = 20.0
_PAUSE_S: Final = 0.2
_MB: Final = 1_000_000


class Steady:
    """One Dapp's results, probe after probe, while others come. A context manager."""

    def __init__(self, prober: Prober) -> None:
        self.waits_s: list[float] = []
        self._prober = prober
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._probe)
        self._failure: Exception | None = None

    def __enter__(self) -> "Steady":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _probe(self) -> None:
        try:
            while not self._stopping.wait(_PAUSE_S):
                self.waits_s.append(self._prober.result_after_s(120))
        except Exception as error:
            self._failure = error


def main() -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.many_dapps", description=__doc__)
    parser.add_argument("--dapps", type=int, default=100, metavar="N")
    count = parser.parse_args().dapps
    with tempfile.TemporaryDirectory(prefix="w3b-many-") as scratch, ExitStack() as stack:
        node = stack.enter_context(running(Path(scratch) / "node"))
        problems = _measure(node, Path(scratch), count, stack)
    for problem in problems:
        print(f"WRONG: {problem}", flush=True)
    return 1 if problems else 0


def _measure(node: RunningNode, scratch: Path, count: int, stack: ExitStack) -> list[str]:
    steady_s_max, first_s_max = STEADY_S_MAX * node.slowness, FIRST_S_MAX * node.slowness
    folders = [tally_program.write(scratch / name, name) for name in _names(count + 1)]
    problems = []
    add(node.settings, folders[0])
    steady = _prober(node, stack, folders[0].name)
    steady.result_after_s(60)
    _print_use(node, "1 Dapp, idle")
    alone = [steady.result_after_s() for _ in range(20)]
    print(f"its results alone: median {median(alone):.2f} s, most {max(alone):.2f} s", flush=True)
    with Steady(steady) as meanwhile:
        began_s = time.monotonic()
        for folder in folders[1:-1]:
            add(node.settings, folder)
        print(f"{count - 1} Dapps added in {time.monotonic() - began_s:.0f} s", flush=True)
        newest = _prober(node, stack, folders[-2].name)
        print(f"the newest's first result after {newest.result_after_s(300):.1f} s", flush=True)
    waits = meanwhile.waits_s
    print(f"the steady one meanwhile: {len(waits)} results, median {median(waits):.2f} s, "
          f"most {max(waits):.2f} s")  # fmt: skip
    if max(waits) > steady_s_max:
        problems.append(f"a result of the steady Dapp took {max(waits):.1f} s")
    _print_use(node, f"{count} Dapps, idle")
    with Steady(steady) as meanwhile:
        began_s = time.monotonic()
        add(node.settings, folders[-1])
        last = _prober(node, stack, folders[-1].name)
        last.result_after_s(300)
        first_s = time.monotonic() - began_s
    print(f"Dapp {count + 1}: first result {first_s:.1f} s after it was added; the steady one "
          f"meanwhile at most {max(meanwhile.waits_s):.2f} s", flush=True)  # fmt: skip
    if first_s > first_s_max:
        problems.append(f"Dapp {count + 1} gave its first result after {first_s:.1f} s")
    if max(meanwhile.waits_s) > steady_s_max:
        problems.append("the steady Dapp waited while one was added")
    if (status := node.status())["exit"] != 0:
        problems.append(f"not all is well: {status}")
    return problems


def _names(count: int) -> list[str]:
    return [f"tally{number}" for number in range(count)]


def _prober(node: RunningNode, stack: ExitStack, dapp: str) -> Prober:
    results = Following(node.settings, topics.results(dapp), tally_program.PARTITIONS)
    return Prober(node, dapp, stack.enter_context(results), tally_probe)


def _print_use(node: RunningNode, when: str) -> None:
    """What each process uses over a while in which nothing is sent."""
    processes = {name: psutil.Process(node.pid(name)) for name in (*PROCESSES, *COMPONENTS)}
    before = {name: _cpu_s(one) for name, one in processes.items()}
    time.sleep(_IDLE_S)
    print(f"{when}:")
    for name, one in processes.items():
        cpu = (_cpu_s(one) - before[name]) / _IDLE_S
        said = f"{one.memory_info().rss / _MB:,.0f} MB, {one.num_threads()} threads"
        print(f"  {name:<12}{cpu:7.1%} of a core, {said}", flush=True)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    sys.exit(main())
