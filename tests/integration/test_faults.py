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

from tests.integration import tally_program
from tests.integration.account import Auditor
from tests.integration.load import Load
from tests.integration.running import COMPONENTS, PROCESSES, RunningNode, running
from tests.integration.serving import add_dapps, audit, probers, problems_of
from tests.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    """A node of the test's own, with both Dapps."""
    with running(tmp_path / "node") as it:
        add_dapps(it, tmp_path)
        yield it


def test_every_part_killed_under_load(node: RunningNode) -> None:
    recovery_s: dict[str, float] = {}
    with ExitStack() as stack:
        probes = probers(node, stack)
        for probe in probes:
            probe.result_after_s()
        with Load(node) as load:
            for name in PROCESSES + COMPONENTS:
                before = node.pid(name)
                node.kill(name)
                killed_s = time.monotonic()
                for probe in probes:
                    probe.result_after_s()
                recovery_s[name] = time.monotonic() - killed_s
                wait_until(lambda n=name, b=before: node.pid(n) != b, f"{name} to start again")
                wait_until(lambda: node.status()["exit"] == 0, "all parts to be well")
        assert load.refused == {}
        assert problems_of(audit(node, probes, load.acknowledged)) == []
    assert max(recovery_s.values()) < node.recovery_s_max, recovery_s
    node.stop()


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
