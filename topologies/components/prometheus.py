"""Prometheus, where it is installed: it collects what the node's processes tell of themselves.

Nothing of the node needs it: without it figures are of the moment (`/metrics`), and nobody is told
of alerts. It is no part of the set-up because no package registry that needs no root has it; `make
setup` unpacks Debian's package where that is to be had.
"""

import http.client
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from topologies.supervisor import Child, Unhealthy

HOST: Final = "127.0.0.1"
PROGRAM: Final = "prometheus"
ADVICE: Final = "is not installed (Debian: apt install prometheus): nothing collects metrics"
_CHECKOUT: Final = Path(__file__).resolve().parents[2]
_RULES: Final = _CHECKOUT / "deploy/prometheus/alerts.yml"
_UNPACKED: Final = _CHECKOUT / "build/tools/bin" / PROGRAM  # by `make setup`
_PROBE_S: Final = 3.0


def program() -> str | None:
    """The program's path; None where it is not installed."""
    return shutil.which(PROGRAM) or shutil.which(str(_UNPACKED))


def child(
    program: str, data: Path, port: int, configuration: Mapping[str, Any], retention_days: int
) -> Child:
    """Prometheus as a supervised child, which the node runs on without.

    Args:
        program: as `program()` gives it.
        data: its directory; holds its configuration and what it has collected.
        port: its API and pages, loopback.
        configuration: as `configuration()` gives it.
        retention_days: how long it keeps what it has collected.
    """
    address = url(port)

    def prepare() -> Sequence[str]:
        data.mkdir(parents=True, exist_ok=True)
        # JSON is YAML, and needs no library to be written.
        (data / "prometheus.yml").write_text(json.dumps(configuration, indent=2) + "\n")
        return ()

    return Child(
        name="prometheus",
        argv=(
            program,
            f"--config.file={data / 'prometheus.yml'}",
            f"--storage.tsdb.path={data / 'collected'}",
            f"--storage.tsdb.retention.time={retention_days}d",
            f"--web.listen-address={HOST}:{port}",
            "--web.cors.origin=none",  # by default any page in a browser may read it
            "--log.level=warn",
        ),
        env={},
        health=lambda: probe(port),
        address=address,
        prepare=prepare,
        is_needed=False,
    )


def configuration(processes: Mapping[str, int], interval_s: int) -> dict[str, Any]:
    """What Prometheus is told: whom to ask, how often, which alerts there are.

    Args:
        processes: the port of `/metrics` of each of the node's processes.
        interval_s: between two times that it asks.
    """
    return {
        "global": {"scrape_interval": f"{interval_s}s", "evaluation_interval": "15s"},
        "rule_files": [str(_RULES)] if _RULES.exists() else [],
        "scrape_configs": [
            {
                "job_name": "w3b",
                "static_configs": [
                    {"targets": [f"{HOST}:{port}"], "labels": {"process": name}}
                    for name, port in processes.items()
                ],
            }
        ],
    }


def url(port: int) -> str:
    """Where it is, for a browser and for Grafana."""
    return f"http://{HOST}:{port}"


def probe(port: int) -> None:
    """Ask whether it is ready.

    Raises:
        Unhealthy: no answer, or it says no.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=_PROBE_S)
    try:
        connection.request("GET", "/-/ready")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise Unhealthy(f"no answer to GET /-/ready on port {port}: {error}") from error
    finally:
        connection.close()
    if status != http.client.OK:
        raise Unhealthy(f"GET /-/ready on port {port} answers {status}")
