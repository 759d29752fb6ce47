"""Where a partition goes on: what is checked and read again before its first rows."""

from streams.database.encoder.host import Encoder
from streams.database.history import History
from streams.database.server import Server
from streams.database.sources import Source
from streams.database.stored import Place, has_rows
from streams.database.tables import COLUMNS
from streams.delivery.batch import Position


class StoreError(RuntimeError):
    """The sink would have to guess what is stored; says what was found and what to do."""


def check_log(history: History, committed: Position) -> None:
    """Whether Kafka still has what comes after the committed offset.

    Raises:
        StoreError: it was deleted before it was stored, or the topic was made anew.
        KafkaException: Kafka does not answer.
    """
    if committed.offset < 0:
        return
    marks = history.watermarks(committed.topic, committed.partition)
    place = f"{committed.topic}[{committed.partition}]"
    if committed.offset < marks.low:
        raise StoreError(
            f"{place} is stored up to offset {committed.offset}, but Kafka begins at {marks.low}:"
            " what lies between was deleted before it was stored. To go on without it, set the"
            f" sink's group offset of {place} to {marks.low}"
        )
    if committed.offset > marks.high:
        raise StoreError(
            f"{place} is stored up to offset {committed.offset}, but Kafka ends at {marks.high}:"
            " the topic was made anew. Remove its rows from ClickHouse and delete the sink's"
            f" group offset of {place}, and it is stored from the beginning"
        )


def check_nothing_stored(server: Server, source: Source, start: Position) -> None:
    """Whether a partition without a committed offset has no rows either.

    Raises:
        StoreError: it has rows, and nothing says which.
        DatabaseError: ClickHouse is away or refuses.
    """
    place = Place(source.topic, start.partition, source.dapp)
    for table in source.tables:
        if has_rows(server, table, place):
            raise StoreError(
                f"table {COLUMNS[table].table} has rows of {place}, but the sink's group has no"
                " offset that says which: it was deleted, or the group renamed. Restore the"
                " group's offsets, or remove these rows and they are stored anew from Kafka"
            )


def refilled_window(
    history: History, encoder: Encoder, start: Position, messages_max: int, spread: int
) -> int:
    """A window of repeats as it is at ``start``: it has seen the messages before.

    Raises:
        HistoryError: Kafka stops answering.
        KafkaException: Kafka does not answer.
    """
    topic, number, stop = start.topic, start.partition, max(start.offset, 0)
    low = history.watermarks(topic, number).low if stop else 0
    span = messages_max + messages_max // 8  # transactions' markers use offsets up, too
    while True:
        begin = max(low, stop - span)
        window = encoder.open_window(spread, messages_max)
        try:
            seen = 0
            for packed in history.packed(topic, number, begin, stop):
                seen = encoder.remember(window, packed)
            if seen >= messages_max or begin == low:
                return window
        except BaseException:
            encoder.close_window(window)
            raise
        encoder.close_window(window)
        span *= 4
