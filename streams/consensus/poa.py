"""Proof of authority: checkpoints become final when a majority of known authorities signed them.

For operators who share one log and may crash, but do not lie (PBFT is for those who may). All read
the same messages in the same order, so all compute the same checkpoint; what is left to agree on
is that a majority did. For each (Dapp, epoch) the authorities propose in turn: the proposer of
round r of epoch e is number (e + r) mod n. Others that computed the same send it their
signatures; with a majority the proposer shows everybody the certificate. Who hears nothing for
``round_ms`` moves on to the next round, so a crashed proposer costs one round.

Safety does not rest on rounds: an authority signs only what it computed itself, one digest a (Dapp,
epoch), and two majorities share an authority. Rounds decide only who collects. After a crash an
authority computes the same checkpoint from the same log again, and is given the certificates that
are on topic ``proofs`` (as `Final`), so nothing else needs to be on disk.

With one authority, its own signature is the majority: final at once.

A pure state machine: calls in, `Outbox` out; time is an argument.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from streams.commitments import (
    Checkpoint,
    Commitment,
    Domain,
    Signature,
    address_of,
    sign,
    signed_by,
    signer_of,
)
from streams.consensus.messages import Final, Message, Proposal, Vote
from streams.consensus.quorum import quorum


class Dropped(StrEnum):
    """Why a message did nothing; a metric's label."""

    NOT_AN_AUTHORITY = "not_an_authority"
    NOT_ITS_TURN = "not_its_turn"
    BAD_SIGNATURE = "bad_signature"
    OTHER_DIGEST = "other_digest"  # somebody computed another checkpoint: one of us is wrong
    NOT_ASKED = "not_asked"  # a vote for what we do not propose, or that is final
    TOO_FEW = "too_few"  # a certificate without a majority


@dataclass(frozen=True, slots=True)
class Outbox:
    """What a step asks for: messages to send (receiver first), and what became final."""

    send: tuple[tuple[bytes, Message], ...] = ()
    final: Commitment | None = None
    dropped: Dropped | None = None


@dataclass(slots=True)
class _Candidate:
    """Our own checkpoint of one (Dapp, epoch), on its way."""

    checkpoint: Checkpoint
    digest: bytes
    round: int
    round_ends_ms: int
    own: Signature
    votes: dict[bytes, Signature] = field(default_factory=dict)


_Place = tuple[str, int]


class Authority:
    """One authority's view of all (Dapp, epoch)s that are not final yet.

    Args:
        secret: its secp256k1 key, 32 bytes.
        authorities: all authorities' addresses, its own among them.
        domain: what signatures are bound to.
        round_ms: how long a proposer has before the next one tries.
        finals_max: how many certificates are kept for those who missed them.
    """

    def __init__(
        self,
        secret: bytes,
        authorities: Sequence[bytes],
        domain: Domain,
        *,
        round_ms: int,
        finals_max: int,
    ) -> None:
        self.address = address_of(secret)
        self._secret = secret
        self._authorities = sorted(authorities)
        self._members = frozenset(authorities)
        if self.address not in self._members:
            raise ValueError(f"0x{self.address.hex()} is not one of the authorities")
        self._domain = domain
        self._quorum = quorum(len(self._members))
        self._round_ms = round_ms
        self._finals_max = finals_max
        self._candidates: dict[_Place, _Candidate] = {}
        self._early: dict[_Place, dict[bytes, Proposal]] = {}
        self._finals: dict[_Place, Commitment] = {}

    def computed(self, checkpoint: Checkpoint, now_ms: int) -> Outbox:
        """Our own node has computed a checkpoint (once a (Dapp, epoch))."""
        place = (checkpoint.dapp, checkpoint.epoch)
        early = self._early.pop(place, {})
        if place in self._finals or place in self._candidates:
            return Outbox()
        digest = checkpoint.digest(self._domain)
        own = sign(digest, self._secret)
        candidate = _Candidate(checkpoint, digest, 0, now_ms + self._round_ms, own)
        candidate.votes[self.address] = own
        self._candidates[place] = candidate
        answers = [self._on_proposal(one) for one in early.values()]
        made = self._propose(place) if self._turn(place, 0) == self.address else Outbox()
        return Outbox(
            send=made.send + tuple(one for answer in answers for one in answer.send),
            final=made.final,
            dropped=next((answer.dropped for answer in answers if answer.dropped), None),
        )

    def receive(self, message: Message) -> Outbox:
        """Another authority's message has arrived."""
        if isinstance(message, Proposal):
            return self._on_proposal(message)
        if isinstance(message, Vote):
            return self._on_vote(message)
        return self._on_final(message)

    def tick(self, now_ms: int) -> Outbox:
        """Time has passed: rounds that are over give way to the next proposer."""
        send: list[tuple[bytes, Message]] = []
        for place, candidate in self._candidates.items():
            if now_ms < candidate.round_ends_ms:
                continue
            candidate.round += 1
            candidate.round_ends_ms = now_ms + self._round_ms
            if self._turn(place, candidate.round) == self.address:
                send += self._proposals(place)
        return Outbox(tuple(send))

    def _on_proposal(self, proposal: Proposal) -> Outbox:
        place = (proposal.dapp, proposal.epoch)
        proposer = proposal.signature.signer
        if proposer not in self._members or proposer == self.address:
            return Outbox(dropped=Dropped.NOT_AN_AUTHORITY)
        if self._turn(place, proposal.round) != proposer:
            return Outbox(dropped=Dropped.NOT_ITS_TURN)
        if place in self._finals:  # it missed the certificate
            return Outbox(((proposer, Final(self._finals[place])),))
        if signer_of(proposal.digest, proposal.signature.signature) != proposer:
            return Outbox(dropped=Dropped.BAD_SIGNATURE)
        candidate = self._candidates.get(place)
        if candidate is None:  # it is ahead of us: answered once we have computed it, too
            self._early.setdefault(place, {})[proposer] = proposal
            return Outbox()
        if candidate.digest != proposal.digest:
            return Outbox(dropped=Dropped.OTHER_DIGEST)
        return Outbox(((proposer, Vote(*place, candidate.digest, candidate.own)),))

    def _on_vote(self, vote: Vote) -> Outbox:
        place = (vote.dapp, vote.epoch)
        candidate = self._candidates.get(place)
        if candidate is None:
            return Outbox(dropped=Dropped.NOT_ASKED)
        if vote.signature.signer not in self._members:
            return Outbox(dropped=Dropped.NOT_AN_AUTHORITY)
        if vote.digest != candidate.digest:
            return Outbox(dropped=Dropped.OTHER_DIGEST)
        if signer_of(vote.digest, vote.signature.signature) != vote.signature.signer:
            return Outbox(dropped=Dropped.BAD_SIGNATURE)
        candidate.votes[vote.signature.signer] = vote.signature
        return self._certify(place)

    def _on_final(self, message: Final) -> Outbox:
        commitment = message.commitment
        place = (commitment.checkpoint.dapp, commitment.checkpoint.epoch)
        if place in self._finals:
            return Outbox()
        digest = commitment.checkpoint.digest(self._domain)
        if len(signed_by(digest, commitment.signatures, self._members)) < self._quorum:
            return Outbox(dropped=Dropped.TOO_FEW)
        candidate = self._candidates.get(place)
        outvoted = candidate is not None and candidate.digest != digest
        self._keep(place, commitment)
        return Outbox(final=commitment, dropped=Dropped.OTHER_DIGEST if outvoted else None)

    def _propose(self, place: _Place) -> Outbox:
        certified = self._certify(place)
        return certified if certified.final else Outbox(tuple(self._proposals(place)))

    def _proposals(self, place: _Place) -> list[tuple[bytes, Message]]:
        candidate = self._candidates[place]
        proposal = Proposal(*place, candidate.round, candidate.digest, candidate.own)
        return [(one, proposal) for one in self._authorities if one not in candidate.votes]

    def _certify(self, place: _Place) -> Outbox:
        candidate = self._candidates[place]
        if len(candidate.votes) < self._quorum:
            return Outbox()
        signatures = tuple(candidate.votes[one] for one in sorted(candidate.votes))
        commitment = Commitment(candidate.checkpoint, self._domain, signatures)
        self._keep(place, commitment)
        others = (one for one in self._authorities if one != self.address)
        return Outbox(tuple((one, Final(commitment)) for one in others), commitment)

    def _keep(self, place: _Place, commitment: Commitment) -> None:
        self._candidates.pop(place, None)
        self._early.pop(place, None)
        self._finals[place] = commitment
        while len(self._finals) > self._finals_max:
            del self._finals[next(iter(self._finals))]

    def _turn(self, place: _Place, round_number: int) -> bytes:
        _, epoch = place
        return self._authorities[(epoch + round_number) % len(self._authorities)]
