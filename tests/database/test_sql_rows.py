"""SQL tables of programs in ClickHouse: the rows as they are, typed as their schema says."""

import struct
import uuid
from array import array

import pytest

from streams import topics
from streams.database.encoder.host import Encoder, Family
from streams.database.server import Server
from streams.database.sources import dapp_sources
from streams.database.tables import Table
from streams.delivery.batch import pack_records
from streams.registry.sql_schema import SqlSection
from tests.database.logs import make_topics, new_dapp, produce
from tests.database.plain_rows import origin, text
from tests.database.running import running_sink

COLUMNS = [
    ("id", {"datatype": "INT64"}),
    ("n", {"datatype": "INT32", "null": True}),
    ("name", {"datatype": "TEXT"}),
    ("active", {"datatype": "BOOL"}),
    ("speed", {"datatype": "FLOAT64"}),
    ("income", {"datatype": "DECIMAL", "length": 40, "decimal": 2}),
    ("added", {"datatype": "INT32", "default": "7"}),
]
SCHEMA = SqlSection.model_validate(
    {
        "schemas": [
            {
                "tables": [
                    {"name": "cars", "cols": [{"name": n, "constrains": c} for n, c in COLUMNS]}
                ]
            }
        ]
    }
)


def key(table: str, number: int) -> bytes:
    return b"q" + table.encode() + b"\0" + struct.pack(">q", number)


def row(number: int, income: str, rest: str = "") -> bytes:
    return (
        f'{{"id":{number},"n":null,"name":"ä","active":true,"speed":1.5,"income":"{income}"{rest}}}'
    ).encode()


LOG = [
    (b"kkey of the program", b"value"),
    (b"p", b"progress"),
    (b"q\0cars_id_seq", b'{"value":3}'),
    (key("cars", 1), row(1, "0.10")),
    (key("cars", 2), row(2, "12345678901234567890123456789.01", ',"added":8')),
    (key("cars", 3), row(3, "1.00")),
    (key("cars", 1), row(1, "2.50")),
    (key("cars", 3), None),
    (key("bikes", 1), b"{}"),
    (b"qno row", b"{}"),
]


def test_rows_are_made_of_rows_alone() -> None:
    keys, values = [at[0] for at in LOG[:-1]], [at[1] for at in LOG[:-1]]
    packed = pack_records(keys, values, list(range(len(keys))), [5] * len(keys))
    encoded = Encoder().encode(Family.STATE, "d", 3, packed)
    assert (encoded.consumed, encoded.rejected) == (len(keys), 0)
    expected = [
        text(b"d") + text(k[1:-9]) + struct.pack("<q", k[-1]) + bytes([v is None]) + text(v or b"")
        + origin(3, offset, 5)
        for offset, (k, v) in enumerate(LOG[:-1])
        if offset > 2
    ]  # fmt: skip
    assert encoded.rows is not None
    assert encoded.rows.table is Table.SQL_ROWS
    assert encoded.rows.data == b"".join(expected)
    assert list(array("q", encoded.rows.offsets)) == list(range(3, 9))


@pytest.mark.services
async def test_a_table_is_what_its_program_left(
    kafka: str, server: Server, database_url: str
) -> None:
    dapp = new_dapp()
    sources = dapp_sources(dapp, has_tables=True)
    make_topics(kafka, 1, *sources)
    produce(kafka, topics.state(dapp), LOG)
    async with running_sink(kafka, database_url, uuid.uuid4().hex, sources) as running:
        await running.store.ensure_views(dapp, {}, SCHEMA.tables)
        letters = f"SELECT count() FROM dead_letters WHERE topic = 'state.{dapp}'"
        await running.until(lambda: server.rows(letters)[0][0] == 1, "the record that is no row")
    shown = "id, n, name, active, speed, toString(income), added, row, offset"
    view = f"sql_{dapp}_cars"
    assert server.rows(f"SELECT {shown} FROM {view} ORDER BY id") == [
        (1, None, "ä", True, 1.5, "2.5", 7, 1, 6),
        (2, None, "ä", True, 1.5, "12345678901234567890123456789.01", 8, 2, 4),
    ]
    types = server.rows(f"SELECT toTypeName(n), toTypeName(income), toTypeName(active) FROM {view}")
    assert types[0] == ("Nullable(Int32)", "Decimal(40, 2)", "Bool")
