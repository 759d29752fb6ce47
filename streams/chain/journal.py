"""What a sender must not forget: calls to send, nonces it gave away, bytes it signed.

SQLite, one file, every change a transaction that is on the disk when the call returns
(``synchronous=FULL``). One process at a time may write: a lock on a file beside it is held for
life, so a key never has two senders on one machine. Others may read (`streams.chain.totals`).

The position in topic ``proofs`` is kept here, with what was read up to it, in one transaction: a
commitment is taken exactly once, and a journal that starts anew reads the topic again. What
programs asked for is known by its id (`streams.chain.requests`): taken again, it changes nothing.
"""

import fcntl
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from streams.chain.transactions import Attempt, Entry, Kind, Queued, Receipt, Status

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS queue (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    dapp TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    target BLOB NOT NULL,
    data BLOB NOT NULL,
    try_at_ms INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    value_wei TEXT NOT NULL DEFAULT '0',
    request BLOB
);
CREATE TABLE IF NOT EXISTS entries (
    nonce INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    dapp TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    target BLOB NOT NULL,
    data BLOB,
    gas_max INTEGER NOT NULL,
    status TEXT NOT NULL,
    missing_since_ms INTEGER,
    block INTEGER,
    block_hash BLOB,
    gas_used INTEGER,
    succeeded INTEGER,
    value_wei TEXT NOT NULL DEFAULT '0',
    request BLOB
);
CREATE INDEX IF NOT EXISTS entries_open ON entries (status) WHERE status != 'confirmed';
CREATE TABLE IF NOT EXISTS attempts (
    hash BLOB PRIMARY KEY,
    nonce INTEGER NOT NULL REFERENCES entries (nonce) ON DELETE CASCADE,
    raw BLOB NOT NULL,
    fee_wei INTEGER NOT NULL,
    tip_wei INTEGER NOT NULL,
    head INTEGER NOT NULL,
    sent_ms INTEGER
);
CREATE INDEX IF NOT EXISTS attempts_nonce ON attempts (nonce);
CREATE TABLE IF NOT EXISTS requests (
    id BLOB PRIMARY KEY,
    dapp TEXT NOT NULL,
    taken_ms INTEGER NOT NULL,
    reply BLOB NOT NULL,
    outcome TEXT,
    told INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS requests_untold ON requests (told) WHERE told = 0;
"""
# Columns that journals of version 0.1 lack.
_SINCE: Final = {"value_wei": "TEXT NOT NULL DEFAULT '0'", "request": "BLOB"}
_POSITION: Final = "position"
_SENDER: Final = "sender"


class JournalError(RuntimeError):
    """The journal cannot be used; says why and what to do."""


class Journal:
    """The journal of one sender.

    Args:
        path: the SQLite file; its folder is made.
        sender: the address whose nonces these are, 20 bytes.

    Raises:
        JournalError: another process holds it, or it is another sender's.
    """

    def __init__(self, path: Path, sender: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise JournalError(
                f"another process sends from {path}: one sender a key; stop the other one"
            ) from error
        self._writing = threading.RLock()
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute("PRAGMA foreign_keys=ON")
        self.db.executescript(_SCHEMA)
        self._add_columns()
        known = self._fact(_SENDER)
        if known not in (None, sender.hex()):
            self.close()
            raise JournalError(
                f"{path} holds the nonces of 0x{known}, not of 0x{sender.hex()}: "
                "put that key back, or move the file away once nothing of it is pending"
            )
        self._set_fact(_SENDER, sender.hex())

    def close(self) -> None:
        """Give up the lock."""
        self.db.close()
        self._lock.close()

    # --- the queue -------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """The offset in topic ``proofs`` behind the last commitment taken."""
        return int(self._fact(_POSITION) or 0)

    def take(self, calls: Sequence[Queued], after: int, position: int) -> None:
        """Queue calls and move the position, at once.

        Raises:
            JournalError: the position is not ``after``: the journal has started over.
        """
        with self.change():
            if self.position != after:
                raise JournalError("the journal has started over: read topic proofs from 0")
            for one in calls:
                self.put(one)
            self._set_fact(_POSITION, str(position))

    def enqueue(self, call: Queued) -> None:
        """Queue a call that did not come from the topic."""
        with self.change():
            self.put(call)

    def queued(self, now_ms: int, calls_max: int, commitments: bool = True) -> list[Queued]:
        """Calls whose time has come: deployments, then commitments (if asked for), then what
        programs asked for; of each kind every Dapp's oldest before any Dapp's second."""
        rows = self.db.execute(
            "SELECT kind, dapp, epoch, target, data, id, reason, value_wei, request FROM queue "
            "WHERE try_at_ms <= ? AND (kind != 'submit' OR ?) "
            "ORDER BY kind != 'deploy', kind != 'submit', "
            "row_number() OVER (PARTITION BY kind, dapp ORDER BY id), id LIMIT ?",
            (now_ms, commitments, calls_max),
        )
        return [
            Queued(Kind(kind), dapp, epoch, to, data, number, reason, int(value), request)
            for kind, dapp, epoch, to, data, number, reason, value, request in rows
        ]

    def commitments_queued(self) -> int:
        """How many commitments wait."""
        return int(self._one("SELECT count(*) FROM queue WHERE kind = 'submit'"))

    def deployment_queued(self) -> bool:
        """Whether a deployment waits, perhaps postponed."""
        return bool(self._one("SELECT count(*) FROM queue WHERE kind = 'deploy'"))

    def postpone(self, call: Queued, until_ms: int, reason: str) -> None:
        """Try a call again later; the reason is shown until then."""
        with self.change():
            self.db.execute(
                "UPDATE queue SET try_at_ms = ?, reason = ? WHERE id = ?",
                (until_ms, reason, call.id),
            )

    def drop(self, call: Queued) -> None:
        """A call that needs no transaction any more."""
        with self.change():
            self.db.execute("DELETE FROM queue WHERE id = ?", (call.id,))

    # --- nonces ----------------------------------------------------------------------------------

    def sign(self, entry: Entry, attempt: Attempt, call: Queued | None = None) -> None:
        """Give a nonce away: the call leaves the queue, the signed bytes are on disk."""
        with self.change():
            if call is not None:
                self.db.execute("DELETE FROM queue WHERE id = ?", (call.id,))
            self.db.execute(
                "INSERT INTO entries (nonce, kind, dapp, epoch, target, data, gas_max, status, "
                "value_wei, request) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (entry.nonce, entry.kind, entry.dapp, entry.epoch, entry.target, entry.data,
                 entry.gas_max, entry.status, str(entry.value_wei), entry.request),
            )  # fmt: skip
            self._add_attempt(entry.nonce, attempt)

    def add_attempt(self, nonce: int, attempt: Attempt) -> None:
        """The same call at the same nonce with another fee."""
        with self.change():
            self._add_attempt(nonce, attempt)

    def sent(self, attempt: Attempt, now_ms: int) -> None:
        """The chain was given an attempt (as a note: losing it only means to send again)."""
        with self.change():
            self.db.execute(
                "UPDATE attempts SET sent_ms = ? WHERE hash = ?", (now_ms, attempt.hash)
            )

    def mined(self, nonce: int, receipt: Receipt) -> None:
        """A nonce was used by one of our attempts."""
        with self.change():
            self.db.execute(
                "UPDATE entries SET status = ?, missing_since_ms = NULL, block = ?, "
                "block_hash = ?, gas_used = ?, succeeded = ? WHERE nonce = ?",
                (Status.MINED, receipt.block, receipt.block_hash, receipt.gas_used,
                 receipt.succeeded, nonce),
            )  # fmt: skip

    def confirmed(self, nonce: int) -> None:
        """A mined nonce is deep enough."""
        with self.change():
            self.db.execute(
                "UPDATE entries SET status = ? WHERE nonce = ?", (Status.CONFIRMED, nonce)
            )

    def unmined(self, nonce: int) -> None:
        """The chain has lost a nonce's transaction: it is pending again."""
        with self.change():
            self.db.execute(
                "UPDATE entries SET status = ?, missing_since_ms = NULL, block = NULL, "
                "block_hash = NULL, gas_used = NULL, succeeded = NULL WHERE nonce = ?",
                (Status.PENDING, nonce),
            )

    def missing(self, nonce: int, since_ms: int | None) -> None:
        """A nonce is used, but the chain knows none of our attempts for it (None: found again)."""
        with self.change():
            self.db.execute(
                "UPDATE entries SET missing_since_ms = ? WHERE nonce = ?", (since_ms, nonce)
            )

    def displaced(self, entry: Entry) -> None:
        """Somebody else used the nonce: the call goes back to the queue, unless it was a
        program's (`streams.chain.requests` says what then)."""
        call = entry.call()
        with self.change():
            self.db.execute("DELETE FROM entries WHERE nonce = ?", (entry.nonce,))
            if call is not None and call.request is None:
                self.put(call)

    def retry_reverted(self, entry: Entry, try_at_ms: int) -> None:
        """A mined call failed: queue it once more (the nonce stays used)."""
        call = entry.call()
        if call is not None:
            with self.change():
                self.put(replace(call, reason="reverted on chain"), try_at_ms)

    def entries(self, from_nonce: int) -> list[Entry]:
        """All that are not confirmed, and those from a nonce on, by nonce."""
        rows = self.db.execute(
            "SELECT nonce, kind, dapp, epoch, target, data, gas_max, status, missing_since_ms, "
            "block, block_hash, gas_used, succeeded, value_wei, request FROM entries "
            "WHERE status != 'confirmed' OR nonce >= ? ORDER BY nonce",
            (from_nonce,),
        ).fetchall()
        return [
            Entry(
                nonce=row[0],
                kind=Kind(row[1]),
                dapp=row[2],
                epoch=row[3],
                target=row[4],
                data=row[5],
                gas_max=row[6],
                status=Status(row[7]),
                attempts=self._attempts(row[0]),
                missing_since_ms=row[8],
                receipt=None
                if row[9] is None
                else Receipt(row[9], row[10], row[11], bool(row[12])),
                value_wei=int(row[13]),
                request=row[14],
            )
            for row in rows
        ]

    def next_nonce(self) -> int:
        """Behind the greatest nonce given away; 0 if none was."""
        return int(self._one("SELECT coalesce(max(nonce) + 1, 0) FROM entries"))

    def kept_from(self) -> int:
        """The nonce from which on all signed bytes are kept."""
        return int(self._one("SELECT coalesce(max(nonce) + 1, 0) FROM entries WHERE data IS NULL"))

    def prune(self, entries_max: int) -> None:
        """Forget the bytes of confirmed entries but the newest ``entries_max``."""
        below = self.next_nonce() - entries_max
        with self.change():
            old = "nonce < ? AND status = 'confirmed' AND data IS NOT NULL"
            self.db.execute(
                f"DELETE FROM attempts WHERE nonce IN (SELECT nonce FROM entries WHERE {old})",
                (below,),
            )
            self.db.execute(f"UPDATE entries SET data = NULL WHERE {old}", (below,))

    def start_over(self) -> None:
        """The chain begins anew: forget all but what programs asked for and is not settled, and
        read topic ``proofs`` from its start."""
        with self.change():
            lost = [one.call() for one in self.entries(0) if one.status is not Status.CONFIRMED]
            for table in ("attempts", "entries", "queue WHERE kind != 'request'"):
                self.db.execute(f"DELETE FROM {table}")
            for call in lost:
                if call is not None and call.request is not None:
                    self.put(call)
            self._set_fact(_POSITION, "0")

    # --- inside ----------------------------------------------------------------------------------

    @contextmanager
    def change(self) -> Iterator[None]:
        """All of it or nothing, on the disk when the outermost is left; for this room."""
        with self._writing:
            if self.db.in_transaction:
                yield
                return
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")

    def put(self, call: Queued, try_at_ms: int = 0) -> None:
        """Queue a call, within a `change`."""
        self.db.execute(
            "INSERT INTO queue (kind, dapp, epoch, target, data, try_at_ms, reason, value_wei, "
            "request) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (call.kind, call.dapp, call.epoch, call.target, call.data, try_at_ms, call.reason,
             str(call.value_wei), call.request),
        )  # fmt: skip

    def _add_columns(self) -> None:
        for table in ("queue", "entries"):
            there = {row[1] for row in self.db.execute(f"PRAGMA table_info({table})")}
            for name, type_ in _SINCE.items():
                if name not in there:
                    self.db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {type_}")

    def _add_attempt(self, nonce: int, attempt: Attempt) -> None:
        self.db.execute(
            "INSERT INTO attempts (hash, nonce, raw, fee_wei, tip_wei, head) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (attempt.hash, nonce, attempt.raw, attempt.fee_wei, attempt.tip_wei, attempt.head),
        )

    def _attempts(self, nonce: int) -> tuple[Attempt, ...]:
        rows = self.db.execute(
            "SELECT hash, raw, fee_wei, tip_wei, head, sent_ms FROM attempts WHERE nonce = ? "
            "ORDER BY rowid",
            (nonce,),
        )
        return tuple(Attempt(*row) for row in rows)

    def _fact(self, name: str) -> str | None:
        row = self.db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _set_fact(self, name: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _one(self, query: str) -> Any:
        return self.db.execute(query).fetchone()[0]
