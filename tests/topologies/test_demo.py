"""The demonstration's own care: what it would remove, and what it is asked."""

from pathlib import Path

import pytest

from topologies import local
from topologies.__main__ import main
from topologies.demo import DemoNode
from topologies.supervisor import SetupError


def _node(data: Path) -> DemoNode:
    return DemoNode(data, lambda _: None)


def test_only_a_demonstrations_own_folder_is_emptied(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _node(data)
    (data / "old").touch()
    with local.lock(data), pytest.raises(SetupError, match="a node already runs"):
        _node(data)
    assert (data / "old").exists()
    _node(data)
    assert not (data / "old").exists()

    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "photographs").touch()
    with pytest.raises(SetupError, match="not empty"):
        _node(theirs)
    assert (theirs / "photographs").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("demo", "--speedup", "0"),
        ("demo", "--speedup", "-1"),
        ("demo", "--devices", "0"),
        ("demo", "--minutes", "nan"),
        ("fleet", "replay", "x.csv", "--speedup", "0"),
        ("fleet", "replay", "x.csv", "--url", "127.0.0.1:8080"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_started(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(options)
    assert f"argument {options[-2]}: {options[-1]} is no" in capsys.readouterr().err
