"""What a running node leaves in its data directory, for other commands to find it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from topologies.config_sources import SettingsError

if TYPE_CHECKING:
    from topologies.config import Settings

NODE_FILE: Final = "node.json"
NODE_FILE_SETTINGS: Final = frozenset(
    {
        "execute_workers",
        "port_offset",
        "kafka_bootstrap_servers",
        "clickhouse_url",
        "clickhouse_reader_url",
        "chain_rpc_url",
        "endpoint_grpc_port",
        "endpoint_host",
        "endpoint_mqtt_port",
        "endpoint_port",
        "metrics_port",
    }
)


def read_node_file(data: Path) -> dict[str, Any]:
    """What the last `w3b up` on a data directory wrote; empty when there was none.

    Raises:
        SettingsError: it is not JSON.
    """
    path = data / NODE_FILE
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read ({error}): remove it") from error


def write_node_file(settings: "Settings", pid: int, pids: Mapping[str, int]) -> None:
    """Leave the addresses and pids of a node where other commands look for them.

    Readable by the owner only: ClickHouse's address has a password in it.
    """
    known = {name: getattr(settings, name) for name in sorted(NODE_FILE_SETTINGS)}
    path = settings.data / NODE_FILE
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps({"pid": pid, "pids": dict(pids), **known}, indent=2) + "\n")
    part.replace(path)
