"""Settings: where each may come from, which one wins, and what a wrong one says."""

import os
import stat
from pathlib import Path

import pytest

from topologies.config import Settings, SettingsError
from topologies.node_file import read_node_file, write_node_file


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A directory without a settings file, and no variable of ours."""
    monkeypatch.chdir(tmp_path)
    for variable in [name for name in os.environ if name.startswith("W3B_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("W3B_DATA", str(tmp_path / "data"))


def test_defaults_are_the_local_components() -> None:
    assert Settings.load().kafka_bootstrap_servers is None
    settings = Settings.resolve()
    assert settings.kafka_bootstrap_servers == "127.0.0.1:9092"
    assert settings.clickhouse_url == "http://127.0.0.1:8123/w3b"
    assert settings.chain_rpc_url == "http://127.0.0.1:8545"
    assert settings.endpoint_url == "http://127.0.0.1:8080"
    ports = [settings.process_metrics_port(p) for p in ("endpoint", "execute", "settle")]
    assert ports == [9101, 9102, 9103]


def test_an_offset_moves_every_default_port_and_no_given_one() -> None:
    settings = Settings.resolve(port_offset=200, chain_rpc_url="http://chain:8545")
    assert settings.kafka_bootstrap_servers == "127.0.0.1:9292"
    assert settings.endpoint_port == 8280
    assert settings.process_metrics_port("execute") == 9302
    assert settings.chain_rpc_url == "http://chain:8545"


def test_command_line_over_variables_over_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "w3b.toml").write_text(
        "metrics_port = 1000\nendpoint_port = 10\nport_offset = 100\n"
    )
    monkeypatch.setenv("W3B_ENDPOINT_PORT", "20")
    monkeypatch.setenv("W3B_PORT_OFFSET", "200")
    monkeypatch.setenv("W3B_ENDPOINT_HOST", "")  # empty is not set
    settings = Settings.load(port_offset=300)
    assert (settings.metrics_port, settings.endpoint_port, settings.port_offset) == (1000, 20, 300)
    assert settings.endpoint_host == "127.0.0.1"


def test_a_command_finds_the_node_that_runs_on_its_data_directory(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    up = Settings.load(
        port_offset=500, clickhouse_url="http://u:secret@db:8123/x"
    ).with_local_addresses()
    write_node_file(up, 1, {"kafka": 2})
    node_file = tmp_path / "data" / "node.json"
    assert stat.S_IMODE(node_file.stat().st_mode) == 0o600
    assert read_node_file(tmp_path / "data")["pids"] == {"kafka": 2}

    found = Settings.resolve()
    assert found.kafka_bootstrap_servers == "127.0.0.1:9592"
    assert found.clickhouse_url == "http://u:secret@db:8123/x"
    assert found.port_offset == 500
    assert Settings.resolve(chain_rpc_url="http://c").chain_rpc_url == "http://c"
    # Another offset means another node, whatever this directory remembers.
    assert Settings.resolve(port_offset=0).kafka_bootstrap_servers == "127.0.0.1:9092"
    assert "secret" not in repr(found)


def test_further_chains_and_a_broker_keep_their_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("W3B_CHAIN_RPC_URLS", '{"4690": "https://rpc/secret"}')
    monkeypatch.setenv("W3B_MQTT_URL", "mqtts://node:secret@broker")
    settings = Settings.load()
    assert settings.chain_rpc_urls == {4690: "https://rpc/secret"}
    assert "secret" not in repr(settings)
    monkeypatch.delenv("W3B_CHAIN_RPC_URLS")
    (tmp_path / "c.toml").write_text('chain_rpc_urls = { 1 = "http://one" }')
    assert Settings.load(tmp_path / "c.toml").chain_rpc_urls == {1: "http://one"}


def test_kafka_config_of_a_cluster_with_authentication(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    settings = Settings.load(
        kafka_bootstrap_servers="a:9092,b:9092",
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_username="node",
        kafka_sasl_password="secret",
        kafka_ssl_ca_location=ca,
    )
    assert settings.kafka_config(client_id="x") == {
        "bootstrap.servers": "a:9092,b:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "node",
        "sasl.password": "secret",
        "ssl.ca.location": str(ca),
        "client.id": "x",
    }
    assert "secret" not in repr(settings)
    assert Settings.resolve().kafka_config() == {
        "bootstrap.servers": "127.0.0.1:9092",
        "security.protocol": "PLAINTEXT",
    }


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PORT_OFFSET": "many"}, "setting port_offset (W3B_PORT_OFFSET): input should be"),
        ({"PORT_OFFSET": "-1"}, "greater than or equal to 0"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "broker"}, "'broker' is not host:port"),
        ({"CLICKHOUSE_URL": "db:8123"}, "clickhouse_url (W3B_CLICKHOUSE_URL): is not an http://"),
        ({"KAFKA_SSL_CA_LOCATION": "/nowhere"}, "there is no file /nowhere"),
        ({"MQTT_URL": "broker:1883"}, "setting mqtt_url (W3B_MQTT_URL): is not mqtt://"),
        ({"MQTT_URL": "mqtt://broker/topic"}, "is not mqtt://[user:password@]host[:port]"),
        ({"MQTT_CA_LOCATION": "/nowhere"}, "there is no file /nowhere"),
        ({"CHAIN_RPC_URLS": "http://c"}, "setting chain_rpc_urls (W3B_CHAIN_RPC_URLS): "),
        ({"CHAIN_RPC_URLS": '{"7": "chain"}'}, "chain 7: give { <EIP-155 id> = <http://"),
        ({"CHAIN_RPC_URLS": '{"x": "http://c"}'}, "setting chain_rpc_urls"),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "'SASL_PLAINTEXT' or 'SASL_SSL'"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_BOOTSTRAP_SERVERS": "b:1"},
            "setting kafka_sasl_username (W3B_KAFKA_SASL_USERNAME): is missing",
        ),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL"}, "setting kafka_bootstrap_servers"),
        ({"KAFKA_BOOTSTRAP_SERVER": "b:1"}, "did you mean W3B_KAFKA_BOOTSTRAP_SERVERS?"),
        ({"CONFIG": "none.toml"}, "the settings file none.toml cannot be read: No such file"),
    ],
)
def test_a_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"W3B_{name}", value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (
            "chain_rpc_ul = 1",
            "w3b.toml: there is no setting chain_rpc_ul; did you mean chain_rpc_url?",
        ),
        ("endpoint_port = 0", "setting endpoint_port (w3b.toml): input should be greater than or"),
        ("endpoint_port", "the settings file w3b.toml is not TOML"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, toml: str, words: str) -> None:
    (tmp_path / "w3b.toml").write_text(toml)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert words in str(caught.value)


def test_an_error_does_not_show_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("W3B_CLICKHOUSE_URL", "user:secret@db")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert "secret" not in str(caught.value)


def test_a_host_of_ipv6_is_in_brackets() -> None:
    assert Settings.resolve(endpoint_host="::1").endpoint_url == "http://[::1]:8080"
    assert Settings.resolve(endpoint_host="::").endpoint_grpc_address == "[::1]:8090"


@pytest.mark.parametrize(
    "content", [b'{"port_offset": ', b"[]", b'{"port_offset": "1"}', b'{"pids": null}', b"\xff"]
)
def test_a_damaged_node_file_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "node.json").write_bytes(content)
    with pytest.raises(SettingsError, match=r"node\.json cannot be read .*: remove it"):
        Settings.resolve()
