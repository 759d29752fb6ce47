"""What a table holds of a partition's records, and making a block whole that is not.

A block that was sent more than once may have holes that its token does not close. ClickHouse
notes a part's token before the part itself takes its place; killed in between, it remembers a
token of rows that it does not have, and drops them whenever they are sent again (tried: one in
some fifty kills in the middle of an insert over 40 table partitions, and every time when a part's
directory is removed). So after sending a block again its rows are counted, by the offsets that
every row carries, and what is missing is inserted into a table of its own and attached from there:
that asks no token, and does not give the rows to dependent views a second time, which get the
whole of a block whenever it is sent.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streams.database.blocks import Block
from streams.database.server import DatabaseError, Server, Trouble
from streams.database.tables import COLUMNS, Table

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """A partition whose records are stored."""

    topic: str
    partition: int
    dapp: str  # empty where rows of all Dapps share a topic

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]"

    def condition(self, table: Table) -> tuple[str, dict[str, Any]]:
        """Which rows of a table are its, as SQL with parameters."""
        sql = "`partition` = {partition:UInt32}"
        if self.dapp:
            sql += " AND dapp = {dapp:String}"
        if "topic" in COLUMNS[table].names:
            sql += " AND topic = {topic:String}"
        return sql, {"partition": self.partition, "dapp": self.dapp, "topic": self.topic}


def has_rows(server: Server, table: Table, place: Place) -> bool:
    """Whether a table has any row of a partition.

    Raises:
        DatabaseError: ClickHouse is away or refuses.
    """
    condition, values = place.condition(table)
    sql = f"SELECT 1 FROM {COLUMNS[table].table} WHERE {condition} LIMIT 1"
    return bool(server.rows(sql, values))


def offsets(server: Server, table: Table, place: Place, start: int, to: int) -> list[int]:
    """The offset of each row that a table has of ``[start, to)``, doubles included.

    Raises:
        DatabaseError: ClickHouse is away or refuses.
    """
    condition, values = place.condition(table)
    rows = server.rows(
        f"SELECT `offset` FROM {COLUMNS[table].table} WHERE {condition}"
        " AND `offset` >= {start:UInt64} AND `offset` < {to:UInt64}",
        values | {"start": start, "to": to},
    )
    return [int(offset) for (offset,) in rows]


def complete(server: Server, place: Place, block: Block) -> int:
    """Insert those rows of a block, sent before under its token, that its table does not have.

    Returns how many there were.

    Raises:
        DatabaseError: ClickHouse is away or refuses, or an earlier insert of this block, by
            whomever, has not ended.
    """
    assert block.table is not None
    if _insert_runs(server, block.token):
        raise DatabaseError("an earlier insert of the same block runs", Trouble.SERVER, 0)
    found = offsets(server, block.table, place, block.start, block.to)
    stored = set(found)
    if len(found) > len(stored):
        log.error(
            "%s: %s has %d rows twice among offsets %d to %d",
            place, COLUMNS[block.table].table, len(found) - len(stored), block.start, block.to,
        )  # fmt: skip
    missing = [n for n, offset in enumerate(block.row_offsets()) if offset not in stored]
    if missing:
        log.warning(
            "%s: %d of %d rows of offsets %d to %d were lost in ClickHouse; inserting them",
            place, len(missing), block.row_count, block.start, block.to,
        )  # fmt: skip
        _attach(server, block.table, block, missing)
    return len(missing)


def _insert_runs(server: Server, token: str) -> bool:
    rows = server.rows(
        "SELECT count() FROM system.processes"
        " WHERE Settings['insert_deduplication_token'] = {token:String}",
        {"token": token},
    )
    return bool(rows[0][0])


def _attach(server: Server, table: Table, block: Block, numbers: Sequence[int]) -> None:
    target = COLUMNS[table].table
    beside = f"{target}_missing_{block.token}"
    server.command(f"DROP TABLE IF EXISTS `{beside}`")  # left by one who was killed here
    server.command(f"CREATE TABLE `{beside}` AS {target}")
    server.insert_into(beside, COLUMNS[table].names, block.pick(numbers))
    partitions = server.rows(
        "SELECT DISTINCT partition_id FROM system.parts"
        " WHERE database = currentDatabase() AND table = {beside:String} AND active",
        {"beside": beside},
    )
    for (partition,) in partitions:
        server.command(f"ALTER TABLE {target} ATTACH PARTITION ID '{partition}' FROM `{beside}`")
    server.command(f"DROP TABLE `{beside}`")
