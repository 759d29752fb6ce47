"""Programs of deployments, as a worker asks for them."""

from pathlib import Path
from uuid import uuid4

import pytest
import wasmtime

from streams.delivery.admin import ensure_topics
from streams.execution.instance import NO_DEPLOYMENT
from streams.filesystem.store import FileStore
from streams.registry.deployments import Deployed, Deployment
from streams.registry.entries import Dapp
from streams.registry.manifest import parse_manifest
from streams.registry.view import Registry
from streams.registry.writer import RegistryWriter
from streams.topics import node_topics
from topologies.programs import DeploymentUnavailable, Programs

pytestmark = [pytest.mark.services, pytest.mark.slow]

PROGRAM = """(module (memory (export "memory") 1)
  (func (export "start") (param i32) (result i32) i32.const {}))"""


def test_what_a_barrier_named_is_waited_for_and_loaded_once_it_is_there(
    kafka: str, tmp_path: Path
) -> None:
    files, config = FileStore(str(tmp_path)), {"bootstrap.servers": kafka}
    name = f"d{uuid4().hex[:12]}"
    data = {"dapp": {"name": name}, "program": {"file": "a.wasm"}}
    manifest = parse_manifest(data, "here")
    binaries = [bytes(wasmtime.wat2wasm(PROGRAM.format(code))) for code in range(2)]
    shas = [files.put(binary) for binary in binaries]
    older, newer = (Deployment(manifest, sha) for sha in shas)
    history = tuple(Deployed(one.sha256, one.program_sha256, "1", 0) for one in (older, newer))
    ensure_topics(config, node_topics())
    registry = Registry(config)
    registry.start()
    try:
        registry.wait_for(RegistryWriter(config).put(Dapp(manifest, shas[1], history)))
        programs = Programs(registry, files, name)
        assert programs(bytes.fromhex(newer.sha256)).digest.hex() == shas[1]
        with pytest.raises(DeploymentUnavailable, match=f"{name} waits.*no blob {older.sha256}"):
            programs(NO_DEPLOYMENT)
        files.put(older.encode())
        assert programs(NO_DEPLOYMENT).digest.hex() == shas[0]
        assert programs(bytes.fromhex(older.sha256)) is programs(NO_DEPLOYMENT)
    finally:
        registry.close()
