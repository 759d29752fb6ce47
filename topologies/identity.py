"""Who a node is: its name on a Kafka that it may share with others, its DID, its credentials."""

import contextlib
import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

from streams.wallet.credentials.issuing import Identity
from streams.wallet.did import KeyKind
from streams.wallet.resolver import KeyResolver, Resolver, Resolvers
from topologies.config import Settings
from topologies.unlocking import key_store

_FILE: Final = "node_id"
_BYTES: Final = 4
_CREDENTIALS: Final = "credentials"


def node_id(settings: Settings) -> str:
    """The setting, or else a name that the data directory keeps, made when first asked for.

    Transactional ids and static group members carry it: two nodes on one Kafka would otherwise
    fence each other.
    """
    if settings.node_id is not None:
        return settings.node_id
    path = settings.data / _FILE
    if not path.exists():
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = settings.data / f"{_FILE}.{os.getpid()}"
        draft.write_text(secrets.token_hex(_BYTES) + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # of several processes at once, one names the node
        draft.unlink()
    return path.read_text().strip()


def node_identity(settings: Settings) -> Identity:
    """The node's DID and the key that signs for it; made when first asked for.

    Raises:
        KeyFileError: the key cannot be had from the wallet.
    """
    return Identity.of_key(key_store(settings).keys("identity", KeyKind.ED25519)[0])


def resolver() -> Resolver:
    """Finds the documents of those whom the node has to believe."""
    return Resolvers({"key": KeyResolver()})


def held_credentials(settings: Settings) -> list[str]:
    """The credentials that the node keeps about itself, as they were given to it."""
    folder = settings.data / _CREDENTIALS
    return [file.read_text() for file in sorted(folder.glob("*.vc"))]


def hold(settings: Settings, credential: str) -> Path:
    """Keep a credential; the same one twice is kept once."""
    folder = settings.data / _CREDENTIALS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"{hashlib.sha256(credential.encode()).hexdigest()[:16]}.vc"
    draft = file.with_suffix(".part")
    draft.write_text(credential)
    draft.replace(file)
    return file
