"""What a running node leaves in its data directory, for other commands to find it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from topologies.config_sources import SettingsError

if TYPE_CHECKING:
    from topologies.config import Settings

NODE_FILE: Final = "node.json"


class _NodeFile(msgspec.Struct):
    """What there may be; one that another version of the node wrote may have less, or more."""

    execute_workers: int | UnsetType = UNSET
    port_offset: int | UnsetType = UNSET
    kafka_bootstrap_servers: str | UnsetType = UNSET
    clickhouse_url: str | UnsetType = UNSET
    clickhouse_reader_url: str | UnsetType | None = UNSET
    chain_rpc_url: str | UnsetType = UNSET
    endpoint_grpc_port: int | UnsetType = UNSET
    endpoint_host: str | UnsetType = UNSET
    endpoint_mqtt_port: int | UnsetType = UNSET
    endpoint_port: int | UnsetType = UNSET
    metrics_port: int | UnsetType = UNSET
    pid: int | UnsetType = UNSET
    pids: dict[str, int] | UnsetType = UNSET


NODE_FILE_SETTINGS: Final = frozenset(_NodeFile.__struct_fields__) - {"pid", "pids"}


def read_node_file(data: Path) -> dict[str, Any]:
    """What the last `w3b up` on a data directory wrote; empty when there was none.

    Raises:
        SettingsError: it is damaged, or cannot be read.
    """
    path = data / NODE_FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_NodeFile)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read ({error}): remove it") from error
    return {
        name: value for name, value in msgspec.structs.asdict(found).items() if value is not UNSET
    }


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
