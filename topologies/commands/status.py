"""`w3b status`: whether each component and role of a node is well."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from topologies.commands import settings_of
from topologies.operating.reading import get_status

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
    found = get_status(None, settings_of(args))
    parts: dict[str, dict[str, Any]] = found["components"] | found["roles"]
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        for name, health in parts.items():
            print(_line(name, health))
    return 0 if all(health["healthy"] for health in parts.values()) else 1


def _line(name: str, health: dict[str, Any]) -> str:
    state = "healthy" if health["healthy"] else f"DOWN: {health['reason']}"
    note = f" ({health['note']})" if "note" in health else ""
    return f"{name:<12}{health['address']:<36} {state}{note}"
