"""Dapps that are upgraded, rolled back, paused and removed while another one goes on."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import wasmtime
from confluent_kafka import Producer

from streams import topics
from streams.delivery.replay import replay
from streams.records import Kind, Message, decode_output, decode_summary, kind_of
from tests.waiting import wait_until
from topologies.__main__ import main
from topologies.commands.dapp import add
from topologies.config import Settings

pytestmark = [pytest.mark.services, pytest.mark.slow]

ROLES = Path(__file__).with_name("roles_process.py")
PARTITIONS = 2
# Counts its messages, a digit of keyed state; the result has the version and the count.
PROGRAM = r"""(module
 (import "env" "ws_get_db" (func $get (param i32 i32 i32 i32) (result i32)))
 (import "env" "ws_set_db" (func $set (param i32 i32 i32 i32) (result i32)))
 (import "w3b" "result" (func $result (param i32 i32) (result i32)))
 (memory (export "memory") 1)
 (func (export "alloc") (param i32) (result i32) (i32.const 8192))
 (func (export "start") (param i32) (result i32)
   (if (i32.eqz (call $get (i32.const 64) (i32.const 1) (i32.const 0) (i32.const 4)))
     (then (i32.store8 (i32.const 263) (i32.load8_u (i32.load (i32.const 0))))))
   (i32.store8 (i32.const 263) (i32.add (i32.load8_u (i32.const 263)) (i32.const 1)))
   (drop (call $set (i32.const 64) (i32.const 1) (i32.const 263) (i32.const 1)))
   (call $result (i32.const 256) (i32.const 10)))
 (data (i32.const 64) "n")
 (data (i32.const 256) "{\"VERSION\":\"0\"}"))
"""


class Served:
    """The Dapps of a node, as their users have them."""

    def __init__(self, kafka: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.settings = Settings.load(data=folder / "data", kafka_bootstrap_servers=kafka)
        self.config = dict(self.settings.kafka_config())
        self._producer = Producer(self.config)
        self._number = 0

    def w3b(self, *words: str, status: int = 0) -> str:
        """Run a command; what it said."""
        self._capsys.readouterr()
        assert main([*words, "--data", str(self.settings.data)]) == status
        said = self._capsys.readouterr()
        return said.out + said.err

    def program(self, name: str, version: str, consensus: str = "poa") -> Path:
        """The folder of a version: v1, v2."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        text = PROGRAM.replace("VERSION", version)
        (folder / "program.wasm").write_bytes(wasmtime.wat2wasm(text))
        (folder / "program.toml").write_text(
            f'[dapp]\nname = "{name}"\npartitions = {PARTITIONS}\nversion = "{version}"\n'
            f'consensus = "{consensus}"\n'
            '[program]\nfile = "program.wasm"\n[epochs]\nseconds = 86400\n'
        )
        return folder

    def send(self, dapp: str, count: int) -> None:
        """As many messages into each partition."""
        for _ in range(count):
            for partition in range(PARTITIONS):
                self._number += 1
                message = Message("did:x", b"{}", self._number.to_bytes(16, "big"), 7)
                self._producer.produce(
                    topics.messages(dapp), message.encode(), b"did:x", partition=partition
                )
        assert self._producer.flush(30) == 0

    def values(self, topic: str, partition: int) -> list[bytes]:
        batches = replay(self.config, topic, partition)
        return [one.value() or b"" for batch in batches for one in batch]

    def results(self, dapp: str) -> list[list[str]]:
        """Of each partition, its results' versions and counts."""
        return [
            [
                decode_output(one).b.decode()[2:-2].replace('":"', ":")
                for one in self.values(topics.results(dapp), at)
            ]
            for at in range(PARTITIONS)
        ]

    def barriers(self, dapp: str) -> int:
        """In the partition that has the fewest."""
        return min(
            sum(kind_of(one) is Kind.BARRIER for one in self.values(topics.messages(dapp), at))
            for at in range(PARTITIONS)
        )

    def until_results(self, dapp: str, count: int) -> None:
        wait_until(
            lambda: all(len(one) >= count for one in self.results(dapp)), f"{count} of {dapp}"
        )


@pytest.fixture
def node(
    kafka: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Served]:
    monkeypatch.setenv("W3B_KAFKA_BOOTSTRAP_SERVERS", kafka)
    served = Served(kafka, tmp_path, capsys)
    command = [sys.executable, str(ROLES), kafka, str(served.settings.data)]
    with subprocess.Popen(command) as roles:
        yield served
        roles.kill()


def test_upgrades_rollbacks_and_pauses_beside_a_steady_dapp(node: Served) -> None:
    dapp, steady = (f"d{uuid4().hex[:12]}" for _ in range(2))
    for name, consensus in ((dapp, "poa"), (steady, "none")):
        add(node.settings, node.program(name, "v1", consensus))
        node.send(name, 3)
    for name in (dapp, steady):
        node.until_results(name, 3)

    add(node.settings, node.program(dapp, "v2"))
    wait_until(lambda: node.barriers(dapp) == 1, "the upgrade's barrier")
    node.send(dapp, 2)
    node.until_results(dapp, 5)

    node.w3b("dapp", "pause", dapp)
    node.w3b("dapp", "rollback", dapp)
    wait_until(lambda: node.barriers(dapp) == 2, "the rollback's barrier")
    node.send(dapp, 2)
    node.send(steady, 4)
    node.until_results(steady, 7)
    assert node.results(dapp) == [["v1:1", "v1:2", "v1:3", "v2:4", "v2:5"]] * PARTITIONS
    node.w3b("dapp", "resume", dapp)
    node.until_results(dapp, 7)
    expected = ["v1:1", "v1:2", "v1:3", "v2:4", "v2:5", "v1:6", "v1:7"]
    assert node.results(dapp) == [expected] * PARTITIONS
    assert node.results(steady) == [[f"v1:{n}" for n in range(1, 8)]] * PARTITIONS

    claims = [
        [decode_summary(decode_output(one)) for one in node.values(topics.claims(dapp), at)]
        for at in range(PARTITIONS)
    ]
    programs = [[one.program for one in of_partition] for of_partition in claims]
    assert programs[0] == programs[1]
    assert len(set(programs[0])) == len(programs[0]) == 2

    assert node.w3b("state", "get", dapp, "n") == "partition 0: 7\npartition 1: 7\n"
    assert json.loads(node.w3b("state", "get", dapp, "0x6e", "--json"))[1]["hex"] == "37"
    assert f"Dapp {dapp} has no key 'm'" in node.w3b("state", "get", dapp, "m", status=1)

    node.w3b("dapp", "remove", dapp)
    assert node.barriers(steady) == 0
    add(node.settings, node.program(steady, "v2", "none"))
    wait_until(lambda: node.barriers(steady) == 1, "a barrier without epochs")
    node.send(steady, 1)
    node.until_results(steady, 8)
    assert [one[-1] for one in node.results(steady)] == ["v2:8"] * PARTITIONS
