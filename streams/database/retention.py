"""How long ClickHouse keeps a Dapp's rows: as the tables' own TTL, each Dapp's by itself.

Rows of all Dapps share tables, so a table's TTL has a rule for each Dapp that names one. A size is
a term too: of as many days as have so many bytes, looked at every hour. ClickHouse removes
what is over in its merges, within hours, and its roll-ups with it. What the network has agreed on
(claims, summaries, commitments) has no term: proofs are made of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from streams import limits
from streams.database.server import Server

# By table, days, and by ``<table>_mib`` MiB of what devices or programs said; None: no such term.
Terms = Mapping[str, int | None]

# What a table's rows are measured by.
_TEXTS: Final[Mapping[str, str]] = {
    "messages": "payload",
    "results": "body",
    "dead_letters": "value",
    "customized_metrics": "json",
}
TABLES: Final = tuple(_TEXTS)
TERMS: Final = (*TABLES, *(f"{table}_mib" for table in TABLES))
# What a migration has given a table besides; a new TTL replaces the whole of the old one.
_RECOMPRESSED: Final = "received + INTERVAL 1 DAY RECOMPRESS CODEC(ZSTD(9))"
_STANDING: Final[Mapping[str, tuple[str, ...]]] = {
    "messages": (_RECOMPRESSED,),
    "results": (_RECOMPRESSED,),
}
_COMMENT: Final = "retention: "


@dataclass(frozen=True, slots=True)
class Leaving:
    """What of a table goes soon, if nothing changes; times are of the log."""

    table: str
    days: int
    rows: int
    oldest: datetime | None
    newest: datetime | None


def keep(server: Server, terms: Mapping[str, Terms]) -> list[str]:
    """Have the tables keep each Dapp's rows as long as ``terms`` (by Dapp) say.

    Returns the tables whose terms have changed. ClickHouse looks at their parts' rows once; those
    that are over go when it merges.

    Raises:
        DatabaseError: ClickHouse is away or refuses.
    """
    known = dict(
        server.rows("SELECT name, comment FROM system.tables WHERE database = currentDatabase()")
    )
    changed = []
    for table in TABLES:
        known_days = {dapp: _days(server, dapp, table, one) for dapp, one in sorted(terms.items())}
        days = {dapp: one for dapp, one in known_days.items() if one is not None}
        comment = f"{_COMMENT}{json.dumps(days)}" if days else ""
        if known.get(table, "") == comment:
            continue
        rules = [
            *_STANDING.get(table, ()),
            *(
                f"received + INTERVAL {term} DAY DELETE WHERE dapp = '{dapp}'"
                for dapp, term in days.items()
            ),
        ]
        if rules:
            # The parts' terms are worked out behind our back, and nothing else of them is written.
            server.command(
                f"ALTER TABLE {table} MODIFY SETTING materialize_ttl_recalculate_only = 1"
            )
            server.command(
                f"ALTER TABLE {table} MODIFY TTL {', '.join(rules)} SETTINGS alter_sync = 0"
            )
        else:
            server.command(f"ALTER TABLE {table} REMOVE TTL")
        # Last, so that whoever is killed in between does it again.
        server.command(f"ALTER TABLE {table} MODIFY COMMENT '{comment}'")
        changed.append(table)
    return changed


def leaving(server: Server, dapp: str, terms: Terms, within_days: int) -> list[Leaving]:
    """What of a Dapp's rows is over within so many days.

    Raises:
        DatabaseError: ClickHouse is away or refuses.
    """
    found = []
    for table in TABLES:
        days = _days(server, dapp, table, terms)
        if days is None:
            continue
        ((rows, oldest, newest),) = server.rows(
            f"SELECT count(), min(received), max(received) FROM {table}"
            " WHERE dapp = {dapp:String}"
            " AND received < now() - toIntervalDay({days:UInt32}) + toIntervalDay({within:UInt32})",
            {"dapp": dapp, "days": days, "within": within_days},
        )
        span = (oldest, newest) if rows else (None, None)
        found.append(Leaving(table, days, int(rows), *span))
    return found


def _days(server: Server, dapp: str, table: str, terms: Terms) -> int | None:
    """The term in days, of whichever of the two is over sooner."""
    days, mib = terms.get(table), terms.get(f"{table}_mib")
    if mib is None:
        return days
    ((over, age),) = server.rows(
        "SELECT count(), min(age) FROM (SELECT age, sum(bytes) OVER (ORDER BY age) AS newer FROM ("
        "SELECT greatest(0, intDiv(toUnixTimestamp(now()) - toUnixTimestamp64Second(received),"
        f" 86400)) AS age, sum(length({_TEXTS[table]})) AS bytes FROM {table}"
        " WHERE dapp = {dapp:String} GROUP BY age)) WHERE newer > {bytes:UInt64}",
        {"dapp": dapp, "bytes": mib * limits.MIB},
    )
    by_size = max(int(age), 1) if over else None  # a day is kept, however much it is
    return min((one for one in (days, by_size) if one is not None), default=None)
