"""A node that took, refused, failed, repeated, stored, put aside, certified and sent something."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from streams import topics
from tests.effects.effects import record
from tests.grafana.asked import ROOT, asked
from tests.integration import tally_program
from tests.integration.device import Device
from tests.integration.running import RunningNode, running
from tests.waiting import wait_until
from topologies.components import chain

_SAFE_DRIVING = ROOT / "wasm_programs/safe_driving"
_MONITOR = '\n[[monitor]]\nkind = "chain_height"\nheight = 0\nconfirmations = 1\n'


@contextmanager
def worked(folder: Path) -> Iterator[RunningNode]:
    """Until the block ends; `folder` gets its data."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("W3B_PROMETHEUS_INTERVAL_S", "1")
        with running(folder / "node") as node:
            _serve(node, folder)
            _send_twice(node)
            _ask_the_world(node)
            # Over some seconds: what a histogram tells is what was added between two looks at it.
            drive(node, "--minutes", "15", "--speedup", "200", "--bad-share", "0.01")
            _wait_until_seen(node)
            yield node


def drive(node: RunningNode, *options: str) -> None:
    """Ten cars, unless the options have it otherwise."""
    node.w3b("fleet", "simulate", "--devices", "10", *options)


def _serve(node: RunningNode, folder: Path) -> None:
    """Both Dapps, with epochs of a second."""
    driving = folder / "safe_driving"
    shutil.copytree(_SAFE_DRIVING, driving)
    tally = tally_program.write(folder / "tally")
    for manifest, more in ((driving, ""), (tally, _MONITOR)):
        path = manifest / "program.toml"
        text = path.read_text().replace("seconds = 10", "seconds = 1")
        path.write_text(text.replace("seconds = 5", "seconds = 1") + more)
    node.w3b("dapp", "add", str(driving))
    node.w3b("dapp", "add", str(tally), "--allow-key", "default")


def _wait_until_seen(node: RunningNode) -> None:
    """Until Prometheus has the last of what was done."""
    query = "w3b_effects_refused_total and on () w3b_submit_requests_total"
    wait_until(lambda: bool(asked(node, "query", query=query)["result"]), "Prometheus")


def _send_twice(node: RunningNode) -> None:
    """An event, its repeat, and one that is not let in."""
    token = node.w3b("publisher", "add", tally_program.NAME, "gateway").stdout.strip()
    door = Device(node.settings.endpoint_url)
    path = f"/srv-applet-mgr/v0/event/{tally_program.NAME}"
    for number in (1, 2):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
        answer = door.ask("POST", path, b"x", headers, eventType="DEFAULT", eventID="one")
        assert answer.status == 201, (number, answer)
    assert door.ask("POST", "/v1/messages", b"x").status == 401


def _ask_the_world(node: RunningNode) -> None:
    """Effects as a program would have them: one that is done, one that cannot be, metrics; and in
    another topic what is no record at all."""
    body = b'{"id":"0x%064x","to":"0x%040x","value":"1","data":"0x"}' % (7, 0x22)
    effects = [
        record("send_tx", str(chain.CHAIN_ID).encode(), body),
        record("send_tx", str(chain.CHAIN_ID).encode(), b"{}"),
        record("metrics", b"", b'{"speed":1}'),
    ]
    producer = Producer(node.settings.kafka_config(acks="all"))
    for value in effects:
        producer.produce(topics.effects(tally_program.NAME), value, b"did:x", 0)
    producer.produce(topics.results(tally_program.NAME), b"no record", b"did:x", 0)
    assert producer.flush(30) == 0
