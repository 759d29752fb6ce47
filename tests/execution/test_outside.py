"""What leaves wasm while an event runs: who is asked, with what, and what the program gets."""

import pytest

from streams.execution.instance import ALL_LOGS, Instance
from streams.execution.outside import Ask, InstanceLost
from streams.execution.program import Specification, load
from streams.records import DeadReason
from tests.execution.feeding import TIME_MS, numbered, outputs, state
from tests.execution.guests import PRELUDE, wasm

# The payload's first byte decides what is asked, with the rest of it: q and e SQL, c a contract.
# The answer becomes the value of a key; the code is the handler's, plus 100. A t at the end traps.
IMPORTS = """
 (import "env" "ws_get_sql_db" (func $query (param i32 i32 i32 i32) (result i32)))
 (import "env" "ws_set_sql_db" (func $exec (param i32 i32) (result i32)))
 (import "env" "ws_call_contract" (func $call (param i32 i32 i32 i32 i32) (result i32)))
"""
BODY = """
 (func (export "start") (param $rid i32) (result i32) (local $what i32) (local $code i32)
   (call $read (local.get $rid))
   (local.set $what (i32.load8_u (call $in)))
   (i32.store (i32.const 16) (i32.add (call $in) (i32.const 1)))
   (i32.store (i32.const 20) (i32.sub (call $len) (i32.const 1)))
   (if (i32.eq (local.get $what) (i32.const 113)) (then (local.set $code
     (call $query (i32.load (i32.const 16)) (i32.load (i32.const 20))
       (i32.const 24) (i32.const 28)))))
   (if (i32.eq (local.get $what) (i32.const 101)) (then (local.set $code
     (call $exec (i32.load (i32.const 16)) (i32.load (i32.const 20))))))
   (if (i32.eq (local.get $what) (i32.const 99)) (then (local.set $code
     (call $call (i32.const 4690) (i32.load (i32.const 16)) (i32.load (i32.const 20))
       (i32.const 24) (i32.const 28)))))
   (if (i32.load (i32.const 28)) (then
     (drop (call $set_db (i32.const 64) (i32.const 9)
       (i32.load (i32.const 24)) (i32.load (i32.const 28))))))
   (if (i32.eq (i32.const 116)
         (i32.load8_u (i32.sub (i32.add (call $in) (call $len)) (i32.const 1))))
     (then (unreachable)))
   (i32.add (local.get $code) (i32.const 100)))
"""


ASKER_MODULE = IMPORTS + PRELUDE + BODY


@pytest.fixture(scope="module")
def asker():
    return load(wasm(ASKER_MODULE, prelude=""), Specification({"DEFAULT": "start"}))


class Asked:
    """Answers everything, and remembers what it was asked."""

    def __init__(self, code: int = 0, answer: bytes = b"") -> None:
        self.requests: list[tuple[Ask, int, bytes, bytes]] = []
        self._result = (code, answer)

    def all(self):
        return {kind: self._answerer(kind) for kind in Ask}

    def _answerer(self, kind):
        def answer(time_ms, seed, body):
            self.requests.append((kind, time_ms, seed, body))
            return self._result if kind >= Ask.SQL_QUERY else (0, b"")

        return answer


def test_a_request_has_time_seed_and_body_and_its_answer_reaches_the_program(asker):
    asked = Asked(answer=b'{"n":1}' * 2_000)  # more than the room that is there at first
    instance = Instance(asker, "d", 0, outside=asked.all())
    outcome = instance.run(numbered([b"qSELECT"], first=5))
    assert state(outcome) == {b"state:key": b'{"n":1}' * 2_000}
    assert instance.code == 100
    (kind, time_ms, seed, body), done = asked.requests
    assert (kind, time_ms, len(seed), body) == (Ask.SQL_QUERY, TIME_MS + 5, 8, b"SELECT")
    assert done[0] == Ask.EVENT_DONE
    again = Asked()
    Instance(asker, "d", 0, outside=again.all()).run(numbered([b"qSELECT"], first=5))
    assert again.requests == asked.requests


def test_events_that_asked_for_sql_are_told_of_their_end_and_others_are_not(asker):
    asked = Asked()
    Instance(asker, "d", 0, outside=asked.all()).run(numbered([b"e1", b"e2t", b"c3", b"x", b"q4"]))
    assert [(kind, body[-2:]) for kind, _, _, body in asked.requests] == [
        (Ask.SQL_EXEC, b"1"),
        (Ask.EVENT_DONE, b""),
        (Ask.SQL_EXEC, b"2t"),
        (Ask.EVENT_UNDONE, b""),
        (Ask.CALL_CONTRACT, b"\0" + b"3"),
        (Ask.SQL_QUERY, b"4"),
        (Ask.EVENT_DONE, b""),
    ]
    assert asked.requests[4][3] == (4690).to_bytes(4, "little") + b"3"


@pytest.mark.parametrize(
    ("payload", "code", "said"),
    [(b"q", 109, []), (b"e", 109, []), (b"c", 99, [b"eth client doesn't exist"])],
)
def test_what_nobody_serves_has_the_code_for_it(asker, payload, code, said):
    instance = Instance(asker, "d", 0, ALL_LOGS)
    outcome = instance.run(numbered([payload]))
    assert instance.code == code
    assert [one.b for one in outputs(outcome, "logs")] == said


def test_an_error_is_a_code_and_a_line_in_the_log(asker):
    instance = Instance(asker, "d", 0, ALL_LOGS, Asked(-1, b"no such table").all())
    outcome = instance.run(numbered([b"q"]))
    assert instance.code == 99
    (line,) = outputs(outcome, "logs")
    assert (line.label, line.a, line.b) == ("error", b"wasmExportFunc", b"no such table")


def test_an_exception_is_an_error_of_that_question_alone(asker):
    def broken(time_ms, seed, body):
        raise ValueError("no such column")

    instance = Instance(asker, "d", 0, ALL_LOGS, {Ask.SQL_EXEC: broken})
    outcome = instance.run(numbered([b"e", b"x"]))
    assert [one.b for one in outputs(outcome, "logs")] == [b"no such column"]
    assert outcome.processed == 2


def test_a_node_that_cannot_answer_gives_the_instance_up(asker):
    def away(time_ms, seed, body):
        raise InstanceLost("the disk is full")

    with pytest.raises(InstanceLost, match="disk is full"):
        Instance(asker, "d", 0, outside={Ask.SQL_EXEC: away}).run(numbered([b"e"]))


def test_a_statement_outside_the_memory_is_refused(asker):
    beyond = ASKER_MODULE.replace(
        "(call $exec (i32.load (i32.const 16)) (i32.load (i32.const 20)))",
        "(call $exec (i32.const -2) (i32.const 9))",
    )
    program = load(wasm(beyond, prelude=""), Specification({"DEFAULT": "start"}))
    asked = Asked()
    instance = Instance(program, "d", 0, outside=asked.all())
    assert instance.run(numbered([b"e"])).dead == {}
    assert (instance.code, asked.requests) == (102, [])


def test_what_a_trap_asked_for_is_undone_before_its_dead_letter(asker):
    asked = Asked()
    outcome = Instance(asker, "d", 0, outside=asked.all()).run(numbered([b"qt"]))
    assert outcome.dead == {DeadReason.TRAP: 1}
    assert [kind for kind, *_ in asked.requests] == [Ask.SQL_QUERY, Ask.EVENT_UNDONE]
