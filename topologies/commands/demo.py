"""`w3b demo`: a node of its own, a fleet that drives, and an account that adds up."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from streams.chain.contract import CertifiedEpoch
from streams.clock import SystemClock
from streams.database.server import DatabaseError, Server
from topologies import demo
from topologies.commands import CommandError, positive
from topologies.config import Settings
from topologies.demo import DAPP, DemoNode, Stored
from topologies.fleet import simulator
from topologies.fleet.carobd import Recording, RecordingError, recordings
from topologies.fleet.drives import Drive
from topologies.fleet.player import Tally
from topologies.proving import Place, contract_of, make_proof, show_to_contract

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers

_PROGRAM: Final = Path(__file__).resolve().parents[2] / "wasm_programs" / DAPP
_BAD_SHARE: Final = 0.0005  # of the simulated messages: dead letters are part of the account
_LINE_S: Final = 1.0  # between lines of progress
_SHORTEST_S: Final = 0.001  # two tallies may be of the same instant
_UNREADABLE_SHOWN_MAX: Final = 5
_CLOCK: Final = SystemClock()


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "demo",
        help="play a fleet through a node of its own and count every message",
        description="Start a node in build/demo (emptied first) on free ports, play a fleet "
        "through it, and print an account in which everything has to agree: exit status 1 if "
        "any two figures do not.",
    )
    parser.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="carOBD recordings")
    parser.add_argument(
        "--devices", type=positive(int), default=100, metavar="N", help="simulated cars"
    )
    parser.add_argument(
        "--minutes", type=positive(float), default=30, metavar="M", help="of their time (30)"
    )
    parser.add_argument("--speedup", type=positive(float), metavar="X", help="times real time")
    parser.set_defaults(func=_demo)


def _demo(args: argparse.Namespace) -> int:
    began_s = _CLOCK.monotonic_s()
    drives, replayed = _drives(args)
    node = DemoNode(args.data or demo.DATA, _say)
    with node.running() as settings:
        _say(f"a node with everything it needs is up; adding the Dapp {DAPP}")
        _add_dapp(settings)
        tally = asyncio.run(_play(settings, drives, args.speedup, began_s))
        for recording in replayed:
            _show_unreadable(recording)
        _say("all messages are acknowledged; waiting for the last epoch's certificate")
        stored, certified = demo.settle(settings, tally, _CLOCK, _progress)
        elapsed_s = _CLOCK.monotonic_s() - began_s
        _print_account(settings, tally, stored, certified, elapsed_s)
        problems = demo.disagreements(tally, stored, certified)
        problems += _show_proof(settings)
    for problem in problems:
        print(f"does not agree: {problem}", file=sys.stderr)
    if not problems:
        _say(f"everything agrees. Data and logs are in {settings.data}")
    return 1 if problems else 0


def _drives(args: argparse.Namespace) -> tuple[Sequence[Drive], Sequence[Recording]]:
    if not args.replay:
        seconds = max(1, round(args.minutes * 60))
        return simulator.fleet(args.devices, seconds, 1, _BAD_SHARE), ()
    try:
        replayed = recordings(args.replay)
    except RecordingError as error:
        raise CommandError(str(error)) from error
    return replayed, replayed


def _add_dapp(settings: Settings) -> None:
    from topologies.commands.dapp import add

    add(settings, _PROGRAM)


async def _play(
    settings: Settings, drives: Sequence[Drive], speedup: float | None, began_s: float
) -> Tally:
    """Play, with a line a second; the final tally."""
    assert settings.clickhouse_url is not None
    server = Server(settings.clickhouse_url)
    tally, before, stored_before, is_first = Tally(), Tally(), 0, True
    async for tally in demo.play(settings, drives, speedup, _CLOCK, every_s=_LINE_S):
        try:
            stored = await asyncio.to_thread(demo.look, server)
        except DatabaseError:
            continue  # its tables are being made
        if is_first and stored.messages:
            is_first = False
            _say(f"first message stored {_CLOCK.monotonic_s() - began_s:.1f} s after the start")
        # A busy machine prints late: rates are over the time that really went by.
        seconds = max(tally.elapsed_s - before.elapsed_s, _SHORTEST_S)
        _say(
            f"{tally.elapsed_s:6.1f} s   acknowledged {tally.acknowledged:>10,}"
            f" ({(tally.acknowledged - before.acknowledged) / seconds:>8,.0f}/s)"
            f"   stored {stored.messages:>10,}"
            f" ({(stored.messages - stored_before) / seconds:>8,.0f}/s)"
            f"   results {stored.results:>7,}   epochs {stored.epochs}"
        )
        before, stored_before = tally, stored.messages
    server.close()
    return tally


def _progress(stored: Stored) -> None:
    line = (
        f"   stored {stored.messages:,}   in closed epochs {stored.summed['messages']:,}"
        f"   epochs {stored.epochs}"
    )
    if sys.stdout.isatty():
        print(f"\r{line}", end="\r", flush=True)


def _show_unreadable(recording: Recording) -> None:
    for row in recording.unreadable[:_UNREADABLE_SHOWN_MAX]:
        _say(f"{recording.name}: line {row.line}: {row.reason}; sent as it is")
    if (more := recording.faulty - _UNREADABLE_SHOWN_MAX) > 0:
        _say(f"{recording.name}: and {more} more unreadable rows")


def _print_account(
    settings: Settings,
    tally: Tally,
    stored: Stored,
    certified: Sequence[CertifiedEpoch],
    elapsed_s: float,
) -> None:
    spent = demo.spent(settings)
    table = Table(title="what happened", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("devices", f"{tally.devices:,}")
    table.add_row("messages sent", f"{tally.sent:,}")
    table.add_row("acknowledged", f"{tally.acknowledged:,}")
    table.add_row("rows in ClickHouse: messages", f"{stored.messages:,}")
    table.add_row("processed", f"{stored.processed:,}")
    for reason, count in sorted(stored.dead.items()):
        table.add_row(f"dead letters: {reason}", f"{count:,}")
    table.add_row("rows in ClickHouse: results", f"{stored.results:,}")
    table.add_row("claims", f"{stored.claims:,}")
    table.add_row("epochs closed", f"{stored.epochs:,}")
    table.add_row("epochs certified on chain", f"{len(certified):,}")
    table.add_row("gas: certificates", f"{sum(one.gas_used for one in certified):,}")
    table.add_row("gas: the contract", f"{spent.deploy_gas:,}")
    table.add_row("elapsed", f"{elapsed_s:.1f} s")
    table.add_row(
        "acknowledged while playing", f"{tally.acknowledged / tally.elapsed_s:,.0f} messages/s"
    )
    Console().print(table)


def _show_proof(settings: Settings) -> list[str]:
    """One driver's claim before the contract, whole and with one byte changed."""
    assert settings.clickhouse_url is not None
    assert settings.chain_rpc_url is not None
    server = Server(settings.clickhouse_url)
    try:
        found = server.rows(
            "SELECT epoch, `partition`, `index` FROM claims WHERE dapp = {dapp:String} "
            "ORDER BY epoch DESC, `partition`, `index` LIMIT 1",
            {"dapp": DAPP},
        )
        if not found:
            _say("no trip was finished, so that there is no claim to show")
            return []
        proof = make_proof(server, DAPP, Place(*map(int, found[0])))
    finally:
        server.close()
    claim = proof.proof.claim
    changed = bytes([claim.statement[0] ^ 1]) + claim.statement[1:]
    forged = replace(proof, proof=replace(proof.proof, claim=replace(claim, statement=changed)))
    contract = contract_of(settings.data)
    _say(f"\nclaim {claim.index} of epoch {claim.epoch}, partition {claim.partition}")
    _say(f"  about  {claim.subject.decode()}")
    _say(f"  says   {claim.statement.decode()}")
    whole = show_to_contract(settings.chain_rpc_url, contract, proof)
    torn = show_to_contract(settings.chain_rpc_url, contract, forged)
    _say(f"  the contract 0x{contract.hex()}")
    _say(f"  its proof:                       {_verdict(whole.accepted, whole.reason)}")
    _say(f"  the same with one byte changed:  {_verdict(torn.accepted, torn.reason)}\n")
    problems = [] if whole.accepted else ["a certified claim, but its proof is refused"]
    return problems + (["a forged claim, but its proof is accepted"] if torn.accepted else [])


def _verdict(accepted: bool, reason: str) -> str:
    return "accepted" if accepted else f"refused: {reason}"


def _say(line: str) -> None:
    print(line, flush=True)
