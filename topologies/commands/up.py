"""`w3b up`: a node on this machine with everything it needs, until Ctrl-C."""

import argparse
import os
from typing import TYPE_CHECKING

from topologies import local
from topologies.config import Settings

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "up",
        help="run a node on this machine until Ctrl-C",
        description="Run a node on this machine, with the Kafka, ClickHouse and chain that it "
        "needs, until Ctrl-C. Settings point it at existing ones instead; then these are only "
        "checked. Data survives in the data directory.",
    )
    parser.add_argument(
        "--components-only",
        action="store_true",
        help="start Kafka, ClickHouse and the chain, but none of the node's own processes",
    )
    parser.set_defaults(func=_up)


def _up(args: argparse.Namespace) -> int:
    settings = Settings.load(args.config, data=args.data, port_offset=args.port_offset)
    if args.config is not None:
        os.environ["W3B_CONFIG"] = str(args.config.absolute())  # the node's processes read it too
    local.run(settings, components_only=args.components_only)
    return 0
