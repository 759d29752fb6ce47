"""A Dapp's rows: how long they are kept, what may be asked of them, making them anew."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from confluent_kafka import KafkaException

from streams import limits
from streams.audit.record import AuditError
from streams.registry.entries import Dapp
from topologies.commands import CommandError
from topologies.config import Settings
from topologies.operating.auditing import tell
from topologies.registering import Desk, UnknownError, known_dapp

_REMOVE_S_MAX: Final = 3_600.0  # rows are taken out of the parts that have them, which may be large
_WITHIN_DAYS: Final = 7


# --- retention ------------------------------------------------------------------------------------


def get_retention(
    desk: Desk, settings: Settings, dapp: str, within_days: int = 0
) -> dict[str, Any]:
    """How long each table keeps a Dapp's rows, and what goes within so many days (0: a week).

    Raises:
        UnknownError: there is no such Dapp.
        DatabaseError: ClickHouse does not answer.
    """
    from streams.database.retention import TABLES, leaving
    from streams.database.server import Server

    known = known_dapp(desk, dapp)
    assert settings.clickhouse_url is not None  # resolved settings have one
    server = Server(settings.clickhouse_url)
    try:
        going = {
            one.table: one
            for one in leaving(server, known.name, known.terms, within_days or _WITHIN_DAYS)
        }
    finally:
        server.close()
    tables: list[dict[str, Any]] = []
    for table in TABLES:
        said: dict[str, Any] = {"table": table, "set_by": _set_by(known, table)}
        for name, term in (("days", table), ("mib", f"{table}_mib")):
            if (number := known.terms[term]) is not None:
                said[name] = number
        if table in going:
            said["leaving"] = _leaving(asdict(going[table]))
        tables.append(said)
    return {"tables": tables}


def set_retention(
    desk: Desk, settings: Settings, dapp: str, terms: Mapping[str, str]
) -> dict[str, Any]:
    """Change how long tables keep a Dapp's rows, and say what goes soon then."""
    change_terms(desk, dapp, terms)
    return get_retention(desk, settings, dapp)


def change_terms(desk: Desk, dapp: str, given: Mapping[str, str]) -> None:
    """Change how long tables keep a Dapp's rows.

    ``given``: by term (a table, or one with ``_mib``) a number, ``forever`` or ``manifest``.

    Raises:
        UnknownError: there is no such Dapp.
        CommandError: no such term, or no such number.
    """
    known = known_dapp(desk, dapp)
    after = replace(known, retention=_changed_terms(known, given))
    desk.registry.wait_for(desk.writer.put(after))


def _changed_terms(dapp: Dapp, given: Mapping[str, str]) -> dict[str, int | None]:
    from streams.database.retention import TERMS

    terms = dict(dapp.retention)
    for name, number in given.items():
        if name not in TERMS:
            raise CommandError(f"{name}={number}: terms are {', '.join(TERMS)}")
        if number == "manifest":
            terms.pop(name, None)
        elif number == "forever":
            terms[name] = None
        elif number.isdecimal() and 1 <= int(number) <= _most(name):
            terms[name] = int(number)
        else:
            raise CommandError(f"{name}={number}: give 1 to {_most(name)}, `forever` or `manifest`")
    return terms


def _most(term: str) -> int:
    is_size = term.endswith("_mib")
    return limits.RETENTION_MIB_MAX if is_size else limits.RETENTION_DAYS_MAX


def _set_by(dapp: Dapp, table: str) -> str:
    return "operator" if {table, f"{table}_mib"} & set(dapp.retention) else "manifest"


def _leaving(one: Mapping[str, Any]) -> dict[str, Any]:
    said = {"rows": one["rows"]}
    return said | {name: str(one[name]) for name in ("oldest", "newest") if one[name]}


# --- queries --------------------------------------------------------------------------------------


def list_queries(desk: Desk, _: Settings, dapp: str) -> dict[str, Any]:
    """What a Dapp's users may ask, the manifest's queries and the operator's."""
    return _queries(known_dapp(desk, dapp))


def save_query(desk: Desk, _: Settings, dapp: str, name: str, sql: str) -> dict[str, Any]:
    """Let a Dapp's users ask something, in place of what had that name.

    Raises:
        EntryError: a name or a statement of a wrong form.
    """
    known = known_dapp(desk, dapp)
    after = replace(known, queries={**known.queries, name: sql})
    desk.registry.wait_for(desk.writer.put(after))
    return _queries(after)


def forget_query(desk: Desk, _: Settings, dapp: str, name: str) -> dict[str, Any]:
    """Let them ask it no more.

    Raises:
        UnknownError: the operator has saved none of this name.
    """
    known = known_dapp(desk, dapp)
    queries = dict(known.queries)
    if queries.pop(name, None) is None:
        where = " (it is the manifest's)" if name in known.saved_queries else ""
        raise UnknownError(f"there is no query {name!r} of yours to remove{where}")
    after = replace(known, queries=queries)
    desk.registry.wait_for(desk.writer.put(after))
    return _queries(after)


def _queries(dapp: Dapp) -> dict[str, Any]:
    return {
        "queries": [
            {
                "name": name,
                "set_by": "operator" if name in dapp.queries else "manifest",
                "sql": sql,
            }
            for name, sql in sorted(dapp.saved_queries.items())
        ]
    }


# --- rows and rights ------------------------------------------------------------------------------


def rebuild(desk: Desk, settings: Settings, dapp: str, start: int = 0) -> dict[str, Any]:
    """Remove a Dapp's rows from offset ``start`` on, as far as Kafka has their records; the sink
    stores them again when it starts.

    Raises:
        CommandError: the sink runs, or it was not done whole: do it again before it starts.
    """
    from streams.database.rebuild import RebuildError
    from streams.database.rebuild import rebuild as make_anew
    from streams.database.server import DatabaseError, Server
    from streams.database.sources import GROUP, dapp_sources

    known = known_dapp(desk, dapp)
    assert settings.clickhouse_url is not None  # resolved settings have one
    server = Server(settings.clickhouse_url, timeout_s=_REMOVE_S_MAX)
    sources = dapp_sources(known.name, has_tables=known.manifest.sql is not None)
    try:
        done = make_anew(server, desk.kafka, GROUP, sources, start)
        tell(
            desk.kafka, desk.writer.author, "rebuild", "rows", dapp, dapp=dapp,
            after={f"{one.topic}[{one.partition}]": [one.start, one.end] for one in done},
        )  # fmt: skip
    except (RebuildError, AuditError) as error:
        raise CommandError(str(error)) from error
    except (DatabaseError, KafkaException) as error:
        raise CommandError(f"{error}; do it again before the node starts") from error
    finally:
        server.close()
    return {"partitions": [asdict(one) for one in done]}


def get_rights(_: Desk | None, settings: Settings) -> dict[str, Sequence[str]]:
    """The SQL that makes roles, row policies and quotas on a ClickHouse server."""
    from streams.database.rights import rights_sql
    from streams.database.server import Server

    assert settings.clickhouse_url is not None
    return {"statements": list(rights_sql(Server(settings.clickhouse_url).database))}
