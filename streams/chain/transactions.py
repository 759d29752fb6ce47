"""A transaction on its way: from a queued call over a nonce and signed bytes to a receipt."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a transaction is for."""

    DEPLOY = "deploy"
    SUBMIT = "submit"
    REQUEST = "request"  # a program asked for it
    NO_OP = "no_op"  # fills a nonce that would hold up those behind it


class Status(StrEnum):
    """How far a transaction has come."""

    PENDING = "pending"  # signed, perhaps sent
    MINED = "mined"  # in a block that may still go
    CONFIRMED = "confirmed"  # deep enough


@dataclass(frozen=True, slots=True)
class Queued:
    """A call that waits for a nonce; ``dapp`` and ``epoch`` are empty and 0 where there is none.

    ``request`` is the id (32 bytes) of a program's own transaction, which alone moves value.
    """

    kind: Kind
    dapp: str
    epoch: int
    target: bytes
    data: bytes
    id: int = 0
    reason: str = ""  # why it was not sent when it was last tried
    value_wei: int = 0
    request: bytes | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction; fees in wei a unit of gas, ``head`` the block it was signed at."""

    hash: bytes
    raw: bytes
    fee_wei: int
    tip_wei: int
    head: int
    sent_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the chain says of a mined transaction."""

    block: int
    block_hash: bytes
    gas_used: int
    succeeded: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A nonce that was given away, for what, and all that was signed for it, oldest first.

    ``data`` is None where its bytes are no longer kept.
    """

    nonce: int
    kind: Kind
    dapp: str
    epoch: int
    target: bytes
    data: bytes | None
    gas_max: int
    status: Status
    attempts: tuple[Attempt, ...] = ()
    missing_since_ms: int | None = None
    receipt: Receipt | None = None
    value_wei: int = 0
    request: bytes | None = None

    def call(self) -> Queued | None:
        """What to queue to have it sent once more; None where that cannot be told any more."""
        if self.kind is Kind.NO_OP or self.data is None:
            return None
        return Queued(
            self.kind, self.dapp, self.epoch, self.target, self.data,
            value_wei=self.value_wei, request=self.request,
        )  # fmt: skip
