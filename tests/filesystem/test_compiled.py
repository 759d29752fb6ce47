"""Machine code that was kept: used as it is if this node made it, else made anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import wasmtime

from streams.filesystem.compiled import CompiledModules, compiled, keep_in
from streams.filesystem.store import FileStore

TEXT = '(module (func (export "answer") (result i32) (i32.const %d)))'


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    keep_in(CompiledModules(FileStore(str(tmp_path)), b"secret"))
    yield tmp_path / "compiled"
    keep_in(None)


def answer(number: int) -> int:
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    module = compiled(engine, TEXT % number)
    function = wasmtime.Instance(store, module, []).exports(store)["answer"]
    assert isinstance(function, wasmtime.Func)
    found: int = function(store)
    return found


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("??/*"))


def test_what_was_compiled_once_is_not_compiled_again(folder: Path) -> None:
    assert [answer(1), answer(2)] == [1, 2]
    assert len(kept(folder)) == 2
    modules = CompiledModules(FileStore(str(folder.parent)), b"secret")
    first, second = (bytes(wasmtime.wat2wasm(TEXT % number)) for number in (1, 2))
    code = modules.get(second)
    assert code is not None
    modules.put(first, code)
    assert answer(1) == 2  # what was kept, and not what it would be compiled to


def test_what_others_wrote_is_not_run(folder: Path) -> None:
    answer(1)
    (file,) = kept(folder)
    mine = file.read_bytes()
    answer(2)
    (other,) = {*kept(folder)} - {file}
    for forged in (b"", mine[:40], mine[:-1] + bytes([mine[-1] ^ 1]), other.read_bytes()):
        file.write_bytes(forged)
        assert answer(1) == 1
        assert file.read_bytes() == mine  # made anew, and kept
    keep_in(CompiledModules(FileStore(str(folder.parent)), b"another node's"))
    assert answer(1) == 1
    assert len(kept(folder)) == 3


def test_code_for_another_engine_is_made_anew(folder: Path) -> None:
    answer(1)
    config = wasmtime.Config()
    config.consume_fuel = True
    assert len(compiled(wasmtime.Engine(config), TEXT % 1).exports) == 1


def test_a_store_that_cannot_be_used_costs_time_alone(folder: Path) -> None:
    folder.write_bytes(b"no folder")
    assert answer(1) == 1


def test_what_is_old_can_be_forgotten(folder: Path) -> None:
    answer(1)
    (file,) = kept(folder)
    modules = CompiledModules(FileStore(str(folder.parent)), b"secret")
    assert modules.forget(file.stat().st_mtime - 1) == 0
    assert modules.forget(file.stat().st_mtime + 1) == 1
    assert answer(1) == 1
