"""`w3b program` as a newcomer types it: made, built, tested, changed, measured."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime

from topologies.__main__ import main

pytestmark = pytest.mark.slow  # the compiler takes two seconds a time

TWO_MEMORIES = """(module (memory (export "memory") 1) (memory 1)
    (func (export "start") (param i32) (result i32) (i32.const 0)))"""
Program = Callable[..., tuple[int, str, str]]


@pytest.fixture
def program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Program:
    """Runs `w3b program …` in a folder of its own; status, output, complaints."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        status = main(["program", *words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_a_new_program_passes_its_test_and_says_what_a_change_did(program: Program) -> None:
    assert program("new", "thermometer")[0] == 0
    status, out, err = program("test", "thermometer")
    assert (status, err) == (0, "")
    assert "thermometer.wasm" in out
    assert "5 events, all as golden/expected.jsonl says" in out

    source = Path("thermometer/assembly/index.ts")
    source.write_text(source.read_text().replace('"highest":', '"top":'))
    status, out, _ = program("test", "thermometer")
    assert status == 1
    assert "line 1: `results` differs" in out
    assert '[{"celsius":21.5,"highest":21.5}]' in out
    assert '[{"celsius":21.5,"top":21.5}]' in out
    assert program("test", "thermometer", "--update")[0] == 0
    assert program("test", "thermometer")[0] == 0

    (Path("thermometer") / "golden" / "expected.jsonl").write_text("{}\n")
    status, out, _ = program("test", "thermometer")
    assert status == 1
    assert "line 5: the line differs\n  expected  nothing" in out

    source.write_text(source.read_text() + "\nlet wrong: i32 = 'text';\n")
    status, _, err = program("build", "thermometer")
    assert status == 1
    assert "does not compile" in err
    assert "index.ts" in err


def test_what_an_event_uses(program: Program) -> None:
    program("new", "measured")
    program("build", "measured")
    events = Path("measured/golden/input.jsonl")
    events.write_text('{"payload":{"celsius":1}}\n{"payload":{"celsius":2}}\n')
    words = ("bench", "measured", "--input", str(events), "--seconds", "0.1")
    status, out, _ = program(*words, "--json")
    found = json.loads(out)
    assert status == 0
    assert found["events"] > 0
    assert (found["failed"], found["renewals"], found["memory_bytes"]) == (0, 0, 65_536)
    assert found["state_bytes"] == len("device") + 8
    assert found["fuel"] == json.loads(program(*words, "--json")[1])["fuel"]  # on any machine
    assert "put back before each event" in program(*words)[1]


def test_what_cannot_be_done_is_said_in_a_line(program: Program, tmp_path: Path) -> None:
    def refused(*words: str) -> str:
        status, out, err = program(*words)
        assert (status, out) == (1, "")
        assert "Traceback" not in err
        return err

    assert "1 to 32 of a-z, 0-9 and _" in refused("new", "Thermo-Meter")
    (tmp_path / "taken").mkdir()
    assert "taken is there already" in refused("new", "taken")
    assert "taken/asconfig.json: no such file" in refused("build", "taken")
    assert "give a program.toml or its folder" in refused("test", "nowhere")
    program("new", "fine")
    program("build", "fine")
    assert "nothing.jsonl: No such file" in refused("bench", "fine", "--input", "nothing.jsonl")
    (tmp_path / "empty.jsonl").touch()
    assert "no events" in refused("bench", "fine", "--input", "empty.jsonl")
    (tmp_path / "wrong.jsonl").write_text("{}\n")
    assert "wrong.jsonl, line 1: an event is" in refused("run", "fine", "--input", "wrong.jsonl")
    (tmp_path / "many.wasm").write_bytes(wasmtime.wat2wasm(TWO_MEMORIES))
    status, out, _ = program("check", "many.wasm")
    assert (status, "define one memory" in out) == (1, True)
    (tmp_path / "fine" / "golden" / "expected.jsonl").unlink()
    status, _, err = program("test", "fine")
    assert status == 1
    assert "--update` makes it" in err
