"""`w3b erasure`: what is being erased, and certificates of what was."""

import argparse
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from streams.clock import SystemClock
from streams.database.server import DatabaseError
from topologies.commands import CommandError, settings_of
from topologies.operating import erasing
from topologies.registering import Desk, open_desk, print_table

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers

UNDER_WAY: Final = 3  # exit status: asked for, and not carried out in the time that one waited
_LOOK_S: Final = 0.2


def register(subparsers: "Subparsers") -> None:
    """Add the command and its forms."""
    parser = subparsers.add_parser(
        "erasure",
        help="what is being erased, and certificates of what was",
        description="Erasures are asked for with `w3b device erase` and `w3b owner erase`.",
    )
    forms = parser.add_subparsers(required=True, metavar="FORM")

    ls = forms.add_parser("ls", help="all erasures")
    ls.add_argument("--json", action="store_true", help="print JSON")
    ls.set_defaults(func=_ls)

    show = forms.add_parser(
        "show", help="an erasure's certificate, or how far it has come",
        description="Print what was erased with counts, and what remains where and until when.",
    )  # fmt: skip
    show.add_argument("erasure", metavar="UUID")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(func=_show)


def add_asking(form: argparse.ArgumentParser) -> None:
    """The options of a command that asks for an erasure."""
    form.add_argument(
        "--erasure", default="", metavar="UUID",
        help="the erasure's name: the same again is the same erasure (default: a new one)",
    )  # fmt: skip
    form.add_argument(
        "--wait", type=float, default=60, metavar="SECONDS",
        help=f"for its certificate (default: 60); exit status {UNDER_WAY} if it takes longer",
    )  # fmt: skip
    form.add_argument("--json", action="store_true", help="print JSON")


def wait_and_print(args: argparse.Namespace, desk: Desk, asked: dict[str, Any]) -> int:
    """Print each erasure once it is carried out, or how far it is when there was time enough."""
    names = [one["erasure"] for one in asked["erasures"]]
    clock = SystemClock()
    end_s = clock.monotonic_s() + args.wait
    while clock.monotonic_s() < end_s:
        if all(erasing.known_erasure(desk, name).certificate is not None for name in names):
            break
        time.sleep(_LOOK_S)
    return _print(args, desk, names)


def _ls(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        found = erasing.list_erasures(desk, settings)["erasures"]
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    print_table(
        ("ERASURE", "OWNER", "DEVICES", "ASKED", "STATE"),
        [
            (one["erasure"], one["owner"], str(len(one["devices"])), _time(one["asked_ms"]),
             one["state"])
            for one in found
        ],
    )  # fmt: skip
    return 0


def _show(args: argparse.Namespace) -> int:
    with open_desk(settings_of(args)) as desk:
        return _print(args, desk, [args.erasure])


def _print(args: argparse.Namespace, desk: Desk, names: Sequence[str]) -> int:
    settings = settings_of(args)
    try:
        found = [erasing.get_erasure(desk, settings, name) for name in names]
    except DatabaseError as error:
        raise CommandError(f"how far it has come is not known: {error}") from error
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        for one in found:
            _print_one(one)
    return 0 if all(one["state"] == "done" for one in found) else UNDER_WAY


def _print_one(one: dict[str, Any]) -> None:
    print(f"{one['erasure']}\n  of {len(one['devices'])} devices of {one['owner']}: {one['state']}")
    if one["state"] == "asked":
        print("  a node that runs puts it into the log within a second")
    if "places" in one:
        print(
            f"  {one['places_done']} of {one['places']} partitions of topics have carried it out;"
            f" rows are still to go from: {', '.join(one['tables_going']) or 'no table'}"
        )
    if "certificate" not in one:
        return
    said = one["certificate"]
    print(f"  everything from before {_time(said['ordered_ms'])}, done {_time(said['done_ms'])}")
    gone = said["erased"]
    print_table(
        ("ERASED FROM", "DAPP", "COUNT"),
        [
            *((f"table {row['table']}", row["dapp"], str(row["rows"])) for row in gone["rows"]),
            *(("keyed state", row["dapp"], f"{row['keys']} keys") for row in gone["keys"]),
        ],
    )
    for dapp in said["not_reached"]:
        print(f"not reached: {dapp} is no longer served; its topics and rows are as they were")
    print_table(
        ("REMAINS", "UNTIL", "WHAT"),
        [
            (rest["where"], _time(rest["until_ms"]) if rest["until_ms"] else "", rest["what"])
            for rest in said["remains"]
        ],
    )


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
