"""One partition's blocks on their way into ClickHouse, one after another.

Record, insert, go on. A block that ClickHouse cannot take now is sent again, the same bytes under
the same token, for as long as it takes. A block that ClickHouse refuses for its rows' sake becomes
two blocks, each recorded and inserted in its own right, down to a single row: that one goes to the
dead letters with the reason. Since every piece has its entry, a crash at any point leaves exactly
one block to repeat.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from struct import pack
from typing import Any, Final, Protocol, TypeVar

from confluent_kafka import KafkaException

from streams import limits, metrics
from streams.clock import Clock
from streams.database import rowbinary
from streams.database.blocks import Block, Entry
from streams.database.encoder.host import Rows
from streams.database.erasing import erase
from streams.database.resume import PATIENCE_S
from streams.database.server import DatabaseError, Server, Trouble
from streams.database.stored import Place, complete, offsets
from streams.database.tables import COLUMNS, Table
from streams.delivery.batch import Position
from streams.delivery.reader import RebalanceUnderWay
from streams.delivery.replay import replay

log = logging.getLogger(__name__)

T = TypeVar("T")

_RETRY_FIRST_S: Final = 0.1
_REASON_CHARS_MAX: Final = 300  # an entry's metadata has to stay under Kafka's 4,096 bytes


class GroupOffsets(Protocol):
    """The consumer group that remembers entries."""

    def commit(self, positions: list[Position]) -> None:
        """Commit offsets with metadata.

        Raises:
            KafkaException: the group does not take them.
            RebalanceUnderWay: not at the moment.
            RuntimeError: the reader has stopped.
        """
        ...


class Gone(Exception):
    """The partition belongs to somebody else now: whatever was at work on it is theirs."""


@dataclass(frozen=True, slots=True)
class Outlets:
    """What all lanes share."""

    server: Server
    kafka: Mapping[str, Any]
    offsets: GroupOffsets
    clock: Clock
    token: Callable[[], str]
    threads: Executor
    relieved: Callable[[], None]  # told whenever a block has left a lane


class Lane:
    """Takes one partition's closed blocks in order. Lives on one event loop."""

    def __init__(self, place: Place, tables: Sequence[Table], outlets: Outlets) -> None:
        """``tables``: where the partition's rows go."""
        self._place = place
        self._tables = tables
        self._outlets = outlets
        self._queue: asyncio.Queue[Block] = asyncio.Queue(maxsize=1)
        self._owned = threading.Lock()  # no commit may begin once `leave` has returned
        self._gone = False
        self._unsettled: int | None = None  # where an inserted block's entry ends
        self._busy = False
        self.waiting_bytes = 0
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def is_idle(self) -> bool:
        """Nothing waits and nothing is at work."""
        return self._queue.empty() and not self._busy

    def leave(self) -> None:
        """The partition goes to somebody else: record nothing any more. From any thread."""
        with self._owned:
            self._gone = True

    async def put(self, block: Block) -> None:
        """Hand over a closed block; waits while an earlier one still waits.

        Raises:
            Exception: what ended the lane.
        """
        self.waiting_bytes += block.byte_count
        if not self._task.done():
            handing_over = asyncio.ensure_future(self._queue.put(block))
            await asyncio.wait({handing_over, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if handing_over.done():
                return
            handing_over.cancel()
        self.check()

    def check(self) -> None:
        """Raise what ended the lane, if it has failed."""
        if self._task.done() and not self._task.cancelled():
            error = self._task.exception()
            if error is not None and not isinstance(error, Gone):
                raise error

    async def drain(self) -> None:
        """Wait until everything handed over is inserted, then settle."""
        waiting = asyncio.ensure_future(self._queue.join())
        await asyncio.wait({waiting, self._task}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        self.check()
        if not self._task.done():
            await self._settle()

    async def stop(self) -> None:
        """End the lane; a block at work stays recorded and will be repeated."""
        self.leave()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                block = await asyncio.wait_for(self._queue.get(), limits.SETTLE_WAIT_S)
            except TimeoutError:
                await self._settle()
                continue
            self._busy = True
            try:
                await self._store(block)
            finally:
                self._busy = False
                self.waiting_bytes -= block.byte_count
                self._outlets.relieved()
                self._queue.task_done()

    async def _store(self, block: Block) -> None:
        if block.row_count == 0:
            self._unsettled = block.to  # nothing to repeat, only a place to go on from
            return
        await self._record(block.entry())
        if block.table is Table.ERASURES:
            await self._erase(block)
        elif block.aside:
            await self._set_aside(block)
        else:
            refusal = await self._insert(block)
            if refusal is not None:
                await self._divide(block, refusal)
        self._unsettled = block.to

    async def _insert(self, block: Block) -> DatabaseError | None:
        """The block into its table, known to be there; the error if rows of it are refused."""
        assert block.table is not None
        began_s = self._outlets.clock.monotonic_s()
        refusal = await self._send(block)
        if refusal is None:
            if block.is_repeated:
                await self._complete(block)
            table = COLUMNS[block.table].table
            now_ms = self._outlets.clock.now_ms()
            metrics.STORE_ROWS.labels(self._place.dapp, table).inc(block.row_count)
            metrics.STORE_BLOCK_ROWS.labels(table).observe(block.row_count)
            metrics.STORE_INSERT_SECONDS.labels(table).observe(
                self._outlets.clock.monotonic_s() - began_s
            )
            metrics.STORE_FRESHNESS_SECONDS.labels(table).observe(
                max(0, now_ms - block.received_ms) / 1000
            )
            if block.sent_ms is not None:
                metrics.STORE_DEVICE_FRESHNESS_SECONDS.labels(self._place.dapp).observe(
                    max(0, now_ms - block.sent_ms) / 1000
                )
        return refusal

    async def _send(self, block: Block) -> DatabaseError | None:
        """Insert until ClickHouse says that it is done, or that it refuses rows."""
        assert block.table is not None
        retry = _Backoff()
        while True:
            try:
                await self._in_thread(self._insert_block, block)
                return None
            except DatabaseError as error:
                if error.trouble is Trouble.ROWS and block.table is not Table.DEAD_LETTERS:
                    if not await self._is_stored_in_part(block):
                        return error
                    log.error(
                        "%s: the rows of offsets %d to %d are stored, but something that depends"
                        " on their table refuses them, and they cannot be taken back: mend or"
                        " drop the materialized view; trying again. %s",
                        self._place, block.start, block.to, error,
                    )  # fmt: skip
                else:
                    log.warning("%s: trying again: %s", self._place, error)
                metrics.STORE_RETRIES.labels(error.trouble.name.lower()).inc()
            block.is_repeated = True
            await self._wait(retry)

    def _insert_block(self, block: Block) -> None:
        assert block.table is not None
        self._outlets.server.insert(block.table, block.data(), block.token)

    async def _complete(self, block: Block) -> None:
        """A block that was sent before may have holes that its token does not close."""
        retry = _Backoff()
        while True:
            try:
                lost = await self._in_thread(complete, self._outlets.server, self._place, block)
                metrics.STORE_COMPLETED_ROWS.inc(lost)
                return
            except DatabaseError as error:
                log.warning("%s: trying again: %s", self._place, error)
                metrics.STORE_RETRIES.labels(error.trouble.name.lower()).inc()
            await self._wait(retry)

    async def _is_stored_in_part(self, block: Block) -> bool:
        assert block.table is not None
        try:
            stored = await self._in_thread(
                offsets, self._outlets.server, block.table, self._place, block.start, block.to
            )
        except DatabaseError:
            return True  # not known: keep the block as it is and ask again
        return bool(stored)

    async def _divide(self, block: Block, refusal: DatabaseError) -> None:
        """Two blocks instead of the refused one; a single row goes to the dead letters."""
        if block.row_count > 1:
            for half in block.halves(self._outlets.token):
                await self._store(half)
            return
        reason = f"ClickHouse: {str(refusal)[:_REASON_CHARS_MAX]}"
        await self._store(replace(block, token=self._outlets.token(), aside=reason))

    async def _erase(self, block: Block) -> None:
        """What came before the block, which is stored by now, goes."""
        retry = _Backoff()
        while True:
            try:
                await self._in_thread(erase, self._outlets.server, self._place, self._tables, block)
                return
            except DatabaseError as error:
                log.warning("%s: trying again: %s", self._place, error)
                metrics.STORE_RETRIES.labels(error.trouble.name.lower()).inc()
            await self._wait(retry)

    async def _set_aside(self, block: Block) -> None:
        """The block's only row, as the record that it came from, into the dead letters."""
        offset = block.row_offsets()[0]
        retry = _Backoff()
        while True:
            try:
                record = await self._in_thread(self._read_record, offset)
                break
            except (LookupError, TimeoutError, KafkaException) as error:
                log.warning("%s: trying again: %s", self._place, error)
                metrics.STORE_RETRIES.labels("kafka").inc()
            await self._wait(retry)
        letter = Block(
            block.start, block.to, block.opened_ms, token=block.token,
            is_repeated=block.is_repeated,
        )  # fmt: skip
        letter.add(self._dead_letter(offset, record, block.aside), block.to, block.received_ms)
        await self._insert(letter)
        metrics.STORE_ASIDE.labels(self._place.dapp, "refused_row").inc()
        log.warning("%s: offset %d is a dead letter: %s", self._place, offset, block.aside)

    def _dead_letter(self, offset: int, record: tuple[bytes, bytes, int], reason: str) -> Rows:
        key, value, received_ms = record
        row = rowbinary.dead_letter(
            dapp=self._place.dapp,
            topic=self._place.topic,
            reason="refused_row",
            detail=reason,
            key=key,
            value=value,
            partition=self._place.partition,
            offset=offset,
            received_ms=received_ms,
        )
        return Rows(Table.DEAD_LETTERS, 1, row, pack("<I", len(row)), pack("<q", offset))

    def _read_record(self, offset: int) -> tuple[bytes, bytes, int]:
        topic, partition = self._place.topic, self._place.partition
        for records in replay(
            self._outlets.kafka, topic, partition, offset, offset + 1, stall_s_max=PATIENCE_S
        ):
            for record in records:
                return record.key() or b"", record.value() or b"", record.timestamp()[1]
        raise LookupError(f"{self._place} has no offset {offset} any more")

    async def _record(self, entry: Entry) -> None:
        """Commit the entry before its block is inserted."""
        await self._commit(entry.start, entry.metadata())

    async def _settle(self) -> None:
        """Commit where the last block ended, so that nobody has to repeat it."""
        if self._unsettled is not None:
            await self._commit(self._unsettled, "")
            self._unsettled = None

    async def _commit(self, offset: int, metadata: str) -> None:
        position = Position(self._place.topic, self._place.partition, offset, metadata)
        retry = _Backoff()
        while True:
            try:
                await self._in_thread(self._commit_if_owned, position)
                return
            except (KafkaException, RebalanceUnderWay) as error:
                if isinstance(error, KafkaException) and error.args[0].fatal():
                    raise Gone from error  # this member of the group will never commit again
                log.warning(
                    "%s: offset %d not committed, trying again: %s", self._place, offset, error
                )
                metrics.STORE_RETRIES.labels("kafka").inc()
            await self._wait(retry)

    def _commit_if_owned(self, position: Position) -> None:
        with self._owned:
            if self._gone:
                raise Gone
            try:
                self._outlets.offsets.commit([position])
            except RebalanceUnderWay:
                raise
            except RuntimeError as error:  # the reader has stopped
                raise Gone from error

    async def _wait(self, retry: "_Backoff") -> None:
        await retry.wait()
        if self._gone:
            raise Gone

    async def _in_thread(self, call: Callable[..., T], *args: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._outlets.threads, call, *args)


class _Backoff:
    """Pauses that double up to the limit."""

    def __init__(self) -> None:
        self._next_s = _RETRY_FIRST_S

    async def wait(self) -> None:
        await asyncio.sleep(self._next_s)
        self._next_s = min(self._next_s * 2, limits.INSERT_RETRY_WAIT_S)
