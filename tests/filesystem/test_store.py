"""Blobs by content hash."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams.filesystem.store import (
    BlobCorruptError,
    BlobError,
    BlobMissingError,
    Collected,
    FileStore,
)


@pytest.fixture(params=["path", "file://", "memory://"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    urls = {
        "path": str(tmp_path / "files"),
        "file://": f"file://{tmp_path}/files",
        "memory://": f"memory://{tmp_path.name}",
    }
    return FileStore(urls[request.param])


def test_a_blob_comes_back_by_its_hash(store: FileStore) -> None:
    for data in (b"", b"program", bytes(range(256)) * 4096):
        digest = store.put(data)
        assert digest == hashlib.sha256(data).hexdigest()
        assert store.get(digest) == data
        assert store.put(data) == digest


def test_what_is_not_there_is_said(store: FileStore) -> None:
    with pytest.raises(BlobMissingError, match="no blob aaaa"):
        store.get("a" * 64)
    for name in ("", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"):
        with pytest.raises(BlobError, match="not a SHA-256"):
            store.get(name)


def test_rotten_bytes_are_refused_and_healed_by_putting_again(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    digest = store.put(b"program")
    (tmp_path / digest[:2] / digest).write_bytes(b"progrbm")
    with pytest.raises(BlobCorruptError, match="has changed"):
        store.get(digest)
    store.put(b"program")
    assert store.get(digest) == b"program"


def test_writers_at_once_leave_one_whole_blob_and_no_drafts(tmp_path: Path) -> None:
    store, data = FileStore(str(tmp_path)), bytes(1 << 20)
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(lambda _: store.put(data), range(16)))
    assert len(digests) == 1
    assert store.get(digests.pop()) == data
    assert [path for path in tmp_path.rglob("*") if path.is_file() and "draft" in path.name] == []


DAY_S = 86_400.0
KEPT, FREE = b"kept", b"free"


def test_what_has_no_name_is_put_aside_and_then_removed(store: FileStore) -> None:
    named, free = {store.put(KEPT)}, store.put(FREE)
    now_s = time.time()
    tried = store.collect(named, now_s, DAY_S, try_only=True)
    assert tried == store.collect(named, now_s, DAY_S) == Collected(1, 1, len(FREE), 0, 0)
    assert store.collect(named, now_s + DAY_S / 2, DAY_S) == Collected(1, 0, 0, 0, 0)
    later_s = time.time() + DAY_S
    assert store.collect(named, later_s, DAY_S) == Collected(1, 0, 0, 1, len(FREE))
    with pytest.raises(BlobMissingError):
        store.get(free)
    assert store.get(*named) == KEPT


@pytest.mark.parametrize("is_put", [True, False])
def test_what_is_asked_for_comes_back_and_is_kept_once_it_has_a_name(
    store: FileStore, is_put: bool
) -> None:
    """As when a batch that put it had not been committed when names were looked at."""
    free = store.put(FREE)
    store.collect(set(), time.time(), DAY_S)
    assert (store.put(FREE) if is_put else hashlib.sha256(store.get(free)).hexdigest()) == free
    later_s = time.time() + DAY_S
    assert store.collect({free}, later_s, DAY_S).removed == 1  # only the copy that was aside
    assert store.collect({free}, later_s, DAY_S) == Collected(1, 0, 0, 0, 0)
    assert store.get(free) == FREE


def test_what_was_put_aside_and_has_a_name_again_stays(store: FileStore) -> None:
    free = store.put(FREE)
    store.collect(set(), time.time(), DAY_S)
    assert store.collect({free}, time.time() + DAY_S, DAY_S).removed == 0
    assert store.get(free) == FREE


def test_a_store_within_another_has_blobs_of_its_own(store: FileStore) -> None:
    inner, outer = store.within("kept/a"), store.put(KEPT)
    free = inner.put(FREE)
    assert store.within("kept").folders() == ["a"]
    store.within("kept/a").collect(set(), time.time(), DAY_S)
    inner.collect(set(), time.time() + DAY_S, DAY_S)
    with pytest.raises(BlobMissingError):
        inner.get(free)
    assert store.get(outer) == KEPT
