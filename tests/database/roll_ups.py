"""What roll-ups have stored, against the rows that they are of."""

from typing import Final

from streams.database.server import Server

_MINUTE: Final = "intDiv(toUnixTimestamp64Milli(time), 60000)"
# Of each projection: its table, its name, what it groups by, what it keeps of a group.
_PROJECTIONS: Final = (
    *(
        (table, "per_minute", ("dapp", kind, _MINUTE),
         ("count()", "uniq(device)", f"sum(length(toString({text})))", "max(received)"))
        for table, kind, text in (
            ("messages", "event_type", "payload"), ("results", "kind", "body")
        )
    ),
    ("messages", "per_device", ("dapp", "device"),
     ("count()", "min(time)", "max(time)", "max(received)")),
    ("results", "per_device", ("dapp", "kind", "device"), ("count()", "max(time)")),
)  # fmt: skip


def check_roll_ups(server: Server) -> int:
    """That the projections say what the rows say; how many messages they count."""
    counted: dict[tuple[str, str], int] = {}
    for table, projection, keys, aggregates in _PROJECTIONS:
        merged = [
            f"{function}Merge(`{whole}`)"
            for whole, function in ((one, one.partition("(")[0]) for one in aggregates)
        ]
        stored = server.rows(
            f"SELECT {', '.join(f'`{key}`' for key in keys)}, {', '.join(merged)}"
            f" FROM mergeTreeProjection(currentDatabase(), '{table}', '{projection}')"
            " GROUP BY ALL ORDER BY ALL"
        )
        expected = server.rows(
            f"SELECT {', '.join(keys)}, {', '.join(aggregates)} FROM {table}"
            " GROUP BY ALL ORDER BY ALL SETTINGS optimize_use_projections = 0"
        )
        assert stored == expected, f"{projection} of {table}"
        counted[table, projection] = sum(int(row[len(keys)]) for row in stored)
    assert counted["messages", "per_minute"] == counted["messages", "per_device"]
    return counted["messages", "per_minute"]
