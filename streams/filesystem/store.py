"""Blobs by the SHA-256 of their content."""

import hashlib
import os
import re
import secrets
from collections.abc import Iterator, Set
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import fsspec

_ASIDE: Final = "aside"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_FOLDER: Final = re.compile(r"[0-9a-f]{2}")


class BlobError(ValueError):
    """A blob that cannot be had; says which and why."""


class BlobMissingError(BlobError):
    """No such blob here."""


class BlobCorruptError(BlobError):
    """Stored bytes that no longer are what their name says."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection did, or would do: blobs, and bytes of those that went or are to go."""

    named: int
    put_aside: int
    put_aside_bytes: int
    removed: int
    removed_bytes: int


class FileStore:
    """Blobs in a folder or an object store, as ``<url>/<first two digits>/<digest>``.

    What `collect` puts aside is read, and put, as if it had stayed.
    """

    def __init__(self, url: str) -> None:
        """``url``: a path or any fsspec URL (``file:///…``, ``s3://bucket/prefix``, ``memory://``).

        Raises:
            ValueError, ImportError: a protocol that fsspec does not know or lacks a package for.
        """
        self._fs, root = fsspec.core.url_to_fs(url)
        self._root: str = root.rstrip("/")

    def within(self, folder: str) -> "FileStore":
        """A store of its own in a folder of this one; ``folder``: names with slashes between."""
        inner = copy(self)
        inner._root = f"{self._root}/{folder}"
        return inner

    def folders(self) -> list[str]:
        """The names of what lies in here and is a folder, sorted.

        Raises:
            OSError: the store cannot be read.
        """
        return sorted(
            entry["name"].rstrip("/").rsplit("/", 1)[-1]
            for entry in self._listed(self._root)
            if entry["type"] == "directory"
        )

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
            data = self._taken_back(digest)
        if hashlib.sha256(data).hexdigest() != digest:
            raise BlobCorruptError(f"blob {digest} in {self._root} has changed: put it again")
        return data

    def find(self, name: str) -> bytes | None:
        """What `keep` put under a name that is no hash of it, unchecked; None: nothing.

        Raises:
            OSError: the store cannot be read.
        """
        try:
            data: bytes = self._fs.cat_file(self._path(name))
        except FileNotFoundError:
            return None
        return data

    def keep(self, name: str, data: bytes) -> None:
        """Put bytes under a name of 64 hex digits of the caller's, in place of what was there.

        Raises:
            OSError: the store cannot be written.
        """
        self._write(name, data)

    def remove_older(self, before_s: float) -> int:
        """Remove what was put before a Unix time; how many.

        Raises:
            OSError: the store cannot be read or written.
        """
        old = [path for _, path in self._blobs() if self._modified_s(path) < before_s]
        for path in old:
            self._fs.rm_file(path)
        return len(old)

    def collect(
        self, named: Set[str], now_s: float, aside_s: float, *, try_only: bool = False
    ) -> Collected:
        """Remove what nobody names, in two steps, so that no writer has to know of it.

        A blob that is not named is put aside; one that has lain there for ``aside_s`` and is not
        named now is removed. Whoever asks for one in between, or puts it again, gets it back: so a
        blob whose name is not committed yet is safe, as long as no commit takes ``aside_s``.

        Args:
            named: the digests that have a name, as committed just now.
            now_s: Unix time.
            aside_s: how long a blob has to lie aside.
            try_only: only say what would be done.

        Raises:
            OSError: the store cannot be read or written; what was done stays well.
        """
        all_here = dict(self._blobs())
        here = {digest: path for digest, path in all_here.items() if digest not in named}
        aside = [
            entry["name"]
            for entry in self._listed(f"{self._root}/{_ASIDE}")
            if self._modified_s(entry["name"]) <= now_s - aside_s
        ]
        needed = named - all_here.keys()
        old = [path for path in aside if path.rsplit("/", 1)[-1] not in needed]
        done = Collected(
            named=len(named),
            put_aside=len(here),
            put_aside_bytes=sum(self._fs.size(path) for path in here.values()),
            removed=len(old),
            removed_bytes=sum(self._fs.size(path) for path in old),
        )
        if not try_only:
            for path in old:
                self._fs.rm_file(path)
            for digest, path in here.items():
                self._fs.makedirs(f"{self._root}/{_ASIDE}", exist_ok=True)
                self._fs.cp_file(path, self._path_aside(digest))  # a copy's age begins now
                self._fs.rm_file(path)
        return done

    def _taken_back(self, digest: str) -> bytes:
        try:
            data: bytes = self._fs.cat_file(self._path_aside(digest))
        except FileNotFoundError:
            raise BlobMissingError(f"no blob {digest} in {self._root}") from None
        self._write(digest, data)
        return data

    def _blobs(self) -> Iterator[tuple[str, str]]:
        """Digest and path of every blob that is not aside."""
        for folder in self.folders():
            if _FOLDER.fullmatch(folder):
                for entry in self._listed(f"{self._root}/{folder}"):
                    yield entry["name"].rsplit("/", 1)[-1], entry["name"]

    def _modified_s(self, path: str) -> float:
        modified: datetime = self._fs.modified(path)
        return modified.timestamp()

    def _listed(self, path: str) -> list[dict[str, Any]]:
        try:
            entries: list[dict[str, Any]] = self._fs.ls(path, detail=True, refresh=True)
        except FileNotFoundError:
            return []
        return entries

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest}"

    def _path_aside(self, digest: str) -> str:
        return f"{self._root}/{_ASIDE}/{digest}"

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
