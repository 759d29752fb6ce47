"""Merkle trees as in RFC 6962 (section 2.1; RFC 9162 keeps them), with SHA-256.

A leaf is H(0x00 ‖ data), a node H(0x01 ‖ left ‖ right): no node can pass for a leaf. The tree over
n leaves splits at the largest power of two below n; the empty tree's root is H("").

A path's sides follow from the leaf's index and the path's length alone, so a proof carries neither
sides nor the tree's size. Going up from leaf i, a level's sibling lies left where i's bit is 1 and
right where it is 0; once only as many siblings are left as i has bits set, the node lies on the
tree's right edge, where all the rest lie left (levels without a sibling are skipped there).

A claim's proof is its path in its partition's tree of claims, then the path of that partition's
leaf, H(0x00 ‖ partition's root), in the tree over partitions, whose root is the checkpoint's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from streams.records import SALT_BYTES

EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """The leaf over ``data``: H(0x00 ‖ data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The node over two subtrees' roots: H(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, in their order."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The siblings from leaf ``index`` up to the root (RFC 9162 section 2.1.3.1).

    Raises:
        IndexError: no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} in a tree of {len(leaves)}")
    siblings = []
    level = list(leaves)
    while len(level) > 1:
        if index ^ 1 < len(level):
            siblings.append(level[index ^ 1])
        level = _parents(level)
        index >>= 1
    return siblings


def root_from_path(leaf: bytes, index: int, siblings: Sequence[bytes]) -> bytes | None:
    """The root that a leaf hash at ``index`` leads to; None if no tree has such a path.

    The same steps as the contract's ``_root``.
    """
    node = leaf
    rest = index
    left_count = index.bit_count()
    for steps, sibling in zip(range(len(siblings), 0, -1), siblings, strict=True):
        if left_count > steps:
            return None
        if left_count == steps or rest & 1:
            node = node_hash(sibling, node)
            left_count -= 1
        else:
            node = node_hash(node, sibling)
        rest >>= 1
    return node if left_count == 0 else None


def _parents(level: list[bytes]) -> list[bytes]:
    # A last node without a partner goes up unchanged: that is RFC 6962's split, level by level.
    made = [node_hash(*pair) for pair in zip(level[::2], level[1::2], strict=False)]
    return made if len(level) % 2 == 0 else [*made, level[-1]]


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim at its place: the ``index``-th of its (epoch, partition), counted from 0."""

    dapp: str
    epoch: int
    partition: int
    index: int
    salt: bytes
    subject: bytes
    statement: bytes

    def leaf(self) -> bytes:
        """The claim's leaf hash; 32 bytes.

        H(0x00 ‖ u8 length ‖ dapp ‖ u64 epoch ‖ u32 partition ‖ u32 index ‖ salt ‖ u32 length ‖
        subject ‖ u32 length ‖ statement), integers big-endian. The salt (16 bytes) keeps a
        guessable statement from being found by trying.
        """
        dapp = self.dapp.encode()
        if len(self.salt) != SALT_BYTES:
            raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(self.salt)}")
        return leaf_hash(
            b"".join(
                (
                    len(dapp).to_bytes(1, "big"),
                    dapp,
                    self.epoch.to_bytes(8, "big"),
                    self.partition.to_bytes(4, "big"),
                    self.index.to_bytes(4, "big"),
                    self.salt,
                    len(self.subject).to_bytes(4, "big"),
                    self.subject,
                    len(self.statement).to_bytes(4, "big"),
                    self.statement,
                )
            )
        )


@dataclass(frozen=True, slots=True)
class ClaimProof:
    """A claim and its two paths: to its partition's claims root, and on to the checkpoint's."""

    claim: Claim
    siblings: tuple[bytes, ...]
    partition_siblings: tuple[bytes, ...]

    def claims_root(self) -> bytes | None:
        """The checkpoint's claims root that this proof leads to; None if no tree fits it."""
        partition_root = root_from_path(self.claim.leaf(), self.claim.index, self.siblings)
        if partition_root is None:
            return None
        return root_from_path(
            leaf_hash(partition_root), self.claim.partition, self.partition_siblings
        )


def prove(claims: Sequence[Claim], index: int, partition_roots: Sequence[bytes]) -> ClaimProof:
    """The proof of ``claims[index]``.

    Args:
        claims: all claims of one (epoch, partition), in the order of their indices.
        index: which of them.
        partition_roots: the claims root of each partition of that epoch, in partition order.

    Raises:
        IndexError: no such claim or partition.
        ValueError: the claims do not make up their partition's root.
    """
    leaves = [one.leaf() for one in claims]
    partition = claims[index].partition
    if root(leaves) != partition_roots[partition]:
        raise ValueError(
            f"{len(claims)} claims of partition {partition} do not make up its claims root"
        )
    return ClaimProof(
        claims[index],
        tuple(path(leaves, index)),
        tuple(path([leaf_hash(one) for one in partition_roots], partition)),
    )
