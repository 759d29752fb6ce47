"""Carrying erasures out: the rows that came of named devices' records before them go.

The naive way deletes a device's rows when somebody asks. Rows of records that are still on their
way come after it, and a table that is made anew from Kafka has all of them again. So an erasure is
a record of each topic, and is carried out where the sink meets it: what came before is stored by
then and goes, what comes after stays, whenever the log is read.

It may be carried out twice (a crash, a rebuild); rows that are gone are not there a second time.
How many there were is noted before anything is removed, and a smaller number never replaces it.

Rows go by mutations (``ALTER TABLE … DELETE``), which rewrite the parts that have some. Neither the
lane nor what is stored next waits for them: a mutation is of the rows that were there when it was
made, and ClickHouse does it in the end, restarts or not. `unfinished` says what is still to go.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from streams.database.blocks import Block
from streams.database.server import Server
from streams.database.stored import Place
from streams.database.tables import COLUMNS, Table
from streams.records import Erasure, decode_erasure, decode_output

# Which column of a table names the device. Claims are not here: proofs of others' need them.
_DEVICE: Final[Mapping[Table, str]] = {
    Table.MESSAGES: "device",
    Table.RESULTS: "device",
    Table.CUSTOMIZED_METRICS: "device",
    Table.DEAD_LETTERS: "key",
}


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure took out of a table; ``table`` is empty where a place is done."""

    dapp: str
    topic: str
    partition: int
    table: str
    rows: int


def erase(server: Server, place: Place, tables: Sequence[Table], block: Block) -> None:
    """Carry out the erasures that a block consists of.

    Raises:
        DatabaseError: ClickHouse is away or refuses; do it again.
        RecordError: the block has something else.
    """
    for number, offset in enumerate(block.row_offsets()):
        erasure = decode_erasure(decode_output(block.pick([number])))
        for table in {*tables, Table.DEAD_LETTERS} & _DEVICE.keys():
            _erase_from(server, place, table, erasure, offset)
        _note(server, place, "", erasure, offset, erasure.keys)


def _erase_from(server: Server, place: Place, table: Table, erasure: Erasure, offset: int) -> None:
    condition, values = place.condition(table)
    condition += (
        f" AND `offset` < {{offset:UInt64}} AND `{_DEVICE[table]}` IN {{devices:Array(String)}}"
    )
    values |= {"offset": offset, "devices": list(erasure.devices)}
    name = COLUMNS[table].table
    ((rows,),) = server.rows(f"SELECT count() FROM {name} WHERE {condition}", values)
    if not rows:
        return
    _note(server, place, name, erasure, offset, int(rows))
    server.command(
        # The erasure's name in it is by what it is found again.
        f"ALTER TABLE {name} DELETE WHERE {condition} AND {{erasure:String}} != ''"
        " SETTINGS mutations_sync = 0",
        values | {"erasure": _name(erasure)},
    )


def _note(
    server: Server, place: Place, table: str, erasure: Erasure, offset: int, rows: int
) -> None:
    server.command(
        "INSERT INTO erasures SELECT toUUID({erasure:String}), {dapp:String}, {topic:String},"
        " {partition:UInt32}, {offset:UInt64}, {table:String}, {rows:UInt64},"
        " {devices:Array(String)}, fromUnixTimestamp64Milli({ordered_ms:Int64}, 'UTC')",
        {
            "erasure": _name(erasure),
            "dapp": place.dapp,
            "topic": place.topic,
            "partition": place.partition,
            "offset": offset,
            "table": table,
            "rows": rows,
            "devices": list(erasure.devices),
            "ordered_ms": erasure.time_ms,
        },
    )


def _name(erasure: Erasure) -> str:
    return str(uuid.UUID(bytes=erasure.erasure_id))


def erased_before(server: Server, place: Place, start: int) -> bytes:
    """Devices whose records from ``start`` on were erased before the log is read again: for the
    encoder, lines of the erasure's offset and a name.

    Raises:
        DatabaseError: ClickHouse is away or refuses.
    """
    rows = server.rows(
        "SELECT DISTINCT `offset`, devices FROM erasures WHERE topic = {topic:String}"
        " AND `partition` = {partition:UInt32} AND `offset` > {start:UInt64}",
        {"topic": place.topic, "partition": place.partition, "start": start},
    )
    return b"".join([f"{at} {name}\n".encode() for at, names in rows for name in names])


def erased(server: Server, erasure: str) -> list[Erased]:
    """What an erasure (its UUID) has taken out so far, and which places are done.

    Raises:
        DatabaseError: ClickHouse is away or refuses.
    """
    rows = server.rows(
        "SELECT dapp, topic, `partition`, `table`, sum(rows) FROM erasures FINAL"
        " WHERE erasure = toUUID({erasure:String}) GROUP BY ALL ORDER BY ALL",
        {"erasure": erasure},
    )
    return [Erased(str(d), str(t), int(p), str(n), int(count)) for d, t, p, n, count in rows]


def unfinished(server: Server, erasure: str) -> list[tuple[str, str]]:
    """The tables from which rows are still to go, each with what has failed, if it has.

    Raises:
        DatabaseError: ClickHouse is away or refuses.
    """
    rows = server.rows(
        "SELECT `table`, max(latest_fail_reason) FROM system.mutations"
        " WHERE database = currentDatabase() AND NOT is_done"
        " AND position(command, {erasure:String}) > 0 GROUP BY `table` ORDER BY `table`",
        {"erasure": erasure},
    )
    return [(str(table), str(failed)) for table, failed in rows]
