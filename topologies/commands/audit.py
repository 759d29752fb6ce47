"""`w3b audit`: who changed what, and who was refused."""

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from streams.clock import SystemClock
from streams.database.server import DatabaseError
from topologies.commands import CommandError, settings_of
from topologies.moments import moment_text, read_moment
from topologies.operating.auditing import list_audit
from topologies.registering import print_table

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers

_SHOWN: Final = 100


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "audit",
        help="who changed what, and who was refused",
        description="Print the audit log, oldest first: changes of devices, owners, Dapps, grants "
        "and keys with who made them by which door, from what to what; refusals by the minute. "
        "Conditions that are given together all have to hold.",
    )
    parser.add_argument("--device", metavar="DID", default="", help="what concerns this device")
    parser.add_argument("--owner", metavar="OWNER", default="", help="… this owner")
    parser.add_argument("--dapp", metavar="DAPP", default="", help="… this Dapp")
    parser.add_argument(
        "--since", metavar="TIME", help="of the last 30m, 12h or 7d; or since 2026-01-31[T12:00]"
    )
    parser.add_argument(
        "--most", type=int, default=_SHOWN, metavar="N", help="the newest N (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, an object a line")
    parser.set_defaults(func=_audit)


def _audit(args: argparse.Namespace) -> int:
    if args.most < 1:
        raise CommandError(f"--most {args.most}: give 1 or more")
    since_ms = 0
    if args.since is not None:
        since_ms = read_moment(args.since, SystemClock().now_ms(), is_ahead=False)
    try:
        records = list_audit(
            None, settings_of(args), args.device, args.owner, args.dapp, since_ms, args.most
        )["records"]
    except DatabaseError as error:
        raise CommandError(f"the audit log cannot be read: {error}") from error
    if args.json:
        for record in records:
            print(json.dumps(record, ensure_ascii=False))
        return 0
    print_table(
        ("AT (UTC)", "WHO", "DOOR", "WHAT", "OF", "FROM", "TO"), [_line(one) for one in records]
    )
    return 0


def _line(record: Mapping[str, Any]) -> tuple[str, ...]:
    if record["action"] == "refuse":
        what = f"refused {record['times']:,} ×: {record['reason']}"
        of = " → ".join(filter(None, (record["name"], record["dapp"])))
    else:
        what = f"{record['action']} {record['kind']}"
        of = record["name"]
    at, said = moment_text(record["at_ms"]), (record.get("before"), record.get("after"))
    return at, record["who"], record["door"], what, of, *map(_facts, said)


def _facts(said: Mapping[str, Any] | None) -> str:
    if said is None:
        return ""
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in said.items())
