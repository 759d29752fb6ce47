"""Child processes: started in order, watched, started again when they die, never left behind.

A child is killed by the kernel when its supervisor goes (see `topologies.leash`), so a `kill -9`
of the supervisor leaves nothing; an orderly stop asks each process first and waits. Processes
run in sessions of their own, so that Ctrl-C in a terminal reaches the supervisor alone and it
decides who stops first.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from streams.clock import Clock, SystemClock
from streams.limits import LOG_FILE_BYTES_MAX
from topologies.back_off import BackOff

_LEASH: Final = Path(__file__).with_name("leash.py")
_POLL_S: Final = 0.05  # how soon a death or a first sign of health is noticed
_TEND_S: Final = 1.0  # how often a running child's files are looked after
_HEALTH_S: Final = 5.0  # how often a running child is asked whether it is well
_START_ATTEMPTS: Final = 3  # of a child that was never well: then it is a fault of the set-up
_PAUSE_S_MAX: Final = 10.0  # before a child that fails and fails is started again
_LOG_TAIL_LINES: Final = 5


class SetupError(Exception):
    """Something is missing or in the way; the message is one line that says what to do."""


class Unhealthy(Exception):
    """Why a component does not answer as it should, in one line."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep alive.

    Attributes:
        name: of its log file, and in messages.
        argv: the command.
        env: variables beside the supervisor's own.
        health: asks the process; returns when it is well, else raises `Unhealthy`. May block for
            a few seconds; runs on another thread.
        address: where it listens, for people and for `node.json`.
        prepare: before each start, on another thread: writes its files, returns what to add to
            `argv`; raises `SetupError`.
        tend: once a second while it runs, and before it is stopped: saves what it does not save.
        start_s_max: from start to first health; then it counts as failed.
        stop_s_max: from SIGTERM to SIGKILL.
        is_needed: nobody waits for one that is not, and that it cannot be started is no reason
            to stop the others.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    health: Callable[[], None]
    address: str = ""
    prepare: Callable[[], Sequence[str]] | None = None
    tend: Callable[[], None] | None = None
    start_s_max: float = 60.0
    stop_s_max: float = 10.0
    is_needed: bool = True


class Running:
    """One started process of a child."""

    def __init__(self, child: Child, logs: Path, more: Sequence[str] = ()) -> None:
        """Starts it.

        Args:
            child: what to run.
            logs: the directory of `<name>.log`, made if missing.
            more: arguments that `child.prepare` returned.
        """
        self.child = child
        self.log = logs / f"{child.name}.log"
        logs.mkdir(parents=True, exist_ok=True)
        leash = (sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()))
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [*leash, *child.argv, *more],
                env={**os.environ, **child.env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the process, which leads a group of the same number."""
        return self._process.pid

    def exit_status(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    def send(self, signal_number: int) -> None:
        """Send a signal to the whole group; nothing happens when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal_number)

    def stop(self) -> None:
        """SIGTERM, wait, SIGKILL what is left; returns when the process is gone."""
        if self.exit_status() is None and self.child.tend is not None:
            with contextlib.suppress(Unhealthy, OSError):
                self.child.tend()
        self.send(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self.child.stop_s_max)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the group; returns when the process is gone."""
        self.send(signal.SIGKILL)
        self._process.wait()

    def wait_until_healthy(
        self, clock: Clock | None = None, cancelled: threading.Event | None = None
    ) -> None:
        """Block until it is well.

        Raises:
            Unhealthy: it ended, was not well within `start_s_max`, or `cancelled` was set.
        """
        clock = clock or SystemClock()
        cancelled = cancelled or threading.Event()
        deadline_s = clock.monotonic_s() + self.child.start_s_max
        while True:
            if (status := self.exit_status()) is not None:
                raise Unhealthy(how_it_ended(status))
            try:
                self.child.health()
                return
            except Unhealthy as error:
                if clock.monotonic_s() > deadline_s:
                    within = f"within {self.child.start_s_max:.0f} s"
                    raise Unhealthy(f"did not become healthy {within}: {error}") from error
            if cancelled.wait(_POLL_S):
                raise Unhealthy("no longer wanted")

    def bound_log(self) -> None:
        """Keep the log and one older file of `LOG_FILE_BYTES_MAX` each.

        The process writes in append mode, so its file can be cut from outside; a line written
        between copy and cut is lost.
        """
        if not self.log.exists():
            return  # somebody removed it
        if self.log.stat().st_size > LOG_FILE_BYTES_MAX:
            with contextlib.suppress(OSError):  # on a full disk the older file is the loss
                shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)

    def log_tail(self) -> str:
        """The last lines of its log, for a message about a failed start."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_LOG_TAIL_LINES:])


def how_it_ended(status: int) -> str:
    """`exited with status 1`, or `was killed by SIGKILL`."""
    if status >= 0:
        return f"exited with status {status}"
    return f"was killed by {signal.Signals(-status).name}"


@dataclass(slots=True)
class _Kept:
    """A child and what the supervisor knows of it."""

    child: Child
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    running: Running | None = None


class Supervisor:
    """Keeps tiers of children: a tier starts when the one before it is well."""

    def __init__(
        self,
        tiers: Sequence[Sequence[Child]],
        logs: Path,
        report: Callable[[str], None],
        on_start: Callable[[Mapping[str, int]], None],
        clock: Clock | None = None,
    ) -> None:
        """Takes what to run; `run` runs it.

        Args:
            tiers: in start order; stopped in the reverse order.
            logs: a directory for the children's logs.
            report: told one line about each event.
            on_start: told the pids by name whenever a process has started.
            clock: for durations.
        """
        self._tiers = [[_Kept(child) for child in tier] for tier in tiers]
        self._logs = logs
        self._report = report
        self._on_start = on_start
        self._clock = clock or SystemClock()
        self._cancelled = threading.Event()

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
        """Start every tier, keep it, and stop it when `stop` is set.

        Raises:
            SetupError: a child could not be started; the others have been stopped.
        """
        stopping = asyncio.create_task(stop.wait())
        keepers: list[asyncio.Task[None]] = []
        try:
            for tier in self._tiers:
                keepers += [asyncio.create_task(self._keep(kept)) for kept in tier]
                ready = asyncio.create_task(self._ready(tier))
                try:
                    await self._first_of(stopping, ready, *keepers)
                finally:
                    ready.cancel()
                if stop.is_set():
                    return
            on_ready()
            await self._first_of(stopping, *keepers)
        finally:
            stopping.cancel()
            await self._stop(keepers)

    @staticmethod
    async def _ready(tier: Sequence[_Kept]) -> None:
        for kept in tier:
            if kept.child.is_needed:
                await kept.ready.wait()

    @staticmethod
    async def _first_of(*futures: asyncio.Future[Any]) -> None:
        """Wait for one of them; a keeper's error comes out here."""
        done, _ = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        for future in done:
            future.result()

    async def _keep(self, kept: _Kept) -> None:
        """Start a child, watch it, start it again when it dies; for ever."""
        name, attempts = kept.child.name, 0
        back_off = BackOff(_PAUSE_S_MAX)
        while True:
            started_s = self._clock.monotonic_s()
            attempts, well_s = attempts + 1, 0.0
            running: Running | None = None
            try:
                running = await self._start(kept)
                await asyncio.to_thread(running.wait_until_healthy, self._clock, self._cancelled)
            except Unhealthy as error:
                reason = str(error)
                tail = ""
                if running is not None:
                    running.kill()
                    tail = f"; its log {running.log} ends with\n{running.log_tail()}"
                is_hopeless = not kept.ready.is_set() and attempts == _START_ATTEMPTS
                if is_hopeless and kept.child.is_needed:
                    raise SetupError(f"{name} {reason}{tail}") from error
            else:
                well_at_s = self._clock.monotonic_s()
                start_s = well_at_s - started_s
                self._report(f"{name:<12}{kept.child.address:<36} healthy after {start_s:.1f} s")
                kept.ready.set()
                reason = await self._watch(running)
                well_s = self._clock.monotonic_s() - well_at_s
            pause_s = back_off.pause_s(well_s)
            self._report(f"{name} {reason}; starting it again in {pause_s:.1f} s ({self._logs})")
            await asyncio.sleep(pause_s)

    async def _start(self, kept: _Kept) -> Running:
        """Start a child's process.

        Raises:
            Unhealthy: its files could not be written, which may pass, as a full disk does.
            SetupError: from its `prepare`.
        """
        prepare = kept.child.prepare
        try:
            more = await asyncio.to_thread(prepare) if prepare is not None else ()
            kept.running = Running(kept.child, self._logs, more)
        except OSError as error:
            raise Unhealthy(f"cannot be started: {error}") from error
        self._on_start(self._pids())
        return kept.running

    async def _watch(self, running: Running) -> str:
        """Look after a process until it ends; returns how it ended."""
        child = running.child
        well = tended = True
        tend_at_s, health_at_s = 0.0, self._clock.monotonic_s() + _HEALTH_S
        while (status := running.exit_status()) is None:
            await asyncio.sleep(_POLL_S)
            now_s = self._clock.monotonic_s()
            if now_s >= tend_at_s:
                tended = await self._tend(running, tended)
                tend_at_s = now_s + _TEND_S
            if now_s >= health_at_s:
                well = await self._health(child, well)
                health_at_s = self._clock.monotonic_s() + _HEALTH_S
        return how_it_ended(status)

    async def _tend(self, running: Running, was_tended: bool) -> bool:
        """Look after a child's files; report a change. A node outlives a full disk."""
        child = running.child
        try:
            running.bound_log()
            if child.tend is not None:
                await asyncio.to_thread(child.tend)
        except Unhealthy:
            return was_tended  # its health is asked for apart
        except OSError as error:
            if was_tended:
                self._report(f"{child.name}: its files cannot be kept: {error}")
            return False
        if not was_tended:
            self._report(f"{child.name}: its files are kept again")
        return True

    async def _health(self, child: Child, was_well: bool) -> bool:
        """Ask a child; report a change. A hung process is reported, and left to its operator."""
        try:
            await asyncio.to_thread(child.health)
        except Unhealthy as error:
            if was_well:
                self._report(f"{child.name} does not answer: {error}")
            return False
        if not was_well:
            self._report(f"{child.name} answers again")
        return True

    def _pids(self) -> dict[str, int]:
        everything = [kept for tier in self._tiers for kept in tier]
        return {k.child.name: k.running.pid for k in everything if k.running is not None}

    async def _stop(self, keepers: Sequence[asyncio.Task[None]]) -> None:
        """End the keepers, then the processes, last tier first."""
        self._cancelled.set()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        for tier in reversed(self._tiers):
            running = [kept.running for kept in tier if kept.running is not None]
            await asyncio.gather(*(asyncio.to_thread(process.stop) for process in running))
