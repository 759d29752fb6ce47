"""Every panel's query, asked of the Prometheus and the ClickHouse of a node that has worked."""

import time

import pytest

from streams.database.server import Server
from tests.grafana.asked import Question, asked, clickhouse_sql, promql, questions
from tests.integration import tally_program
from tests.integration.running import RunningNode
from tests.waiting import wait_until
from topologies.components import prometheus

pytestmark = [pytest.mark.services, pytest.mark.slow]

_PATIENCE_S = 90.0  # to its first answer; those after it have theirs at once


def dapp_of(question: Question) -> str:
    """The Dapp to choose in the dashboard: the one that has what the panel shows."""
    shown = f"{question.expr}{question.sql}"
    of_tally = ("customized_metrics", "w3b_store_repeats_total")
    return tally_program.NAME if any(name in shown for name in of_tally) else "safe_driving"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("question", [one for one in questions() if one.expr], ids=str)
def test_prometheus_answers_with_rows(node: RunningNode, question: Question) -> None:
    assert question.expr is not None
    query = promql(question.expr, dapp_of(question))
    wait_until(
        lambda: any(
            row["value"][1] != "NaN" for row in asked(node, "query", query=query)["result"]
        ),
        f"rows of {query}",
        _PATIENCE_S,
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("question", [one for one in questions() if one.sql], ids=str)
def test_clickhouse_answers_with_rows(node: RunningNode, question: Question) -> None:
    assert question.sql is not None
    assert node.settings.clickhouse_url is not None
    server = Server(node.settings.clickhouse_url)
    now_s = int(time.time())
    query = clickhouse_sql(question.sql, dapp_of(question), now_s - 3_600, now_s + 60)
    wait_until(lambda: len(server.rows(query)) > 0, f"rows of {query}", _PATIENCE_S)
    server.close()


def test_no_label_names_a_device(node: RunningNode) -> None:
    values = {
        value for label in asked(node, "labels") for value in asked(node, f"label/{label}/values")
    }
    assert "safe_driving" in values
    assert [value for value in values if "did:" in value] == []


def test_prometheus_knows_the_alerts_and_the_processes(node: RunningNode) -> None:
    groups = asked(node, "rules")["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}
    assert sum(len(group["rules"]) for group in groups) > 0
    targets = asked(node, "targets")["activeTargets"]
    assert {target["labels"]["process"] for target in targets} == set(node.settings.processes)
    assert {target["health"] for target in targets} == {"up"}


def test_status_shows_prometheus(node: RunningNode) -> None:
    found = node.status()["components"]["prometheus"]
    assert found == {"address": prometheus.url(node.settings.prometheus_port), "healthy": True}
