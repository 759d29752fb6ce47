"""What a sender has to do next: a pure function of its journal and one look at the chain.

No clock, no I/O: `plan` is given both sides and answers a list of actions, in the order in which
they have to be done. Whoever carries them out (`streams.chain.sender`) looks again and asks
again; an action that failed, or a process that died in between, is found as it was left.

A chain that lost blocks (a reorganisation, or a node that came back with an older state) shows
itself by a nonce that is lower than before: everything from there on is pending again and goes
out once more, the same bytes, lowest nonce first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from streams import limits
from streams.chain.transactions import Attempt, Entry, Kind, Queued, Receipt, Status


@dataclass(frozen=True, slots=True)
class Fees:
    """EIP-1559: the most a unit of gas may cost, and the part that is the miner's; wei."""

    fee_wei: int
    tip_wei: int

    def at_least(self, old: "Fees") -> "Fees":
        """These, but enough to replace ``old``: pools want 10 % more; an eighth is more."""
        return Fees(
            max(self.fee_wei, old.fee_wei + old.fee_wei // 8 + 1),
            max(self.tip_wei, old.tip_wei + old.tip_wei // 8 + 1),
        )

    def capped(self) -> "Fees":
        """These, but never above the limit."""
        fee_wei = min(self.fee_wei, limits.FEE_WEI_MAX)
        return Fees(fee_wei, min(self.tip_wei, fee_wei))


@dataclass(frozen=True, slots=True)
class ChainView:
    """One look at the chain.

    Attributes:
        head: number of the latest block.
        nonce: the sender's next nonce in it: how many of its transactions are mined.
        fees: what the chain asks now.
        receipts: by transaction hash, of those asked for that are mined.
        deployed: whether the contract is there.
        now_ms: when.
    """

    head: int
    nonce: int
    fees: Fees
    receipts: Mapping[bytes, Receipt]
    deployed: bool
    now_ms: int


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient a sender is.

    Attributes:
        confirmations: blocks, its own included, after which a transaction counts as settled.
        in_flight_max: transactions that are signed and not mined.
    """

    confirmations: int
    in_flight_max: int = limits.SUBMIT_IN_FLIGHT_MAX


@dataclass(frozen=True, slots=True)
class Mined:
    """The chain has it: note its receipt."""

    entry: Entry
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Deep enough."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Unmined:
    """The chain has lost it: pending again."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Missing:
    """Its nonce is used, and none of its attempts is known: note since when (None: no longer)."""

    entry: Entry
    since_ms: int | None


@dataclass(frozen=True, slots=True)
class Displaced:
    """Somebody else used its nonce: the call goes back to the queue."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send its latest attempt (again)."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Bump:
    """Sign it again with these fees, and send that."""

    entry: Entry
    fees: Fees


@dataclass(frozen=True, slots=True)
class FillGap:
    """Nothing is known for a nonce that others wait behind: a no-op."""

    nonce: int


@dataclass(frozen=True, slots=True)
class Send:
    """Give this call the next nonce, if a trial run succeeds."""

    call: Queued


@dataclass(frozen=True, slots=True)
class StartOver:
    """The chain is before anything that the journal still has the bytes of."""

    nonce: int


Action = (
    Mined
    | Confirmed
    | Unmined
    | Missing
    | Displaced
    | Broadcast
    | Bump
    | FillGap
    | Send
    | StartOver
)


def plan(
    entries: Sequence[Entry],
    queue: Sequence[Queued],
    kept_from: int,
    view: ChainView,
    policy: Policy,
) -> list[Action]:
    """What to do now.

    Args:
        entries: those not confirmed and those from ``view.nonce`` on, by nonce.
        queue: calls that wait, in the order in which they shall go.
        kept_from: the nonce from which on the journal has all signed bytes.
        view: the chain.
        policy: how patient to be.
    """
    if view.nonce < kept_from:
        return [StartOver(view.nonce)]
    actions: list[Action] = []
    for entry in entries:
        if entry.nonce < view.nonce:
            actions += _used(entry, view, policy)
        else:
            actions += _unused(entry, view, policy)
    known = {entry.nonce for entry in entries}
    gaps = [one for one in range(view.nonce, max(known, default=0)) if one not in known]
    actions += [FillGap(nonce) for nonce in gaps]
    in_flight = len(gaps) + sum(one.nonce >= view.nonce for one in entries)
    room = max(policy.in_flight_max - in_flight, 0)
    ready = [one for one in queue if view.deployed or one.kind is not Kind.SUBMIT]
    actions += [Send(call) for call in ready[:room]]
    return actions


def _used(entry: Entry, view: ChainView, policy: Policy) -> Iterator[Action]:
    """The chain has a transaction at this nonce."""
    if entry.status is Status.CONFIRMED:
        return
    found = (view.receipts.get(attempt.hash) for attempt in entry.attempts)
    receipt = next((one for one in found if one is not None), None)
    if receipt is None:
        if entry.missing_since_ms is None:
            yield Missing(entry, view.now_ms)
        elif view.now_ms - entry.missing_since_ms >= _patience_ms(entry):
            yield Displaced(entry)
        return
    if entry.missing_since_ms is not None:
        yield Missing(entry, None)
    if entry.status is not Status.MINED or entry.receipt != receipt:
        yield Mined(entry, receipt)
    if view.head - receipt.block + 1 >= policy.confirmations:
        yield Confirmed(entry)


def _patience_ms(entry: Entry) -> int:
    """The contract takes an epoch once; nothing saves a program's transaction from being paid for
    twice, or told as lost while a node behind a balancer has not heard of it."""
    return limits.CHAIN_MISSING_MS if entry.request is None else limits.REQUEST_MISSING_MS


def _unused(entry: Entry, view: ChainView, policy: Policy) -> Iterator[Action]:
    """The chain has nothing at this nonce (any more)."""
    latest = entry.attempts[-1]
    if entry.status is not Status.PENDING:
        yield Unmined(entry)
    if entry.nonce >= view.nonce + policy.in_flight_max:
        return  # a chain that forgot much gets it back piece by piece
    if entry.status is not Status.PENDING:
        yield Broadcast(entry)
        return
    # Only the next nonce can be passed over for its fee; those behind it wait for it.
    blocks = view.head - latest.head
    passed_over = entry.nonce == view.nonce and blocks >= limits.CHAIN_BUMP_BLOCKS
    if latest.sent_ms is not None and passed_over and (fees := _bumped(latest, view)):
        yield Bump(entry, fees)
    elif latest.sent_ms is None or view.now_ms - latest.sent_ms >= limits.CHAIN_RESEND_MS:
        yield Broadcast(entry)


def _bumped(latest: Attempt, view: ChainView) -> Fees | None:
    """Fees that may replace an attempt's; None where the limit leaves none."""
    old = Fees(latest.fee_wei, latest.tip_wei)
    wanted = view.fees.at_least(old)
    return wanted if wanted == wanted.capped() else None
