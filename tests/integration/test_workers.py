"""Three processes that execute: each is killed under load, and partitions move between them.

The account is that of an undisturbed run: what each message should have come to is computed from
the log alone (`tests.integration.account`).
"""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.load import Load
from tests.integration.running import running
from tests.integration.serving import add_dapps, audit, probers, problems_of
from tests.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]


def test_workers_killed_under_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("W3B_EXECUTE_WORKERS", "3")
    with running(tmp_path / "node") as node, ExitStack() as stack:
        add_dapps(node, tmp_path)
        assert node.workers == ["execute", "execute-1", "execute-2"]
        probes = probers(node, stack)
        for probe in probes:
            probe.result_after_s()
        with Load(node) as load:
            for names in (("execute",), ("execute-1", "execute-2")):
                before = {name: node.pid(name) for name in names}
                for name in names:
                    node.kill(name)
                for probe in probes:
                    probe.result_after_s()
                wait_until(
                    lambda b=before: all(node.pid(name) != pid for name, pid in b.items()),
                    "workers to start again",
                )
                wait_until(lambda: node.status()["exit"] == 0, "all parts to be well")
        assert load.refused == {}
        assert set(node.status()["roles"]) >= set(node.workers)
        assert problems_of(audit(node, probes, load.acknowledged)) == []
