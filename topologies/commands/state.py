"""`w3b state`: what a Dapp's program keeps under its keys."""

import argparse
import json
from typing import TYPE_CHECKING

from topologies.commands import settings_of
from topologies.operating.keeping import get_state
from topologies.registering import open_desk

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command and its forms."""
    parser = subparsers.add_parser(
        "state",
        help="what a Dapp's program keeps",
        description="Read a Dapp's keyed state, as it was committed last.",
    )
    forms = parser.add_subparsers(required=True, metavar="FORM")
    get = forms.add_parser(
        "get",
        help="the value of a key",
        description="Print a key's value, of each partition that has one: as text if it is UTF-8, "
        "else in hex digits after 0x. Reads the Dapp's changelog; a million keys take seconds.",
    )
    get.add_argument("dapp", metavar="DAPP")
    get.add_argument("key", metavar="KEY", help="text, or bytes as 0x and hex digits")
    get.add_argument("--json", action="store_true", help="print JSON, the value in hex as well")
    get.set_defaults(func=_get)


def _get(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        values = get_state(desk, settings, args.dapp, args.key)["values"]
    if args.json:
        print(json.dumps(values, indent=2, ensure_ascii=False))
    elif len(values) == 1:
        print(values[0]["value"])
    else:
        for one in values:
            print(f"partition {one['partition']}: {one['value']}")
    return 0
