"""Memory of a node's own processes with one Dapp, while a fleet is played and after it.

What is counted is the proportional set size (PSS) of `w3b up`, endpoint, execute and settle: a page
that several of them share, as those of libraries, counts once in their sum. The sum of their
resident sets, in which it counts once for each, is told beside it. Kafka, ClickHouse and the chain
are not the node's own. The most that any look saw counts, not the calm afterwards.
"""

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]

from streams.clock import SystemClock
from tests.benchmarks.figures import Row, Spread
from tests.benchmarks.load import PROGRAM
from tests.local_components import LocalComponents
from topologies import demo
from topologies.commands.dapp import add
from topologies.config import PROCESSES, Settings
from topologies.demo import DemoNode
from topologies.fleet import simulator
from topologies.fleet.player import Tally
from topologies.node_file import read_node_file

DEVICES: Final = 100
DRIVE_S: Final = 1_800  # some 117,000 messages
LIMIT_MB: Final = 600.0
_LOOK_S: Final = 0.25
_MB: Final = 1_000_000


def run(_: LocalComponents) -> list[Row]:
    """Rows for the processes together and each."""
    with (
        tempfile.TemporaryDirectory() as data,
        DemoNode(Path(data) / "node", lambda line: None).running() as settings,
    ):
        add(settings, PROGRAM)
        seen = asyncio.run(_watch(settings))
    total = [sum(one.pss for one in look.values()) for look in seen]
    resident = max(sum(one.rss for one in look.values()) for look in seen)
    parts = ", ".join(f"{name} {max(look[name].pss for look in seen):.0f}" for name in seen[-1])
    return [
        Row(
            "memory of the node's own processes, one Dapp", "MB", Spread.of(total),
            figure_max=LIMIT_MB, note=f"at most, each: {parts}; at the end {total[-1]:.0f};"
            f" their resident sets together: {resident:.0f}",
        )
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Memory:
    """Of one process, in MB."""

    pss: float
    rss: float


async def _watch(settings: Settings) -> list[Mapping[str, _Memory]]:
    """Looks at all processes while a fleet plays and until everything of it is on the chain."""
    drives = simulator.fleet(DEVICES, DRIVE_S, seed=1)
    clock = SystemClock()
    looks = []
    final = Tally()
    async for tally in demo.play(settings, drives, None, clock, every_s=_LOOK_S):
        looks.append(_look(settings))
        final = tally
    settling = asyncio.create_task(
        asyncio.to_thread(demo.settle, settings, final, clock, lambda _: None)
    )
    while not settling.done():
        await asyncio.wait({settling}, timeout=_LOOK_S)
        looks.append(_look(settings))
    stored, certified = settling.result()
    problems = demo.disagreements(final, stored, certified)
    assert not problems, problems
    return looks


def _look(settings: Settings) -> Mapping[str, _Memory]:
    """Each of the node's own processes."""
    node = read_node_file(settings.data)
    pids = {"up": node["pid"], **{name: node["pids"][name] for name in PROCESSES}}
    infos = {name: psutil.Process(pid).memory_full_info() for name, pid in pids.items()}
    return {name: _Memory(one.pss / _MB, one.rss / _MB) for name, one in infos.items()}
