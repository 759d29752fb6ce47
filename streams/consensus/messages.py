"""What authorities say to one another while they agree on a checkpoint."""

from dataclasses import dataclass

from streams.commitments import Commitment, Signature


@dataclass(frozen=True, slots=True)
class Proposal:
    """The proposer of a round shows what it computed, signed."""

    dapp: str
    epoch: int
    round: int
    digest: bytes
    signature: Signature


@dataclass(frozen=True, slots=True)
class Vote:
    """An authority computed the same; its signature over the digest, for the proposer."""

    dapp: str
    epoch: int
    digest: bytes
    signature: Signature


@dataclass(frozen=True, slots=True)
class Final:
    """A quorum has signed: the certificate, for everybody."""

    commitment: Commitment


Message = Proposal | Vote | Final
