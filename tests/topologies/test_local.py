"""`w3b up` as a process: what it starts comes back when killed, and never outlives it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import psutil
import pytest

from tests.local_components import free_port
from tests.waiting import wait_until
from topologies import local
from topologies.components import chain, clickhouse, kafka
from topologies.config import CHAIN_PORT, KAFKA_PORT, Role, Settings
from topologies.node_file import read_node_file
from topologies.supervisor import SetupError, Unhealthy

pytestmark = [pytest.mark.services, pytest.mark.slow]
W3B = (sys.executable, "-m", "topologies")


class Node:
    """A `w3b up --components-only` on a data directory, with ports of its own."""

    def __init__(self, data: Path, **variables: str) -> None:
        self.data = data
        self.offset = free_port() - KAFKA_PORT
        self.env = {**os.environ, **{f"W3B_{n.upper()}": v for n, v in variables.items()}}
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> "Node":
        options = ("--data", str(self.data), "--port-offset", str(self.offset))
        self.process = subprocess.Popen(
            [*W3B, "up", "--components-only", *options],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.output = []
        for line in self.process.stdout:
            self.output.append(line)
            if line.startswith("up after"):
                return self
        raise AssertionError("".join(self.output))

    def pids(self) -> dict[str, int]:
        pids: dict[str, int] = read_node_file(self.data)["pids"]
        return pids

    def signal(self, number: int) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(60)

    def status(self) -> tuple[int, Any]:
        command = [*W3B, "status", "--json", "--data", str(self.data)]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout)

    def second(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [*W3B, "up", "--components-only", *options]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Makes nodes; those that still run in the end are killed."""
    made: list[Node] = []

    def make(**variables: str) -> Node:
        # Paths go into files of XML and of Java's properties.
        made.append(Node(tmp_path / f"nöde & {len(made)}", **variables))
        return made[-1]

    yield make
    for each in made:
        if each.process is not None and each.process.poll() is None:
            each.signal(signal.SIGKILL)


def _gone(pids: dict[str, int]) -> bool:
    return not any(
        psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        for pid in pids.values()
    )


def _well(probe: Callable[[], None]) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            probe()
        except Unhealthy:
            return False
        return True

    return ask


def test_a_node_from_start_to_stop(node: Callable[..., Node]) -> None:
    it = node().start()
    assert set(it.pids()) == {"kafka", "clickhouse", "chain"}
    status, found = it.status()
    assert status == 1  # no roles run
    assert {name: c["healthy"] for name, c in found["components"].items()} == {
        "kafka": True,
        "clickhouse": True,
        "chain": True,
    }
    assert list(found["roles"]) == list(get_args(Role))
    assert not any(role["healthy"] for role in found["roles"].values())
    assert "@" not in found["components"]["clickhouse"]["address"]  # no password

    pids = it.pids()
    assert it.signal(signal.SIGTERM) == 0
    assert _gone(pids)
    assert it.pids() == {}
    status, found = it.status()  # the address is remembered, so that no other node is asked
    assert found["components"]["kafka"] == {
        "address": f"127.0.0.1:{KAFKA_PORT + it.offset}",
        "healthy": False,
        "reason": found["components"]["kafka"]["reason"],
    }


def test_a_killed_component_comes_back(node: Callable[..., Node]) -> None:
    it = node().start()
    before = it.pids()
    probes = {
        "kafka": kafka.prober({"bootstrap.servers": f"127.0.0.1:{KAFKA_PORT + it.offset}"}),
        "clickhouse": lambda: clickhouse.probe(read_node_file(it.data)["clickhouse_url"]),
        "chain": lambda: chain.probe(f"http://127.0.0.1:{CHAIN_PORT + it.offset}"),
    }
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    for name, probe in probes.items():
        wait_until(lambda name=name: it.pids()[name] != before[name], name)
        wait_until(_well(probe), name)


def test_nothing_outlives_a_killed_node_and_it_starts_again(node: Callable[..., Node]) -> None:
    it = node().start()
    for _ in range(2):
        pids = it.pids()
        it.signal(signal.SIGKILL)
        it.start()  # at once: no lock, no port is in the way
        assert _gone(pids)
    assert it.signal(signal.SIGINT) == 0


def test_a_second_signal_ends_it_at_once(node: Callable[..., Node], kafka: str) -> None:
    it = node(kafka_bootstrap_servers=kafka).start()
    pids = it.pids()
    os.kill(pids["clickhouse"], signal.SIGSTOP)  # it will not stop by itself
    assert it.process is not None
    it.process.send_signal(signal.SIGTERM)
    wait_until(lambda: _gone({"chain": pids["chain"]}), "the chain to stop")
    assert it.signal(signal.SIGTERM) == 1
    wait_until(lambda: _gone(pids), "ClickHouse to go")


def test_a_second_node_on_the_same_data_is_refused(node: Callable[..., Node], kafka: str) -> None:
    it = node(kafka_bootstrap_servers=kafka).start()
    assert it.process is not None
    assert "kafka       " + kafka in it.output[0]
    assert "runs elsewhere" in it.output[0]
    assert set(it.pids()) == {"clickhouse", "chain"}
    done = it.second("--data", str(it.data), "--port-offset", "0")
    assert done.returncode == 1
    assert done.stderr == (
        f"w3b: a node already runs on {it.data} (process {it.process.pid}): "
        "stop it, or give another --data and --port-offset\n"
    )


def test_a_port_in_use_is_named(node: Callable[..., Node], kafka: str) -> None:
    it = node(kafka_bootstrap_servers=kafka)
    with socket.socket() as other:
        other.bind(("127.0.0.1", CHAIN_PORT + it.offset))
        other.listen()
        done = it.second("--data", str(it.data), "--port-offset", str(it.offset))
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"w3b: port {CHAIN_PORT + it.offset}, which the chain needs, is in use: "
        f"stop what listens there, or shift all ports, say by --port-offset "
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"endpoint_host": "192.0.2.1"}, "the endpoint cannot listen on 192.0.2.1:"),
        ({"endpoint_host": "no host"}, "the endpoint cannot listen on no host:"),
        (
            {"endpoint_port": 7, "endpoint_grpc_port": 7},
            "the endpoint's gRPC door would share port 7:",
        ),
        ({"data": "/dev/null/x"}, "/dev/null/x cannot be the data directory (Not a directory)"),
        ({"data": "/dev/null"}, "/dev/null cannot be the data directory (File exists)"),
    ],
)
def test_what_stands_in_the_way_is_named(
    tmp_path: Path, options: dict[str, object], words: str
) -> None:
    offset = free_port() - KAFKA_PORT
    settings = Settings.load(**{"data": tmp_path, "port_offset": offset, **options})
    with pytest.raises(SetupError, match=re.escape(words)):
        local.run(settings)


def test_a_component_elsewhere_that_does_not_answer_is_named(node: Callable[..., Node]) -> None:
    it = node(chain_rpc_url=f"http://user:secret@127.0.0.1:{free_port()}/key")
    done = it.second("--data", str(it.data), "--port-offset", str(it.offset))
    assert done.returncode == 1
    assert "or correct the setting chain_rpc_url" in done.stderr
    assert "secret" not in done.stderr
    assert "/key" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrong_setting_is_one_line(node: Callable[..., Node]) -> None:
    done = node(port_offset="x").second()
    assert done.returncode == 2
    assert done.stderr.startswith("w3b: setting port_offset (W3B_PORT_OFFSET): ")
    assert done.stderr.count("\n") == 1
