"""What is said of a program that a node cannot serve: everything, and what to do."""

import pytest

from streams.execution.check import ProgramError, check_module
from streams.execution.linking import host
from tests.execution.guests import wasm

SHAPE = """(memory (export "memory") 1)
 (func (export "start") (param i32) (result i32) (i32.const 0))"""


def problems(imports: str, shape: str = SHAPE) -> tuple[str, ...]:
    with pytest.raises(ProgramError) as caught:
        check_module(wasm(imports + shape, ""), ["start"], host())
    return caught.value.problems


def imported(module: str, function: str, parameters: str = "i32") -> str:
    return f'(import "{module}" "{function}" (func (param {parameters}) (result i32)))'


@pytest.mark.parametrize(
    ("imports", "said"),
    [
        (imported("env", "ws_get_dta"), "did you mean `env.ws_get_data`?"),
        (imported("env", "ws_submit_metrics"), "did you mean `stat.ws_submit_metrics`?"),
        (imported("w3bstream", "ws_log"), "did you mean `env.ws_log`?"),
        ('(import "env" "Date.now" (func (result f64)))', "time is `w3b.time`"),
        (imported("env", "zzzz"), "wasm_programs/README.md lists what there is"),
        (imported("index", "hostCall"), "Link or implement it in the program itself"),
        (imported("wasi_unstable", "fd_write"), "built for WASI's first draft"),
        (imported("wasi:cli/stdout@0.2.0", "get-stdout"), "built for the component model"),
        (imported("gojs", "runtime.wasmExit"), "build it with TinyGo"),
        (imported("env", "ws_send_tx", "i32 i32"), "build the program with a newer SDK"),
        (imported("env", "ws_log", "i64"), "is (i32, i32, i32) -> (i32): declare it so"),
        ('(import "env" "trace" (func (param i32 i32 externref)))', "node's is (i32, i32, f64, "),
        ('(import "env" "table" (table 1 funcref))', "is a table; a node gives functions only"),
        ('(import "env" "g" (global i32))', "is a global; a node gives functions only"),
    ],
)  # fmt: skip
def test_an_import_that_is_not_there_and_what_to_do(imports, said):
    (problem,) = problems(imports)
    assert said in problem


def test_a_memory_that_is_imported():
    shape = SHAPE.replace('(memory (export "memory") 1)', "")
    first, second = problems('(import "env" "memory" (memory 1))', shape)
    assert "defines and exports its memory" in first
    assert "no memory is exported" in second


def test_many_imports_of_one_foreign_module_are_one_problem():
    names = [imported("wbg", f"__wbindgen_{i}") for i in range(30)]
    (problem,) = problems("".join(names))
    assert "`__wbindgen_0` and 29 more" in problem


def test_everything_is_said_at_once():
    found = problems(
        imported("env", "ws_get_dta") + imported("env", "ws_log", "i64"),
        '(memory (export "mem") 1) (func (export "begin") (param i32) (result i32) (i32.const 0))'
        ' (func (export "malloc") (param i32) (result i32) (i32.const 0))'
        ' (func (export "alloc") (param i64) (result i32) (i32.const 0))',
    )
    assert [problem.split("`")[1] for problem in found] == [
        "env.ws_get_dta",
        "env.ws_log",
        "memory",
        "alloc",
        "start",
    ]
    assert "(it exports begin)" in found[-1]


def test_sql_without_tables_is_said_where_the_manifest_is_known() -> None:
    asks = imported("env", "ws_set_sql_db", "i32 i32")
    binary = wasm(asks + SHAPE, "")
    check_module(binary, ["start"], host())  # it would run, and get code 9
    with pytest.raises(ProgramError) as caught:
        check_module(binary, ["start"], host(), sql=False)
    (problem,) = caught.value.problems
    assert 'add [sql] with schema = "schema.json"' in problem
