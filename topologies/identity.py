"""Who a node is: its name on a Kafka that it may share with others, its DID, its credentials."""

import contextlib
import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

from streams.wallet.credentials.issuing import Identity
from streams.wallet.did import KeyKind, VerifyKey
from streams.wallet.did_web import did_of_host
from streams.wallet.documents import DidDocument, Purpose
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
    """The node's DID and the key that signs for it, made when first asked for.

    The DID is a did:web where the node has a name on the web, else its key's did:key.

    Raises:
        KeyFileError: the key cannot be had from the wallet.
    """
    key = key_store(settings).keys("identity", KeyKind.ED25519)[0]
    if settings.did_web_host is None:
        return Identity.of_key(key)
    did = did_of_host(settings.did_web_host)
    return Identity(did, _method(did, key.public), key)


def node_document(settings: Settings) -> DidDocument:
    """The document of the node's did:web.

    A key of before the last rotation still vouches for what it signed, and no more logs in. The
    keys that the contract knows are there too: who sees one on the chain finds the node.

    Raises:
        KeyFileError: a key cannot be had from the wallet.
    """
    assert settings.did_web_host is not None
    did = did_of_host(settings.did_web_host)
    store = key_store(settings)
    identities = [key.public for key in store.keys("identity", KeyKind.ED25519)]
    on_chain = [store.keys(name, KeyKind.SECP256K1)[0].public for name in ("authority", "operator")]
    asserting = tuple(_method(did, key) for key in identities)
    return DidDocument(
        did,
        {_method(did, key): key for key in (*identities, *on_chain)},
        {
            Purpose.AUTHENTICATION: asserting[:1],
            Purpose.ASSERTION: asserting,
            Purpose.INVOCATION: tuple(_method(did, key) for key in on_chain),
        },
        also_known_as=(identities[0].did,),
        services=(
            {
                "id": f"{did}#node",
                "type": "W3bStreamNode",
                "serviceEndpoint": f"https://{settings.did_web_host}",
            },
        ),
    )


def _method(did: str, key: VerifyKey) -> str:
    return f"{did}#{key.multikey}"


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
