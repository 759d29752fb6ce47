"""What nobody should send, at every door of a whole node: refused by name, or a dead letter with
its reason and its bytes; and the partition goes on."""

import base64
import json
import random
import struct
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from confluent_kafka import Message, Producer

from streams import limits, records, topics
from streams.clock import ManualClock
from streams.database.server import Server
from streams.endpoint.tokens import Tokens
from streams.records import DeadReason, Kind, Output
from tests.integration import tally_program
from tests.integration.account import Auditor
from tests.integration.device import ENVELOPES, NDJSON, Device
from tests.integration.following import Following
from tests.integration.running import RunningNode, running
from tests.waiting import wait_until
from topologies.unlocking import key_store

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(300)]

DAPP = tally_program.NAME
PARTITION = 1  # where records are written by hand
GOOD = b'{"good": true}'
# A batch may have 1,048,588 bytes unless a broker is told otherwise; the rest is around the value.
KAFKA_RECORD_BYTES_MAX = 1_048_588 - 200


@dataclass
class Doors:
    """A node, and the ways into it."""

    node: RunningNode
    results: Following
    dead: Following
    device: Device
    producer: Producer
    server: Server

    def write(self, key: bytes | None, value: bytes | None) -> bytes:
        """A record by hand; the id that a raw record gets, which its place in the log makes."""
        written: list[Message] = []

        def note(error: Any, message: Message) -> None:
            assert error is None, error
            written.append(message)

        self.producer.produce(
            topics.messages(DAPP), value, key, partition=PARTITION, on_delivery=note
        )
        assert self.producer.flush(30) == 0
        return struct.pack(">4xIq", PARTITION, written[0].offset())

    def good(self) -> None:
        """A good message, by hand into the same partition and by HTTP, is processed."""
        (sent,) = self.device.deliver(DAPP, GOOD)
        for id_ in (self.write(b"did:by-hand", GOOD), uuid.UUID(sent).bytes):
            wait_until(lambda one=id_: one in self.results.outputs, "a good message's result", 20)

    def dead_letter(self, id_: bytes) -> Output:
        """The dead letter of a message; its row in ClickHouse has the same bytes."""
        wait_until(lambda: id_ in self.dead.outputs, "a dead letter", 20)
        letter = self.dead.outputs[id_]
        found: list[Any] = []

        def is_stored() -> bool:
            sql = (
                "SELECT reason, hex(key), hex(value) FROM dead_letters "
                "WHERE dapp = {dapp:String} AND message_id = {id:UUID}"
            )
            found[:] = self.server.rows(sql, {"dapp": DAPP, "id": str(uuid.UUID(bytes=id_))})
            return bool(found)

        wait_until(is_stored, "the dead letter's row", 20)
        ((reason, key, value),) = found
        assert (reason, bytes.fromhex(value)) == (letter.label, letter.b)
        assert bytes.fromhex(key) == (self.dead.keys[id_] or b"")
        return letter


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """One node for all tests here; in the end every figure of it has to agree."""
    folder = tmp_path_factory.mktemp("quiet")
    with running(folder / "node") as node:
        node.w3b("dapp", "add", str(tally_program.write(folder / DAPP)))
        device = Device(node.settings.endpoint_url)
        node.w3b("device", "add", "--did", device.did, "--owner", "ann", "--grant", DAPP)
        producer = Producer(
            {
                **node.settings.kafka_config(),
                "message.max.bytes": 8 * limits.MIB,
                "compression.type": "lz4",
            }
        )
        assert node.settings.clickhouse_url is not None
        server = Server(node.settings.clickhouse_url)
        partitions = tally_program.PARTITIONS
        with (
            Following(node.settings, topics.results(DAPP), partitions) as results,
            Following(node.settings, topics.dead(DAPP), partitions) as dead,
        ):
            made = Doors(node, results, dead, device, producer, server)
            made.good()
            yield made
            made.good()
        auditor = Auditor(node.settings, DAPP)
        auditor.wait_until_settled()
        assert auditor.audit(()).problems == []
        auditor.close()
        server.close()
        node.stop()


# --- HTTP ----------------------------------------------------------------------------------------


def envelope(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


REFUSED = {
    "malformed JSON": (b'{"n": ', "application/json", 400, "malformed_json"),
    "an empty body": (b"", NDJSON, 400, "no_messages"),
    "no JSON at all": (b"", "application/json", 400, "malformed_json"),
    "only empty lines": (b"\n\n", NDJSON, 400, "no_messages"),
    "a bad line among good ones": (GOOD + b"\n{]\n" + GOOD, NDJSON, 400, "malformed_json"),
    "a payload that is no UTF-8": (b'{"n": "\xff"}', "application/json", 400, "malformed_json"),
    "no payload": (envelope(time_ms=1), ENVELOPES, 400, None),
    "a time that is none": (envelope(payload=1, time_ms=-1), ENVELOPES, 400, None),
    "an oversize message": (
        b'"%b"' % (b"x" * limits.PAYLOAD_BYTES_MAX), "application/json", 413, "too_large",
    ),
    "an oversize line": (
        GOOD + b'\n"%b"' % (b"x" * limits.PAYLOAD_BYTES_MAX), NDJSON, 413, "too_large",
    ),
    "too many messages": (b"1\n" * (limits.REQUEST_MESSAGES_MAX + 1), NDJSON, 413, None),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_body_is_refused_by_name(doors: Doors, case: str) -> None:
    body, content_type, status, error = REFUSED[case]
    answer = doors.device.post(DAPP, body, content_type)
    assert answer.status == status, answer
    assert error in (None, answer.error)
    assert answer.body["message"]
    doors.good()


def test_an_unknown_dapp(doors: Doors) -> None:
    answer = doors.device.post("nobody", GOOD)
    assert (answer.status, answer.error) == (404, "unknown_dapp")
    doors.good()


def test_tokens_that_do_not_count(doors: Doors) -> None:
    settings = doors.node.settings
    secrets = key_store(settings).secrets("tokens")
    expired, _ = Tokens(lambda: secrets, ManualClock(1_700_000_000_000)).issue(doors.device.did)
    now = ManualClock(time.time_ns() // 1_000_000)
    other, _ = Tokens(lambda: [b"k" * 32], now).issue(doors.device.did)
    head, body, signature = doors.device.token.split(".")
    claims = base64.urlsafe_b64decode(body + "==").replace(b"did:key", b"did:kez")
    changed = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for token, error in {
        "": "token_missing",
        "x": "token_forged",
        expired: "token_expired",
        other: "token_forged",
        f"{head}.{changed}.{signature}": "token_forged",
        f"{unsigned}.{body}.": "token_forged",
    }.items():
        answer = doors.device.post(DAPP, GOOD, token=token)
        assert (answer.status, answer.error) == (401, error)
    doors.good()


def test_a_revoked_device_is_refused_within_a_second(doors: Doors) -> None:
    device = Device(doors.node.settings.endpoint_url)
    doors.node.w3b("device", "add", "--did", device.did, "--owner", "bob", "--grant", DAPP)
    device.deliver(DAPP, GOOD)
    doors.node.w3b("device", "revoke", device.did)
    end_s = time.monotonic() + 1
    while (answer := device.post(DAPP, GOOD)).status == 202:
        assert time.monotonic() < end_s, "still accepted"
    assert (answer.status, answer.error) == (403, "device_revoked")
    doors.good()


def test_a_repeated_request_counts_once(doors: Doors) -> None:
    body, id_ = b"\n".join([GOOD] * 3), str(uuid.uuid4())
    first = doors.device.post(DAPP, body, NDJSON, id=id_)
    again = doors.device.post(DAPP, body, NDJSON, id=id_)
    assert first.status == again.status == 202
    assert first.body["ids"] == again.body["ids"]
    doors.good()
    ids = [uuid.UUID(one) for one in first.body["ids"]]
    wait_until(lambda: all(one.bytes in doors.results.outputs for one in ids), "results")
    for table in ("messages", "results"):
        sql = f"SELECT count() FROM {table} WHERE message_id IN {{ids:Array(UUID)}}"
        parameters = {"ids": [str(one) for one in ids]}
        wait_until(lambda s=sql, p=parameters: doors.server.rows(s, p)[0][0] >= 3, table)
        assert doors.server.rows(sql, parameters)[0][0] == 3


@pytest.mark.parametrize(
    ("payload", "reason"), [(b"trap", DeadReason.TRAP), (b"no", DeadReason.RETURNED_ERROR)]
)
def test_what_the_program_cannot_take(doors: Doors, payload: bytes, reason: DeadReason) -> None:
    (sent,) = doors.device.deliver(DAPP, payload, "application/octet-stream")
    letter = doors.dead_letter(uuid.UUID(sent).bytes)
    assert letter.label == reason
    assert records.decode_message(letter.b).payload == payload
    doors.good()


# --- a plain producer ----------------------------------------------------------------------------

_MAGIC = bytes([records.MAGIC])


def _header(version: int, kind: int, label: int = 0, device: int = 0) -> bytes:
    return records.HEADER.pack(records.MAGIC, version, kind, label, device, 0, 0, bytes(16))


BY_HAND: dict[str, tuple[bytes | None, bytes | None, DeadReason]] = {
    "a key that is no UTF-8": (b"\xff\xfe", GOOD, DeadReason.KEY_NOT_UTF8),
    "a null key": (None, GOOD, DeadReason.NO_DEVICE),
    "an empty key": (b"", GOOD, DeadReason.NO_DEVICE),
    "a key longer than a DID may be": (b"k" * 70_000, GOOD, DeadReason.NO_DEVICE),
    "a null value": (b"did:x", None, DeadReason.NO_VALUE),
    "magic and nothing more": (b"did:x", _MAGIC, DeadReason.MALFORMED_RECORD),
    "magic and garbage": (b"did:x", _MAGIC + b"\x01garbage" * 9, DeadReason.MALFORMED_RECORD),
    "another version": (b"did:x", _header(2, Kind.MESSAGE), DeadReason.MALFORMED_RECORD),
    "an unknown kind": (b"did:x", _header(1, 99), DeadReason.MALFORMED_RECORD),
    "cut short": (b"did:x", _header(1, Kind.MESSAGE, 9, 9), DeadReason.MALFORMED_RECORD),
    "a device that is no UTF-8": (
        b"did:x", _header(1, Kind.MESSAGE, 0, 1) + b"\xff{}", DeadReason.MALFORMED_RECORD,
    ),
    "a result": (
        b"did:x",
        Output(Kind.RESULT, "DEFAULT", b"did:x", 0, bytes(16), 1, bytes(8), 0, b"", b"{}").encode(),
        DeadReason.MALFORMED_RECORD,
    ),
    "a summary": (
        b"did:x",
        Output(Kind.SUMMARY, "", b"", 0, bytes(16), 1, bytes(8), 0, b"", b"{}").encode(),
        DeadReason.MALFORMED_RECORD,
    ),
    "a barrier of no epoch": (
        b"did:x", records.barrier(2**64 - 1, 0), DeadReason.MALFORMED_RECORD,
    ),
    "a trap": (b"did:x", b"trap", DeadReason.TRAP),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_HAND)
def test_a_record_by_hand_becomes_a_dead_letter(doors: Doors, case: str) -> None:
    key, value, reason = BY_HAND[case]
    letter = doors.dead_letter(id_ := doors.write(key, value))
    assert letter.label == reason
    assert letter.b == (value or b"")
    assert (doors.dead.keys[id_] or b"") == (key or b"")
    assert letter.a
    doors.good()


def test_an_empty_value_by_hand_is_a_message(doors: Doors) -> None:
    id_ = doors.write(b"did:x", b"")
    doors.good()
    assert id_ not in doors.dead.outputs


@pytest.mark.parametrize("size", [limits.PAYLOAD_BYTES_MAX + 1, 900_000, KAFKA_RECORD_BYTES_MAX])
def test_a_huge_record_by_hand(doors: Doors, size: int) -> None:
    """Whatever Kafka takes from a plain producer fits into a dead letter."""
    value = random.Random(size).randbytes(size).replace(_MAGIC, b"m")
    letter = doors.dead_letter(doors.write(b"did:huge" * 8, value))
    assert letter.label == DeadReason.TOO_LARGE
    assert letter.b == value
    doors.good()


def test_a_record_that_was_small_only_while_compressed(doors: Doors) -> None:
    """Its dead letter keeps what fits, and says so; the record stays in the log of messages."""
    value = b"x" * (8 * limits.MIB - 1000)
    letter = doors.dead_letter(doors.write(b"did:huge", value))
    assert letter.label == DeadReason.TOO_LARGE
    assert letter.b == value[: limits.RECORD_BYTES_MAX]
    assert b"cut" in letter.a
    doors.good()


def test_a_result_as_large_as_one_may_be(doors: Doors) -> None:
    payload = b'{"x": "%b"}' % (b"y" * (limits.PAYLOAD_BYTES_MAX - 9))
    (sent,) = doors.device.deliver(DAPP, payload)
    wait_until(lambda: uuid.UUID(sent).bytes in doors.results.outputs, "its result", 20)
    doors.good()
