"""The audit log's rows, on a real Kafka and ClickHouse."""

import json
import uuid

import pytest

from streams.audit.log import AuditLog
from streams.audit.record import Author, Record
from streams.database.server import DatabaseError, Server
from streams.topics import AUDIT
from tests.database.logs import make_topics, produce, read_log
from tests.database.test_sink_kills import Sink
from tests.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow]

OFFSETS = (
    "SELECT `offset` FROM audit UNION ALL SELECT `offset` FROM dead_letters WHERE topic = 'audit'"
)


def offsets(server: Server) -> list[int]:
    try:
        return [offset for (offset,) in server.rows(f"SELECT * FROM ({OFFSETS}) ORDER BY `offset`")]
    except DatabaseError:
        return []  # the tables are not made yet


def test_each_record_is_one_row_whenever_the_sink_is_killed(
    kafka: str, server: Server, database_url: str
) -> None:
    make_topics(kafka, 1, AUDIT)
    name, log = uuid.uuid4().hex, AuditLog({"bootstrap.servers": kafka})
    last = Record(
        at_ms=1_700_000_000_123,
        author=Author("operator:ann", "grpc"),
        action="change",
        kind="device",
        name=name,
        owner="bob",
        device="did:key:z1",
        reason="because",
        times=3,
        before={"status": "active"},
    )
    sink = Sink(kafka, database_url, AUDIT, uuid.uuid4().hex)
    try:
        for round_ in range(2):
            log.append(*[last] * 1_500)
            stored = len(offsets(server))
            wait_until(lambda before=stored: len(offsets(server)) > before, "the first rows")
            sink.kill()
            produce(kafka, AUDIT, [(b"who", b"no record %d" % round_)])
            sink.start()
        log.append(last)
        wanted = [record.offset for record in read_log(kafka, AUDIT, 0)]
        wait_until(lambda: len(offsets(server)) >= len(wanted), "all rows")
        assert offsets(server) == wanted
    finally:
        sink.kill()
    rows = server.rows(
        "SELECT toUnixTimestamp64Milli(at), who, door, action, kind, owner, device, dapp, reason,"
        " times, before, after FROM audit WHERE name = {name:String} LIMIT 1",
        {"name": name},
    )
    assert rows == [
        (1_700_000_000_123, "operator:ann", "grpc", "change", "device", "bob", "did:key:z1", "",
         "because", 3, json.dumps({"status": "active"}, separators=(",", ":")), "")
    ]  # fmt: skip
    said = server.rows("SELECT DISTINCT reason, detail FROM dead_letters WHERE topic = 'audit'")
    assert ("malformed_record" in said[0][0], "not an audit record" in said[0][1]) == (True, True)
