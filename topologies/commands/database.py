"""`w3b database`: how long ClickHouse keeps rows, who may read them, and making them anew."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from streams.database.cluster import cluster_sql
from streams.database.retention import TERMS
from streams.database.server import DatabaseError, Server
from topologies.commands import CommandError, settings_of
from topologies.operating import storing
from topologies.registering import open_desk, print_table

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command and its forms."""
    parser = subparsers.add_parser(
        "database",
        help="how long ClickHouse keeps rows, who may read them, and making them anew",
        description="Keep a Dapp's rows for some days or for ever, see what is about to go, store "
        "rows anew from Kafka, and print the rights that a ClickHouse server needs.",
    )
    forms = parser.add_subparsers(required=True, metavar="FORM")

    retention = forms.add_parser(
        "retention",
        help="how long a Dapp's rows are kept",
        description="Print how many days each of a Dapp's tables is kept and what goes soon; with "
        "TABLE=DAYS or TABLE_mib=MIB, change it; of two terms the one that is over first counts. "
        "What is set here is instead of the manifest's [retention] until it is set back with "
        "TABLE=manifest. A running node follows at once, and ClickHouse removes "
        "rows within hours of their term.",
    )
    retention.add_argument("dapp", metavar="DAPP")
    retention.add_argument(
        "terms",
        nargs="*",
        metavar="TABLE=DAYS",
        help=f"{', '.join(TERMS)}; a number, `forever` or `manifest`",
    )
    retention.add_argument(
        "--within", type=int, default=7, metavar="DAYS", help="what goes so soon (default: 7)"
    )
    retention.add_argument("--json", action="store_true", help="print JSON")
    retention.set_defaults(func=_retention)

    saved = forms.add_parser(
        "queries",
        help="what a Dapp's users may ask over HTTP",
        description="Print a Dapp's saved queries, the manifest's and yours; with NAME and SQL "
        "save one, with NAME and --remove forget one of yours. See README, 'Reading'.",
    )
    saved.add_argument("dapp", metavar="DAPP")
    saved.add_argument("name", nargs="?", metavar="NAME")
    saved.add_argument("sql", nargs="?", metavar="SQL", help="{name:Type} is what the asker says")
    saved.add_argument("--remove", action="store_true", help="forget the query of this name")
    saved.set_defaults(func=_queries)

    rebuild = forms.add_parser(
        "rebuild",
        help="store a Dapp's rows anew from Kafka",
        description="Remove a Dapp's rows from ClickHouse as far as Kafka still has their records, "
        "and have the sink store them again when the node starts. For a node that is stopped, with "
        "Kafka and ClickHouse running: `w3b up --components-only`.",
    )
    rebuild.add_argument("dapp", metavar="DAPP")
    rebuild.add_argument(
        "--from", dest="start", type=int, default=0, metavar="OFFSET",
        help="in each partition only records from this offset on",
    )  # fmt: skip
    rebuild.set_defaults(func=_rebuild)

    rights = forms.add_parser(
        "rights",
        help="SQL that makes roles, row policies and quotas",
        description="Print the statements that a ClickHouse server needs once, before users are "
        "made: role w3b_analyst reads everything, w3b_auditor the audit log, w3b_reader results "
        "and claims of the Dapp that its setting log_comment names. The node's own has them.",
    )
    rights.set_defaults(func=_rights)
    _add_schema(forms)


def _add_schema(forms: "Subparsers") -> None:
    schema = forms.add_parser(
        "schema",
        help="SQL that makes the tables on a cluster",
        description="Print the statements that make all tables and views, replicated, in an empty "
        "database of a ClickHouse cluster, for `clickhouse-client`. Parsed by ClickHouse, but "
        "never run on a cluster: unproven. On one server a node makes its tables itself.",
    )
    schema.add_argument("--cluster", required=True, metavar="NAME", help="as the servers call it")
    schema.set_defaults(func=_schema)


def _retention(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    terms = dict(_term(one) for one in args.terms)
    try:
        with open_desk(settings) as desk:
            if terms:
                storing.change_terms(desk, args.dapp, terms)
            tables = storing.get_retention(desk, settings, args.dapp, args.within)["tables"]
    except DatabaseError as error:
        raise CommandError(f"what goes soon is not known: {error}") from error
    if args.json:
        print(json.dumps([_as_json(one) for one in tables], indent=2))
        return 0
    print_table(
        ("TABLE", "DAYS", "MIB", "SET BY", f"GOES WITHIN {args.within} DAYS", "RECEIVED"),
        [_said(one) for one in tables],
    )
    return 0


def _term(text: str) -> tuple[str, str]:
    name, equals, number = text.partition("=")
    if not equals:
        raise CommandError(f"{text}: give TABLE=DAYS, TABLE_mib=MIB, =forever or =manifest")
    return name, number


def _said(one: dict[str, Any]) -> tuple[str, ...]:
    terms = (str(one.get("days", "for ever")), str(one.get("mib", "for ever")))
    going = one.get("leaving")
    if going is None:
        return (one["table"], *terms, one["set_by"], "", "")
    received = f"{going['oldest']} to {going['newest']}" if going["rows"] else ""
    return (one["table"], *terms, one["set_by"], f"{going['rows']:,} rows", received)


def _as_json(one: dict[str, Any]) -> dict[str, Any]:
    known = {"table": one["table"], "days": one.get("days"), "mib": one.get("mib")}
    return known | ({"leaving": one["leaving"]} if "leaving" in one else {})


def _queries(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    if args.name is not None and args.remove == (args.sql is not None):
        raise CommandError("give a query's NAME with its SQL, or with --remove")
    with open_desk(settings) as desk:
        if args.name is None:
            told = storing.list_queries(desk, settings, args.dapp)
        elif args.remove:
            told = storing.forget_query(desk, settings, args.dapp, args.name)
        else:
            told = storing.save_query(desk, settings, args.dapp, args.name, args.sql)
    print_table(
        ("NAME", "SET BY", "SQL"),
        [(one["name"], one["set_by"], " ".join(one["sql"].split())) for one in told["queries"]],
    )
    return 0


def _rebuild(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        done = storing.rebuild(desk, settings, args.dapp, args.start)["partitions"]
    print_table(
        ("TOPIC", "PARTITION", "FROM", "STORED TO"),
        [(one["topic"], *(str(one[name]) for name in ("partition", "start", "end")))
         for one in done],
    )  # fmt: skip
    return 0


def _rights(args: argparse.Namespace) -> int:
    statements = storing.get_rights(None, settings_of(args))["statements"]
    print("\n".join(f"{sql};" for sql in statements))
    return 0


def _schema(args: argparse.Namespace) -> int:
    url = settings_of(args).clickhouse_url
    assert url is not None  # resolved settings have one
    try:
        print("\n".join(f"{sql};" for sql in cluster_sql(Server(url).database, args.cluster)))
    except ValueError as error:
        raise CommandError(str(error)) from error
    return 0
