"""Trees against the values that Certificate Transparency publishes, and a proof of every leaf."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.consensus import merkle
from streams.consensus.combine import root_over
from streams.consensus.merkle import Claim

# The test data of Certificate Transparency's reference implementation of RFC 6962:
# the first n inputs have the n-th root.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657",
          "606162636465666768696a6b6c6d6e6f"]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# Inclusion proofs from the same: (index, size) and the path.
PATHS = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}


def _leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(index.to_bytes(4, "big")) for index in range(count)]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    leaves = [merkle.leaf_hash(bytes.fromhex(one)) for one in INPUTS[:size]]
    assert merkle.root(leaves).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), PATHS)
def test_paths_are_the_published_ones(index: int, size: int) -> None:
    leaves = [merkle.leaf_hash(bytes.fromhex(one)) for one in INPUTS[:size]]
    assert [one.hex() for one in merkle.path(leaves, index)] == PATHS[index, size]


def _verifies_as_in_rfc_9162(
    leaf: bytes, index: int, size: int, path: list[bytes], root: bytes
) -> bool:
    """RFC 9162 section 2.1.3.2, step by step, with the tree's size given."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = merkle.node_hash(p, r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = merkle.node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


@pytest.mark.parametrize("size", [*range(1, 40), 63, 64, 65, 127, 129])
def test_sides_follow_from_index_and_length(size: int) -> None:
    leaves = _leaves(size)
    root = merkle.root(leaves)
    for index, leaf in enumerate(leaves):
        path = merkle.path(leaves, index)
        assert _verifies_as_in_rfc_9162(leaf, index, size, path, root)
        assert merkle.root_from_path(leaf, index, path) == root


@pytest.mark.parametrize("size", [1, 2, 3, 6, 8, 13])
def test_a_path_leads_nowhere_from_another_place(size: int) -> None:
    leaves = _leaves(size)
    root = merkle.root(leaves)
    for index, leaf in enumerate(leaves):
        path = merkle.path(leaves, index)
        for other in range(40):
            reached = merkle.root_from_path(leaf, other, path) == root
            # Where two indices lead along the same sides, the leaf itself names its index.
            assert not reached or other == index or _same_sides(index, other, len(path))
        for cut in range(len(path)):
            assert merkle.root_from_path(leaf, index, path[:cut] + path[cut + 1 :]) != root
        assert merkle.root_from_path(leaf, index, [*path, root]) != root


def _same_sides(first: int, second: int, length: int) -> bool:
    trace = [merkle.leaf_hash(bytes([step])) for step in range(length)]
    leaf = merkle.leaf_hash(b"leaf")
    return merkle.root_from_path(leaf, first, trace) == merkle.root_from_path(leaf, second, trace)


@given(st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_an_index_needs_a_path_long_enough(index: int, length: int) -> None:
    siblings = [merkle.EMPTY_ROOT] * length
    found = merkle.root_from_path(merkle.EMPTY_ROOT, index, siblings)
    assert (found is None) == (index.bit_count() > length)


def test_no_path_without_a_leaf() -> None:
    for index in (-1, 3):
        with pytest.raises(IndexError):
            merkle.path(_leaves(3), index)


def _claim(partition: int, index: int, **changes: object) -> Claim:
    fields: dict[str, object] = {
        "dapp": "safe_driving", "epoch": 258, "partition": partition, "index": index,
        "salt": bytes(range(16)), "subject": b"did:key:zX", "statement": b"{}",
    }  # fmt: skip
    return Claim(**{**fields, **changes})  # type: ignore[arg-type]


def test_claim_leaf_is_these_bytes() -> None:
    data = (
        b"\x00" b"\x0csafe_driving" b"\x00\x00\x00\x00\x00\x00\x01\x02" b"\x00\x00\x00\x03"
        b"\x00\x00\x00\x04" + bytes(range(16)) + b"\x00\x00\x00\x0adid:key:zX" b"\x00\x00\x00\x02{}"
    )  # fmt: skip
    assert _claim(3, 4).leaf() == sha256(data).digest()


def test_no_two_claims_share_their_bytes() -> None:
    assert _claim(0, 0, subject=b"ab", statement=b"c").leaf() != (
        _claim(0, 0, subject=b"a", statement=b"bc").leaf()
    )


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9))
def test_every_claim_has_its_proof(counts: list[int]) -> None:
    parts = [[_claim(p, i) for i in range(count)] for p, count in enumerate(counts)]
    roots = [merkle.root([one.leaf() for one in part]) for part in parts]
    for part in parts:
        for index in range(len(part)):
            assert merkle.prove(part, index, roots).claims_root() == root_over(roots)


def test_no_proof_from_an_incomplete_partition() -> None:
    part = [_claim(0, index) for index in range(3)]
    roots = [merkle.root([one.leaf() for one in part])]
    with pytest.raises(ValueError, match="do not make up its claims root"):
        merkle.prove(part[:2], 1, roots)
