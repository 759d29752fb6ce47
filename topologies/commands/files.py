"""`w3b files`: what programs keep in the file store."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams import topics
from streams.clock import SystemClock
from streams.execution.files import KEPT, files_of, named_blobs
from streams.filesystem.store import Collected, FileStore
from streams.wallet.keys import KeyFileError
from topologies.commands import CommandError, settings_of
from topologies.programs import compiled_modules
from topologies.registering import Desk, open_desk, print_table

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers

_HOUR_S: Final = 3600.0
_ASIDE_HOURS: Final = 7 * 24.0
_ASIDE_HOURS_MIN: Final = 1.0  # longer than any transaction is open
_ANSWER_S: Final = 10.0


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
        type=float,
        default=_ASIDE_HOURS,
        metavar="N",
        help="remove what has been aside for so long (%(default)s; at least 1)",
    )
    collect.add_argument("--dry-run", action="store_true", help="only say what would be done")
    collect.add_argument("--json", action="store_true", help="print JSON")
    collect.set_defaults(func=_collect)


def _collect(args: argparse.Namespace) -> int:
    if not args.aside_hours >= _ASIDE_HOURS_MIN:
        raise CommandError(f"--aside-hours has to be {_ASIDE_HOURS_MIN:.0f} or more")
    settings = settings_of(args)
    store = FileStore(settings.files_url)
    done: dict[str, Collected] = {}
    try:
        with open_desk(settings) as desk:
            for dapp in store.within(KEPT).folders():
                partitions = _partitions(desk, dapp)
                if not partitions:
                    print(f"{dapp}: this Kafka has no topic {topics.state(dapp)}; left as it is")
                    continue
                done[dapp] = files_of(store, dapp).collect(
                    named_blobs(desk.kafka, dapp, partitions),
                    SystemClock().now_ms() / 1000,
                    args.aside_hours * _HOUR_S,
                    try_only=args.dry_run,
                )
        if not args.dry_run:
            before_s = SystemClock().now_ms() / 1000 - args.aside_hours * _HOUR_S
            compiled_modules(settings).forget(before_s)
    except (OSError, KafkaException, KeyFileError) as error:  # TimeoutError is an OSError
        raise CommandError(f"the files cannot be collected: {error}") from error
    if args.json:
        print(json.dumps({dapp: asdict(one) for dapp, one in done.items()}, indent=2))
        return 0
    print_table(
        ("DAPP", "NAMED", "PUT ASIDE", "BYTES", "REMOVED", "BYTES"),
        [(dapp, *map("{:,}".format, asdict(one).values())) for dapp, one in done.items()],
    )
    return 0


def _partitions(desk: Desk, dapp: str) -> int:
    """How many its changelog has; of a Dapp that was removed, too."""
    found = AdminClient(desk.kafka).list_topics(timeout=_ANSWER_S).topics.get(topics.state(dapp))
    return len(found.partitions) if found is not None else 0
