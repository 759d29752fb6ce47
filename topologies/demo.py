"""The demonstration: a node of its own, a fleet that drives, and an account that adds up."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streams.chain.contract import CertifiedEpoch
from streams.chain.totals import Totals, totals
from streams.clock import Clock
from streams.database.server import Server
from topologies import local
from topologies.config import Settings
from topologies.fleet.drives import Drive
from topologies.fleet.enrolment import enrol
from topologies.fleet.keyring import Keyring
from topologies.fleet.player import Player, Tally
from topologies.proving import certified_epochs, contract_of
from topologies.supervisor import SetupError

DATA: Final = Path("build/demo")
DAPP: Final = "safe_driving"
_MARK: Final = "demonstration"  # a file in a folder that may be emptied
_OWNER: Final = "demo"
_START_S_MAX: Final = 120.0
_STOP_S_MAX: Final = 40.0
_SETTLE_S_MAX: Final = 180.0  # from the last acknowledgement to the last epoch's certificate
_POLL_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Stored:
    """What ClickHouse has of the Dapp."""

    messages: int
    results: int
    claims: int
    dead: dict[str, int]
    summed: dict[str, int]  # the closed epochs' summaries, added up
    epochs: int  # that were closed

    @property
    def processed(self) -> int:
        """Messages that the program took, by the summaries that the network signs."""
        return self.summed["messages"] - self.summed["dead"]


def _make_empty(data: Path) -> None:
    if data.is_dir() and any(data.iterdir()):
        if data != DATA and not (data / _MARK).exists():
            raise SetupError(
                f"{data} is not empty, and no demonstration was there: give another --data"
            )
        with local.lock(data):
            shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data / _MARK).touch()


class DemoNode:
    """A node started for the demonstration, in a process of its own, on ports that are free."""

    def __init__(self, data: Path, say: Callable[[str], None]) -> None:
        """``data`` is emptied: the account is of this run alone.

        Raises:
            SetupError: a node runs there, or it has what no demonstration left there.
        """
        _make_empty(data)
        loaded = Settings.load(data=data)
        offset = local.free_port_offset(loaded)
        if offset is None:
            raise SetupError("no free ports for a node: stop what listens on the default ones")
        self._data, self._offset = data, offset
        self._say = say
        self._command = (
            sys.executable, "-m", "topologies", "up",
            "--data", str(data), "--port-offset", str(offset),
        )  # fmt: skip

    @contextlib.contextmanager
    def running(self) -> Iterator[Settings]:
        """The node, from when it is well until it has stopped; gives its settings.

        Raises:
            SetupError: it did not come up.
        """
        process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the demonstration, which stops the node
        )
        try:
            self._wait_until_up(process)
            yield Settings.resolve(data=self._data, port_offset=self._offset)
        finally:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S_MAX)
            process.kill()

    def _wait_until_up(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._say(line.rstrip())
            if line.startswith("up after"):
                os.set_blocking(process.stdout.fileno(), False)  # what follows is in its logs
                return
        raise SetupError(f"the node did not start (exit status {process.wait()})")


async def play(
    settings: Settings,
    drives: Sequence[Drive],
    speedup: float | None,
    clock: Clock,
    every_s: float,
) -> AsyncIterator[Tally]:
    """Register the cars and let them drive; tallies as they go."""
    keyring = Keyring(settings.data / "fleet" / "fleet.secret")
    dids = [keyring.key(drive.name).did for drive in drives]
    await asyncio.to_thread(enrol, settings.kafka_config(), dids, _OWNER, DAPP, clock)
    player = Player(settings.endpoint_url, keyring.key, DAPP)
    async for tally in player.play(drives, speedup, every_s):
        yield tally


def look(server: Server) -> Stored:
    """What ClickHouse has now.

    Raises:
        DatabaseError: it does not answer, or the sink has not made its tables yet.
    """
    parameters = {"dapp": DAPP}

    def count(table: str) -> int:
        sql = f"SELECT count() FROM {table} WHERE dapp = {{dapp:String}}"
        return int(server.rows(sql, parameters)[0][0])

    by_reason = "SELECT reason, count() FROM dead_letters WHERE dapp = {dapp:String} GROUP BY 1"
    names = ("messages", "repeats", "dead", "results", "claims")
    sums = ", ".join(f"sum({name})" for name in names)
    summed = server.rows(
        f"SELECT uniqExact(epoch), {sums} FROM summaries WHERE dapp = {{dapp:String}}", parameters
    )[0]
    return Stored(
        messages=count("messages"),
        results=count("results"),
        claims=count("claims"),
        dead={str(reason): int(n) for reason, n in server.rows(by_reason, parameters)},
        summed={name: int(n or 0) for name, n in zip(names, summed[1:], strict=True)},
        epochs=int(summed[0]),
    )


def settle(
    settings: Settings, tally: Tally, clock: Clock, progress: Callable[[Stored], None]
) -> tuple[Stored, list[CertifiedEpoch]]:
    """Wait until everything acknowledged is stored and in an epoch on the chain; or time is up."""
    assert settings.clickhouse_url is not None
    assert settings.chain_rpc_url is not None
    server = Server(settings.clickhouse_url)
    deadline_s = clock.monotonic_s() + _SETTLE_S_MAX
    try:
        while True:
            stored = look(server)
            certified = certified_epochs(settings.chain_rpc_url, contract_of(settings.data), DAPP)
            late = clock.monotonic_s() > deadline_s
            if late or (not disagreements(tally, stored, certified)):
                return stored, certified
            progress(stored)
            time.sleep(_POLL_S)
    finally:
        server.close()


def disagreements(tally: Tally, stored: Stored, certified: Sequence[CertifiedEpoch]) -> list[str]:
    """Figures that have to agree and do not, each as a line."""
    pairs = (
        ("messages sent", tally.sent, "acknowledged", tally.acknowledged),
        ("acknowledged", tally.acknowledged, "message rows", stored.messages),
        ("acknowledged", tally.acknowledged, "in closed epochs", stored.summed["messages"]),
        ("unreadable messages sent", tally.faulty, "dead letters", sum(stored.dead.values())),
        ("dead letters", sum(stored.dead.values()), "in closed epochs", stored.summed["dead"]),
        ("result rows", stored.results, "in closed epochs", stored.summed["results"]),
        ("claim rows", stored.claims, "in closed epochs", stored.summed["claims"]),
        ("claim rows", stored.claims, "certified on chain", sum(one.claims for one in certified)),
        ("epochs closed", stored.epochs, "certified on chain", len(certified)),
    )
    return [
        f"{one}: {first:,}, but {other}: {second:,}"
        for one, first, other, second in pairs
        if first != second
    ]


def spent(settings: Settings) -> Totals:
    """What the chain cost, by the submitter's journal."""
    return totals(settings.data / "submit.sqlite")
