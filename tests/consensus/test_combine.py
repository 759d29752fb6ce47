"""Summaries in any order, repeated and contradicting: one checkpoint or a named reason."""

import dataclasses
import random
from hashlib import sha256

import pytest

from streams.consensus.combine import Combiner, Heard, combine
from streams.records import Summary


def summary(epoch: int, partition: int, program: bytes = b"program!" * 4) -> Summary:
    def root(name: str) -> bytes:
        return sha256(f"{name} {epoch} {partition}".encode()).digest()

    return Summary(
        epoch=epoch,
        partition=partition,
        program=program,
        input_root=root("input"),
        claims_root=root("claims"),
        state_root=root("state"),
        messages=10 * partition + 1,
        repeats=partition,
        dead=1,
        results=2,
        claims=3,
    )


@pytest.mark.parametrize("seed", range(20))
def test_order_and_repeats_do_not_matter(seed: int) -> None:
    chance = random.Random(seed)
    partitions = chance.randint(1, 5)
    epochs = 6
    # Each partition speaks in its own order; which partition is heard next is chance.
    to_come = [[summary(epoch, part) for epoch in range(epochs)] for part in range(partitions)]
    combiner = Combiner("dapp", partitions)
    made = []
    while any(to_come):
        said = chance.choice([part for part in to_come if part])
        heard = combiner.hear(said[0])
        if heard.checkpoint:
            made.append(heard.checkpoint)
        if chance.random() < 0.7:  # otherwise it says the same again
            said.pop(0)
    assert made == [
        combine("dapp", [summary(epoch, part) for part in range(partitions)])
        for epoch in range(epochs)
    ]


def test_sums_counts_and_carries_the_program() -> None:
    checkpoint = combine("dapp", [summary(4, part) for part in range(3)])
    assert (checkpoint.epoch, checkpoint.partitions) == (4, 3)
    assert (checkpoint.messages, checkpoint.repeats, checkpoint.dead) == (33, 3, 3)
    assert (checkpoint.results, checkpoint.claims) == (6, 9)
    assert checkpoint.program == b"program!" * 4


def test_partitions_in_another_order_are_another_checkpoint() -> None:
    ordered = [summary(4, part) for part in range(2)]
    assert combine("dapp", ordered).claims_root != combine("dapp", ordered[::-1]).claims_root


def test_names_what_it_hears() -> None:
    combiner = Combiner("dapp", 2)
    first = summary(1, 0)
    assert combiner.hear(first).heard is Heard.WAITING
    assert combiner.hear(summary(1, 0)).heard is Heard.REPEATED
    assert combiner.hear(dataclasses.replace(first, dead=9)).heard is Heard.CONTRADICTED
    assert combiner.hear(summary(1, 2)).heard is Heard.NO_PARTITION
    complete = combiner.hear(summary(1, 1))
    assert complete.heard is Heard.COMPLETE
    assert complete.checkpoint == combine("dapp", [first, summary(1, 1)])  # the first word counted
    assert combiner.hear(summary(1, 1)).heard is Heard.LATE


def test_partitions_with_other_programs_make_no_checkpoint() -> None:
    combiner = Combiner("dapp", 2)
    combiner.hear(summary(1, 0))
    mixed = combiner.hear(summary(1, 1, b"another!"))
    assert (mixed.heard, mixed.checkpoint) == (Heard.MIXED_PROGRAMS, None)
    combiner.hear(summary(2, 0))
    assert combiner.hear(summary(2, 1)).checkpoint is not None
