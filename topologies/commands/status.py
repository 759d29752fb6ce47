"""`w3b status`: whether each component and role of a node is well."""

import argparse
import json
from typing import TYPE_CHECKING

from topologies.commands import settings_of
from topologies.health import Health, node_health

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "status",
        help="whether each component and role is well",
        description="Ask each component and role of a node whether it is well. "
        "Exit status 1 when one of them is not.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(func=_status)


def _status(args: argparse.Namespace) -> int:
    components, roles = node_health(settings_of(args))
    if args.json:
        found = {
            "components": {name: health.as_json() for name, health in components.items()},
            "roles": {name: health.as_json() for name, health in roles.items()},
        }
        print(json.dumps(found, indent=2))
    else:
        for name, health in (components | roles).items():
            print(_line(name, health))
    return 0 if all(h.reason is None for h in (components | roles).values()) else 1


def _line(name: str, health: Health) -> str:
    state = "healthy" if health.reason is None else f"DOWN: {health.reason}"
    note = f" ({health.note})" if health.note else ""
    return f"{name:<12}{health.address:<36} {state}{note}"
