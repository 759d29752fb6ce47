"""The files that programs keep (`w3b.file_put`): blobs in the node's file store.

They lie in a folder of the store for each Dapp, apart from programs, so that `w3b files collect`
may compare what is there with what the Dapp's state names.

A blob is on the disk before the event that put it goes on, so before its batch is committed; if
the batch is taken back, nothing names it. The name and the SHA-256 are keyed state, so that a
replay, and a node that restores the partition, reads the same bytes.
"""

from collections.abc import Mapping
from typing import Any, Final

from streams import topics
from streams.delivery.replay import replay
from streams.execution.outside import Ask, InstanceLost, Outside
from streams.filesystem.store import BlobError, BlobMissingError, FileStore

KEPT: Final = "kept"  # the folder that has a folder for each Dapp
_FILE: Final = b"f"  # begins the keys of files in ``state.<dapp>`` (driver/exports.zig)
_ENTRY_BYTES: Final = 32 + 8  # SHA-256, size (driver/files.zig)


def files_of(store: FileStore, dapp: str) -> FileStore:
    """The files of a Dapp."""
    return store.within(f"{KEPT}/{dapp}")


def named_blobs(kafka: Mapping[str, Any], dapp: str, partitions: int) -> set[str]:
    """The digests that a Dapp's state names, as committed last; reads the changelogs.

    Raises:
        TimeoutError, KafkaException: Kafka cannot be read.
    """
    named = set()
    for partition in range(partitions):
        latest = {
            one.key(): one.value()
            for messages in replay(kafka, topics.state(dapp), partition)
            for one in messages
            if (one.key() or b"").startswith(_FILE)
        }
        entries = [entry for entry in latest.values() if entry and len(entry) == _ENTRY_BYTES]
        named |= {entry[:32].hex() for entry in entries}
    return named


def file_answers(files: FileStore, earlier: FileStore | None = None) -> Outside:
    """Who answers FILE_GET and FILE_PUT.

    Args:
        files: where they lie.
        earlier: where else some may lie that were put before Dapps had folders.

    A store that does not answer, or has lost a blob, gives the instance up: the program must not
    come to another result because of it.
    """

    def get(time_ms: int, seed: bytes, digest: bytes) -> tuple[int, bytes]:
        try:
            try:
                return 0, files.get(digest.hex())
            except BlobMissingError:
                if earlier is None:
                    raise
                return 0, earlier.get(digest.hex())
        except (BlobError, OSError) as error:
            raise InstanceLost(f"a program's file cannot be read: {error}") from error

    def put(time_ms: int, seed: bytes, blob: bytes) -> tuple[int, bytes]:
        try:
            return 0, bytes.fromhex(files.put(blob))
        except OSError as error:
            raise InstanceLost(f"a program's file cannot be written: {error}") from error

    return {Ask.FILE_GET: get, Ask.FILE_PUT: put}
