"""The tables that the sink writes: their columns, in the order of the encoder's rows."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Table(IntEnum):
    """Tables of records; the numbers are those of ``Table`` in ``encoder/rows.zig``."""

    MESSAGES = 0
    RESULTS = 1
    CLAIMS = 2
    SUMMARIES = 3
    DEAD_LETTERS = 4
    COMMITMENTS = 5
    SQL_ROWS = 6
    CUSTOMIZED_METRICS = 7
    AUDIT = 8  # made in Python, as are commitments
    ERASURES = 9  # no rows, but what `erasing` is to do


@dataclass(frozen=True, slots=True)
class Columns:
    """A table's name and the columns that a row has, in order."""

    table: str
    names: tuple[str, ...]


_ORIGIN: Final = ("partition", "offset", "received")

COLUMNS: Final[dict[Table, Columns]] = {
    Table.MESSAGES: Columns(
        "messages",
        ("dapp", "device", "time", "message_id", "event_type", "payload", *_ORIGIN),
    ),
    Table.RESULTS: Columns(
        "results",
        ("dapp", "device", "time", "message_id", "event_type", "index", "epoch", "program", "body",
         *_ORIGIN),
    ),
    Table.CLAIMS: Columns(
        "claims",
        ("dapp", "epoch", "index", "subject", "statement", "salt", "device", "time", "message_id",
         "event_type", "program", *_ORIGIN),
    ),
    Table.SUMMARIES: Columns(
        "summaries",
        ("dapp", "epoch", "epoch_partition", "program", "input_root", "claims_root", "state_root",
         "messages", "repeats", "dead", "results", "claims", "time", *_ORIGIN),
    ),
    Table.DEAD_LETTERS: Columns(
        "dead_letters",
        ("dapp", "topic", "reason", "detail", "key", "value", "time", "message_id", "epoch",
         *_ORIGIN),
    ),
    Table.COMMITMENTS: Columns(
        "commitments",
        ("dapp", "epoch", "body", *_ORIGIN),
    ),
    Table.SQL_ROWS: Columns(
        "sql_rows",
        ("dapp", "table", "row", "is_gone", "body", *_ORIGIN),
    ),
    Table.CUSTOMIZED_METRICS: Columns(
        "customized_metrics",
        ("dapp", "device", "time", "message_id", "json", *_ORIGIN),
    ),
    Table.AUDIT: Columns(
        "audit",
        ("at", "who", "door", "action", "kind", "name", "owner", "device", "dapp", "reason",
         "times", "before", "after", *_ORIGIN),
    ),
}  # fmt: skip
