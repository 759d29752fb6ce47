"""Kill parts of a node again and again, at random and under load; then count.

    python -m tests.soak [--minutes N] [--seed S] [--workers N] [--kills N]

Prints what was killed and how long results took to come again, and which of that was slow for
this machine. In the end each acknowledged message has to count exactly once everywhere; exit
status 1 on any disagreement.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from tests.integration.load import Load
from tests.integration.recovery import Prober
from tests.integration.running import COMPONENTS, PROCESSES, RunningNode, running
from tests.integration.serving import add_dapps, audit, probers
from tests.waiting import wait_until

PAUSE_S: Final = (0.0, 10.0)  # between one fault's end and the next fault
AWAY_S: Final = 60.0
FROZEN: Final = ("execute", "settle", "kafka")
FROZEN_S: Final = 20.0  # longer than sessions and transactions live

Fault = tuple[str, Callable[[], None]]


def main() -> int:
    """Run until the time is up; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the order of faults")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="that execute")
    parser.add_argument("--kills", type=int, default=0, metavar="N",
                        help="end after so many kills, of workers and of Kafka only")  # fmt: skip
    arguments = parser.parse_args()
    os.environ["W3B_EXECUTE_WORKERS"] = str(arguments.workers)
    with tempfile.TemporaryDirectory(prefix="w3b-soak-") as scratch, ExitStack() as stack:
        node = stack.enter_context(running(Path(scratch) / "node"))
        add_dapps(node, Path(scratch))
        probes = probers(node, stack)
        for probe in probes:
            probe.result_after_s(deadline_s=120)
        with Load(node, arguments.seed) as load:
            chance = random.Random(arguments.seed)
            if arguments.kills:
                slow = _kills(node, probes, arguments.kills, chance)
            else:
                slow = _faults(node, probes, arguments.minutes * 60, chance)
        _say(f"fleet: {load.acknowledged:,} acknowledged, {load.repeats} requests repeated")
        problems = [f"refused: {dict(load.refused)}"] if load.refused else []
        for account in audit(node, probes, load.acknowledged):
            counts = ", ".join(f"{name} {count:,}" for name, count in account.counts.items())
            _say(f"{account.dapp}: {counts}")
            problems += account.problems
    for line in slow:
        _say(f"slow: {line}")
    for line in problems:
        _say(f"WRONG: {line}")
    _say("everything agrees" if not problems else "the account does not agree")
    return 1 if problems else 0


def _faults(
    node: RunningNode, probes: list[Prober], seconds: float, chance: random.Random
) -> list[str]:
    """Fault after fault; those after which results took too long."""
    kills: list[Fault] = [
        (f"kill -9 {name}", partial(_kill, node, name)) for name in PROCESSES + COMPONENTS
    ]
    others: list[Fault] = [
        ("kill -9 execute and kafka", partial(_kill, node, "execute", "kafka")),
        *((f"{name} away", partial(_away, node, probes, name)) for name in ("clickhouse", "chain")),
        *((f"{name} frozen", partial(_freeze, node, name)) for name in FROZEN),
    ]
    deck: list[Fault] = []  # every fault has its turn, kills twice as often, before any comes again
    slow = []
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        time.sleep(chance.uniform(*PAUSE_S))
        if not deck:
            deck = kills * 2 + others
            chance.shuffle(deck)
        slow += _recovery(node, probes, deck.pop())
    return slow


def _kills(node: RunningNode, probes: list[Prober], count: int, chance: random.Random) -> list[str]:
    """So many kills at random moments, one in five of Kafka, the others of workers."""
    slow = []
    for number in range(count):
        time.sleep(chance.uniform(*PAUSE_S))
        name = "kafka" if number % 5 == 4 else chance.choice(node.workers)
        slow += _recovery(node, probes, (f"kill -9 {name}", partial(_kill, node, name)))
    return slow


def _recovery(node: RunningNode, probes: list[Prober], fault: Fault) -> list[str]:
    """Do it, and wait until results flow and all is well; what was slow of it."""
    name, do = fault
    do()
    began_s = time.monotonic()
    for probe in probes:
        probe.result_after_s(deadline_s=120)
    recovered_s = time.monotonic() - began_s
    _say(f"{name:<28} results again after {recovered_s:5.1f} s")
    wait_until(lambda: node.status()["exit"] == 0, "all parts to be well", 120)
    if recovered_s > node.recovery_s_max:
        return [f"{name}: results after {recovered_s:.1f} s"]
    return []


def _away(node: RunningNode, probes: list[Prober], name: str) -> None:
    """Dead for a minute; meanwhile messages are accepted and give results."""
    with node.dead(name):
        end_s = time.monotonic() + AWAY_S
        while time.monotonic() < end_s:
            for probe in probes:
                probe.result_after_s()
            time.sleep(1)


def _kill(node: RunningNode, *names: str) -> None:
    for name in names:
        node.kill(name)


def _freeze(node: RunningNode, name: str) -> None:
    with node.frozen(name):
        time.sleep(FROZEN_S)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
