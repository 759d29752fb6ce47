"""Blobs by the SHA-256 of their content."""

import hashlib
import os
import re
import secrets
from typing import Final

import fsspec

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class BlobError(ValueError):
    """A blob that cannot be had; says which and why."""


class BlobMissingError(BlobError):
    """No such blob here."""


class BlobCorruptError(BlobError):
    """Stored bytes that no longer are what their name says."""


class FileStore:
    """Blobs in a folder or an object store, as ``<url>/<first two digits>/<digest>``."""

    def __init__(self, url: str) -> None:
        """``url``: a path or any fsspec URL (``file:///…``, ``s3://bucket/prefix``, ``memory://``).

        Raises:
            ValueError, ImportError: a protocol that fsspec does not know or lacks a package for.
        """
        self._fs, root = fsspec.core.url_to_fs(url)
        self._root: str = root.rstrip("/")

    def put(self, data: bytes) -> str:
        """Keep ``data``; its SHA-256 as 64 hex digits.

        A reader sees the whole blob or none: it is written aside and then moved to its name.
        One that is there already is kept, unless its bytes have rotted.

        Raises:
            OSError: the store cannot be written.
        """
        digest = hashlib.sha256(data).hexdigest()
        try:
            self.get(digest)
        except BlobError:
            self._write(digest, data)
        return digest

    def get(self, digest: str) -> bytes:
        """The blob, checked against its name.

        Raises:
            BlobError: ``digest`` is not 64 lower-case hex digits.
            BlobMissingError: nothing of that name.
            BlobCorruptError: its bytes have another digest.
            OSError: the store cannot be read.
        """
        if not _DIGEST.fullmatch(digest):
            raise BlobError(f"not a SHA-256 in 64 lower-case hex digits: {digest[:80]!r}")
        try:
            data: bytes = self._fs.cat_file(self._path(digest))
        except FileNotFoundError:
            raise BlobMissingError(f"no blob {digest} in {self._root}") from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise BlobCorruptError(f"blob {digest} in {self._root} has changed: put it again")
        return data

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest}"

    def _write(self, digest: str, data: bytes) -> None:
        path = self._path(digest)
        draft = f"{self._root}/draft-{secrets.token_hex(8)}"
        self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        with self._fs.open(draft, "wb") as file:
            file.write(data)
            file.flush()
            if "file" in self._fs.protocol:  # a move may reach the disk before what it moves
                os.fsync(file.fileno())
        self._fs.mv(draft, path)
