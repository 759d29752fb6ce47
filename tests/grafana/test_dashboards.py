"""Dashboards are what the code says, fit on a screen, and speak of metrics that there are."""

import re
from collections import Counter

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from grafana import queries
from grafana.__main__ import FOLDER, as_json
from streams import metrics
from streams.endpoint.admission import Refusal
from tests.grafana.asked import ROOT, boards, questions

CATALOGUE: dict[str, MetricWrapperBase] = {
    value.describe()[0].name: value
    for value in vars(metrics).values()
    if isinstance(value, MetricWrapperBase)
}
# Of Prometheus itself, and what the client library tells of every process.
OTHERS = {
    "up",
    "process_start_time_seconds",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
}
# Each has few values, whoever sends and whatever is sent: Dapps, and names that the code has.
LABELS = {
    "account", "action", "cause", "chain", "dapp", "door", "error", "heard", "kind", "label",
    "outcome", "partition", "reason", "stage", "table",
}  # fmt: skip


def named_in(text: str) -> set[str]:
    """Metrics that a query or a rule names, as the catalogue calls them."""
    names = set(re.findall(r"\bw3b_[a-z0-9_]+", text))
    return {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in names}


def alert_rules() -> str:
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    return " ".join(rule["expr"] for group in groups for rule in group["rules"])


def test_files_are_what_the_code_makes() -> None:
    found = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert found == as_json(), "run `python -m grafana`"


def test_whatever_is_asked_for_is_in_the_catalogue() -> None:
    asked = {name for one in questions() if one.expr for name in named_in(one.expr)}
    asked |= named_in(alert_rules())
    assert asked - CATALOGUE.keys() == set()


def test_every_metric_is_in_a_panel_or_an_alert() -> None:
    shown = {name for one in questions() if one.expr for name in named_in(one.expr)}
    assert CATALOGUE.keys() - shown - named_in(alert_rules()) == set()


def test_no_query_names_another_metric_than_those_known() -> None:
    texts = [one.expr for one in questions() if one.expr] + [alert_rules()]
    found = {name for text in texts for name in re.findall(r"\b(up|process_\w+)\b(?=[{\[])", text)}
    assert found <= OTHERS


def test_refusals_that_are_asked_for_are_given() -> None:
    texts = [one.expr for one in questions() if one.expr] + [alert_rules()]
    asked = {
        pattern
        for text in texts
        for patterns in re.findall(r'w3b_endpoint_refusals_total\{reason=~"([^"]+)"', text)
        for pattern in patterns.split("|")
    }
    assert asked
    matched = {one for one in asked if any(re.fullmatch(one, refusal) for refusal in Refusal)}
    assert asked == matched


@pytest.mark.parametrize("name", CATALOGUE)
def test_labels_are_bounded(name: str) -> None:
    assert set(CATALOGUE[name]._labelnames) <= LABELS


@pytest.mark.parametrize("name", boards())
def test_panels_lie_side_by_side(name: str) -> None:
    covered: Counter[tuple[int, int]] = Counter()
    for panel in boards()[name]["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        covered.update(
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        )
    assert max(covered.values()) == 1


def test_names_are_unique() -> None:
    assert len({board["uid"] for board in boards().values()}) == len(boards())
    for board in boards().values():
        titles = [panel["title"] for panel in board["panels"]]
        assert len(set(titles)) == len(titles)
        for panel in board["panels"]:
            letters = [target["refId"] for target in panel["targets"]]
            assert len(set(letters)) == len(letters), panel["title"]


def test_provisioned_sources_are_those_that_panels_ask() -> None:
    path = ROOT / "grafana/provisioning/datasources/w3b.yml"
    provisioned = {
        (source["type"], source["uid"])
        for source in yaml.safe_load(path.read_text())["datasources"]
    }
    known = (queries.PROMETHEUS, queries.CLICKHOUSE)
    assert provisioned == {(one.type_val, one.uid) for one in known}
    asked = {
        (target["datasource"]["type"], target["datasource"]["uid"])
        for board in boards().values()
        for panel in board["panels"]
        for target in panel["targets"]
    }
    assert asked == provisioned
