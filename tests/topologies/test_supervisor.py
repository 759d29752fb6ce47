"""The supervisor on small processes: failed starts, logs, order of stopping."""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from streams import limits
from topologies.supervisor import Child, Running, SetupError, Supervisor, Unhealthy, how_it_ended

pytestmark = pytest.mark.slow


def _child(name: str, code: str, ready: Path | None = None) -> Child:
    """A Python process, well once it has made the file `ready`."""

    def health() -> None:
        if ready is not None and not ready.exists():
            raise Unhealthy("not ready yet")

    return Child(name=name, argv=(sys.executable, "-c", code), env={}, health=health)


def _supervisor(tiers: Sequence[Sequence[Child]], logs: Path, lines: list[str]) -> Supervisor:
    return Supervisor(tiers, logs, lines.append, lambda _: None)


async def test_a_child_that_cannot_start_is_a_fault_of_the_set_up(tmp_path: Path) -> None:
    child = _child("broken", "print('no licence'); raise SystemExit(3)", tmp_path / "never")
    lines: list[str] = []
    with pytest.raises(SetupError) as caught:
        await _supervisor([[child]], tmp_path, lines).run(asyncio.Event(), lambda: None)
    assert "broken exited with status 3" in str(caught.value)
    assert "  no licence" in str(caught.value)
    assert len(lines) == 2  # two more attempts were announced


async def test_a_command_that_is_not_there_says_so(tmp_path: Path) -> None:
    child = Child("absent", ("no-such-command",), {}, lambda: _raise("not yet"))
    with pytest.raises(SetupError, match="cannot run no-such-command: No such file"):
        await _supervisor([[child]], tmp_path, []).run(asyncio.Event(), lambda: None)


async def test_tiers_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    events = tmp_path / "events"

    def child(name: str) -> Child:
        code = (
            "import pathlib, signal\n"
            f"say = lambda what: pathlib.Path({str(events)!r}).open('a').write(what + '\\n')\n"
            f"signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
            f"say('start {name}'); pathlib.Path({str(tmp_path / name)!r}).touch()\n"
            f"signal.sigwait([signal.SIGTERM]); say('stop {name}')\n"
        )
        return _child(name, code, tmp_path / name)

    stop = asyncio.Event()
    tiers = [[child("first")], [child("second")]]
    await _supervisor(tiers, tmp_path / "logs", []).run(stop, stop.set)
    assert events.read_text().split("\n") == [
        "start first", "start second", "stop second", "stop first", "",
    ]  # fmt: skip


async def test_one_that_is_not_needed_holds_nobody_up(tmp_path: Path) -> None:
    broken = replace(_child("broken", "raise SystemExit(3)", tmp_path / "never"), is_needed=False)
    lines: list[str] = []
    stop = asyncio.Event()

    def report(line: str) -> None:
        lines.append(line)
        failures = [line for line in lines if line.startswith("broken exited with status 3")]
        if "ready" in lines and len(failures) >= 3:  # one that is needed would be given up then
            stop.set()

    well = _child("well", "import signal; signal.pause()")
    supervisor = Supervisor([[broken, well]], tmp_path / "logs", report, lambda _: None)
    await supervisor.run(stop, lambda: report("ready"))
    assert stop.is_set()


async def test_a_node_outlives_a_full_disk(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    faults = {"prepare": [full], "tend": [full, full]}  # and then there is room again
    lines: list[str] = []
    stop = asyncio.Event()

    def write(what: str) -> Sequence[str]:
        if faults[what]:
            raise faults[what].pop()
        return ()

    def report(line: str) -> None:
        lines.append(line.partition(";")[0])
        if line.endswith("kept again"):
            stop.set()

    def tend() -> None:
        write("tend")

    child = replace(
        _child("writer", "import signal; signal.pause()"),
        prepare=lambda: write("prepare"),
        tend=tend,
    )
    await Supervisor([[child]], tmp_path, report, lambda _: None).run(stop, lambda: None)
    said = "[Errno 28] No space left on device"
    assert lines[0] == f"writer cannot be started: {said}"
    assert lines[1].startswith("writer ")  # healthy
    assert lines[2:] == [
        f"writer: its files cannot be kept: {said}",
        "writer: its files are kept again",
    ]


def test_a_log_is_bounded(tmp_path: Path) -> None:
    size = limits.LOG_FILE_BYTES_MAX + 1
    ready = tmp_path / "ready"
    code = (
        "import pathlib, sys, time\n"
        f"sys.stdout.write('x' * {size}); sys.stdout.flush()\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "sys.stdin.read(); time.sleep(60)\n"
    )
    running = Running(_child("chatty", code, ready), tmp_path)
    try:
        running.wait_until_healthy()
        running.bound_log()
    finally:
        running.kill()
    assert running.log.stat().st_size == 0
    assert (tmp_path / "chatty.log.1").stat().st_size == size
    assert running.exit_status() == -signal.SIGKILL


def test_how_it_ended() -> None:
    assert how_it_ended(2) == "exited with status 2"
    assert how_it_ended(-9) == "was killed by SIGKILL"


def _raise(reason: str) -> None:
    raise Unhealthy(reason)
