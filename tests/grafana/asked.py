"""What the dashboards ask, and how Grafana fills in what it knows: times, steps, the Dapp."""

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from grafana.__main__ import FOLDER
from tests.integration.running import RunningNode
from topologies.components import prometheus

ROOT = FOLDER.parents[1]
_OF_TIME = {
    # https://github.com/grafana/clickhouse-datasource/blob/main/pkg/macros/macros.go
    r"\$__timeFilter\((\w+)\)": r"\1 >= toDateTime({from_s}) AND \1 <= toDateTime({to_s})",
    r"\$__timeInterval\((\w+)\)": r"toStartOfInterval(toDateTime(\1), INTERVAL 10 second)",
}


@dataclass(frozen=True, slots=True)
class Question:
    """A panel's query."""

    board: str
    panel: str
    ref_id: str
    expr: str | None  # PromQL
    sql: str | None

    def __str__(self) -> str:
        return f"{self.board}: {self.panel} ({self.ref_id})"


def boards() -> dict[str, Any]:
    """The dashboards' files, read."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def questions() -> Iterator[Question]:
    """Every query of every panel."""
    for name, board in boards().items():
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield Question(
                    name, panel["title"], target["refId"], target.get("expr"), target.get("rawSql")
                )


def promql(expr: str, dapp: str, *, rate: str = "15m", over: str = "15m") -> str:
    """As Grafana would send it; `rate`: over which rates are taken, `over`: what is shown."""
    for name, value in (("__rate_interval", rate), ("__range", over), ("dapp", dapp)):
        expr = expr.replace(f"${name}", value)
    assert "$" not in expr, expr
    return expr


def clickhouse_sql(sql: str, dapp: str, from_s: int, to_s: int) -> str:
    """As Grafana would send it."""
    for macro, meaning in _OF_TIME.items():
        sql = re.sub(macro, meaning.format(from_s=from_s, to_s=to_s), sql)
    sql = sql.replace("$dapp", dapp)
    assert "$" not in sql, sql
    return sql


def asked(node: RunningNode, path: str, **query: str) -> Any:
    """`data` of an answer of Prometheus's API."""
    url = f"{prometheus.url(node.settings.prometheus_port)}/api/v1/{path}"
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=30) as response:
        return json.load(response)["data"]
