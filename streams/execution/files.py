"""The files that programs keep (`w3b.file_put`): blobs in the node's file store.

A blob is on the disk before the event that put it goes on, so before its batch is committed; if
the batch is taken back, nothing names it. The name and the SHA-256 are keyed state, so that a
replay, and a node that restores the partition, reads the same bytes.
"""

from streams.execution.outside import Ask, InstanceLost, Outside
from streams.filesystem.store import BlobError, FileStore


def file_answers(files: FileStore) -> Outside:
    """Who answers FILE_GET and FILE_PUT.

    A store that does not answer, or has lost a blob, gives the instance up: the program must not
    come to another result because of it.
    """

    def get(time_ms: int, seed: bytes, digest: bytes) -> tuple[int, bytes]:
        try:
            return 0, files.get(digest.hex())
        except (BlobError, OSError) as error:
            raise InstanceLost(f"a program's file cannot be read: {error}") from error

    def put(time_ms: int, seed: bytes, blob: bytes) -> tuple[int, bytes]:
        try:
            return 0, bytes.fromhex(files.put(blob))
        except OSError as error:
            raise InstanceLost(f"a program's file cannot be written: {error}") from error

    return {Ask.FILE_GET: get, Ask.FILE_PUT: put}
