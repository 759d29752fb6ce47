"""`kill -9` of every part of a node, one after another, while a fleet drives.

Afterwards each acknowledged message counts exactly once: in the log, in keyed state, in results,
in ClickHouse, in the epochs' summaries and on the chain. The long version, with a random order,
is `python -m tests.soak`.
"""

import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from streams import topics
from tests.integration import tally_program
from tests.integration.account import Auditor
from tests.integration.following import Following
from tests.integration.load import Load
from tests.integration.recovery import Prober, driving_probe, tally_probe
from tests.integration.running import COMPONENTS, PROCESSES, RunningNode, running
from tests.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]

SAFE_DRIVING = "safe_driving"
PROGRAM = Path(__file__).resolve().parents[2] / "wasm_programs" / SAFE_DRIVING
DRIVING_PARTITIONS = 4
AWAY_S = 15.0  # the soak test has a minute
RECOVERY_S_MAX = 15.0


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    """A node of the test's own, with both Dapps."""
    with running(tmp_path / "node") as it:
        it.w3b("dapp", "add", str(tally_program.write(tmp_path / tally_program.NAME)))
        it.w3b("dapp", "add", str(PROGRAM))
        yield it


def probers(node: RunningNode, stack: ExitStack) -> list[Prober]:
    """One for each Dapp."""
    plans = [
        (tally_program.NAME, tally_program.PARTITIONS, tally_probe),
        (SAFE_DRIVING, DRIVING_PARTITIONS, driving_probe),
    ]
    return [
        Prober(
            node,
            dapp,
            stack.enter_context(Following(node.settings, topics.results(dapp), partitions)),
            body,
        )
        for dapp, partitions, body in plans
    ]


def audit(node: RunningNode, probes: list[Prober], fleet: int) -> list[str]:
    """Everything that does not agree, of both Dapps."""
    tally, driving = probes
    problems = []
    for dapp, probe, messages in (
        (tally_program.NAME, tally, len(tally.acknowledged)),
        (SAFE_DRIVING, driving, len(driving.acknowledged) + fleet),
    ):
        auditor = Auditor(node.settings, dapp)
        auditor.wait_until_settled()
        problems += auditor.audit(probe.acknowledged, messages).problems
        auditor.close()
    return problems


def test_every_part_killed_under_load(node: RunningNode) -> None:
    recovery_s: dict[str, float] = {}
    with ExitStack() as stack:
        probes = probers(node, stack)
        for probe in probes:
            probe.result_after_s()
        with Load(node) as load:
            for number, name in enumerate([*PROCESSES, *COMPONENTS, "execute", "kafka"]):
                before = node.pid(name)
                node.kill(name)
                killed_s = time.monotonic()
                for probe in probes:
                    probe.result_after_s()
                recovery_s[f"{number} {name}"] = time.monotonic() - killed_s
                wait_until(lambda n=name, b=before: node.pid(n) != b, f"{name} to start again")
                wait_until(lambda: node.status()["exit"] == 0, "all parts to be well")
        assert load.refused == {}
        assert audit(node, probes, load.acknowledged) == []
    print(recovery_s)
    assert max(recovery_s.values()) < RECOVERY_S_MAX, recovery_s
    node.stop()


def test_database_and_chain_away_for_a_while(node: RunningNode) -> None:
    with ExitStack() as stack:
        probes = probers(node, stack)
        with Load(node) as load, node.dead("clickhouse", "chain"):
            end_s = time.monotonic() + AWAY_S
            while time.monotonic() < end_s:
                assert all(probe.result_after_s() < RECOVERY_S_MAX for probe in probes)
            status = node.status()
            assert status["exit"] == 1
            well = {name: one["healthy"] for name, one in status["components"].items()}
            assert well == {"kafka": True, "clickhouse": False, "chain": False}
        assert load.refused == {}
        assert audit(node, probes, load.acknowledged) == []
    wait_until(lambda: node.status()["exit"] == 0, "all parts to be well")


def test_status_tells_when_kafka_is_away(node: RunningNode) -> None:
    with ExitStack() as stack:
        (probe, _) = probers(node, stack)
        probe.result_after_s()
        with node.dead("kafka"):
            status = node.status()
            assert status["exit"] == 1
            assert not status["components"]["kafka"]["healthy"]
        probe.result_after_s()
        wait_until(lambda: node.status()["exit"] == 0, "all parts to be well")


def test_a_repeat_counts_once_across_kills(node: RunningNode) -> None:
    with ExitStack() as stack:
        (probe, _) = probers(node, stack)
        for name in ("execute", "endpoint", "kafka"):
            probe.result_after_s()
            ids = probe.acknowledged[-1:]
            assert probe.repeat_last() == ids
            node.kill(name)
            assert probe.repeat_last() == ids
        probe.result_after_s()
    auditor = Auditor(node.settings, tally_program.NAME)
    auditor.wait_until_settled()
    account = auditor.audit(probe.acknowledged, messages=4)
    assert account.problems == []
    assert account.counts["repeats"] >= 6
    state, counted = auditor.device_states()
    assert {did: struct.unpack("<I", value)[0] for did, value in state.items()} == counted
    auditor.close()
