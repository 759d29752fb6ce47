"""Parts of a node that are away for a while; and its dashboards, which have something to show then:
each panel's query is asked of the node's Prometheus and ClickHouse."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from streams.database.server import Server
from tests.grafana.asked import Question, asked, clickhouse_sql, promql, questions
from tests.integration import watched
from tests.integration.load import Load
from tests.integration.running import RunningNode, running
from tests.integration.serving import SAFE_DRIVING, add_dapps, audit, probers, problems_of
from tests.waiting import wait_until
from topologies.components import prometheus

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]

AWAY_S = 15.0  # the soak test has a minute
_PATIENCE_S = 90.0  # to a query's first answer; those after it have theirs at once


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node with three Dapps; its Prometheus looks often, so that nobody has to wait for it."""
    folder = tmp_path_factory.mktemp("away")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("W3B_PROMETHEUS_INTERVAL_S", "1")
        with running(folder / "node") as it:
            add_dapps(it, folder)
            watched.add_watched(it, folder)
            yield it


@dataclass(frozen=True, slots=True)
class Absence:
    """What was found while parts were away, and after."""

    results_s: list[float]  # how long results took
    ill: set[str]
    refused: Counter[str]
    problems: list[str]


@pytest.fixture(scope="module")
def absence(node: RunningNode) -> Absence:
    """The database and the chain are away for a while, then Kafka, all under load."""
    results_s: list[float] = []
    with ExitStack() as stack:
        probes = probers(node, stack)
        with Load(node) as load:
            with node.dead("clickhouse", "chain"):
                end_s = time.monotonic() + AWAY_S
                while time.monotonic() < end_s:
                    results_s += [probe.result_after_s() for probe in probes]
                ill = away(node)
            with node.dead("kafka"):
                wait_until(lambda: "kafka" in away(node), "the status to tell")
            wait_until(lambda: not away(node), "all parts to be well", 60 * node.slowness)
            results_s += [probe.result_after_s() for probe in probes]
        problems = problems_of(audit(node, probes, load.acknowledged))
        return Absence(results_s, ill, load.refused, problems)


def away(node: RunningNode) -> set[str]:
    """The components that are not well, by `w3b status`; its exit status says the same."""
    status = node.status()
    ill = {name for name, one in status["components"].items() if not one["healthy"]}
    roles_ill = [name for name, one in status["roles"].items() if not one["healthy"]]
    assert status["exit"] == int(bool(ill or roles_ill))
    return ill


def test_parts_away_for_a_while(node: RunningNode, absence: Absence) -> None:
    """Messages are accepted and give results without the database and the chain; without Kafka
    they wait. The node says what is away, and catches up by itself."""
    assert max(absence.results_s) < node.recovery_s_max
    assert absence.ill == {"clickhouse", "chain"}
    assert absence.refused == {}
    assert absence.problems == []


# --- what is seen of it ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seen(node: RunningNode, absence: Absence) -> RunningNode:
    """The node, whose Prometheus has seen all of that and some more trouble."""
    if prometheus.program() is None:
        pytest.skip(f"Prometheus {prometheus.ADVICE}")
    watched.trouble(node)
    return node


def dapp_of(question: Question) -> str:
    """The Dapp to choose in the dashboard: the one that has what the panel shows."""
    shown = f"{question.expr}{question.sql}"
    of_watched = ("customized_metrics", "w3b_store_repeats_total")
    return watched.NAME if any(name in shown for name in of_watched) else SAFE_DRIVING


@pytest.mark.parametrize("question", [one for one in questions() if one.expr], ids=str)
def test_prometheus_answers_with_rows(seen: RunningNode, question: Question) -> None:
    assert question.expr is not None
    query = promql(question.expr, dapp_of(question))
    wait_until(
        lambda: any(
            row["value"][1] != "NaN" for row in asked(seen, "query", query=query)["result"]
        ),
        f"rows of {query}",
        _PATIENCE_S,
    )


@pytest.mark.parametrize("question", [one for one in questions() if one.sql], ids=str)
def test_clickhouse_answers_with_rows(seen: RunningNode, question: Question) -> None:
    assert question.sql is not None
    assert seen.settings.clickhouse_url is not None
    server = Server(seen.settings.clickhouse_url)
    now_s = int(time.time())
    query = clickhouse_sql(question.sql, dapp_of(question), now_s - 3_600, now_s + 60)
    wait_until(lambda: len(server.rows(query)) > 0, f"rows of {query}", _PATIENCE_S)
    server.close()


def test_no_label_names_a_device(seen: RunningNode) -> None:
    values = {
        value for label in asked(seen, "labels") for value in asked(seen, f"label/{label}/values")
    }
    assert SAFE_DRIVING in values
    assert [value for value in values if "did:" in value] == []


def test_prometheus_knows_the_alerts_and_the_processes(seen: RunningNode) -> None:
    groups = asked(seen, "rules")["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}
    assert sum(len(group["rules"]) for group in groups) > 0
    targets = asked(seen, "targets")["activeTargets"]
    assert {target["labels"]["process"] for target in targets} == set(seen.settings.processes)
    assert {target["health"] for target in targets} == {"up"}


def test_status_shows_prometheus(seen: RunningNode) -> None:
    found = seen.status()["components"]["prometheus"]
    assert found == {"address": prometheus.url(seen.settings.prometheus_port), "healthy": True}


# --- what is erased of it, last ------------------------------------------------------------------


def test_a_device_is_erased_everywhere(node: RunningNode, absence: Absence) -> None:
    assert absence.problems == []
    assert node.settings.clickhouse_url is not None
    server = Server(node.settings.clickhouse_url)
    did = str(
        server.rows("SELECT any(device) FROM messages WHERE startsWith(device, 'did:')")[0][0]
    )

    def counted(table: str) -> int:
        sql = f"SELECT count() FROM {table} WHERE device = {{did:String}}"
        return int(server.rows(sql, {"did": did})[0][0])

    before = {table: counted(table) for table in ("messages", "results")}
    wait_s = str(60 * node.slowness)
    (told,) = json.loads(node.w3b("device", "erase", did, "--wait", wait_s, "--json").stdout)
    said = told["certificate"]
    assert (told["state"], said["devices"]) == ("done", [did])
    erased: Counter[str] = Counter()
    for one in said["erased"]["rows"]:
        erased[one["table"]] += one["rows"]
    assert {table: erased[table] for table in before} == before
    assert [counted(table) for table in before] == [0, 0]
    remains = {one["where"]: one["until_ms"] for one in said["remains"]}
    assert remains[f"topic messages.{SAFE_DRIVING}"] > said["done_ms"] + 7 * 24 * 3600 * 1000
    assert node.w3b("erasure", "show", told["erasure"]).stdout.count("REMAINS") == 1

    def is_told() -> bool:
        sql = "SELECT count() FROM audit WHERE kind = 'erasure' AND position(after, 'remains') > 0"
        return int(server.rows(sql)[0][0]) > 0

    wait_until(is_told, "the certificate in the audit log")
    server.close()
