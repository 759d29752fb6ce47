"""`w3b owner`: who may own devices."""

import argparse
import json
from typing import TYPE_CHECKING

from topologies.commands import settings_of
from topologies.operating import senders
from topologies.registering import open_desk, print_table

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command and its forms."""
    parser = subparsers.add_parser(
        "owner",
        help="who may own devices",
        description="Add and list owners. One whose name is a DID may register devices.",
    )
    forms = parser.add_subparsers(required=True, metavar="FORM")

    add = forms.add_parser("add", help="add an owner, who may then register devices")
    add.add_argument("owner", metavar="OWNER", help="a DID, or any word")
    add.add_argument(
        "--grant", nargs="+", action="extend", default=[], metavar="DAPP",
        help="Dapps that get what the owner's devices send",
    )  # fmt: skip
    add.set_defaults(func=_add)

    ls = forms.add_parser("ls", help="all owners")
    ls.add_argument("--json", action="store_true", help="print JSON")
    ls.set_defaults(func=_ls)


def _add(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        added = senders.add_owner(desk, settings, args.owner, args.grant)
    print(f"{args.owner}\n  has granted: {', '.join(added['granted']) or 'no Dapp yet'}")
    return 0


def _ls(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        owners = senders.list_owners(desk, settings)["owners"]
    if args.json:
        print(json.dumps(owners, indent=2))
        return 0
    print_table(
        ("OWNER", "DEVICES", "GRANTED"),
        [(one["owner"], str(one["devices"]), ", ".join(one["granted"])) for one in owners],
    )
    return 0
