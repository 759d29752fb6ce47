"""`w3b node`: one of a node's own processes; `w3b up` starts them all."""

import argparse
import logging
from typing import TYPE_CHECKING, get_args

from topologies.commands import CommandError, settings_of
from topologies.config import Role

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "node",
        help="run some of a node's roles (`w3b up` runs all of them)",
        description="Run some of a node's roles in this process, against the Kafka, ClickHouse "
        "and chain that the settings name, until SIGTERM. submit and act belong into one "
        "process: they share the operators' accounts.",
    )
    parser.add_argument(
        "--roles", required=True, metavar="ROLE[,ROLE…]", help=", ".join(get_args(Role))
    )
    parser.add_argument(
        "--slot",
        type=int,
        default=0,
        metavar="N",
        help="of several processes with the role execute, which this is; below the setting "
        "execute_workers (default: 0)",
    )
    parser.set_defaults(func=_node)


def _node(args: argparse.Namespace) -> int:
    from topologies.node import main  # heavy: Faust, web3

    roles = args.roles.split(",")
    unknown = [role for role in roles if role not in get_args(Role)]
    if unknown:
        raise CommandError(f"no role {unknown[0]!r}; roles are {', '.join(get_args(Role))}")
    settings = settings_of(args)
    if not 0 <= args.slot < settings.execute_workers:
        raise CommandError(
            f"slot {args.slot}: execute_workers is {settings.execute_workers}, so slots are 0 to "
            f"{settings.execute_workers - 1}"
        )
    if args.slot and roles != ["execute"]:
        raise CommandError("a slot other than 0 has the role execute and no other")
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    main(settings, roles, args.slot)
    return 0
