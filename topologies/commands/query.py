"""`w3b query`: ask the database, read-only."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from streams.database.query import Format, QueryError, ask
from streams.database.server import Server
from topologies.commands import CommandError, settings_of

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "query",
        help="ask the database in SQL, read-only",
        description="Ask the node's ClickHouse in SQL, read-only, limited in time and rows. "
        "Tables: messages, results, dead_letters, claims, summaries, commitments; "
        "results_<dapp> has a Dapp's results with the columns that its manifest names; "
        "messages_per_minute and the like are roll-ups. docs/analysts.md has examples.",
    )
    parser.add_argument("sql", help='one statement, as in "SELECT count() FROM messages"')
    parser.add_argument(
        "--format",
        choices=[fmt.name.lower() for fmt in Format],
        default=Format.TABLE.name.lower(),
        help="json is one object a line (default: %(default)s)",
    )
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what the statement calls {NAME:Type}; may be given again",
    )
    parser.set_defaults(func=_query)


def _query(args: argparse.Namespace) -> int:
    url = settings_of(args).clickhouse_url
    assert url is not None  # resolved settings have one
    fmt = Format[args.format.upper()]
    parameters = _parameters(args.param)
    server = Server(url)
    try:
        answer = ask(server, args.sql, fmt, parameters)
    except QueryError as error:
        raise CommandError(str(error)) from error
    finally:
        server.close()
    sys.stdout.buffer.write(answer)
    if fmt.is_text and not answer.endswith(b"\n"):
        sys.stdout.buffer.write(b"\n")
    sys.stdout.flush()
    return 0


def _parameters(given: Sequence[str]) -> dict[str, str]:
    """Parameters of a statement, from ``NAME=VALUE`` each.

    Raises:
        CommandError: one of another form.
    """
    pairs = [one.partition("=") for one in given]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise CommandError(f"--param {name}: give NAME=VALUE, as in --param device=car-1")
    return {name: value for name, _, value in pairs}
