"""`make dashboards`: each dashboard of a node with a fleet, as a picture in docs/images.

    python -m tests.grafana.drawing

Grafana's own components draw them (`grafana/drawing`), from what Prometheus and ClickHouse answer.
"""

import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from streams.database.server import Server
from tests.grafana.asked import ROOT, asked, boards, clickhouse_sql, promql
from tests.integration import watched
from tests.integration.running import RunningNode, running
from tests.integration.serving import add_dapps
from topologies.components import prometheus

IMAGES: Final = ROOT / "docs/images"
DRAWER: Final = ROOT / "grafana/drawing/draw.mjs"
DAPP: Final = "safe_driving"
STEP_S: Final = 5
WIDTH: Final = 1280

Table = list[dict[str, Any]]  # columns: name, kind, values


def main() -> None:
    """Run a node for some minutes, then draw."""
    if prometheus.program() is None:
        sys.exit(f"Prometheus {prometheus.ADVICE}")
    with tempfile.TemporaryDirectory(prefix="w3b-drawing-") as scratch:
        folder = Path(scratch)
        with running(folder / "node") as node:
            add_dapps(node, folder)
            watched.add_watched(node, folder)
            from_s = int(time.time())
            drive(node, seed=1)
            watched.trouble(node)
            drive(node, seed=2)
            to_s = int(time.time())
            for name, board in boards().items():
                found = drawn(node, board, from_s, to_s)
                (folder / f"{name}.drawn.json").write_text(json.dumps(found))
        subprocess.run(["node", str(DRAWER), str(folder)], check=True)
        IMAGES.mkdir(parents=True, exist_ok=True)
        for picture in folder.glob("*.png"):
            shutil.copy(picture, IMAGES / picture.name)
            print(f"{picture.name}: {picture.stat().st_size // 1000} kB")


def drive(node: RunningNode, seed: int) -> None:
    """Two minutes of a fleet, as time goes: freshness is by devices' clocks."""
    node.w3b("fleet", "simulate", "--devices", "300", "--minutes", "2", "--speedup", "1",
             "--bad-share", "0.002", "--seed", str(seed))  # fmt: skip


def drawn(node: RunningNode, board: dict[str, Any], from_s: int, to_s: int) -> dict[str, Any]:
    """A dashboard with its answers, as `grafana/drawing/page.tsx` reads it."""
    return {
        "board": board,
        "answers": [
            [table for target in panel["targets"] for table in answer(node, target, from_s, to_s)]
            for panel in board["panels"]
        ],
        "from_ms": from_s * 1000,
        "to_ms": to_s * 1000,
        "width": WIDTH,
    }


def answer(node: RunningNode, target: dict[str, Any], from_s: int, to_s: int) -> list[Table]:
    """What a panel's query tells: one table, or several with a time and a value each."""
    if "expr" in target:
        return _series(node, target, from_s, to_s)
    columns = _rows(node, clickhouse_sql(target["rawSql"], DAPP, from_s, to_s))
    if not columns[0]["values"]:
        return []
    return _by_name(columns) if target["queryType"] == "timeseries" else [columns]


def _series(node: RunningNode, target: dict[str, Any], from_s: int, to_s: int) -> list[Table]:
    query = promql(target["expr"], DAPP, rate=f"{4 * STEP_S}s", over=f"{to_s - from_s}s")
    times = {"start": str(from_s), "end": str(to_s), "step": str(STEP_S)}
    tables = []
    for found in asked(node, "query_range", query=query, **times)["result"]:
        labels = found["metric"]
        name = _name(target["legendFormat"], labels)
        numbers = [float(value) for _, value in found["values"]]
        values = [None if math.isnan(number) else number for number in numbers]
        tables.append(_one(name, [at * 1000 for at, _ in found["values"]], values))
    return tables


def _name(legend: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda label: labels.get(label[1], ""), legend)


def _rows(node: RunningNode, sql: str) -> Table:
    assert node.settings.clickhouse_url is not None
    server = Server(node.settings.clickhouse_url)
    settings = {"output_format_json_quote_64bit_integers": 0}
    found = json.loads(server.raw(sql, settings, "JSONColumnsWithMetadata"))
    server.close()
    columns = []
    for one in found["meta"]:
        kind, values = _kind(one["type"]), found["data"].get(one["name"], [])
        if kind == "time":
            values = [datetime.fromisoformat(f"{text}Z").timestamp() * 1000 for text in values]
        columns.append({"name": one["name"], "kind": kind, "values": values})
    return columns


def _kind(type_name: str) -> str:
    if type_name.startswith("DateTime"):
        return "time"
    return "number" if re.match(r"(Nullable\()?(U?Int|Float|Decimal)", type_name) else "string"


def _by_name(columns: Table) -> list[Table]:
    """Series of a table's numbers, apart by its texts if it has some, as Grafana tells them."""
    times = columns[0]["values"]
    names = [one["values"] for one in columns if one["kind"] == "string"]
    tables = []
    for one in columns:
        if one["kind"] != "number":
            continue
        apart: dict[str, list[tuple[float, float]]] = {}
        for at, value, *texts in zip(times, one["values"], *names, strict=True):
            apart.setdefault(" ".join(texts) or one["name"], []).append((at, value))
        tables += [
            _one(name, *map(list, zip(*points, strict=True))) for name, points in apart.items()
        ]
    return tables


def _one(name: str, times_ms: list[float], values: list[Any]) -> Table:
    return [
        {"name": "Time", "kind": "time", "values": times_ms},
        {"name": name, "kind": "number", "values": values},
    ]


if __name__ == "__main__":
    main()
