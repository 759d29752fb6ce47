"""What programs asked a chain for, each id once: taken, sent by the journal's sender, told.

A request is in the journal before its Kafka offset is committed; one that comes again is known by
its id. Its outcome stays here until whoever asked has been told, and the id for longer than Kafka
could still bring the request again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from streams import limits, metrics
from streams.chain.journal import Journal
from streams.chain.transactions import Kind, Queued


@dataclass(frozen=True, slots=True)
class Request:
    """A transaction that a program asked for.

    Attributes:
        id: 32 bytes that follow from the event; it is sent once.
        dapp: whose program.
        to: 20 bytes.
        value_wei: what is moved.
        data: the call.
        reply: handed back with the outcome, as it is: who is to be told, and how.
    """

    id: bytes
    dapp: str
    to: bytes
    value_wei: int
    data: bytes
    reply: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request.

    ``status``: ``confirmed`` | ``reverted`` (mined and deep enough), ``failed`` (never sent, and
    why), ``displaced`` (the account was used elsewhere, and its nonce with it).
    """

    status: str
    hash: bytes | None = None
    block: int | None = None
    block_hash: bytes | None = None
    gas_used: int | None = None
    reason: str = ""


class Requests:
    """The requests of one journal. For any thread."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def take(self, requests: Iterable[Request], now_ms: int) -> int:
        """Queue those that are new, durably; how many were."""
        taken = 0
        queued: dict[str, int] = {}
        with self._journal.change():
            for one in requests:
                new = self._journal.db.execute(
                    "INSERT OR IGNORE INTO requests (id, dapp, taken_ms, reply) "
                    "VALUES (?, ?, ?, ?)",
                    (one.id, one.dapp, now_ms, one.reply),
                ).rowcount
                if not new:
                    continue
                taken += 1
                call = Queued(
                    Kind.REQUEST, one.dapp, 0, one.to, one.data,
                    value_wei=one.value_wei, request=one.id,
                )  # fmt: skip
                if one.dapp not in queued:
                    queued[one.dapp] = self._queued_of(one.dapp)
                if queued[one.dapp] < limits.REQUESTS_QUEUED_MAX:
                    self._journal.put(call)
                    queued[one.dapp] += 1
                else:
                    reason = f"{limits.REQUESTS_QUEUED_MAX} transactions of the Dapp wait already"
                    self.settle(one.id, Outcome("failed", reason=reason))
        return taken

    def taken_ms(self, id: bytes) -> int:
        """When a request was taken."""
        return int(self._rows("SELECT taken_ms FROM requests WHERE id = ?", id)[0][0])

    def refuse(self, call: Queued, reason: str) -> None:
        """A queued request is over before it was sent."""
        assert call.request is not None
        with self._journal.change():
            self._journal.drop(call)
            self.settle(call.request, Outcome("failed", reason=reason))

    def settle(self, id: bytes, outcome: Outcome) -> None:
        """Note what became of a request; what was noted first stays."""
        body = {
            name: value.hex() if isinstance(value, bytes) else value
            for name, value in asdict(outcome).items()
        }
        with self._journal.change():
            changed = self._journal.db.execute(
                "UPDATE requests SET outcome = ? WHERE id = ? AND outcome IS NULL",
                (orjson.dumps(body).decode(), id),
            ).rowcount
        if changed:
            [(dapp,)] = self._rows("SELECT dapp FROM requests WHERE id = ?", id)
            metrics.REQUEST_OUTCOMES.labels(dapp, outcome.status).inc()

    def untold(self) -> list[tuple[bytes, bytes, Outcome]]:
        """(id, reply, outcome) of those that are over and not told yet, the oldest first."""
        rows = self._rows(
            "SELECT id, reply, outcome FROM requests WHERE told = 0 AND outcome IS NOT NULL "
            "ORDER BY rowid LIMIT ?",
            limits.REQUESTS_TOLD_AT_ONCE,
        )
        return [(id, reply, _outcome(orjson.loads(outcome))) for id, reply, outcome in rows]

    def told(self, ids: Sequence[bytes]) -> None:
        """Whoever asked knows by now."""
        with self._journal.change():
            self._journal.db.executemany(
                "UPDATE requests SET told = 1 WHERE id = ?", [(id,) for id in ids]
            )

    def prune(self, before_ms: int) -> None:
        """Forget those that were told and are older than Kafka can bring again."""
        if self._rows("SELECT 1 FROM requests WHERE told = 1 AND taken_ms < ? LIMIT 1", before_ms):
            with self._journal.change():
                self._journal.db.execute(
                    "DELETE FROM requests WHERE told = 1 AND taken_ms < ?", (before_ms,)
                )

    def _queued_of(self, dapp: str) -> int:
        query = "SELECT count(*) FROM queue WHERE kind = 'request' AND dapp = ?"
        return int(self._rows(query, dapp)[0][0])

    def _rows(self, query: str, *values: object) -> list[Any]:
        return self._journal.db.execute(query, values).fetchall()


def _outcome(body: dict[str, Any]) -> Outcome:
    for name in ("hash", "block_hash"):
        body[name] = bytes.fromhex(body[name]) if body[name] else None
    return Outcome(**body)
