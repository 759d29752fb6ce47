"""The settings of a node: where its data is, where its components are.

Each setting has one name everywhere. In rising order of precedence: defaults, what a running
`w3b up` wrote into `DATA/node.json`, the file `w3b.toml` (or `--config FILE`), variables
`W3B_<NAME>`, options of the command line. A component that none of the last three names is a
local one, which `w3b up` starts.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from topologies.components import chain, clickhouse, kafka
from topologies.config_sources import (
    PREFIX,
    first_complaint,
    read_toml,
    refuse_near_misses,
    variable_of,
)
from topologies.config_sources import SettingsError as SettingsError
from topologies.node_file import NODE_FILE_SETTINGS, read_node_file

CONFIG_FILE: Final = Path("w3b.toml")

ENDPOINT_PORT: Final = 8080
ENDPOINT_MQTT_PORT: Final = 1883
ENDPOINT_GRPC_PORT: Final = 8090
KAFKA_PORT: Final = 9092
KAFKA_CONTROLLER_PORT: Final = 9093
CLICKHOUSE_HTTP_PORT: Final = 8123
CLICKHOUSE_NATIVE_PORT: Final = 9000
CHAIN_PORT: Final = 8545
PROMETHEUS_PORT: Final = 9090
METRICS_PORT: Final = 9101  # of the first process; the others follow

Role = Literal["endpoint", "execute", "store", "agree", "submit", "act", "publish", "watch"]
# Which roles share a process. Execution has one of its own because it takes a whole core.
PROCESSES: Final[Mapping[str, tuple[Role, ...]]] = {
    "endpoint": ("endpoint",),
    "execute": ("execute",),
    "settle": ("store", "agree", "submit", "act", "publish", "watch"),
}

_WORKERS_MAX: Final = 8  # each takes a core, and a port after those of the other processes
_PORT_MAX: Final = 65535


class Settings(BaseSettings):
    """What one node is told. Addresses are None until `resolve` has filled them in."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    data: Path = Path("~/.w3b")
    port_offset: int = Field(0, ge=0, le=50_000)
    # Names this node among those on one Kafka; by default made once for each data directory.
    node_id: str | None = Field(None, pattern=r"^[a-z0-9_-]{1,32}$")
    execute_workers: int = Field(1, ge=1, le=_WORKERS_MAX)  # processes that run programs
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    kafka_bootstrap_servers: str | None = None
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ssl_ca_location: Path | None = None
    kafka_ssl_certificate_location: Path | None = None
    kafka_ssl_key_location: Path | None = None
    kafka_ssl_key_password: SecretStr | None = None

    # Both may carry a secret (a password, an API key): never shown whole.
    clickhouse_url: str | None = Field(None, repr=False)
    clickhouse_reader_url: str | None = Field(None, repr=False)  # as whom saved queries run
    chain_rpc_url: str | None = Field(None, repr=False)
    # Further chains, by EIP-155's id; as a variable it is JSON.
    chain_rpc_urls: Annotated[dict[int, str], NoDecode] = Field({}, repr=False)

    # On a chain of one's own, the contract is deployed unasked; elsewhere it costs the operator.
    contract_address: str | None = Field(None, pattern=r"^0x[0-9a-fA-F]{40}$")
    deploy_contract: bool = False

    # What programs publish; without a broker it stays on the topic.
    mqtt_url: SecretStr | None = None
    mqtt_ca_location: Path | None = None

    # What opens the node's wallet; without either, a file that the data directory keeps.
    wallet_passphrase: SecretStr | None = Field(None, min_length=1)
    wallet_passphrase_file: Path | None = None

    # The node's name on the web, which its DID is made of; https there has to lead to the endpoint.
    did_web_host: str | None = Field(
        None, pattern=r"^[a-z0-9-]*[a-z][a-z0-9-]*(\.[a-z0-9-]+)*(:[0-9]{1,5})?$", max_length=200
    )
    # DID documents and status lists of others: not from private addresses, unless this says so.
    did_private_addresses: bool = False
    did_ca_location: Path | None = None
    # The contract that did:io is looked up in, where it is (by default on the node's own chain),
    # and a gateway for documents on IPFS.
    did_io_registry: str | None = Field(None, pattern=r"^0x[0-9a-fA-F]{40}$")
    did_io_rpc_url: str | None = Field(None, repr=False)
    ipfs_gateway: str | None = Field(None, pattern=r"^https://[^\s?#]+$")
    # For whom owners sign to log in (EIP-4361), by default did_web_host or where the HTTP door is;
    # and on which chain their accounts are meant: IoTeX.
    login_domain: str | None = Field(None, pattern=r"^[A-Za-z0-9.:\[\]_-]+$", max_length=255)
    login_chain_id: int = Field(4689, ge=1)
    # Owners whom the operator has not added may log in and register devices.
    open_registration: bool = False
    # How long past their life such documents and lists count when no newer ones can be had.
    credentials_grace_s: float = Field(0, ge=0, le=30 * 24 * 3600)

    endpoint_host: str = "127.0.0.1"
    endpoint_port: int | None = Field(None, ge=1, le=_PORT_MAX)
    endpoint_mqtt_port: int | None = Field(None, ge=1, le=_PORT_MAX)
    endpoint_grpc_port: int | None = Field(None, ge=1, le=_PORT_MAX)
    # Where gRPC lets in only who shows a certificate of endpoint_tls_client_ca; None: nowhere.
    endpoint_grpc_mutual_port: int | None = Field(None, ge=1, le=_PORT_MAX)
    # PEM files: with them every door speaks TLS. The third: who signs devices' certificates.
    endpoint_tls_certificate: Path | None = None
    endpoint_tls_key: Path | None = None
    endpoint_tls_client_ca: Path | None = None
    metrics_port: int | None = Field(None, ge=1, le=_PORT_MAX - 16)

    # Whether `w3b up` starts Prometheus, where it is installed; how often that one asks, and for
    # how long it keeps what it is told.
    prometheus: bool = True
    prometheus_interval_s: int = Field(5, ge=1)
    prometheus_days: int = Field(15, ge=1)

    # What an endpoint process takes, of one device and of all of an owner's; None: no limit.
    device_messages_per_s: int | None = Field(None, ge=1)
    owner_messages_per_s: int | None = Field(None, ge=1)
    address_logins_per_s: int = Field(1_000, ge=1)

    @field_validator("data")
    @classmethod
    def _absolute(cls, data: Path) -> Path:
        return data.expanduser().absolute()

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _servers(cls, servers: str | None) -> str | None:
        for server in servers.split(",") if servers is not None else ():
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdigit():
                raise ValueError(f"{server.strip()!r} is not host:port; give host:port[,host:port]")
        return servers

    @field_validator("clickhouse_url", "clickhouse_reader_url", "chain_rpc_url", "did_io_rpc_url")
    @classmethod
    def _url(cls, url: str | None) -> str | None:
        if url is not None:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("is not an http:// or https:// address with a host")
        return url

    @field_validator("mqtt_url")
    @classmethod
    def _mqtt(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parts = urlsplit(url.get_secret_value())
            if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path not in (
                "", "/"
            ):  # fmt: skip
                raise ValueError("is not mqtt://[user:password@]host[:port], or mqtts:// for TLS")
        return url

    @field_validator("chain_rpc_urls", mode="before")
    @classmethod
    def _json(cls, urls: object) -> object:
        return json.loads(urls) if isinstance(urls, str) else urls

    @field_validator("chain_rpc_urls")
    @classmethod
    def _urls(cls, urls: dict[int, str]) -> dict[int, str]:
        for chain_id, url in urls.items():
            parts = urlsplit(url)
            if chain_id < 1 or parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(
                    f"chain {chain_id}: give {{ <EIP-155 id> = <http:// or https:// address> }}"
                )
        return urls

    @field_validator(
        "kafka_ssl_ca_location",
        "kafka_ssl_certificate_location",
        "kafka_ssl_key_location",
        "mqtt_ca_location",
        "wallet_passphrase_file",
        "did_ca_location",
        "endpoint_tls_certificate",
        "endpoint_tls_key",
        "endpoint_tls_client_ca",
    )
    @classmethod
    def _readable(cls, path: Path | None) -> Path | None:
        if path is not None and not path.expanduser().is_file():
            raise ValueError(f"there is no file {path}")
        return path.expanduser() if path is not None else None

    @model_validator(mode="after")
    def _authentication_is_whole(self) -> Self:
        if self.kafka_security_protocol.startswith("SASL"):
            for name in ("kafka_sasl_username", "kafka_sasl_password"):
                if getattr(self, name) is None:
                    raise ValueError(
                        f"{name}: is missing; kafka_security_protocol "
                        f"{self.kafka_security_protocol} needs a user name and a password"
                    )
        if self.kafka_security_protocol != "PLAINTEXT" and self.kafka_bootstrap_servers is None:
            raise ValueError(
                "kafka_bootstrap_servers: is missing; kafka_security_protocol "
                f"{self.kafka_security_protocol} is for a Kafka that runs elsewhere"
            )
        if (self.endpoint_tls_certificate is None) != (self.endpoint_tls_key is None):
            raise ValueError("endpoint_tls_certificate and endpoint_tls_key: one needs the other")
        if self.endpoint_tls_client_ca is not None and self.endpoint_tls_certificate is None:
            raise ValueError("endpoint_tls_client_ca: needs endpoint_tls_certificate as well")
        if self.endpoint_grpc_mutual_port is not None and self.endpoint_tls_client_ca is None:
            raise ValueError("endpoint_grpc_mutual_port: needs endpoint_tls_client_ca as well")
        return self

    @classmethod
    def load(cls, config: Path | None = None, **options: object) -> Self:
        """Read file, variables and options, and check them.

        Args:
            config: a TOML file; by default `$W3B_CONFIG`, else `w3b.toml` where there is one.
            options: of the command line; those that are None are not set.

        Returns:
            Settings whose addresses are None where nothing names them.

        Raises:
            SettingsError: a value or name is wrong, or a file cannot be read.
        """
        refuse_near_misses(cls.model_fields)
        named = config or (Path(os.environ["W3B_CONFIG"]) if "W3B_CONFIG" in os.environ else None)
        file = read_toml(named or CONFIG_FILE) if named or CONFIG_FILE.exists() else {}
        in_environment = {n for n in cls.model_fields if os.environ.get(variable_of(n))}
        from_file = {n: value for n, value in file.items() if n not in in_environment}
        given = {name: value for name, value in options.items() if value is not None}
        values: dict[str, Any] = {**from_file, **given}
        try:
            return cls(**values)
        except ValidationError as error:
            source = str(named or CONFIG_FILE)
            places = {**dict.fromkeys(from_file, source), **dict.fromkeys(given, "command line")}
            raise SettingsError(first_complaint(error, cls.model_fields, places)) from None

    @classmethod
    def resolve(cls, config: Path | None = None, **options: object) -> Self:
        """Settings for a command that talks to a node: `load`, with every address filled in.

        What nothing names comes from the `node.json` that the last `w3b up` on this data
        directory left (unless another `port_offset` is asked for), else from the default ports.

        Raises:
            SettingsError: as `load`; or `node.json` is damaged.
        """
        settings = cls.load(config, **options)
        node = read_node_file(settings.data)
        asked = "port_offset" in settings.model_fields_set
        if node and not (asked and node.get("port_offset") != settings.port_offset):
            known = {n: v for n, v in node.items() if n in NODE_FILE_SETTINGS}
            explicit = settings.model_fields_set
            settings = settings.model_copy(
                update={n: v for n, v in known.items() if n not in explicit}
            )
        return settings.with_local_addresses()

    def with_local_addresses(self) -> Self:
        """The same settings; every address that is None is the local component's."""
        clickhouse_port = CLICKHOUSE_HTTP_PORT + self.port_offset
        local: dict[str, object] = {
            "kafka_bootstrap_servers": f"{kafka.HOST}:{KAFKA_PORT + self.port_offset}",
            "clickhouse_url": clickhouse.url(self.data / "clickhouse", clickhouse_port),
            "chain_rpc_url": f"http://{chain.HOST}:{CHAIN_PORT + self.port_offset}",
            "endpoint_port": ENDPOINT_PORT + self.port_offset,
            "endpoint_mqtt_port": ENDPOINT_MQTT_PORT + self.port_offset,
            "endpoint_grpc_port": ENDPOINT_GRPC_PORT + self.port_offset,
            "metrics_port": METRICS_PORT + self.port_offset,
        }
        if self.clickhouse_url is None:
            local["clickhouse_reader_url"] = clickhouse.url(
                self.data / "clickhouse", clickhouse_port, clickhouse.READER
            )
        return self.model_copy(update={n: v for n, v in local.items() if getattr(self, n) is None})

    def kafka_config(self, **more: str | int | float | bool) -> dict[str, str | int | float | bool]:
        """Settings of a confluent-kafka client: where Kafka is, and how to authenticate.

        Args:
            more: further properties, with `_` for `.`; they win.
        """
        properties = {
            "bootstrap.servers": self.kafka_bootstrap_servers,
            "security.protocol": self.kafka_security_protocol,
            "ssl.ca.location": self.kafka_ssl_ca_location,
            "ssl.certificate.location": self.kafka_ssl_certificate_location,
            "ssl.key.location": self.kafka_ssl_key_location,
            "ssl.key.password": self.kafka_ssl_key_password,
        }
        if self.kafka_security_protocol.startswith("SASL"):
            properties |= {
                "sasl.mechanism": self.kafka_sasl_mechanism,
                "sasl.username": self.kafka_sasl_username,
                "sasl.password": self.kafka_sasl_password,
            }
        client: dict[str, str | int | float | bool] = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in properties.items()
            if value is not None
        }
        return client | {name.replace("_", "."): value for name, value in more.items()}

    @property
    def endpoint_url(self) -> str:
        """Where the HTTP door is, for a client on this machine."""
        return f"http{self._s}://{self._endpoint_address}:{self.endpoint_port}"

    @property
    def endpoint_mqtt_url(self) -> str:
        """Where the MQTT door is, for a client on this machine."""
        return f"mqtt{self._s}://{self._endpoint_address}:{self.endpoint_mqtt_port}"

    @property
    def endpoint_grpc_address(self) -> str:
        """Where the gRPC door is, for a client on this machine."""
        return f"{self._endpoint_address}:{self.endpoint_grpc_port}"

    @property
    def endpoint_addresses(self) -> str:
        """Where all its doors are."""
        grpc = f"grpc{self._s}://{self.endpoint_grpc_address}"
        return f"{self.endpoint_url}, {self.endpoint_mqtt_url}, {grpc}"

    @property
    def _s(self) -> str:
        return "s" if self.endpoint_tls_certificate is not None else ""

    @property
    def _endpoint_address(self) -> str:
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}
        host = everywhere.get(self.endpoint_host, self.endpoint_host)
        return f"[{host}]" if ":" in host else host

    @property
    def login_site(self) -> str:
        """For whom owners sign to log in: host, or host:port."""
        return self.login_domain or self.did_web_host or urlsplit(self.endpoint_url).netloc

    @property
    def files_url(self) -> str:
        """Where the virtual file system is; for `streams.filesystem`."""
        return str(self.data / "files")

    @property
    def keys(self) -> Path:
        """The folder of the node's keys, sealed."""
        return self.data / "keys"

    @property
    def compiled_key(self) -> Path:
        """The file of the secret by which the node knows machine code that it made itself."""
        return self.data / "keys" / "compiled.key"

    @property
    def processes(self) -> Mapping[str, tuple[Role, ...]]:
        """The node's own processes and their roles: `PROCESSES`, then further workers."""
        more = (worker_process(slot) for slot in range(1, self.execute_workers))
        return {**PROCESSES, **dict.fromkeys(more, PROCESSES["execute"])}

    @property
    def prometheus_port(self) -> int:
        """Where `w3b up` has Prometheus listen."""
        return PROMETHEUS_PORT + self.port_offset

    def process_metrics_port(self, process: str) -> int:
        """The port of `/metrics` and `/healthz` of one of `processes`."""
        assert self.metrics_port is not None, "resolve() fills addresses in"
        return self.metrics_port + list(self.processes).index(process)


def worker_process(slot: int) -> str:
    """The name of the process that has a slot of execution."""
    return f"execute-{slot}" if slot else "execute"
