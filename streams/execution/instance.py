"""One (Dapp, partition): a program's instance, its keyed state, and batches through it."""

import ctypes
import struct
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import wasmtime

from streams import limits
from streams.execution.backtrace import explained
from streams.execution.configuration import encode_config
from streams.execution.linking import Linked, host
from streams.execution.outside import Answerer, Ask, InstanceLost, Outside, served
from streams.execution.program import Program
from streams.execution.rewrite import DEPTH, FUEL
from streams.records import DeadReason

if TYPE_CHECKING:
    from streams.execution.sql.store import Store

# The driver's streams, in its order (driver/outputs.zig, `Topic`).
STREAMS: Final = ("results", "claims", "effects", "dead", "logs", "state", "answers", "gone")
NO_LOGS: Final = 0
ALL_LOGS: Final = 8  # W3bStream's levels are 0 to 6; 7 stands for any other

_DONE, _BARRIER, _RENEW, _SPENT, _ERASED = range(5)
_REASONS: Final = tuple(DeadReason)
_COUNTS: Final = struct.Struct(f"<{5 + len(_REASONS)}Q")
_DETAIL_CHARACTERS_MAX: Final = 2000
# A store keeps every instance and memory that it ever had, and refuses the 10,001st instance
# (two a renewal): past this many, a new store takes the driver's memory over.
_RENEWALS_MAX: Final = 1_000


# The program of a deployment, by the SHA-256 that a barrier named (`NO_DEPLOYMENT`: none has yet,
# so the Dapp's first). May block; raises what says why it cannot be had.
Deployments = Callable[[bytes], Program]
NO_DEPLOYMENT: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a batch wrote and counted.

    ``records``: for each of `STREAMS` but the last, messages as ``produce_batch`` takes them; of
    state, a value is None where the key, or the row of a SQL table, is gone.
    """

    records: Mapping[str, list[dict[str, Any]]]
    consumed: int  # how many of the batch's records have been dealt with, from its first on
    next_offset: int
    processed: int
    repeats: int
    results: int
    claims: int
    effects: int
    dead: Mapping[DeadReason, int]
    fuel: int  # what its events ran, in instructions
    epoch: int  # the one that is open after the batch
    state_keys: int
    state_bytes: int
    state_share: float  # of its ceiling, of bytes or of keys
    sql_bytes: int


class Instance:
    """Runs batches of one partition through a program, with keyed state that can be taken back.

    Batches are computed ahead of their commits: each `run` opens one, `commit` closes the oldest
    and `rollback` takes all open ones back. Not for several threads at a time; wasm itself runs
    without Python's lock.
    """

    def __init__(
        self,
        program: Program | Deployments,
        dapp: str,
        partition: int,
        log_levels: int = NO_LOGS,
        outside: Outside | None = None,
    ) -> None:
        """``program``: one for good, or who knows the program of each deployment that the log
        puts in charge. ``outside``: who answers what the program asks of others than its host.
        """
        self._deployments = None if isinstance(program, Program) else program
        self._deployment: bytes | None = None  # whose program is attached
        self._sql: Store | None = None
        self._sql_stale = False  # its rows are not those of the driver
        self._others = outside or {}
        self._outside: dict[Ask, Answerer] = {}  # those, and the program's SQL
        self._config = (dapp, partition, log_levels)
        self._linked = Linked(host(), self._outside)
        self._bind()
        self.clear()
        self.renewals = 0
        if isinstance(program, Program):
            self._put_in_charge(program)

    # --- from Kafka, on assignment -------------------------------------------------------------

    def restore(self, packed: bytes) -> None:
        """Keyed state and progress from records of ``state.<dapp>``.

        Raises:
            ValueError: records that this version did not write.
        """
        self._write_input(packed)
        if not self._call("restore"):
            raise ValueError(
                "state records of an unknown layout: they were written by another version"
            )
        self._sql_stale = True

    def clear(self) -> None:
        """Forget the ids of all messages, to `remember` those before an offset."""
        self._call("clear_window", limits.REPEAT_WINDOW_MESSAGES)

    def remember(self, packed: bytes) -> int:
        """The ids of messages that came before, so that repeats of them are known; how many it
        has been told since `clear`."""
        self._write_input(packed)
        return int(self._call("remember"))

    def prepare(self) -> None:
        """Have the program that the log has put in charge, and its tables' rows; `run` does so too.

        Raises:
            Exception: what the `Deployments` raise for one that cannot be had.
        """
        self._follow_deployment()
        self._fill_sql()

    # --- a batch ------------------------------------------------------------------------------

    def run(self, packed: bytes, first: int = 0) -> Outcome:
        """Run a batch, from its record number ``first`` on. Blocks; other threads run meanwhile.

        It may stop before the end, when its events have used `limits.BATCH_FUEL_MAX` or made
        `limits.BATCH_BYTES_MAX`: see
        `Outcome.consumed`.

        Raises:
            InstanceLost: no memory left, or somebody outside cannot answer.
            Exception: what the `Deployments` raise for one that cannot be had.
        """
        self.prepare()
        self._write_input(packed)
        self._call("begin", first)
        while True:
            try:
                status = self._call("run")
            except (wasmtime.Trap, wasmtime.WasmtimeError) as trap:
                self._fail(trap)
                continue
            if status in (_DONE, _SPENT):
                break
            if status == _BARRIER:
                self._call("close_epoch")
                self.prepare()
            elif status == _ERASED:
                self._sql_stale = True
                self._fill_sql()
            else:
                self._renew()
        self._call("finish")
        return self._outcome()

    def commit(self) -> None:
        """The oldest open batch is in Kafka for good."""
        self._call("commit")

    def rollback(self) -> bool:
        """Take back all open batches; ``False``: too many, restore the partition from Kafka."""
        self._sql_stale = True
        return bool(self._call("rollback"))

    # --- what it knows ------------------------------------------------------------------------

    @property
    def next_offset(self) -> int:
        """The offset after the last message it ran; -1 when it never ran one."""
        return int(self._call("next_offset"))

    @property
    def code(self) -> int:
        """What the handler returned for the latest event; -1 when the event failed."""
        return int(self._call("last_code"))

    @property
    def memory_bytes(self) -> int:
        """The program's memory as it is now."""
        return int(self._exports["memory"].data_len(self._linked.store))

    @property
    def epoch(self) -> int:
        """The epoch that is open."""
        return int(self._call("epoch"))

    @property
    def state_keys(self) -> int:
        """How many keys its keyed state has."""
        return int(self._call("state_keys"))

    @property
    def state_bytes(self) -> int:
        """Bytes of keys and values of its keyed state."""
        return int(self._call("state_bytes"))

    # --- inside -------------------------------------------------------------------------------

    def _bind(self) -> None:
        driver = self._linked.driver
        self._functions = {
            name: driver[name]
            for name in (
                "input", "configure", "restore", "remember", "clear_window", "begin", "run", "fail",
                "scratch", "close_epoch", "deployment", "finish", "commit", "rollback", "streams",
                "counts", "consumed", "last_code", "renewed", "lost", "next_offset", "epoch",
                "state_keys", "state_bytes", "fuel_spent",
                "give_rows", "row_bytes",
            )
        }  # fmt: skip
        self._memory = driver["memory"]
        self._stack_pointer = driver[DRIVER_STACK_POINTER]
        self._stack_top = self._stack_pointer.value(self._linked.store)

    def _call(self, name: str, *arguments: int) -> Any:
        return self._functions[name](self._linked.store, *arguments)

    def _follow_deployment(self) -> None:
        """Run the program that the log has put in charge, unless it does already."""
        if self._deployments is None:
            return
        wanted = self._read(self._call("deployment") & 0xFFFFFFFF, 32)
        if wanted == self._deployment:
            return
        program = self._deployments(wanted)
        if self._deployment is not None:
            self._move_store()  # lets go of the program that ran before
        self._put_in_charge(program)
        self._deployment = wanted

    def _put_in_charge(self, program: Program) -> None:
        self.program = program
        self._sql = _sql_store(program)
        self._sql_stale = True
        self._outside.clear()
        self._outside |= {**self._others, **(self._sql.outside if self._sql else {})}
        config = encode_config(program, *self._config, served(self._outside))
        address = self._call("scratch", len(config)) & 0xFFFFFFFF
        ctypes.memmove(self._base() + address, config, len(config))
        self._call("configure")
        self._attach()

    def _fill_sql(self) -> None:
        if self._sql is not None and self._sql_stale:
            self._sql.fill(self._rows())
            self._sql_stale = False

    def _attach(self) -> None:
        program = self.program
        self._exports = self._linked.attach(
            program.module, program.shim, program.specification.ceilings.fuel
        )
        pages = self._exports["memory"].size(self._linked.store)
        self._call("renewed", pages)

    def _write_input(self, data: bytes) -> None:
        address = self._call("input", max(len(data), 1)) & 0xFFFFFFFF
        ctypes.memmove(self._base() + address, data, len(data))

    def _read(self, address: int, size: int) -> bytes:
        return ctypes.string_at(self._base() + address, size)

    def _base(self) -> int:
        pointer = self._memory.data_ptr(self._linked.store)
        return ctypes.cast(pointer, ctypes.c_void_p).value or 0

    def _fail(self, trap: Exception) -> None:
        store = self._linked.store
        if self._call("lost"):
            raise InstanceLost("the partition's state and outputs need more than 4 GiB") from trap
        self._stack_pointer.set_value(store, self._stack_top)
        reason = DeadReason.TRAP
        if self._exports[FUEL].value(store) < 0:
            reason = DeadReason.FUEL_EXHAUSTED
        elif self._exports[DEPTH].value(store) < 0:
            reason = DeadReason.STACK_EXHAUSTED
        said = explained(trap, reason, self.program.functions)
        detail = said[:_DETAIL_CHARACTERS_MAX].encode()
        address = self._call("scratch", len(detail)) & 0xFFFFFFFF
        ctypes.memmove(self._base() + address, detail, len(detail))
        if self._call("fail", _REASONS.index(reason), len(detail)) == _RENEW:
            self._renew()

    def _renew(self) -> None:
        self.renewals += 1
        self._linked.detach()
        if self.renewals % _RENEWALS_MAX == 0:
            self._move_store()
        self._attach()

    def _move_store(self) -> None:
        """A new store with the driver as it was: its state lies in its memory."""
        image = self._read(0, self._memory.data_len(self._linked.store))
        self._linked = Linked(host(), self._outside)
        self._bind()
        missing = len(image) - self._memory.data_len(self._linked.store)
        if missing > 0:
            self._memory.grow(self._linked.store, missing // 65536)
        ctypes.memmove(self._base(), image, len(image))

    def _outcome(self) -> Outcome:
        table = self._table()
        records = {name: self._records(*table[i * 4 : i * 4 + 4]) for i, name in enumerate(STREAMS)}
        if gone := records.pop("gone"):
            records["state"] += [{"key": one["key"], "value": None} for one in gone]
        counts = _COUNTS.unpack(self._read(self._call("counts") & 0xFFFFFFFF, _COUNTS.size))
        processed, repeats, results, claims, effects, *dead = counts
        return Outcome(
            records=records,
            consumed=int(self._call("consumed")),
            next_offset=self.next_offset,
            processed=processed,
            repeats=repeats,
            results=results,
            claims=claims,
            effects=effects,
            dead={reason: n for reason, n in zip(_REASONS, dead, strict=True) if n},
            fuel=int(self._call("fuel_spent")),
            epoch=self.epoch,
            state_keys=self.state_keys,
            state_bytes=self.state_bytes,
            state_share=max(
                self.state_keys / limits.STATE_KEYS_MAX,
                self.state_bytes / self.program.specification.ceilings.state_bytes,
            ),
            sql_bytes=int(self._call("row_bytes")),
        )

    def _table(self) -> "array[int]":
        """Where each stream's data and index lie: see driver/exports.zig."""
        return array("I", self._read(self._call("streams") & 0xFFFFFFFF, 16 * len(STREAMS)))

    def _rows(self) -> Iterator[tuple[bytes, bytes]]:
        """The rows of SQL tables, as the driver has them."""
        first, at = 0, STREAMS.index("state") * 4
        while True:
            first = self._call("give_rows", first)
            for one in self._records(*self._table()[at : at + 4]):
                yield one["key"], one["value"]
            if not first:
                return

    def _records(self, data_at: int, size: int, index_at: int, count: int) -> list[dict[str, Any]]:
        if not count:
            return []
        data = self._read(data_at, size)
        ends = iter(array("I", self._read(index_at, 4 * count)))
        return [
            {"key": data[start:key_end], "value": data[key_end:end]}
            for start, key_end, end in zip(ends, ends, ends, strict=True)
        ]


def _sql_store(program: Program) -> "Store | None":
    """The database of a program that has SQL tables."""
    if program.specification.sql is None:
        return None
    # Not above: the translator alone takes 20 MB and 0.2 s, and few programs speak SQL.
    from streams.execution.sql.store import Store

    return Store(program.specification.sql)


# The rewriter exports the driver's globals too: Zig's stack pointer, which a trap leaves where
# it was, has to be put back.
DRIVER_STACK_POINTER: Final = "__stack_pointer"
