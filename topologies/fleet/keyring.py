"""The keys of a fleet's devices, all derived from one secret file.

A device's key is HKDF-SHA-256 (RFC 5869) of the fleet's secret and the device's name: a
thousand cars need one file to keep, and a car has the same DID in every run.
"""

from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from streams.wallet.did import KeyKind
from streams.wallet.keys import SECRET_BYTES, SigningKey, from_secret, load_or_create_secret

_CONTEXT: Final = b"w3bstream fleet device "


class Keyring:
    """Makes each device's Ed25519 key when it is asked for."""

    def __init__(self, secret_file: Path) -> None:
        """``secret_file``: made, for its owner's eyes only, if it does not exist.

        Raises:
            KeyFileError: readable by others, or not such a file.
        """
        self._secret = load_or_create_secret(secret_file)

    def key(self, name: str) -> SigningKey:
        """The key of the device ``name``."""
        derived = HKDF(SHA256(), SECRET_BYTES, salt=None, info=_CONTEXT + name.encode())
        return from_secret(KeyKind.ED25519, derived.derive(self._secret))
