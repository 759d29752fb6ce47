"""What the host itself logs, word for word as W3bStream's own node, and how much is kept."""

import struct

import pytest

from streams.execution.instance import ALL_LOGS, NO_LOGS, Instance
from streams.execution.program import Ceilings, Specification, load
from streams.records import DeadReason
from tests.benchmarks.naive import NaiveEngine
from tests.execution.feeding import numbered, outputs
from tests.execution.guests import PRELUDE, program, wasm

HOST = "wasmExportFunc"

# The payload becomes the value of `key`, and is read back.
KEYED = """
 (data (i32.const 128) "key")
 (func (export "start") (param $rid i32) (result i32)
   (call $read (local.get $rid))
   (drop (call $set_db (i32.const 128) (i32.const 3) (call $in) (call $len)))
   (call $get_db (i32.const 128) (i32.const 3) (i32.const 8) (i32.const 12)))
"""

# What Go's strconv.Quote makes of them (Go 1.26).
QUOTED = {
    b'a"b\\c\n\t\r\a\b\f\v\0\x7f\x1f': r'"a\"b\\c\n\t\r\a\b\f\v\x00\x7f\x1f"',
    b"\xff\xc3 \xf8": r'"\xff\xc3 \xf8"',
    "é\u00a0\u200b\u2028\U0001f600\U0001f9ff\ufffd\ufeff\u00ad".encode(): (
        '"é\\u00a0\\u200b\\u2028\U0001f600\U0001f9ff\ufffd\\ufeff\\u00ad"'
    ),
    b"\xed\xa0\x80": r'"\xed\xa0\x80"',
    b"\xf0\x9f\x98": r'"\xf0\x9f\x98"',
    "\U0010ffff\ue000".encode(): r'"\U0010ffff\ue000"',
    "日本".encode(): '"日本"',
    b"": '""',
}


def run(body: str, payload: bytes, imports: str = "", levels: int = ALL_LOGS):
    """Code, and log lines as a golden file has them."""
    loaded = load(wasm(imports + PRELUDE + body, ""), Specification({"DEFAULT": "start"}))
    instance = Instance(loaded, "d", 0, levels)
    outcome = instance.run(numbered([payload]))
    lines = [(one.label, one.a.decode(), one.b.decode()) for one in outputs(outcome, "logs")]
    return instance.code, lines


@pytest.mark.parametrize("value", QUOTED)
def test_accesses_to_state_are_logged_as_go_quotes_them(value):
    code, lines = run(KEYED, value)
    assert code == 0
    assert lines == [
        ("info", HOST, f"host.SetDB key:{QUOTED[value]}"),
        ("info", HOST, f"host.GetDB key:{QUOTED[value]}"),
    ]
    naive = NaiveEngine(wasm(KEYED)).handle("start", value, "did:x", 0)
    assert naive.logs == lines


def test_nothing_is_logged_of_a_key_that_is_not_there():
    missing = KEYED.replace(
        "(drop (call $set_db (i32.const 128)", "(drop (call $get_db (i32.const 9)"
    )
    assert run(missing, b"x") == (2, [])


def test_no_logs_are_kept_where_nobody_reads_them():
    assert run(KEYED, b"x", levels=NO_LOGS) == (0, [])


# --- AssemblyScript's abort and trace -----


def script_text(text: str) -> str:
    """An AssemblyScript string as a WAT literal: its length in bytes, then UTF-16."""
    data = text.encode("utf-16-le", "surrogatepass")
    return "".join(f"\\{byte:02x}" for byte in struct.pack("<I", len(data)) + data)


TRACE = '(import "env" "trace" (func $trace (param i32 i32 f64 f64 f64 f64 f64)))'
ABORT = '(import "env" "abort" (func $abort (param i32 i32 i32 i32)))'


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((), "trace: hé"),
        ((1.0, 1e20, 123456789.0, 1e6, 9e5), "trace: hé 1, 1e+20, 1.23456789e+08, 1e+06, 900000"),
        ((0.0001, 0.00001, -0.0, 0.1, 5e-324), "trace: hé 0.0001, 1e-05, -0, 0.1, 5e-324"),
        ((1.5e300, 1234567.8), "trace: hé 1.5e+300, 1.2345678e+06"),
    ],
)  # fmt: skip
def test_trace_shows_numbers_as_go_does(numbers, said):
    shown = " ".join(f"(f64.const {one!r})" for one in (*numbers, *[7.0] * (5 - len(numbers))))
    body = f"""
     (data (i32.const 256) "{script_text("hé")}")
     (func (export "start") (param i32) (result i32)
       (call $trace (i32.const 260) (i32.const {len(numbers)}) {shown}) (i32.const 0))
    """
    assert run(body, b"", TRACE) == (0, [("info", HOST, said)])
    assert NaiveEngine(wasm(TRACE + PRELUDE + body, "")).handle("start", b"", "d", 0).logs == [
        ("info", HOST, said)
    ]


def test_trace_of_what_is_no_number():
    body = f"""
     (data (i32.const 256) "{script_text("")}")
     (func (export "start") (param i32) (result i32)
       (call $trace (i32.const 260) (i32.const 9) (f64.const nan) (f64.const inf)
         (f64.const -inf) (f64.const 0) (f64.const 0)) (i32.const 0))
    """
    assert run(body, b"", TRACE)[1] == [("info", HOST, "trace:  NaN, +Inf, -Inf, 0, 0")]


@pytest.mark.parametrize(
    ("message", "file", "said"),
    [
        (260, 324, "abort: no \ufffd at a.ts:3:-1"),
        (0, 324, "fail to decode arguments in env.abort: the pointer address 0 is invalid"),
        (260, -5, "fail to decode arguments in env.abort: the pointer address -5 is invalid"),
        (260, 65538, "fail to decode arguments in env.abort: overflow"),
        (65540, 324, "fail to decode arguments in env.abort: overflow"),
        (388, 324, "fail to decode arguments in env.abort: overflow"),  # a length without end
    ],
)
def test_abort_says_where_or_why_not(message, file, said):
    body = f"""
     (data (i32.const 256) "{script_text("no " + chr(0xD800))}")
     (data (i32.const 320) "{script_text("a.ts")}")
     (data (i32.const 384) "\\ff\\ff\\ff\\ff")
     (func (export "start") (param i32) (result i32)
       (call $abort (i32.const {message}) (i32.const {file}) (i32.const 3) (i32.const -1))
       (i32.const 4))
    """
    assert run(body, b"", ABORT) == (4, [("error", HOST, said)])


# --- what the program logs -----


def logging(level: int, address: int, size: int) -> str:
    return f"""
     (func (export "start") (param i32) (result i32)
       (call $log (i32.const {level}) (i32.const {address}) (i32.const {size})))
    """


@pytest.mark.parametrize(
    ("level", "name"),
    [
        *enumerate(("panic", "fatal", "error", "warning", "info", "debug", "trace")),
        (7, "unknown"),
        (-1, "unknown"),
    ],
)
def test_levels_have_the_names_that_w3bstream_stores(level, name):
    assert run(logging(level, 64, 5), b"") == (0, [(name, "wasmCode", "state")])


@pytest.mark.parametrize(
    ("address", "size"), [(65535, 2), (-1, 1), (0, -1), (2**31 - 1, 2**31 - 1)]
)
def test_a_log_outside_the_memory_is_an_error_in_the_log(address, size):
    assert run(logging(4, address, size), b"") == (-1, [("error", "wasmCode", "overflow")])


@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        ("(call $get_db (i32.const -1) (i32.const 9) (i32.const 0) (i32.const 4))", 2, "overflow"),
        ("(call $set_db (i32.const 0) (i32.const 1) (i32.const -1) (i32.const 9))", 2, "overflow"),
        ("(call $get_env (i32.const -1) (i32.const 9) (i32.const 0) (i32.const 4))", 5, "overflow"),
        ("(call $set_data (i32.const 1) (i32.const -1) (i32.const 9))", 5, "overflow"),
        ("(call $metrics (i32.const -1) (i32.const 9))", -1, "overflow"),
        ("(call $metrics (i32.const 64) (i32.const 5))", -1, "invalid json"),
        ("(call $metrics (i32.const 128) (i32.const 2))", -1, "json object should not be an array"),
        ("(call $get_data (local.get 0) (i32.const -4) (i32.const 4))", 5, "overflow"),
    ],
)
def test_what_cannot_be_read_or_written_is_an_error_in_the_log(call, code, said):
    body = f"""(data (i32.const 128) "[]")
     (func (export "start") (param i32) (result i32) {call})"""
    assert run(body, b"payload") == (code, [("error", HOST, said)])


def test_a_guest_without_alloc_is_told_so_and_goes_on():
    body = """
     (import "env" "ws_get_data" (func $get_data (param i32 i32 i32) (result i32)))
     (memory (export "memory") 1)
     (func (export "start") (param i32) (result i32)
       (call $get_data (local.get 0) (i32.const 0) (i32.const 4)))
    """
    instance = Instance(load(wasm(body, ""), Specification({"DEFAULT": "start"})), "d", 0, ALL_LOGS)
    (line,) = outputs(instance.run(numbered([b"x"])), "logs")
    assert (instance.code, line.label, line.b) == (5, "error", b"alloc is nil")


def test_an_alloc_that_lies_costs_that_call_alone():
    lying = PRELUDE.replace('(export "alloc")', "").replace(
        " (func $read",
        ' (func (export "alloc") (param i32) (result i32) (i32.const -3))\n (func $read',
    )
    body = """(func (export "start") (param i32) (result i32)
       (call $get_data (local.get 0) (i32.const 0) (i32.const 4)))"""
    loaded = load(wasm(lying + body, ""), Specification({"DEFAULT": "start"}))
    instance = Instance(loaded, "d", 0, ALL_LOGS)
    (line,) = outputs(instance.run(numbered([b"payload"])), "logs")
    assert (instance.code, line.b) == (5, b"fail to copy data")


# --- the same event comes to the same end, whether logs are kept or not -----

TALKER = """
 (func (export "start") (param $rid i32) (result i32)
   (call $read (local.get $rid))
   (loop $l
     (drop (call $log (i32.const 4) (i32.const 64) (i32.const 9)))
     (global.set $count (i32.add (global.get $count) (i32.const 1)))
     (br_if $l (i32.lt_u (global.get $count) (i32.load8_u (call $in)))))
   (i32.const 0))
"""
ASKER = TALKER.replace(
    "(drop (call $log (i32.const 4) (i32.const 64) (i32.const 9)))",
    "(drop (call $metrics (i32.const 128) (i32.const 2)))",
)


@pytest.mark.parametrize("levels", [NO_LOGS, ALL_LOGS])
def test_lines_over_the_limit_end_the_event(levels):
    talker = program(TALKER, ceilings=Ceilings(logs=10))
    instance = Instance(talker, "d", 0, levels)
    outcome = instance.run(numbered([bytes([10]), bytes([11]), bytes([9])]))
    assert outcome.dead == {DeadReason.LOG_LIMIT: 1}
    assert outcome.processed == 2
    assert b"more lines" in outputs(outcome, "dead")[0].a


def test_effects_over_the_limit_end_the_event_and_none_is_left():
    asker = program(ASKER + ' (data (i32.const 128) "{}")', ceilings=Ceilings(effects=3))
    outcome = Instance(asker, "d", 0).run(numbered([bytes([3]), bytes([4]), bytes([1])]))
    assert outcome.dead == {DeadReason.EFFECT_LIMIT: 1}
    assert (outcome.processed, outcome.effects) == (2, 4)
    assert [one.index for one in outputs(outcome, "effects")] == [0, 1, 2, 0]
