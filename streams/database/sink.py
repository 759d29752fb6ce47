"""The sink: batches of every Dapp's topics into ClickHouse, exactly once.

`Store` is told of assignments by a `BatchReader`, turns slices into rows on one thread (wasm),
cuts them into blocks and hands each partition's blocks to its `Lane`, which records and inserts
them. When ClickHouse is away the lanes wait, then `Store.write` waits, then the reader pauses:
nothing grows, messages go on being accepted, and the node catches up by itself.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from confluent_kafka import KafkaException

from streams import limits, metrics
from streams.clock import Clock, SystemClock
from streams.database.blocks import Block, BlockLimits, Cutter, read_entry
from streams.database.encoder.host import OFFSET_MAX, Encoded, Encoder, Family
from streams.database.erasing import erased_before
from streams.database.lane import GroupOffsets, Lane, Outlets
from streams.database.migrations import migrate
from streams.database.packed import offset_at, sent_ms_of_last, timestamp_ms_at
from streams.database.resume import Window, check_log, check_nothing_stored, refilled_window
from streams.database.retention import Terms, keep
from streams.database.server import DatabaseError, Server, Trouble
from streams.database.shared_rows import encode_shared
from streams.database.sources import Source, source_of
from streams.database.stored import Place
from streams.database.views import ensure_views
from streams.delivery.batch import Batch, Position, Slice
from streams.registry.sql_schema import Table

log = logging.getLogger(__name__)

_TICK_S: Final = 0.05
_RETRY_S: Final = 1.0
_INSERT_THREADS: Final = 4  # they wait for Kafka and ClickHouse, not for a core


class Reader(GroupOffsets, Protocol):
    """What the sink needs of a `BatchReader`."""

    def is_current(self, piece: Slice) -> bool:
        """Whether the slice's partition is still the one it was fetched for."""
        ...


@dataclass(slots=True)
class _Partition:
    """One assigned partition, from assignment to revocation."""

    source: Source
    number: int
    committed: Position
    cutter: Cutter
    lane: Lane | None = None  # made with the first slice, as is the window
    window: Window | None = None
    erased: bytes = b""  # by erasures further on that were carried out before a rebuild
    incarnation: int | None = None
    gone: bool = False


class Store:
    """Stores what a `BatchReader` reads. One event loop; `assigned` and `revoked` from any thread.

    Call `start`, `bind` a reader that has this as its assignments, then `write` each batch, and
    at the end `close` before the reader stops.
    """

    def __init__(
        self,
        kafka: Mapping[str, Any],
        clickhouse_url: str,
        *,
        clock: Clock | None = None,
        block_rows_max: int = limits.BLOCK_ROWS_MAX,
        block_bytes_max: int = limits.BLOCK_BYTES_MAX,
        block_wait_ms: int = limits.BLOCK_WAIT_MS,
        repeat_window_messages: int = limits.REPEAT_WINDOW_MESSAGES,
    ) -> None:
        self.server = Server(clickhouse_url)
        self._clock = clock or SystemClock()
        self._kafka = kafka
        self._encoder = Encoder()
        self._spread = secrets.randbits(64)
        self._block_rows_max = block_rows_max
        self._block_bytes_max = block_bytes_max
        self._block_wait_ms = block_wait_ms
        self._window_messages = repeat_window_messages
        self._partitions: dict[tuple[str, int], _Partition] = {}
        self._encoding = ThreadPoolExecutor(1, "encode")
        self._threads = ThreadPoolExecutor(_INSERT_THREADS, "store")
        self._relieved = asyncio.Event()
        self._reader: Reader | None = None
        self._outlets: Outlets | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self.on_failure: Callable[[BaseException], None] | None = None
        self._closed = False

    # --- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bring the schema up to date; waits for ClickHouse if it is away.

        Raises:
            MigrationError: the schema is not what this release's migrations make.
        """
        await self._patiently("the schema", lambda: migrate(self.server))
        self._ticker = asyncio.create_task(self._tick())

    def bind(self, reader: Reader) -> None:
        """The reader whose batches are written and whose group remembers entries."""
        self._reader = reader
        self._outlets = Outlets(
            server=self.server,
            kafka=self._kafka,
            offsets=reader,
            clock=self._clock,
            token=lambda: secrets.token_hex(16),
            threads=self._threads,
            relieved=self._relieved.set,
        )

    async def ensure_views(
        self, dapp: str, columns: Mapping[str, str], tables: Sequence[Table] = ()
    ) -> None:
        """Give a Dapp the views of its results and SQL tables; waits for ClickHouse if it is away.

        Raises:
            ViewError: a name or type that cannot become SQL.
        """
        await self._patiently(
            f"the views of {dapp}", lambda: ensure_views(self.server, dapp, columns, tables)
        )

    async def keep(self, terms: Mapping[str, Terms]) -> None:
        """Have the tables keep each Dapp's rows for its terms; waits while ClickHouse is away."""
        await self._patiently("retention", lambda: keep(self.server, terms))

    async def flush(self) -> None:
        """Insert everything that was written; waits for ClickHouse if it is away.

        What belongs to a block that has to be repeated and is not complete yet stays open.
        """
        for partition in list(self._partitions.values()):
            await self._close_block(partition, BlockLimits(0, 0, 0))
            if partition.lane is not None:
                await partition.lane.drain()

    async def close(self, timeout_s: float = 10) -> None:
        """Insert what was written, as far as ``timeout_s`` lets; the rest will be read again."""
        if self._ticker is not None:
            self._ticker.cancel()
        if self._failure is None:
            try:
                await asyncio.wait_for(self.flush(), timeout_s)
            except TimeoutError:
                log.warning("not everything could be inserted in %.0f s", timeout_s)
            except Exception:
                log.exception("not everything could be inserted")
        for partition in list(self._partitions.values()):
            if partition.lane is not None:
                await partition.lane.stop()
        self._closed = True
        self._encoding.shutdown()
        self._threads.shutdown(cancel_futures=True)
        self.server.close()

    # --- assignments, on the reader's thread ------------------------------------------------------

    def assigned(self, committed: Sequence[Position]) -> Sequence[Position]:
        """Where reading starts: at the entry's start, so that its block is made again.

        Raises:
            StoreError: Kafka no longer has what is not stored yet.
            EntryError: committed metadata that no sink wrote.
        """
        for at in committed:
            check_log(self._kafka, at)
            entry = read_entry(at.offset, at.metadata)
            self._partitions[at.topic, at.partition] = _Partition(
                source_of(at.topic),
                at.partition,
                at,
                Cutter(at.offset, entry, lambda: secrets.token_hex(16)),
            )
        return committed

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        """Record nothing for these any more; whoever gets them repeats the recorded blocks."""
        for place in partitions:
            partition = self._partitions.pop(place, None)
            if partition is None:
                continue
            partition.gone = True
            if partition.lane is not None:
                partition.lane.leave()
            if not self._closed:
                self._encoding.submit(self._close_window, partition)

    # --- batches ----------------------------------------------------------------------------------

    async def write(self, batch: Batch) -> None:
        """Store a batch's slices; those of partitions that have moved since are dropped.

        Returns once the rows are in open blocks. Waits while too many bytes wait to be inserted.

        Raises:
            StoreError: the sink would have to guess what is stored.
        """
        await self._room()
        assert self._reader is not None
        for piece in batch.slices:
            partition = self._partitions.get((piece.topic, piece.partition))
            if partition is None or not self._reader.is_current(piece):
                continue
            if partition.incarnation is None:
                partition.incarnation = piece.incarnation
                await self._prepare(partition)
            if partition.incarnation == piece.incarnation:
                await self._take(partition, piece)

    async def _take(self, partition: _Partition, piece: Slice) -> None:
        cutter = partition.cutter
        start = 0
        while start < piece.count and not partition.gone:
            stop = cutter.stop_offset
            encoded, next_offset, received_ms = await self._encode(partition, piece, start, stop)
            cutter.add(encoded.rows, next_offset, received_ms, self._now_ms())
            start += encoded.consumed
            if partition.source.family is Family.MESSAGES and start == piece.count:
                _note_sent(cutter.open_block, piece)
            _count(partition.source, encoded)
            other_table = start < piece.count and next_offset != stop
            await self._close_block(partition, self._full(), other_table=other_table)

    async def _encode(
        self, partition: _Partition, piece: Slice, start: int, stop: int | None
    ) -> tuple[Encoded, int, int]:
        """Rows of a slice's records from number ``start``, the offset and time reached."""
        source = partition.source
        table = partition.cutter.table
        stop_offset = OFFSET_MAX if stop is None else stop

        def run() -> Encoded:
            if source.family is None:
                return encode_shared(
                    source.topic, partition.number, piece.packed, start, stop_offset, table
                )
            return self._encoder.encode(
                source.family,
                source.dapp,
                partition.number,
                piece.packed,
                window=partition.window.handle if partition.window else 0,
                erased=partition.erased,
                start=start,
                stop_offset=stop_offset,
                table=table,
            )

        encoded = await asyncio.get_running_loop().run_in_executor(self._encoding, run)
        reached = start + encoded.consumed
        if reached == piece.count:
            next_offset = piece.next_offset
        else:
            next_offset = min(offset_at(piece.packed, reached), stop_offset)
        return encoded, next_offset, timestamp_ms_at(piece.packed, max(reached - 1, 0))

    async def _close_block(
        self, partition: _Partition, when: BlockLimits, *, other_table: bool = False
    ) -> None:
        block = partition.cutter.close(when, self._now_ms(), other_table=other_table)
        if block is None or partition.gone:
            return
        if partition.lane is None:
            assert self._outlets is not None
            source = partition.source
            place = Place(source.topic, partition.number, source.dapp)
            partition.lane = Lane(place, source.tables, self._outlets)
        await partition.lane.put(block)

    def _full(self) -> BlockLimits:
        return BlockLimits(self._block_rows_max, self._block_bytes_max, 2**62)

    # --- getting ready ----------------------------------------------------------------------------

    async def _prepare(self, partition: _Partition) -> None:
        """Once, before a partition's first rows: nothing is stored that no offset speaks of, and
        the window of repeats is as it was at that offset."""
        source, start = partition.source, partition.committed
        place = f"{source.topic}[{partition.number}]"
        if start.offset < 0:
            await self._patiently(place, lambda: check_nothing_stored(self.server, source, start))
        if source.family is Family.MESSAGES:
            await self._patiently(place, lambda: self._open_window(partition), self._encoding)
        if source.dapp:
            await self._patiently(place, lambda: self._note_erased(partition))

    def _open_window(self, partition: _Partition) -> None:
        partition.window = refilled_window(
            self._kafka, self._encoder, partition.committed, self._window_messages, self._spread
        )

    def _note_erased(self, partition: _Partition) -> None:
        source, start = partition.source, partition.committed
        place = Place(source.topic, partition.number, source.dapp)
        partition.erased = erased_before(self.server, place, max(start.offset, 0))

    def _close_window(self, partition: _Partition) -> None:
        if partition.window is not None:
            partition.window.close()
            partition.window = None

    async def _patiently(
        self, what: str, call: Callable[[], object], threads: ThreadPoolExecutor | None = None
    ) -> None:
        """Call until ClickHouse and Kafka are there to answer."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.run_in_executor(threads or self._threads, call)
                return
            except DatabaseError as error:
                if error.trouble is not Trouble.AWAY:
                    raise
                log.warning("%s has to wait: %s", what, error)
            except (TimeoutError, KafkaException) as error:
                log.warning("%s has to wait: %s", what, error)
            await asyncio.sleep(_RETRY_S)

    # --- time -------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        """Close blocks that have waited long enough, wherever the lane has nothing to do."""
        while True:
            await asyncio.sleep(_TICK_S)
            partitions = list(self._partitions.values())
            filling = [one for one in partitions if one.cutter.open_block is not None]
            share_ms = len(filling) * 1000 // limits.BLOCKS_PER_S_MAX
            waited = BlockLimits(2**62, 2**62, max(self._block_wait_ms, share_ms))
            try:
                for partition in partitions:
                    if partition.lane is not None:
                        partition.lane.check()
                for partition in filling:
                    if partition.lane is None or partition.lane.is_idle:
                        await self._close_block(partition, waited)
            except Exception as error:
                self._failure = error
                log.exception("the sink stops")
                if self.on_failure is not None:
                    self.on_failure(error)
                return
            metrics.STORE_WAITING_BYTES.set(self.waiting_bytes)

    async def _room(self) -> None:
        """Wait until less waits to be inserted than the limit."""
        while True:
            if self._failure is not None:
                raise self._failure
            if self.waiting_bytes < limits.STORE_BYTES_MAX:
                return
            self._relieved.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._relieved.wait(), 1)

    @property
    def waiting_bytes(self) -> int:
        """How much has been made into rows and is not in ClickHouse yet."""
        waiting = 0
        for partition in list(self._partitions.values()):
            block, lane = partition.cutter.open_block, partition.lane
            waiting += (block.byte_count if block else 0) + (lane.waiting_bytes if lane else 0)
        return waiting

    def _now_ms(self) -> int:
        return int(self._clock.monotonic_s() * 1000)


def _note_sent(block: Block | None, piece: Slice) -> None:
    if block is not None:
        block.sent_ms = sent_ms_of_last(piece.packed) or block.sent_ms


def _count(source: Source, encoded: Encoded) -> None:
    if encoded.repeats:
        metrics.STORE_REPEATS.labels(source.dapp).inc(encoded.repeats)
    if encoded.rejected:
        metrics.STORE_ASIDE.labels(source.dapp, "malformed_record").inc(encoded.rejected)
