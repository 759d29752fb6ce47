"""`w3b publisher`: tokens of long life for senders of one Dapp, as W3bStream's clients use."""

import argparse
import hashlib
import json
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from streams.clock import SystemClock
from streams.registry.entries import (
    PUBLISHER_TOKEN,
    DeviceStatus,
    Entry,
    Grant,
    Owner,
    Publisher,
)
from topologies.commands import CommandError, settings_of
from topologies.registering import known_dapp, open_desk, print_table

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
    owner = args.owner or args.dapp
    token = PUBLISHER_TOKEN + secrets.token_urlsafe(_TOKEN_BYTES)
    digest = hashlib.sha256(token.encode()).hexdigest()
    now_ms = SystemClock().now_ms()
    with open_desk(settings_of(args)) as desk:
        known_dapp(desk, args.dapp)
        entries: list[Entry] = []
        if desk.registry.owner(owner) is None:
            entries.append(Owner(owner, now_ms))
        grant = desk.registry.grants(owner).get(args.dapp)
        if grant is None or not grant.holds_at(now_ms):
            entries.append(Grant(owner, args.dapp, now_ms))
        entries.append(Publisher(args.dapp, args.key, owner, digest, args.gateway, args.reader))
        desk.registry.wait_for(desk.writer.put_all(entries))
    print(token)
    return 0


def _ls(args: argparse.Namespace) -> int:
    with open_desk(settings_of(args)) as desk:
        publishers = desk.registry.publishers()
    rows: list[tuple[str, ...]] = [
        (one.dapp, one.key, _kind(one), one.owner, one.status.value) for one in publishers
    ]
    titles = ("DAPP", "KEY", "KIND", "OWNER", "STATUS")
    if args.json:
        names = [title.lower() for title in titles]
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2))
        return 0
    print_table(titles, rows)
    return 0


def _kind(publisher: Publisher) -> str:
    if publisher.is_reader:
        return "reader"
    return "gateway" if publisher.is_gateway else "device"


def _revoke(args: argparse.Namespace) -> int:
    with open_desk(settings_of(args)) as desk:
        publisher = desk.registry.publisher(args.dapp, args.key)
        if publisher is None:
            raise CommandError(
                f"{args.dapp!r} has no publisher {args.key!r}: see `w3b publisher ls`"
            )
        revoked = replace(publisher, status=DeviceStatus.REVOKED)
        desk.registry.wait_for(desk.writer.put(revoked))
    print(f"publisher {args.key} of {args.dapp} revoked")
    return 0
