"""Blobs by content hash."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams.filesystem.store import BlobCorruptError, BlobError, BlobMissingError, FileStore


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
