"""`w3b publisher`: tokens of long life for senders of one Dapp, as W3bStream's clients use."""

import argparse
import json
from typing import TYPE_CHECKING, Final

from topologies.commands import settings_of
from topologies.operating import senders
from topologies.registering import open_desk, print_table

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers

_TOKEN_BYTES: Final = 32


def register(subparsers: "Subparsers") -> None:
    """Add the command and its forms."""
    parser = subparsers.add_parser(
        "publisher",
        help="tokens of long life for senders of one Dapp, as W3bStream's clients use",
        description="Add, list and revoke publishers. Every door of a running node follows.",
    )
    forms = parser.add_subparsers(required=True, metavar="FORM")

    add = forms.add_parser(
        "add",
        help="make a token",
        description="Register a publisher and print its token, once: only its SHA-256 is kept. "
        "A publisher that is there already gets a new token in place of the old one.",
    )
    add.add_argument("dapp", metavar="DAPP", help="to which it may send (W3bStream's project)")
    add.add_argument("key", metavar="KEY", help="what its messages call their device")
    kind = add.add_mutually_exclusive_group()
    kind.add_argument(
        "--gateway", action="store_true",
        help="it may send for any device that it names, as W3bStream's API keys do",
    )  # fmt: skip
    kind.add_argument(
        "--reader", action="store_true",
        help="it may ask the queries of the Dapp's manifest, and send nothing",
    )  # fmt: skip
    add.add_argument("--owner", metavar="OWNER", help="whose it is (default: the Dapp's name)")
    add.set_defaults(func=_add)

    ls = forms.add_parser("ls", help="all publishers")
    ls.add_argument("--json", action="store_true", help="print JSON")
    ls.set_defaults(func=_ls)

    revoke = forms.add_parser("revoke", help="take no more messages with a publisher's token")
    revoke.add_argument("dapp", metavar="DAPP")
    revoke.add_argument("key", metavar="KEY")
    revoke.set_defaults(func=_revoke)


def _add(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    kind = "reader" if args.reader else "gateway" if args.gateway else "device"
    with open_desk(settings) as desk:
        made = senders.add_publisher(desk, settings, args.dapp, args.key, args.owner or "", kind)
    print(made["token"])
    return 0


def _ls(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        publishers = senders.list_publishers(desk, settings)["publishers"]
    if args.json:
        print(json.dumps(publishers, indent=2))
        return 0
    titles = ("DAPP", "KEY", "KIND", "OWNER", "STATUS")
    print_table(titles, [tuple(one.values()) for one in publishers])
    return 0


def _revoke(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        senders.revoke_publisher(desk, settings, args.dapp, args.key)
    print(f"publisher {args.key} of {args.dapp} revoked")
    return 0
