"""Authorities over a network that drops, delays and doubles, and that crash and come back.

Checked from outside, at each step: what became final has a majority's valid signatures, and no two
of one epoch differ. At the end, with the network well again: everybody has everything.
"""

import dataclasses
import heapq
import random
from hashlib import sha256

import pytest

from streams.commitments import Checkpoint, Commitment, Domain, address_of, sign, signed_by
from streams.consensus.combine import combine
from streams.consensus.messages import Final, Message, Proposal, Vote
from streams.consensus.poa import Authority, Dropped, Outbox
from tests.consensus.test_combine import summary

DOMAIN = Domain(31337, bytes(20))
ROUND_MS = 100
EPOCHS = 5


def secret(number: int) -> bytes:
    return sha256(b"authority %d" % number).digest()


def checkpoint(epoch: int) -> Checkpoint:
    return combine("dapp", [summary(epoch, part) for part in range(2)])


def authority(own: bytes, secrets: list[bytes]) -> Authority:
    everybody = [address_of(one) for one in secrets]
    return Authority(own, everybody, DOMAIN, round_ms=ROUND_MS, finals_max=64)


class Network:
    """Authorities, a clock of events, and chance; ``liar`` computes other checkpoints."""

    def __init__(self, members: int, seed: int, liar: int | None = None) -> None:
        self.chance = random.Random(seed)
        self.secrets = [secret(number) for number in range(members)]
        self.names = {address_of(one): number for number, one in enumerate(self.secrets)}
        self.nodes: list[Authority | None] = [None] * members
        self.finals: list[dict[int, Commitment]] = [{} for _ in range(members)]
        self.liar = liar
        self.faulty = True
        self.now_ms = 0
        self._events: list[tuple[int, int, int, Message | int | None]] = []
        for number in range(members):
            self.start(number)

    def start(self, number: int) -> None:
        """A node comes (back): it has its log and the certificates that it wrote."""
        node = authority(self.secrets[number], self.secrets)
        self.nodes[number] = node
        for known in self.finals[number].values():
            node.receive(Final(known))
        for epoch in range(EPOCHS):
            if epoch not in self.finals[number]:
                self._at(self.chance.randint(0, 300), number, epoch)
        self._at(1, number, None)

    def run(self, until_ms: int) -> None:
        while self._events and self._events[0][0] <= until_ms:
            self.now_ms, _, number, event = heapq.heappop(self._events)
            node = self.nodes[number]
            if node is None:
                continue
            if event is None:
                self._obey(number, node.tick(self.now_ms))
                self._at(20, number, None)
            elif isinstance(event, int):
                self._obey(number, node.computed(self._computed_by(number, event), self.now_ms))
            else:
                self._obey(number, node.receive(event))
        self.now_ms = until_ms

    def crash_and_restart(self) -> None:
        """At most a minority is down at a time."""
        down = [number for number, node in enumerate(self.nodes) if node is None]
        if down and self.chance.random() < 0.6:
            self.start(self.chance.choice(down))
        elif len(down) + 1 <= (len(self.nodes) - 1) // 2:
            self.nodes[self.chance.randrange(len(self.nodes))] = None

    def heal(self) -> None:
        self.faulty = False
        for number, node in enumerate(self.nodes):
            if node is None:
                self.start(number)

    def _computed_by(self, number: int, epoch: int) -> Checkpoint:
        true = checkpoint(epoch)
        return dataclasses.replace(true, dead=99) if number == self.liar else true

    def _at(self, in_ms: int, number: int, event: Message | int | None) -> None:
        order = self.chance.randrange(2**32)
        heapq.heappush(self._events, (self.now_ms + in_ms, order, number, event))

    def _obey(self, number: int, outbox: Outbox) -> None:
        for receiver, message in outbox.send:
            copies = self.chance.choice((0, 1, 1, 2)) if self.faulty else 1
            for _ in range(copies):
                self._at(self.chance.randint(1, 150), self.names[receiver], message)
        if outbox.final is not None:
            self._check(outbox.final)
            self.finals[number][outbox.final.checkpoint.epoch] = outbox.final

    def _check(self, final: Commitment) -> None:
        everybody = frozenset(self.names)
        signers = signed_by(final.checkpoint.digest(DOMAIN), final.signatures, everybody)
        assert 2 * len(signers) > len(everybody), "final without a majority"
        assert list(final.signatures) == sorted(final.signatures, key=lambda one: one.signer)
        others = (known.get(final.checkpoint.epoch) for known in self.finals)
        assert all(one.checkpoint == final.checkpoint for one in others if one is not None)


@pytest.mark.parametrize("members", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(12))
def test_all_epochs_become_final_everywhere(members: int, seed: int) -> None:
    network = Network(members, seed)
    for step in range(40):
        network.run(step * 50)
        network.crash_and_restart()
    network.heal()
    network.run(network.now_ms + 40 * members * ROUND_MS)
    for known in network.finals:
        assert sorted(known) == list(range(EPOCHS))


@pytest.mark.parametrize("seed", range(8))
def test_who_computes_something_else_is_outvoted(seed: int) -> None:
    network = Network(4, seed, liar=2)
    network.run(2_000)
    network.heal()
    network.run(network.now_ms + 160 * ROUND_MS)
    for known in network.finals:  # the liar's own records, too
        assert {one.checkpoint for one in known.values()} == {checkpoint(e) for e in range(EPOCHS)}


def test_one_authority_alone_is_final_at_once() -> None:
    alone = authority(secret(0), [secret(0)])
    outbox = alone.computed(checkpoint(3), now_ms=0)
    assert outbox.final is not None
    assert outbox.final.checkpoint == checkpoint(3)
    assert outbox.send == ()
    assert alone.computed(checkpoint(3), now_ms=1).final is None  # once


def test_a_stranger_is_no_authority() -> None:
    with pytest.raises(ValueError, match="not one of the authorities"):
        authority(secret(9), [secret(0)])


@pytest.fixture
def three() -> list[bytes]:
    return sorted((secret(number) for number in range(3)), key=address_of)


def test_names_why_it_drops_a_message(three: list[bytes]) -> None:
    one = authority(three[1], three)
    mine = checkpoint(0)  # epoch 0: number 0 proposes first
    digest = mine.digest(DOMAIN)
    one.computed(mine, now_ms=0)

    def proposal(by: bytes, of: bytes, round_number: int = 0) -> Proposal:
        return Proposal("dapp", 0, round_number, of, sign(of, by))

    forged = dataclasses.replace(
        proposal(three[0], digest), signature=dataclasses.replace(
            sign(digest, three[2]), signer=address_of(three[0])
        )
    )  # fmt: skip
    other = checkpoint(1).digest(DOMAIN)
    few = Final(Commitment(mine, DOMAIN, (sign(digest, three[0]),)))
    for message, why in (
        (proposal(secret(9), digest), Dropped.NOT_AN_AUTHORITY),
        (proposal(three[2], digest), Dropped.NOT_ITS_TURN),
        (forged, Dropped.BAD_SIGNATURE),
        (proposal(three[0], other), Dropped.OTHER_DIGEST),
        (Vote("dapp", 5, digest, sign(digest, three[0])), Dropped.NOT_ASKED),
        (Vote("dapp", 0, digest, sign(digest, secret(9))), Dropped.NOT_AN_AUTHORITY),
        (Vote("dapp", 0, other, sign(other, three[0])), Dropped.OTHER_DIGEST),
        (Vote("dapp", 0, digest, forged.signature), Dropped.BAD_SIGNATURE),
        (few, Dropped.TOO_FEW),
    ):
        assert one.receive(message) == Outbox(dropped=why)
    assert one.receive(proposal(three[0], digest)).send != ()
