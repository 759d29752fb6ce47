"""Whether the components and roles of a node are well, asked from outside."""

import http.client
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from topologies.components import chain, clickhouse, kafka, prometheus
from topologies.config import PROCESSES, Settings
from topologies.node_file import read_node_file
from topologies.supervisor import Unhealthy

_HOST: Final = "127.0.0.1"  # metrics and health are for this machine
_PROBE_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Health:
    """What a probe found; `reason` is None when all is well; a `note` is for who reads it."""

    address: str
    reason: str | None
    note: str | None = None

    def as_json(self) -> dict[str, Any]:
        """`{"address": …, "healthy": …}`, and a `reason` when it is not, or a `note`."""
        found: dict[str, Any] = {"address": self.address, "healthy": self.reason is None}
        more = {"reason": self.reason, "note": self.note}
        return found | {name: text for name, text in more.items() if text is not None}


def component_probes(settings: Settings) -> dict[str, tuple[str, Callable[[], None]]]:
    """Address and check of each component, local or not; the checks raise `Unhealthy`."""
    servers, database, rpc = (
        settings.kafka_bootstrap_servers,
        settings.clickhouse_url,
        settings.chain_rpc_url,
    )
    assert servers is not None, "resolve() fills addresses in"
    assert database is not None
    assert rpc is not None
    return {
        "kafka": (servers, kafka.prober(settings.kafka_config())),
        "clickhouse": (
            clickhouse.without_password(database),
            lambda: clickhouse.probe(database),
        ),
        "chain": (chain.without_secrets(rpc), lambda: chain.probe(rpc)),
    }


def healthz(port: int) -> dict[str, str | None]:
    """Ask a node process; it answers for each of its roles.

    `GET /healthz` answers 200 when all is well and 503 when not, with a JSON body
    `{"roles": {"store": null, "agree": "why it is not well"}}` (the body may be missing).

    Args:
        port: of the process's metrics.

    Returns:
        Reason by role, None where all is well; empty when the body says nothing about roles.

    Raises:
        Unhealthy: no answer, or 503 without saying which role.
    """
    connection = http.client.HTTPConnection(_HOST, port, timeout=_PROBE_S)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unhealthy(f"no answer to GET /healthz on port {port}: {error}") from error
    finally:
        connection.close()
    roles = _roles_in(body)
    if response.status != http.client.OK and not any(roles.values()):
        raise Unhealthy(f"GET /healthz on port {port} answers {response.status}")
    return roles


def process_probe(port: int) -> Callable[[], None]:
    """A check of a whole node process, for its supervisor."""

    def probe() -> None:
        for role, reason in healthz(port).items():
            if reason is not None:
                raise Unhealthy(f"{role}: {reason}")

    return probe


def node_health(settings: Settings) -> tuple[dict[str, Health], dict[str, Health]]:
    """Ask everything at once.

    Returns:
        Components and roles by name, in path order.
    """
    probes = component_probes(settings) | _collector_probes(settings)
    with ThreadPoolExecutor(len(probes) + len(settings.processes)) as pool:
        asked = {
            name: pool.submit(_ask, address, probe) for name, (address, probe) in probes.items()
        }
        processes = {name: pool.submit(_ask_roles, settings, name) for name in settings.processes}
        components = {name: answer.result() for name, answer in asked.items()}
        roles = {
            role: found for answer in processes.values() for role, found in answer.result().items()
        }
    return components, roles


def _collector_probes(settings: Settings) -> dict[str, tuple[str, Callable[[], None]]]:
    """Prometheus, where `w3b up` runs one."""
    if prometheus.PROGRAM not in read_node_file(settings.data).get("pids", {}):
        return {}
    port = settings.prometheus_port
    return {prometheus.PROGRAM: (prometheus.url(port), lambda: prometheus.probe(port))}


def _ask(address: str, probe: Callable[[], None]) -> Health:
    try:
        probe()
    except Unhealthy as error:
        return Health(address, str(error))
    return Health(address, None)


def _ask_roles(settings: Settings, process: str) -> dict[str, Health]:
    port = settings.process_metrics_port(process)
    address = f"http://{_HOST}:{port}"
    # A further worker has the role of the first one, and is told from it by its process.
    roles = {
        role if process in PROCESSES else process: role for role in settings.processes[process]
    }
    try:
        reasons = healthz(port)
    except Unhealthy as error:
        return {name: Health(address, str(error)) for name in roles}
    return {
        name: Health(address, reasons.get(role), _note(settings, role))
        for name, role in roles.items()
    }


def _note(settings: Settings, role: str) -> str | None:
    if role == "endpoint":
        return settings.endpoint_addresses
    if role == "publish" and settings.mqtt_url is None:
        return "no mqtt_url is set: what programs publish waits on topics effects.<dapp>"
    return None


def _roles_in(body: bytes) -> dict[str, str | None]:
    try:
        roles = json.loads(body)["roles"]
        return {str(role): None if why is None else str(why) for role, why in roles.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
