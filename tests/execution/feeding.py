"""Batches for tests, and what comes out of them."""

import hashlib
from collections.abc import Iterable, Sequence

from streams.delivery.batch import pack_records
from streams.execution.instance import Outcome
from streams.records import Message, Output, decode_output

TIME_MS = 1_700_000_000_000


def message(payload: bytes, number: int = 0, device: str = "did:x", event_type: str = "DEFAULT"):
    """A message with an id of its own (the number)."""
    return Message(device, payload, number.to_bytes(16, "big"), TIME_MS + number, event_type)


def packed(messages: Iterable[Message | bytes], first_offset: int = 0) -> bytes:
    """Messages, or whole record values as they are, as a batch."""
    values = [one if isinstance(one, bytes) else one.encode() for one in messages]
    offsets = list(range(first_offset, first_offset + len(values)))
    return pack_records([b"did:x"] * len(values), values, offsets, [TIME_MS] * len(values))


def numbered(payloads: Sequence[bytes], first: int = 0) -> bytes:
    """A batch of one message a payload, ids and offsets counting on from ``first``."""
    return packed([message(one, first + i) for i, one in enumerate(payloads)], first)


def outputs(outcome: Outcome, stream: str) -> list[Output]:
    """The records of a stream, decoded."""
    return [decode_output(one["value"]) for one in outcome.records[stream]]


def state(outcome: Outcome) -> dict[bytes, bytes]:
    """The keys of the program that a batch changed."""
    return {
        one["key"][1:]: one["value"]
        for one in outcome.records["state"]
        if one["key"].startswith(b"k")
    }


def as_changelog(*outcomes: Outcome) -> bytes:
    """The state records of batches, as a batch to restore from."""
    records = [one for outcome in outcomes for one in outcome.records["state"]]
    keys, values = [one["key"] for one in records], [one["value"] for one in records]
    return pack_records(keys, values, list(range(len(keys))), [0] * len(keys))


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962's Merkle tree hash, straight from its definition (section 2.1)."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + tree_root(leaves[:k]) + tree_root(leaves[k:])).digest()


def state_root(entries: dict[bytes, bytes]) -> bytes:
    """The state tree's root (driver/trie.zig), straight from its definition."""
    leaves = {
        hashlib.sha256(key).digest(): hashlib.sha256(
            b"\x00" + len(key).to_bytes(4, "big") + key + value
        ).digest()
        for key, value in entries.items()
    }

    def subtree(paths: list[bytes], depth: int) -> bytes:
        if not paths:
            return hashlib.sha256(b"").digest()
        if len(paths) == 1:
            return leaves[paths[0]]
        sides: tuple[list[bytes], list[bytes]] = ([], [])
        for path in paths:
            sides[path[depth // 8] >> (7 - depth % 8) & 1].append(path)
        left, right = (subtree(side, depth + 1) for side in sides)
        return hashlib.sha256(b"\x01" + left + right).digest()

    return subtree(list(leaves), 0)
