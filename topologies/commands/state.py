"""`w3b state`: what a Dapp's program keeps under its keys."""

import argparse
import json
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException

from streams.execution.restoring import committed_values
from topologies.commands import CommandError, settings_of
from topologies.registering import known_dapp, open_desk

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
    key = _key(args.key)
    with open_desk(settings_of(args)) as desk:
        partitions = known_dapp(desk, args.dapp).manifest.dapp.partitions
        try:
            found = committed_values(desk.kafka, args.dapp, partitions, key)
        except (KafkaException, TimeoutError) as error:
            raise CommandError(f"the state of {args.dapp} cannot be read: {error}") from error
    if not found:
        raise CommandError(f"Dapp {args.dapp} has no key {args.key!r}")
    if args.json:
        rows = [
            {"partition": at, "key": args.key, "value": _shown(value), "hex": value.hex()}
            for at, value in found.items()
        ]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif len(found) == 1:
        print(_shown(*found.values()))
    else:
        for at, value in found.items():
            print(f"partition {at}: {_shown(value)}")
    return 0


def _key(text: str) -> bytes:
    if not text.startswith("0x"):
        return text.encode()
    try:
        return bytes.fromhex(text[2:])
    except ValueError:
        raise CommandError(
            f"{text!r} is not 0x and pairs of hex digits; give a key that begins with 0x as "
            f"0x{text.encode().hex()}"
        ) from None


def _shown(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
    return text if text.isprintable() else f"0x{value.hex()}"
