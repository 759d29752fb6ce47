"""A whole node as a user has it: `w3b up` in a process of its own, to be used and to be hurt."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.waiting import wait_until
from topologies.config import Settings
from topologies.local import free_port_offset
from topologies.node_file import read_node_file

W3B: Final = (sys.executable, "-m", "topologies")
COMPONENTS: Final = ("kafka", "clickhouse", "chain")
PROCESSES: Final = ("endpoint", "execute", "settle")
_START_S_MAX: Final = 180.0  # other tests may have the machine's cores meanwhile
_STOP_S_MAX: Final = 60.0
_START_S: Final = 7.0  # of a node on two cores of its own
_RECOVERY_S_MAX: Final = 15.0  # from any `kill -9` to results, on such a machine


class RunningNode:
    """A node on a data directory, on ports that were free when it was made."""

    def __init__(self, data: Path) -> None:
        # Below the ports that the kernel gives to outgoing connections, away from other tests.
        first = random.SystemRandom().randrange(10_000, 20_000)
        offset = free_port_offset(Settings.load(data=data, port_offset=first))
        assert offset is not None, "no free ports"
        self.data, self.offset = data, offset
        self.output = data / "up.out"
        data.mkdir(parents=True, exist_ok=True)
        self.settings = Settings.resolve(data=data, port_offset=offset)
        self._process: subprocess.Popen[bytes] | None = None
        self.start_s = 0.0  # how long it took to be well

    # --- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it; returns once all its parts are well."""
        began_s = time.monotonic()
        said = len(self.said()) if self.output.exists() else 0
        options = ("--data", str(self.data), "--port-offset", str(self.offset))
        with self.output.open("ab") as out:
            self._process = subprocess.Popen(
                [*W3B, "up", *options], stdout=out, stderr=subprocess.STDOUT
            )
        wait_until(
            lambda: "up after" in self.said()[said:] or self._ended(), "w3b up", _START_S_MAX
        )
        assert not self._ended(), self.said()
        self.start_s = time.monotonic() - began_s
        self.settings = Settings.resolve(data=self.data, port_offset=self.offset)

    def stop(self) -> None:
        """Ctrl-C, and wait for its end."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(_STOP_S_MAX)
        finally:
            self._process.kill()
        assert status == 0, self.said()

    def close(self) -> None:
        """Whatever state it is in: be rid of it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()  # its children go with it
            self._process.wait()

    def said(self) -> str:
        """What it told whoever started it."""
        return self.output.read_text()

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    @property
    def slowness(self) -> float:
        """How many times longer everything takes here, because others use the machine too."""
        return max(1.0, self.start_s / _START_S)

    @property
    def recovery_s_max(self) -> float:
        """How long results may take after a `kill -9`."""
        return _RECOVERY_S_MAX * self.slowness

    # --- use -------------------------------------------------------------------------------------

    def w3b(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a `w3b` command against it."""
        command, *rest = arguments
        done = subprocess.run(
            [*W3B, command, *rest, "--data", str(self.data)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stderr
        return done

    def status(self) -> dict[str, Any]:
        """`w3b status --json`, with its exit status under `exit`."""
        done = self.w3b("status", "--json", check=False)
        found: dict[str, Any] = json.loads(done.stdout)
        return found | {"exit": done.returncode}

    # --- harm ------------------------------------------------------------------------------------

    @property
    def workers(self) -> list[str]:
        """The processes that execute."""
        return [name for name, roles in self.settings.processes.items() if "execute" in roles]

    def pid(self, name: str) -> int:
        """Of one of `COMPONENTS` or `PROCESSES`."""
        return int(read_node_file(self.data)["pids"][name])

    def kill(self, name: str) -> None:
        """`kill -9`; the node's supervisor starts it again."""
        with contextlib.suppress(ProcessLookupError):  # it is being started again already
            os.kill(self.pid(name), signal.SIGKILL)

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """SIGSTOP: it keeps its connections and answers nothing; goes on when the block ends."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def dead(self, *names: str) -> Iterator[None]:
        """Killed, and the supervisor kept from starting them again until the block ends."""
        assert self._process is not None
        supervisor = self._process
        supervisor.send_signal(signal.SIGSTOP)
        try:
            for name in names:
                self.kill(name)
            yield
        finally:
            supervisor.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def running(data: Path) -> Iterator[RunningNode]:
    """A node that is well; gone when the block ends."""
    node = RunningNode(data)
    try:
        node.start()
        yield node
    finally:
        node.close()
