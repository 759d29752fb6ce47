"""`w3b files`: what programs keep in the file store."""

import argparse
import json
from typing import TYPE_CHECKING

from streams import topics
from topologies.commands import CommandError, settings_of
from topologies.operating.keeping import ASIDE_HOURS, collect_files
from topologies.registering import open_desk, print_table

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command and its forms."""
    parser = subparsers.add_parser(
        "files",
        help="what programs keep in the file store",
        description="Files of programs (`w3b.file_put`) in the node's file store.",
    )
    forms = parser.add_subparsers(required=True, metavar="FORM")
    collect = forms.add_parser(
        "collect",
        help="remove what no program's state names any more",
        description="Compare each Dapp's files with what its state names. What has no name is put "
        "aside, where a program that puts it again still finds it; what was put aside long enough "
        "ago is removed. So a file goes at the second call. The node may run meanwhile. The file "
        "store has to belong to this Kafka alone. Programs that were compiled so long ago go too; "
        "they are compiled anew where they are needed.",
    )
    collect.add_argument(
        "--aside-hours",
        type=int,
        default=ASIDE_HOURS,
        metavar="N",
        help="remove what has been aside for so long (%(default)s; at least 1)",
    )
    collect.add_argument("--dry-run", action="store_true", help="only say what would be done")
    collect.add_argument("--json", action="store_true", help="print JSON")
    collect.set_defaults(func=_collect)


def _collect(args: argparse.Namespace) -> int:
    if args.aside_hours < 1:
        raise CommandError("--aside-hours has to be 1 or more")
    settings = settings_of(args)
    with open_desk(settings) as desk:
        done = collect_files(desk, settings, args.aside_hours, args.dry_run)
    for dapp in done["unknown"]:
        print(f"{dapp}: this Kafka has no topic {topics.state(dapp)}; left as it is")
    collected = {one.pop("dapp"): one for one in done["collected"]}
    if args.json:
        print(json.dumps(collected, indent=2))
        return 0
    print_table(
        ("DAPP", "NAMED", "PUT ASIDE", "BYTES", "REMOVED", "BYTES"),
        [(dapp, *map("{:,}".format, one.values())) for dapp, one in collected.items()],
    )
    return 0
