"""Where a partition goes on: what is checked and read again before its first rows."""

from collections.abc import Mapping
from typing import Any, Final

from streams.database.encoder.host import Encoder
from streams.database.server import Server
from streams.database.sources import Source
from streams.database.stored import Place, has_rows
from streams.database.tables import COLUMNS
from streams.delivery.batch import Position
from streams.delivery.replay import refill, watermarks

PATIENCE_S: Final = 10.0  # for Kafka's answers; then the sink tries again


class StoreError(RuntimeError):
    """The sink would have to guess what is stored; says what was found and what to do."""


def check_log(kafka: Mapping[str, Any], committed: Position) -> None:
    """Whether Kafka still has what comes after the committed offset.

    Raises:
        StoreError: it was deleted before it was stored, or the topic was made anew.
        KafkaException: Kafka does not answer.
    """
    if committed.offset < 0:
        return
    low, high = watermarks(kafka, committed.topic, committed.partition, PATIENCE_S)
    place = f"{committed.topic}[{committed.partition}]"
    if committed.offset < low:
        raise StoreError(
            f"{place} is stored up to offset {committed.offset}, but Kafka begins at {low}:"
            " what lies between was deleted before it was stored. To go on without it, set the"
            f" sink's group offset of {place} to {low}"
        )
    if committed.offset > high:
        raise StoreError(
            f"{place} is stored up to offset {committed.offset}, but Kafka ends at {high}:"
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


class Window:
    """A partition's window of repeats, in the encoder."""

    def __init__(self, encoder: Encoder, spread: int, messages_max: int) -> None:
        self._encoder, self._spread, self._messages_max = encoder, spread, messages_max
        self.handle = encoder.open_window(spread, messages_max)

    def clear(self) -> None:
        """Forget all messages."""
        self.close()
        self.handle = self._encoder.open_window(self._spread, self._messages_max)

    def remember(self, packed: bytes) -> int:
        """See a batch's messages without making rows; how many there were since it was clear."""
        return self._encoder.remember(self.handle, packed)

    def close(self) -> None:
        """Give its memory back."""
        self._encoder.close_window(self.handle)


def refilled_window(
    kafka: Mapping[str, Any], encoder: Encoder, start: Position, messages_max: int, spread: int
) -> Window:
    """A window of repeats as it is at ``start``: it has seen the messages before.

    Raises:
        TimeoutError, KafkaException: Kafka stops answering.
    """
    window = Window(encoder, spread, messages_max)
    try:
        refill(kafka, start, window, messages_max, stall_s_max=PATIENCE_S)
    except BaseException:
        window.close()
        raise
    return window
