"""`w3b database`: how long ClickHouse keeps rows, who may read them, and making them anew."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaException

from streams import limits
from streams.audit.record import AuditError
from streams.database.rebuild import RebuildError, rebuild
from streams.database.retention import TABLES, TERMS, Leaving, leaving
from streams.database.rights import rights_sql
from streams.database.server import DatabaseError, Server
from streams.database.sources import GROUP, dapp_sources
from streams.registry.entries import Dapp
from topologies.commands import CommandError, settings_of
from topologies.operating.auditing import tell
from topologies.registering import known_dapp, open_desk, print_table

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers

_REMOVE_S_MAX: Final = 3_600.0  # rows are taken out of the parts that have them, which may be large


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
        help=f"{', '.join(TABLES)}, or one of them with _mib; a number, `forever` or `manifest`",
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


def _retention(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        dapp = known_dapp(desk, args.dapp)
        if args.terms:
            dapp = replace(dapp, retention=_changed_terms(dapp, args.terms))
            desk.registry.wait_for(desk.writer.put(dapp))
    assert settings.clickhouse_url is not None  # resolved settings have one
    server = Server(settings.clickhouse_url)
    try:
        going = {one.table: one for one in leaving(server, dapp.name, dapp.terms, args.within)}
    except DatabaseError as error:
        raise CommandError(f"what goes soon is not known: {error}") from error
    finally:
        server.close()
    if args.json:
        print(json.dumps(_as_json(dapp, going), indent=2))
        return 0
    rows: list[tuple[str, ...]] = [
        (table, *_said(dapp, table, going.get(table))) for table in TABLES
    ]
    print_table(
        ("TABLE", "DAYS", "MIB", "SET BY", f"GOES WITHIN {args.within} DAYS", "RECEIVED"), rows
    )
    return 0


def _changed_terms(dapp: Dapp, given: Sequence[str]) -> dict[str, int | None]:
    """What an operator has said about a Dapp's retention, with ``TERM=NUMBER`` each on top.

    Raises:
        CommandError: no such term, or no such number.
    """
    terms = dict(dapp.retention)
    for one in given:
        name, _, number = one.partition("=")
        if name not in TERMS:
            raise CommandError(f"{one}: terms are {', '.join(TERMS)}")
        if number == "manifest":
            terms.pop(name, None)
        elif number == "forever":
            terms[name] = None
        elif number.isdecimal() and 1 <= int(number) <= _most(name):
            terms[name] = int(number)
        else:
            raise CommandError(f"{one}: give 1 to {_most(name)}, `forever` or `manifest`")
    return terms


def _most(term: str) -> int:
    return limits.RETENTION_DAYS_MAX if term in TABLES else limits.RETENTION_MIB_MAX


def _said(dapp: Dapp, table: str, going: Leaving | None) -> tuple[str, ...]:
    names = (table, f"{table}_mib")
    terms = [str(dapp.terms[name] or "for ever") for name in names]
    by = "operator" if set(names) & set(dapp.retention) else "manifest"
    if going is None:
        return (*terms, by, "", "")
    received = f"{going.oldest} to {going.newest}" if going.rows else ""
    return (*terms, by, f"{going.rows:,} rows", received)


def _as_json(dapp: Dapp, going: dict[str, Leaving]) -> list[dict[str, Any]]:
    return [
        {"table": table, "days": dapp.terms[table], "mib": dapp.terms[f"{table}_mib"]}
        | ({"leaving": _leaving_json(going[table])} if table in going else {})
        for table in TABLES
    ]


def _leaving_json(one: Leaving) -> dict[str, Any]:
    return {name: str(value) if name in ("oldest", "newest") and value else value
            for name, value in asdict(one).items() if name not in ("table", "days")}  # fmt: skip


def _queries(args: argparse.Namespace) -> int:
    with open_desk(settings_of(args)) as desk:
        dapp = known_dapp(desk, args.dapp)
        if args.name is not None:
            dapp = replace(dapp, queries=_changed_queries(dapp, args.name, args.sql, args.remove))
            desk.registry.wait_for(desk.writer.put(dapp))
    rows: list[tuple[str, ...]] = [
        (name, "operator" if name in dapp.queries else "manifest", " ".join(sql.split()))
        for name, sql in sorted(dapp.saved_queries.items())
    ]
    print_table(("NAME", "SET BY", "SQL"), rows)
    return 0


def _changed_queries(dapp: Dapp, name: str, sql: str | None, remove: bool) -> dict[str, str]:
    queries = dict(dapp.queries)
    if remove == (sql is not None):
        raise CommandError("give a query's NAME with its SQL, or with --remove")
    if sql is not None:
        return queries | {name: sql}
    if queries.pop(name, None) is None:
        where = " (it is the manifest's)" if name in dapp.saved_queries else ""
        raise CommandError(f"there is no query {name!r} of yours to remove{where}")
    return queries


def _rebuild(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    assert settings.clickhouse_url is not None  # resolved settings have one
    server = Server(settings.clickhouse_url, timeout_s=_REMOVE_S_MAX)
    with open_desk(settings) as desk:
        dapp = known_dapp(desk, args.dapp)
        topics = dapp_sources(dapp.name, has_tables=dapp.manifest.sql is not None)
        try:
            done = rebuild(server, desk.kafka, GROUP, topics, args.start)
            tell(
                desk.kafka, desk.writer.author, "rebuild", "rows", dapp.name, dapp=dapp.name,
                after={f"{one.topic}[{one.partition}]": [one.start, one.end] for one in done},
            )  # fmt: skip
        except (RebuildError, AuditError) as error:
            raise CommandError(str(error)) from error
        except (DatabaseError, KafkaException) as error:
            raise CommandError(f"{error}; do it again before the node starts") from error
        finally:
            server.close()
    print_table(
        ("TOPIC", "PARTITION", "FROM", "STORED TO"),
        [(one.topic, str(one.partition), str(one.start), str(one.end)) for one in done],
    )
    return 0


def _rights(args: argparse.Namespace) -> int:
    url = settings_of(args).clickhouse_url
    assert url is not None  # resolved settings have one
    print("\n".join(f"{sql};" for sql in rights_sql(Server(url).database)))
    return 0
