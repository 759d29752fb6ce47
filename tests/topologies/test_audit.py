"""The audit log as operators read it: `w3b audit`, and over HTTP and gRPC."""

import json
from pathlib import Path
from uuid import uuid4

import pytest

from streams.clock import SystemClock
from streams.database.migrations import migrate
from streams.database.server import Server
from tests.audit.told import told
from topologies.__main__ import main

pytestmark = pytest.mark.services


@pytest.fixture
def device(clickhouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """One with a change of two hours ago and refusals of now."""
    monkeypatch.setenv("W3B_CLICKHOUSE_URL", clickhouse_url)
    monkeypatch.setenv("W3B_DATA", str(tmp_path))
    device, server = f"did:key:{uuid4().hex}", Server(clickhouse_url)
    migrate(server)
    server.command(
        "INSERT INTO audit (received, at, who, door, action, kind, name, owner, device, dapp,"
        " reason, times, before, after) VALUES"
        " (now64(3), now64(3) - INTERVAL 2 HOUR, 'operator:ann', 'grpc', 'change', 'device',"
        " {d:String}, 'bob', {d:String}, '', '', 1,"
        ' \'{"status":"active"}\', \'{"status":"revoked"}\'),'
        " (now64(3), now64(3), {d:String}, 'mqtt', 'refuse', 'request', {d:String}, 'bob',"
        " {d:String}, 'driving', 'device_revoked', 4000, '', '')",
        {"d": device},
    )
    server.close()
    return device


def test_lines_say_who_did_what(device: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--device", device]) == 0
    titles, changed, refused = capsys.readouterr().out.splitlines()
    assert titles.split()[:4] == ["AT", "(UTC)", "WHO", "DOOR"]
    assert changed.split()[2:] == [
        "operator:ann", "grpc", "change", "device", device, 'status="active"', 'status="revoked"',
    ]  # fmt: skip
    assert refused.split()[2:] == [
        device, "mqtt", "refused", "4,000", "×:", "device_revoked", device, "→", "driving",
    ]  # fmt: skip


def test_conditions_and_json(device: str, capsys: pytest.CaptureFixture[str]) -> None:
    def found(*words: str) -> list[str]:
        assert main(["audit", "--json", "--device", device, *words]) == 0
        return [json.loads(line)["action"] for line in capsys.readouterr().out.splitlines()]

    assert found() == ["change", "refuse"]
    assert (
        found("--since", "1h") == found("--dapp", "driving") == found("--most", "1") == ["refuse"]
    )
    assert found("--owner", "bob", "--since", "2020-01-01") == ["change", "refuse"]
    assert found("--owner", "cyd") == []
    for words in (["--since", "yesterday"], ["--most", "0"], ["--most", "10001"]):
        assert main(["audit", *words]) == 1
        assert capsys.readouterr().err.startswith("w3b: ")


def test_what_changes_files_is_told_where_kafka_answers(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    quick_derivation: None,
) -> None:  # fmt: skip
    name = uuid4().hex
    monkeypatch.setenv("W3B_DATA", str(tmp_path))
    monkeypatch.setenv("W3B_KAFKA_BOOTSTRAP_SERVERS", kafka)
    assert main(["operator", "token", "--name", name]) == 0
    (record,) = told(kafka, name=name)
    assert (record.action, record.kind, record.author.door) == ("add", "token", "command")
    assert record.after is not None
    assert record.after["expires_ms"] > SystemClock().now_ms()
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("W3B_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert main(["operator", "token", "--name", name]) == 0
    assert "this is not in the audit log: Kafka at 127.0.0.1:1" in capsys.readouterr().err
