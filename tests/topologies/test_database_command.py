"""`w3b database` as it is typed, against a real Kafka and ClickHouse."""

import json
import re
from pathlib import Path
from uuid import uuid4

import pytest

from streams.clock import SystemClock
from streams.database.migrations import migrate
from streams.database.server import Server
from streams.delivery.admin import ensure_topics
from streams.registry.entries import Dapp
from streams.registry.manifest import parse_manifest
from streams.registry.view import Registry
from streams.registry.writer import RegistryWriter
from streams.topics import dapp_topics, node_topics
from topologies.__main__ import main

pytestmark = [pytest.mark.services, pytest.mark.slow]

DAY_MS = 86_400_000


@pytest.fixture
def dapp(kafka: str, clickhouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """One whose manifest keeps messages for ten days, with a message of nine days ago."""
    monkeypatch.setenv("W3B_KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("W3B_CLICKHOUSE_URL", clickhouse_url)
    monkeypatch.setenv("W3B_DATA", str(tmp_path))
    name, config = f"d_{uuid4().hex[:20]}", {"bootstrap.servers": kafka}
    manifest = {
        "dapp": {"name": name},
        "program": {"file": "a.wasm"},
        "retention": {"messages": 10},
    }
    ensure_topics(config, [*node_topics(), *dapp_topics(name, 1)])
    RegistryWriter(config).put(Dapp(parse_manifest(manifest, "a manifest"), "0" * 64))
    server = Server(clickhouse_url)
    migrate(server)
    server.command(
        "INSERT INTO messages (dapp, received) SELECT {dapp:String}, fromUnixTimestamp64Milli("
        "{at:Int64})", {"dapp": name, "at": SystemClock().now_ms() - 9 * DAY_MS},
    )  # fmt: skip
    server.close()
    return name


def terms(kafka: str, dapp: str) -> dict[str, int | None]:
    """As every process of a node sees them."""
    registry = Registry({"bootstrap.servers": kafka})
    registry.start()
    try:
        found = registry.dapp(dapp)
        assert found is not None
        return dict(found.terms)
    finally:
        registry.close()


def test_retention_is_shown_and_changed(
    dapp: str, kafka: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["database", "retention", dapp, "--json"]) == 0
    told = {one["table"]: one for one in json.loads(capsys.readouterr().out)}
    assert (told["messages"]["days"], told["messages"]["leaving"]["rows"]) == (10, 1)
    assert told["results"] == {"table": "results", "days": None, "mib": None}

    assert (
        main(["database", "retention", dapp, "messages=forever", "results=365", "results_mib=9"])
        == 0
    )
    assert re.search(r"results +365 +9 +operator", capsys.readouterr().out)
    assert terms(kafka, dapp)["messages"] is None
    assert main(["database", "retention", dapp, "messages=manifest"]) == 0
    assert (terms(kafka, dapp)["messages"], terms(kafka, dapp)["results"]) == (10, 365)


@pytest.mark.parametrize(
    "wrong", ["messages=0", "messages", "claims=3", "results=soon", "messages=40000"]
)
def test_what_is_no_term_is_refused(
    dapp: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["database", "retention", dapp, wrong]) == 1
    assert capsys.readouterr().err.startswith(f"w3b: {wrong}: ")


def test_rights_are_printed(dapp: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["database", "rights"]) == 0
    assert "CREATE ROW POLICY OR REPLACE w3b_reader ON w3b.results" in capsys.readouterr().out


def test_a_dapp_that_nothing_is_stored_of_is_rebuilt_to_nothing(
    dapp: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rows themselves are in tests/database/test_rebuild.py."""
    assert main(["database", "rebuild", dapp]) == 0
    assert capsys.readouterr().out.split() == ["TOPIC", "PARTITION", "FROM", "STORED", "TO"]


def test_queries_are_saved_and_forgotten(
    dapp: str, kafka: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["database", "queries", dapp, "devices", "SELECT device FROM results"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "devices  operator  SELECT device FROM results"
    ]
    for words, complaint in (
        (["Devices", "SELECT 1"], "a name matches"),
        (["devices"], "with its SQL, or with --remove"),
        (["others", "--remove"], "no query 'others' of yours"),
    ):
        assert main(["database", "queries", dapp, *words]) == 1
        assert complaint in capsys.readouterr().err
    assert main(["database", "queries", dapp, "devices", "--remove"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == []
