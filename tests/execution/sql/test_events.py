"""A program's statements as parts of its events: undone with them, taken back with their batches,
restored from what was committed, under the state's root."""

import hashlib

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.execution.instance import ALL_LOGS, NO_DEPLOYMENT, Instance
from streams.execution.program import Ceilings, Specification, load
from streams.execution.sql import rows
from streams.execution.sql.store import Store
from streams.records import DeadReason, Erasure, barrier, decode_output, decode_summary
from tests.execution.feeding import (
    as_changelog,
    message,
    numbered,
    outputs,
    packed,
    state,
    state_root,
)
from tests.execution.sql.guest import BINARY
from tests.execution.sql.tables import LOG, SCHEMA, column, request, section

ADD = "INSERT INTO log (id, v) VALUES (?, ?)"


def made(**options):
    specification = Specification({"DEFAULT": "start"}, sql=SCHEMA, **options)
    return Instance(load(BINARY, specification), "d", 0, ALL_LOGS)


def add(number, text, how=b"e"):
    return how + request(ADD, {"int64": number}, {"string": text})


def ask(instance, statement, offset):
    """What a query answers, in a batch of its own that is taken back."""
    outcome = instance.run(numbered([b"q" + request(statement)], offset))
    assert instance.code == 100
    assert instance.rollback()
    return orjson.loads(state(outcome)[b"state:key"] or b"null")


def close(instance, epoch, offset):
    """The summary of an epoch that ends here."""
    (claim,) = instance.run(packed([barrier(epoch, 0)], offset)).records["claims"]
    return decode_summary(decode_output(claim["value"]))


def rows_of(*outcomes):
    """The rows that batches left, newest last; None: gone."""
    records = [one for outcome in outcomes for one in outcome.records["state"]]
    return {one["key"][1:]: one["value"] for one in records if one["key"].startswith(b"q")}


def test_an_event_reads_what_it_and_those_before_it_wrote():
    instance = made()
    both = "INSERT INTO log VALUES (1, 'a'); INSERT INTO log VALUES (2, 'b')"
    outcome = instance.run(
        numbered([b"e" + request(both), b"q" + request("SELECT v FROM log WHERE id = 2")])
    )
    assert state(outcome) == {b"state:key": b'{"v":"b"}'}
    assert rows_of(outcome) == {
        rows.row_key("log", 1): b'{"id":1,"v":"a"}',
        rows.row_key("log", 2): b'{"id":2,"v":"b"}',
    }


def test_a_trap_undoes_its_statements_and_a_returned_error_does_not():
    instance = made()
    outcome = instance.run(
        numbered(
            [add(1, "a"), add(2, "b", b"t"), add(3, "c", b"n"), b"t" + request("DELETE FROM log")]
        )
    )
    assert outcome.dead == {DeadReason.TRAP: 2, DeadReason.RETURNED_ERROR: 1}
    assert sorted(rows_of(outcome).values()) == [b'{"id":1,"v":"a"}', b'{"id":3,"v":"c"}']
    instance.commit()
    assert ask(instance, "SELECT id FROM log ORDER BY id", 10) == [{"id": 1}, {"id": 3}]


def test_a_failed_statement_is_a_code_and_a_line_in_the_log():
    instance = made()
    outcome = instance.run(numbered([b"e" + request("DROP TABLE log")]))
    assert instance.code == 99
    (line,) = outputs(outcome, "logs")
    assert (line.label, line.a) == ("error", b"wasmExportFunc")
    assert b"DROP is not served" in line.b
    assert instance.run(numbered([b"e{}"], 1)).dead == {}


def test_batches_that_were_aborted_are_taken_back_with_those_computed_ahead():
    instance = made()
    count = "INSERT INTO cars (name) VALUES (?)"
    kept = instance.run(numbered([b"e" + request(count, {"string": "kept"})]))
    instance.run(numbered([b"e" + request(count, {"string": "gone"}), add(5, "x")], 1))
    instance.commit()
    instance.run(numbered([b"e" + request("DELETE FROM cars")], 3))
    assert instance.rollback()
    assert ask(instance, "SELECT id, name FROM cars", 1) == {"id": 1, "name": "kept"}
    assert ask(instance, "SELECT count(*) FROM log", 1) == {"count": 0}
    again = instance.run(numbered([b"e" + request(count, {"string": "next"})], 1))
    names = [orjson.loads(value).get("id") for value in rows_of(again).values()]
    assert sorted(names, key=str) == [2, None]  # the row, and the sequence that counted on
    assert rows_of(kept).keys() == {rows.row_key("cars", 1), rows.sequence_key("cars_id_seq")}


def test_a_partition_comes_back_as_it_was_left():
    instance = made()
    first = instance.run(
        numbered(
            [b"e" + request("INSERT INTO cars (name, n, active, f4) VALUES ('a', 1, false, 1.1)")]
            + [add(number, "x") for number in range(100)]
        )
    )
    instance.commit()
    statements = [
        "DELETE FROM log WHERE id > 2",
        "UPDATE cars SET income = 7.5",
        "DELETE FROM log WHERE id = 0",
    ]
    second = instance.run(numbered([b"e" + request(one) for one in statements], 200))
    instance.commit()
    assert list(rows_of(second).values()).count(None) == 98
    fresh = made()
    fresh.restore(as_changelog(first, second))
    for statement in ("SELECT * FROM cars", "SELECT id, v FROM log ORDER BY id"):
        assert ask(fresh, statement, 300) == ask(instance, statement, 300)
    insert = b"e" + request("INSERT INTO cars (name) VALUES ('b')")
    outcomes = [one.run(numbered([insert, add(7, "y")], 300)) for one in (instance, fresh)]
    assert rows_of(outcomes[0]) == rows_of(outcomes[1])


def test_rows_are_under_the_states_root_and_gone_ones_are_not():
    instance = made()
    statements = [add(1, "a"), add(2, "b"), b"e" + request("DELETE FROM log WHERE id = 1")]
    outcome = instance.run(numbered(statements))
    left = {key: value for key, value in rows_of(outcome).items() if value is not None}
    summary = close(instance, 1, 10)
    tagged = b"\x01" + state_root({}) + state_root(left)
    assert summary.state_root == hashlib.sha256(tagged).digest()
    instance.commit()
    instance.commit()
    instance.run(numbered([b"e" + request("DELETE FROM log")], 20))
    summary = close(instance, 2, 30)
    assert summary.state_root == hashlib.sha256(b"\x01" + state_root({}) * 2).digest()


def test_tables_at_their_ceiling_refuse_the_event_that_passes_it():
    instance = made(ceilings=Ceilings(sql_bytes=200))
    outcome = instance.run(numbered([add(1, "a" * 50), add(2, "b" * 200), add(3, "c" * 50)]))
    assert outcome.dead == {DeadReason.STATE_LIMIT: 1}
    instance.commit()
    assert ask(instance, "SELECT id FROM log ORDER BY id", 10) == [{"id": 1}, {"id": 3}]


def test_an_event_that_asks_for_too_much_is_a_dead_letter_of_its_own():
    numbers = "WITH RECURSIVE x(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM x)"
    endless = f"{numbers} INSERT INTO log SELECT i, 'x' FROM x"
    large = "INSERT INTO cars (name, note) VALUES ('x', repeat(chr(1), 200000))"
    instance = made()
    outcome = instance.run(
        numbered([add(1, "a"), b"e" + request(endless), b"e" + request(large), add(2, "b")])
    )
    assert outcome.dead == {DeadReason.SQL_LIMIT: 2}
    said = [one.a for one in outputs(outcome, "dead")]
    assert b"10,000,000 steps" in said[0]
    assert b"a row of cars has over 524,288 bytes" in said[1]
    instance.commit()
    assert ask(instance, "SELECT id FROM log ORDER BY id", 10) == [{"id": 1}, {"id": 2}]


def test_a_program_without_tables_has_no_database():
    specification = Specification({"DEFAULT": "start"})
    instance = Instance(load(BINARY, specification), "d", 0)
    instance.run(numbered([add(1, "a")]))
    assert instance.code == 109


def test_rows_that_come_and_go_do_not_fill_the_memory():
    instance = made()
    at = 0
    for _ in range(6):
        rounds = [
            b"e" + request("INSERT INTO log SELECT 1, v FROM log"),
            b"e" + request("DELETE FROM log"),
        ]
        outcome = instance.run(numbered([add(1, "x")] + rounds[:1] * 11 + rounds[1:], at))
        instance.commit()
        at += 20
        assert set(rows_of(outcome).values()) == {None}
    assert ask(instance, "SELECT count(*) FROM log", at) == {"count": 0}


@pytest.mark.parametrize(
    "record",
    [(b"nowhere\0" + bytes(8), b"{}"), (b"log\0", b"{}"), (b"log\0" + bytes(8), b"no JSON")],
)
def test_records_that_are_no_rows_of_the_schema_are_refused(record):
    with pytest.raises(rows.RowError, match="is no row of the schema"):
        Store(SCHEMA).fill([record])


def test_tables_grow_where_another_deployment_takes_over():
    wider = {"name": "log", "cols": [*LOG["cols"], column("n", "INT32", default="7")]}
    first, second = bytes([1]) * 32, bytes([2]) * 32
    programs = {
        digest: load(BINARY, Specification({"DEFAULT": "start"}, sql=schema))
        for digest, schema in ((NO_DEPLOYMENT, SCHEMA), (first, SCHEMA), (second, section(wider)))
    }
    records = [
        message(add(1, "a"), 0),
        barrier(1, 5, second),
        message(b"e" + request("INSERT INTO log (id, v, n) VALUES (2, 'b', 8)"), 2),
        message(b"q" + request("SELECT id, n FROM log ORDER BY id"), 3),
    ]
    instance = Instance(programs.__getitem__, "d", 0, ALL_LOGS)
    for _ in range(2):  # the second time after an abort, which takes the takeover back
        outcome = instance.run(packed(records))
        assert outcome.dead == {}
        assert state(outcome) == {b"state:key": b'[{"id":1,"n":7},{"id":2,"n":8}]'}
        assert list(rows_of(outcome).values()) == [b'{"id":1,"v":"a"}', b'{"id":2,"v":"b","n":8}']
        assert instance.rollback()


STATEMENTS = [
    "INSERT INTO cars (name, n) VALUES ('a', 1) ON CONFLICT (name) DO UPDATE SET n = cars.n + 1",
    "INSERT INTO cars (name) SELECT 'c' || id FROM log ON CONFLICT DO NOTHING",
    "INSERT INTO log VALUES (1, 'x'), (2, 'y')",
    "INSERT INTO log SELECT id + 1, v FROM log WHERE id < 3",
    "UPDATE log SET id = id + 1 WHERE v = 'x'",
    "UPDATE cars SET income = income + 0.25, active = NOT active",
    "DELETE FROM log WHERE id = 2",
    "DELETE FROM cars WHERE n IS NULL",
    "DROP TABLE log",
]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("eetn"), st.sampled_from(STATEMENTS)), max_size=12),
       st.integers(0, 12))  # fmt: skip
def test_a_database_is_what_its_rows_say(events, taken_back):
    """However it came about: events that failed, batches that were taken back, a restart."""
    payloads = [how.encode() + request(statement) for how, statement in events]
    instance = made()
    first = instance.run(numbered(payloads))
    instance.commit()
    instance.run(numbered(payloads[:taken_back], 20))
    assert instance.rollback()
    fresh = made()
    fresh.restore(as_changelog(first))
    second = [one.run(numbered(payloads, 20)) for one in (instance, fresh)]
    assert rows_of(second[0]) == rows_of(second[1])
    for one in (instance, fresh):
        one.commit()
    for statement in ("SELECT * FROM cars", "SELECT * FROM log", "SELECT id FROM log WHERE id = 3"):
        assert ask(instance, statement, 40) == ask(fresh, statement, 40)
    assert close(instance, 1, 60).state_root == close(fresh, 1, 60).state_root


def test_rows_with_the_name_of_an_erased_device_go_at_its_place():
    instance = made()
    ann, bob = "did:key:zAnn", "did:key:zBob"
    log = [
        message(add(1, ann), 0), message(add(2, bob), 1), message(add(3, f"{ann} was here"), 2),
        Erasure(bytes(16), 5, (ann,)).encode(),
        message(add(4, ann), 4), message(b"q" + request("SELECT id FROM log ORDER BY id"), 5),
    ]  # fmt: skip
    outcome = instance.run(packed(log))
    assert orjson.loads(state(outcome)[b"state:key"]) == [{"id": 2}, {"id": 3}, {"id": 4}]
    assert list(rows_of(outcome).values()).count(None) == 1
    summary = close(instance, 1, len(log))
    again = made()
    again.restore(as_changelog(outcome))
    assert close(again, 1, len(log)).state_root == summary.state_root
