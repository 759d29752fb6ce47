"""Alert rules fire when they should and stay quiet when not, by Prometheus's own tool."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.grafana.asked import ROOT
from topologies.components import prometheus

FOLDER = ROOT / "deploy/prometheus"
RULES: dict[str, Any] = {
    rule["alert"]: rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool") or shutil.which(str(ROOT / "build/tools/bin/promtool"))
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    return found


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_are_valid(promtool: str) -> None:
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", str(FOLDER / "alerts.yml"))


def test_rules_fire_and_stay_quiet(promtool: str) -> None:
    run(promtool, "test", "rules", str(FOLDER / "alerts_test.yml"))


def test_what_a_node_tells_prometheus_is_valid(promtool: str, tmp_path: Path) -> None:
    path = tmp_path / "prometheus.yml"
    written = prometheus.configuration({"endpoint": 9101, "execute": 9102, "settle": 9103}, 5)
    path.write_text(json.dumps(written))
    run(promtool, "check", "config", str(path))
    assert written["rule_files"] == [str(FOLDER / "alerts.yml")]


def test_each_rule_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases: dict[str, set[bool]] = {name: set() for name in RULES}
    for test in yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]:
        for case in test["alert_rule_test"]:
            cases[case["alertname"]].add(bool(case.get("exp_alerts")))
    assert {name for name, outcomes in cases.items() if outcomes != {True, False}} == set()


def test_each_rule_has_a_section_in_the_runbook_and_the_other_way_round() -> None:
    sections = re.findall(r"^## (\w+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert sections == list(RULES)
    for name, rule in RULES.items():
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
        assert rule["labels"]["severity"] in ("page", "ticket")
