"""A third Dapp, beside those of `serving`, which brings what theirs do not: it watches the chain,
pays, submits metrics, is sent repeats and nonsense. Its figures add up to nothing; they are there
so that whatever a dashboard asks has an answer."""

from pathlib import Path

from confluent_kafka import Producer

from streams import topics
from tests.effects.effects import record
from tests.grafana.asked import asked
from tests.integration import tally_program
from tests.integration.device import Device
from tests.integration.running import RunningNode
from tests.waiting import wait_until
from topologies.components import chain

NAME = "watched"
_MONITOR = '\n[[monitor]]\nkind = "chain_height"\nheight = 0\nconfirmations = 1\n'


def add_watched(node: RunningNode, scratch: Path) -> None:
    """`w3b dapp add`."""
    folder = tally_program.write(scratch / NAME, NAME)
    with (folder / "program.toml").open("a") as manifest:
        manifest.write(_MONITOR)
    node.w3b("dapp", "add", str(folder), "--allow-key", "default")


def trouble(node: RunningNode) -> None:
    """Send it all that; returns once Prometheus knows."""
    _send_twice(node)
    _ask_the_world(node)
    query = "w3b_effects_refused_total and on () w3b_submit_requests_total"
    wait_until(lambda: bool(asked(node, "query", query=query)["result"]), "Prometheus")


def _send_twice(node: RunningNode) -> None:
    """An event, its repeat, and one that is not let in."""
    token = node.w3b("publisher", "add", NAME, "gateway").stdout.strip()
    door = Device(node.settings.endpoint_url)
    path = f"/srv-applet-mgr/v0/event/{NAME}"
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
        producer.produce(topics.effects(NAME), value, b"did:x", 0)
    producer.produce(topics.results(NAME), b"no record", b"did:x", 0)
    assert producer.flush(30) == 0
