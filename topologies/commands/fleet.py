"""`w3b fleet`: play simulated or recorded drives to a running node."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import uvloop
from rich.console import Console
from rich.live import Live
from rich.table import Table

from streams.clock import SystemClock
from streams.registry.entries import EntryError
from streams.registry.view import RegistryError
from streams.wallet.keys import KeyFileError
from topologies.commands import CommandError, positive, settings_of
from topologies.fleet import simulator
from topologies.fleet.carobd import RecordingError, recordings
from topologies.fleet.drives import Drive
from topologies.fleet.enrolment import EnrolmentError, enrol
from topologies.fleet.keyring import Keyring
from topologies.fleet.player import Player, Tally

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers

OK, UNANSWERED = 0, 1
_SHOWN_UNREADABLE_MAX = 10


def register(subparsers: "Subparsers") -> None:
    """Add the command and its two forms."""
    parser = subparsers.add_parser(
        "fleet",
        help="play simulated or recorded drives to a running node",
        description="Play drives to a running node, as devices that send over HTTP. Their keys "
        "come from DATA/fleet; devices that the node does not know yet are registered.",
    )
    forms = parser.add_subparsers(required=True, metavar="FORM")

    simulate = forms.add_parser("simulate", help="cars that drive plausibly")
    simulate.add_argument("--devices", type=positive(int), default=50, metavar="N")
    simulate.add_argument(
        "--minutes", type=positive(float), default=15.0, metavar="M",
        help="of each car's own time (15)",
    )  # fmt: skip
    simulate.add_argument(
        "--seed", type=int, default=1, metavar="S", help="the same seed makes the same drives (1)"
    )
    simulate.add_argument(
        "--bad-share", type=_share, default=0.0, metavar="SHARE",
        help="share of messages that are made unreadable, as 0.001 (0)",
    )  # fmt: skip
    _add_common(simulate)
    simulate.set_defaults(func=_simulate)

    replay = forms.add_parser("replay", help="OBD-II recordings in the carOBD form")
    replay.add_argument("files", nargs="+", type=Path, metavar="FILE", help="one is one device")
    _add_common(replay)
    replay.set_defaults(func=_replay)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--speedup", type=positive(float), metavar="X",
        help="times real time; without it, as fast as the node takes it",
    )  # fmt: skip
    parser.add_argument("--dapp", default="safe_driving", help="which Dapp gets it (safe_driving)")
    parser.add_argument("--owner", default="demo", help="whose devices they are (demo)")
    parser.add_argument(
        "--url", type=_http, help="the endpoint, if it is not this data directory's node"
    )
    parser.add_argument("--json", action="store_true", help="the final figures as JSON")


def _simulate(arguments: argparse.Namespace) -> int:
    seconds = max(1, round(arguments.minutes * 60))
    cars = simulator.fleet(arguments.devices, seconds, arguments.seed, arguments.bad_share)
    return _play(arguments, cars)


def _replay(arguments: argparse.Namespace) -> int:
    try:
        drives = recordings(arguments.files)
    except RecordingError as error:
        raise CommandError(str(error)) from error
    status = _play(arguments, drives)
    for recording in drives:
        for row in recording.unreadable[:_SHOWN_UNREADABLE_MAX]:
            print(
                f"{recording.name}: line {row.line}: {row.reason}; sent as it is", file=sys.stderr
            )
        if (more := recording.faulty - _SHOWN_UNREADABLE_MAX) > 0:
            print(f"{recording.name}: and {more} more rows", file=sys.stderr)
    return status


def _play(arguments: argparse.Namespace, drives: Sequence[Drive]) -> int:
    settings = settings_of(arguments)
    try:
        keyring = Keyring(settings.data / "fleet" / "fleet.secret")
        dids = [keyring.key(drive.name).did for drive in drives]
        enrolled = enrol(
            settings.kafka_config(), dids, arguments.owner, arguments.dapp, SystemClock()
        )
    except (KeyFileError, EnrolmentError, EntryError, RegistryError) as error:
        raise CommandError(str(error)) from error
    if enrolled.devices:
        print(f"registered {enrolled.devices} devices of {arguments.owner}", file=sys.stderr)
    player = Player(arguments.url or settings.endpoint_url, keyring.key, arguments.dapp)
    tally = uvloop.run(_show(player, drives, arguments.speedup))
    if arguments.json:
        print(json.dumps({**asdict(tally), "adds_up": tally.adds_up}))
    else:
        Console().print(_table(tally))
    complete = tally.acknowledged == tally.sent and not tally.devices_refused
    return OK if complete else UNANSWERED


async def _show(player: Player, drives: Sequence[Drive], speedup: float | None) -> Tally:
    """Play, with a line of live figures where a terminal shows it; the final tally."""
    tally = Tally()
    with Live(console=Console(stderr=True), refresh_per_second=4, transient=True) as live:
        async for tally in player.play(drives, speedup):
            live.update(
                f"{tally.elapsed_s:6.1f} s   sent {tally.sent:,}   acknowledged "
                f"{tally.acknowledged:,} ({_rate(tally):,.0f}/s)   refused "
                f"{tally.refused.total():,}   cars done {tally.devices_done}/{tally.devices}"
            )
    return tally


def _table(tally: Tally) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("devices", f"{tally.devices:,}")
    table.add_row("messages sent", f"{tally.sent:,}")
    table.add_row("acknowledged", f"{tally.acknowledged:,}")
    for name, count in sorted(tally.refused.items()):
        table.add_row(f"refused: {name}", f"{count:,}")
    for name, count in sorted(tally.devices_refused.items()):
        table.add_row(f"devices refused: {name}", f"{count:,}")
    table.add_row("sent though no program can read it", f"{tally.faulty:,}")
    table.add_row("requests repeated", f"{tally.repeats:,}")
    table.add_row("elapsed", f"{tally.elapsed_s:.1f} s ({_rate(tally):,.0f} messages/s)")
    return table


def _rate(tally: Tally) -> float:
    return tally.acknowledged / tally.elapsed_s if tally.elapsed_s > 0 else 0.0


def _http(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text} is no http:// or https:// address")
    return text


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share in [0, 1)")
    return value
