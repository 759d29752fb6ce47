"""The credentials that a node issued and may take back, and the list that says which it has.

`DATA/issued.json` has a position in the list for each; the endpoint signs the list anew when the
file has changed. Positions are drawn at random, so that they do not tell how many there are or in
what order (W3C Bitstring Status List 1.0, section 6).
"""

import fcntl
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from streams import limits
from streams.clock import Clock
from streams.wallet.credentials.issuing import Securing, issue
from streams.wallet.credentials.status import STATUS_PATH, entry_of, list_of
from streams.wallet.keys import replace_private
from topologies.config import Settings
from topologies.identity import node_identity

_FILE: Final = "issued.json"


class NotIssued(LookupError):
    """There is no such credential, or the node could not say that it was revoked."""


def new_status(settings: Settings, credential: str) -> dict[str, Any]:
    """``credentialStatus`` for a credential that the node is about to sign.

    Args:
        settings: of the node.
        credential: its ``id``.

    Raises:
        NotIssued: the node has no address where others could look its list up, or no room in it.
    """
    url = _list_url(settings)
    with _file(settings) as issued:
        taken = {entry["index"] for entry in issued}
        if len(taken) >= limits.STATUS_BITS_MIN:
            raise NotIssued(f"all {limits.STATUS_BITS_MIN} positions of the status list are taken")
        while (index := secrets.randbelow(limits.STATUS_BITS_MIN)) in taken:
            pass
        issued.append({"id": credential, "index": index, "revoked": False})
    return entry_of(url, index)


def revoke(settings: Settings, credential: str) -> None:
    """Take a credential back, by its ``id``. Twice is once.

    Raises:
        NotIssued: the node issued none of this id as revocable.
    """
    with _file(settings) as issued:
        entry = next((entry for entry in issued if entry["id"] == credential), None)
        if entry is None:
            raise NotIssued(f"the node issued no revocable credential {credential}")
        entry["revoked"] = True


def status_list(settings: Settings, clock: Clock) -> Callable[[], bytes]:
    """Has the signed list as it is now; signs it when something has changed."""
    path = settings.data / _FILE
    signed: tuple[object, bytes] = (None, b"")

    def current() -> bytes:
        nonlocal signed
        status = path.stat() if path.exists() else None
        issuer = node_identity(settings)
        version = status and (status.st_mtime_ns, status.st_ino), issuer.method
        if signed[0] != version:
            revoked = [entry["index"] for entry in _read(path) if entry["revoked"]]
            statement = list_of(_list_url(settings), revoked)
            text = issue(statement, issuer, clock.now_ms(), Securing.DATA_INTEGRITY)
            signed = version, text.encode()
        return signed[1]

    return current


def _list_url(settings: Settings) -> str:
    if settings.did_web_host is None:
        raise NotIssued("who checks has to find the list: set did_web_host to the node's address")
    return f"https://{settings.did_web_host}{STATUS_PATH}"


@contextmanager
def _file(settings: Settings) -> Iterator[list[dict[str, Any]]]:
    """What was issued, to be changed: one process at a time."""
    path = settings.data / _FILE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        issued = _read(path)
        yield issued
        replace_private(path, json.dumps(issued).encode())


def _read(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_bytes())) if path.exists() else []
