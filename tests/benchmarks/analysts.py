"""Analysts' questions on a fleet's week, against the same rows in naive tables (`ORDER BY time`).

The rows: drives of the simulated fleet (`topologies.fleet`), dealt out to cars and hours of a week
by ClickHouse itself, so that 50 million take minutes. A car's drives are thousands of rows apart in
the tables, further than compression looks back. A naive table has the same columns and values,
ClickHouse's own compression and no roll-ups. Both are merged into one part, and read from memory.

How often they can be asked is seen from one client, so that a question costs about a millisecond
at least; the rows that were read say the same without a clock.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from struct import pack
from time import perf_counter
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from clickhouse_driver import Client

from streams.database import rowbinary
from streams.database.migrations import migrate
from streams.database.server import Server
from tests.benchmarks.figures import Row, Spread, in_turns
from tests.local_components import LocalComponents
from topologies.fleet.simulator import fleet

ROWS: Final = 4_000_000
ROWS_ALL: Final = 50_000_000  # what targets are of; with fewer, naive ways have less to read
DAPP: Final = "fleet"
CARS: Final = 5_000
BEGIN: Final = datetime(2026, 1, 5, tzinfo=UTC)
WEEK_S: Final = 7 * 86_400
DRIVES: Final = 200
MESSAGES_A_RESULT: Final = 20
RATIO_MIN: Final = 5
SHARE_MAX: Final = 0.1
_ASKED: Final = 5  # times in a measurement, each time of something else

# The query condition cache would remember which pieces of a naive table have no row.
_SETTINGS: Final = {"use_query_condition_cache": 0, "use_uncompressed_cache": 0}

# A car's drives, each in its own stretch of the week. Offsets and arrivals are as uneven as can be.
_MESSAGES: Final = """
INSERT INTO messages
    (dapp, device, time, message_id, event_type, payload, `partition`, `offset`, received)
SELECT '{dapp}', concat('did:key:z6Mk', substring(base58Encode(SHA256(toString(car))), 1, 44)),
    toDateTime64('{begin}', 3, 'UTC') + toIntervalMillisecond(begin_ms + second * 1000) AS at,
    generateUUIDv4(car), 'DEFAULT', payload, car % 4,
    intDiv(begin_ms, 1000) * {a_second} + second * {a_second}
        + cityHash64(car, second, begin_ms) % {a_second},
    at + toIntervalMillisecond(20 + cityHash64(second, car, begin_ms) % 480)
FROM
(
    SELECT number % {cars} AS car, intDiv(number, {cars}) AS nth,
        cityHash64(number) % {drives} AS drive,
        nth * {stretch_ms} + cityHash64(car, nth) % ({stretch_ms} - 900000) AS begin_ms
    FROM numbers({first}, {count})
) AS driven
INNER JOIN drives USING (drive)
"""
_RESULTS: Final = """
INSERT INTO results
    (dapp, device, time, message_id, event_type, `index`, epoch, program, body, `partition`,
     `offset`, received)
SELECT dapp, device, time, message_id, event_type, 0, intDiv(toUnixTimestamp(time), 10),
    'ab70726f6772616d',
    concat('{{"kind":"',
        ['harsh_brake', 'harsh_acceleration', 'speeding', 'idling'][chance % 4 + 1],
        '","trip":', toString(`offset` % 40), ',"rate_ms2":', toString(3.5 + chance % 300 / 100),
        ',"speed_kmh":', JSONExtractRaw(payload, 'speed_kmh'),
        ',"lat":', JSONExtractRaw(payload, 'lat'), ',"lon":', JSONExtractRaw(payload, 'lon'), '}}'),
    `partition`, `offset`, received
FROM (SELECT *, cityHash64(message_id) AS chance FROM messages)
WHERE chance % {a_result} = 0
"""


@dataclass(frozen=True, slots=True)
class Question:
    """``sql`` of our tables, ``naive`` of theirs; both about what ``subject`` gives."""

    what: str
    sql: str
    naive: str
    subject: Callable[[int], dict[str, Any]]


def _questions(cars: Sequence[str]) -> list[Question]:
    def a_car(n: int) -> dict[str, Any]:
        return {"device": cars[n * 7919 % len(cars)]}

    def a_day(n: int) -> dict[str, Any]:
        day = BEGIN + timedelta(days=n % 7)
        return a_car(n) | {"begin": _text(day), "end": _text(day + timedelta(days=1))}

    def an_hour(n: int) -> dict[str, Any]:
        hour = BEGIN + timedelta(hours=n * 31 % 168)
        return {"begin": _text(hour), "end": _text(hour + timedelta(hours=1))}

    last = (
        "SELECT time, payload FROM {table} WHERE dapp = 'fleet' AND device = %(device)s"
        " ORDER BY time DESC LIMIT 1"
    )
    day = (
        "SELECT time, payload FROM {table} WHERE dapp = 'fleet' AND device = %(device)s"
        " AND time >= %(begin)s AND time < %(end)s ORDER BY time"
    )
    hour = (
        "SELECT minute, messages, devices, payload_bytes FROM messages_per_minute"
        " WHERE dapp = 'fleet' AND minute >= %(begin)s AND minute < %(end)s ORDER BY minute"
    )
    naive_hour = (
        "SELECT toStartOfMinute(time) AS minute, count(), uniq(device), sum(length(payload))"
        " FROM naive_messages WHERE dapp = 'fleet' AND time >= %(begin)s AND time < %(end)s"
        " GROUP BY minute ORDER BY minute"
    )
    top = (
        "SELECT device, count() AS brakes FROM {table} WHERE dapp = 'fleet' AND {kind} ="
        " 'harsh_brake' GROUP BY device ORDER BY brakes DESC, device LIMIT 100"
    )
    return [
        Question(
            "last value of a device",
            last.format(table="messages"), last.format(table="naive_messages"), a_car,
        ),
        Question(
            "a device's day",
            day.format(table="messages"), day.format(table="naive_messages"), a_day,
        ),
        Question("fleet's messages and cars by minute, an hour", hour, naive_hour, an_hour),
        Question(
            "top 100 by harsh braking",
            top.format(table="results", kind="kind"),
            top.format(table="naive_results", kind="JSONExtractString(body, 'kind')"),
            lambda _: {},
        ),
    ]  # fmt: skip


def run(components: LocalComponents, rows: int = ROWS) -> list[Row]:
    """Rows of the harness; ``rows``: messages in the table."""
    url = components.clickhouse_url
    server = Server(f"{url.rsplit('/', 1)[0]}/bench_{uuid4().hex[:8]}", timeout_s=3_600)
    migrate(server)
    _fill(server, rows)
    client = _client(url, server)
    cars = [device for (device,) in client.execute("SELECT device FROM devices ORDER BY device")]
    found = [_compare(client, question, rows) for question in _questions(cars)]
    found += _sizes(server)
    client.disconnect()
    server.command(f"DROP DATABASE {server.database}")
    server.close()
    return found


def _compare(client: Client, question: Question, rows: int) -> Row:
    read: dict[str, int] = {}
    asked = {name: uuid4().hex for name in ("ours", "naive")}  # how their queries' ids begin

    def asking(name: str, sql: str) -> Callable[[], float]:
        numbers = count()

        def measure() -> float:
            spent_s, read[name], answered = 0.0, 0, 0
            for number in (next(numbers) for _ in range(_ASKED)):
                began_s = perf_counter()
                answer = client.execute(
                    sql,
                    question.subject(number),
                    settings=_SETTINGS,
                    query_id=f"{asked[name]}-{number}",
                )
                spent_s += perf_counter() - began_s
                answered += len(answer)
                read[name] += client.last_query.progress.rows
            if not answered:
                raise RuntimeError(f"nothing was found by {sql}")
            return _ASKED / spent_s

        return measure

    seen = in_turns(
        {"ours": asking("ours", question.sql), "naive": asking("naive", question.naive)}
    )
    cpu_ms = {name: _cpu_ms(client, begins) for name, begins in asked.items()}
    return Row(
        what=f"ClickHouse: {question.what}",
        unit="questions/s",
        figure=seen["ours"],
        baseline="the same rows, ORDER BY time",
        baseline_figure=seen["naive"],
        ratio_min=RATIO_MIN,
        aim=rows < ROWS_ALL,
        note=f"rows read: {read['ours'] // _ASKED:,} instead of {read['naive'] // _ASKED:,};"
        f" ClickHouse's CPU: {cpu_ms['ours']:.1f} ms instead of {cpu_ms['naive']:.1f}"
        f" ({cpu_ms['naive'] / cpu_ms['ours']:.0f} ×)",
    )


def _cpu_ms(client: Client, begins: str) -> float:
    """What ClickHouse spent on a question, in the median: that holds on a busy machine, too."""
    client.execute("SYSTEM FLUSH LOGS")
    ((spent_us,),) = client.execute(
        "SELECT median(ProfileEvents['OSCPUVirtualTimeMicroseconds']) FROM system.query_log"
        " WHERE type = 'QueryFinish' AND startsWith(query_id, %(begins)s)",
        {"begins": begins},
    )
    return float(spent_us) / 1000


def _sizes(server: Server) -> list[Row]:
    """Bytes on disk, roll-ups and indexes too, against the JSON that devices sent."""
    (answer,) = server.rows(
        "SELECT (SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'messages'"
        " AND database = currentDatabase()), (SELECT data_compressed_bytes FROM system.columns"
        " WHERE table = 'messages' AND name = 'message_id' AND database = currentDatabase()),"
        " (SELECT sum(length(payload)) FROM messages), (SELECT count() FROM messages)"
    )
    on_disk, ids, sent, messages = map(int, answer)
    columns = server.rows(
        "SELECT name, data_compressed_bytes FROM system.columns WHERE table = 'messages'"
        " AND database = currentDatabase() ORDER BY data_compressed_bytes DESC"
    )
    said = ", ".join(f"{name} {int(size) / messages:.2f}" for name, size in columns if size)
    return [
        Row(
            what="a message in ClickHouse, its id aside",
            unit="B",
            figure=Spread.of([(on_disk - ids) / messages]),
            baseline="its JSON",
            baseline_figure=Spread.of([sent / messages]),
            ratio_max=SHARE_MAX,
            note=f"bytes by column: {said}",
        )
    ]


def _fill(server: Server, rows: int) -> None:
    """A week of messages and results, and both once more as somebody in a hurry would keep them."""
    server.command(
        "CREATE TABLE drives (drive UInt32, second UInt32, payload String)"
        " ENGINE = MergeTree ORDER BY (drive, second)"
    )
    data = bytearray()
    samples = 0
    for drive, payloads in enumerate(_drives()):
        samples += len(payloads)
        for second, payload in enumerate(payloads):
            data += pack("<II", drive, second) + rowbinary.text(payload)
    server.insert_into("drives", ("drive", "second", "payload"), bytes(data))
    drives = rows * DRIVES // samples
    cars = min(CARS, max(drives // 16, 1))
    stretch_ms = WEEK_S * 1000 // (drives // cars + 1)
    step = 2_000
    for first in range(0, drives, step):
        server.command(
            _MESSAGES.format(
                dapp=DAPP,
                begin=BEGIN.strftime("%Y-%m-%d %H:%M:%S"),
                a_second=max(rows // WEEK_S, 1),
                cars=cars,
                drives=DRIVES,
                stretch_ms=stretch_ms,
                first=first,
                count=min(step, drives - first),
            )
        )
    server.command(_RESULTS.format(a_result=MESSAGES_A_RESULT))
    for table in ("messages", "results"):
        server.command(
            f"CREATE TABLE naive_{table} ENGINE = MergeTree ORDER BY time AS SELECT * FROM {table}"
        )
        for one in (table, f"naive_{table}"):
            while _parts(server, one) > 1:  # a merge under way is not waited for
                server.command(f"OPTIMIZE TABLE {one} FINAL")


def _parts(server: Server, table: str) -> int:
    sql = (
        "SELECT count() FROM system.parts WHERE active AND database = currentDatabase() AND table ="
    )
    return int(server.rows(f"{sql} '{table}'")[0][0])


def _drives() -> list[list[bytes]]:
    """The first drives of simulated cars."""
    return [next(car.stretches()).payloads for car in fleet(DRIVES, 3_600, seed=1)]


def _client(url: str, server: Server) -> Client:
    address = urlsplit(url)
    return Client(
        address.hostname,
        server.rows("SELECT getServerPort('tcp_port')")[0][0],
        user=address.username,
        password=unquote(address.password or ""),
        database=server.database,
    )


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
