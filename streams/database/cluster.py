"""The schema as statements for a ClickHouse cluster: for an empty database, to be run once.

The same migrations, with each table replicated over its shard, and beside it one over all shards
(``all_<table>``) for analysts; the sink writes to the server that it is given, so to that one's
shard. The history is written too, so that a node finds nothing left to do. Tables know their
blocks' tokens for a week, as Kafka keeps messages for a week.

UNPROVEN: there is no cluster to test on. What is known is that ClickHouse parses every statement.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from streams.database.migrations import HISTORY, Migration, load, statements

_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,64}")
_HEAD: Final = re.compile(
    r"^(CREATE (?:TABLE|VIEW|MATERIALIZED VIEW) IF NOT EXISTS|ALTER TABLE) (\w+)"
)
_ENGINE: Final = re.compile(r"ENGINE = (\w*MergeTree)(?:\(([^)]*)\))?")
_COMMENT: Final = re.compile(r"^--.*\n?", re.MULTILINE)
_REPLICA: Final = "'/clickhouse/tables/{uuid}/{shard}', '{replica}'"
_TOKENS_KEPT: Final = (
    "replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800"
)


def cluster_sql(
    database: str, cluster: str, migrations: Sequence[Migration] | None = None
) -> Iterator[str]:
    """The statements, in their order.

    Raises:
        ValueError: a name of a database or cluster that would need quoting.
    """
    for name in (database, cluster):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r}: a name of up to 64 letters, digits and _ is needed")
    yield f"CREATE DATABASE IF NOT EXISTS {database} ON CLUSTER {cluster}"
    yield f"USE {database}"
    steps = load() if migrations is None else migrations
    for sql in (HISTORY, *(one for step in steps for one in statements(step.up))):
        statement = _COMMENT.sub("", sql).strip()
        head = _HEAD.match(statement)
        if head is None:
            continue  # it is about rows that were there before
        clustered = _HEAD.sub(rf"\1 \2 ON CLUSTER {cluster}", statement)
        yield _ENGINE.sub(_replicated, clustered).replace(
            "non_replicated_deduplication_window = 10000", _TOKENS_KEPT
        )
        if _ENGINE.search(statement):
            yield (
                f"CREATE TABLE IF NOT EXISTS all_{head[2]} ON CLUSTER {cluster} AS {head[2]}"
                f" ENGINE = Distributed({cluster}, {database}, {head[2]})"
            )
    for step in steps:
        yield (
            "INSERT INTO schema_migrations (step, version, name, direction, checksum) VALUES"
            f" ({step.version}, {step.version}, '{step.name}', 'up', '{step.checksum}')"
        )


def _replicated(engine: re.Match[str]) -> str:
    arguments = f", {engine[2]}" if engine[2] else ""
    return f"ENGINE = Replicated{engine[1]}({_REPLICA}{arguments})"
