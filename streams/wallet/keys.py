"""Secret keys in files that only their owner may read."""

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from streams.wallet.did import KeyKind, VerifyKey

SECRET_BYTES: Final = 32
_PRIVATE: Final = stat.S_IRUSR | stat.S_IWUSR


class KeyFileError(ValueError):
    """A key file that cannot be used; says which and what to do. Never shows what is in it."""


class Signer(Protocol):
    """What signing needs of a key: its public half, and to be asked. Where it lies is no matter."""

    @property
    def public(self) -> VerifyKey:
        """The public half."""
        ...

    def sign(self, message: bytes) -> bytes:
        """64 bytes, as `VerifyKey.verify` expects them."""
        ...


class SigningKey:
    """A secret key: signs, and knows its public half. Its repr shows the DID alone."""

    def __init__(self, secret: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
        self._secret = secret
        self.public = _public(secret)

    @property
    def kind(self) -> KeyKind:
        """Which kind of key."""
        return self.public.kind

    @property
    def did(self) -> str:
        """The did:key of the public half."""
        return self.public.did

    @property
    def secret_bytes(self) -> bytes:
        """The 32 secret bytes: an Ed25519 seed or a big-endian scalar (as Ethereum keys are)."""
        if isinstance(self._secret, Ed25519PrivateKey):
            return self._secret.private_bytes_raw()
        return self._secret.private_numbers().private_value.to_bytes(SECRET_BYTES)

    def sign(self, message: bytes) -> bytes:
        """64 bytes, as `VerifyKey.verify` expects them: RFC 8032, or ECDSA-SHA-256's r ‖ s."""
        if isinstance(self._secret, Ed25519PrivateKey):
            return self._secret.sign(message)
        r, s = utils.decode_dss_signature(self._secret.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(SECRET_BYTES) + s.to_bytes(SECRET_BYTES)

    def to_pem(self) -> bytes:
        """PKCS#8 PEM (RFC 5958, RFC 7468), not encrypted."""
        return self._secret.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def __repr__(self) -> str:
        return f"SigningKey({self.did})"


def generate(kind: KeyKind) -> SigningKey:
    """A new key from the system's randomness."""
    if kind is KeyKind.ED25519:
        return SigningKey(Ed25519PrivateKey.generate())
    return SigningKey(ec.generate_private_key(kind.curve()))


def from_secret(kind: KeyKind, secret: bytes) -> SigningKey:
    """The key of 32 secret bytes (a seed, or a big-endian scalar).

    Raises:
        ValueError: not 32 bytes, or a scalar outside the curve's order.
    """
    if kind is KeyKind.ED25519:
        return SigningKey(Ed25519PrivateKey.from_private_bytes(secret))
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a {kind.name} secret has {SECRET_BYTES} bytes, not {len(secret)}")
    return SigningKey(ec.derive_private_key(int.from_bytes(secret), kind.curve()))


def load(path: Path, *kinds: KeyKind) -> SigningKey:
    """The key in a PKCS#8 PEM file, of one of ``kinds``.

    Raises:
        KeyFileError: absent, readable by others, not such a file, or a key of another kind.
    """
    pem = read_private(path)
    try:
        secret = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path}: not an unencrypted PKCS#8 PEM key") from None
    if not isinstance(secret, Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
        raise KeyFileError(f"{path}: neither an Ed25519 nor an elliptic curve key")
    try:
        key = SigningKey(secret)
    except KeyError:
        raise KeyFileError(f"{path}: a curve other than secp256k1 and P-256") from None
    if key.kind not in kinds:
        needed = " or ".join(kind.name for kind in kinds)
        raise KeyFileError(f"{path}: holds a {key.kind.name} key, {needed} is needed here")
    return key


def load_or_create(path: Path, kind: KeyKind) -> SigningKey:
    """The key in ``path``; a new one is made there (mode 0600, never half written) if it is absent.

    When two processes create at once, one file wins and both return its key.

    Raises:
        KeyFileError: as `load`.
        OSError: the folder cannot be written.
    """
    create_private(path, lambda: generate(kind).to_pem())
    return load(path, kind)


def load_or_create_secret(path: Path) -> bytes:
    """The 32 bytes that processes of one node share (HMAC keys), kept as hex; made if absent.

    Raises:
        KeyFileError: readable by others, or not 64 hex digits.
    """
    create_private(path, lambda: secrets.token_hex(SECRET_BYTES).encode() + b"\n")
    return load_secret(path)


def load_secret(path: Path) -> bytes:
    """The 32 bytes that a file has as hex digits.

    Raises:
        KeyFileError: as `load_or_create_secret`.
    """
    text = read_private(path).decode("ascii", "replace").strip()
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise KeyFileError(
            f"{path}: not {2 * SECRET_BYTES} hex digits; remove it to make a new one"
        )
    return secret


def _public(secret: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> VerifyKey:
    if isinstance(secret, Ed25519PrivateKey):
        return VerifyKey(KeyKind.ED25519, secret.public_key().public_bytes_raw())
    kinds = {"secp256k1": KeyKind.SECP256K1, "secp256r1": KeyKind.P256}
    point = secret.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )
    return VerifyKey(kinds[secret.curve.name], point)


def read_private(path: Path) -> bytes:
    """A file that only its owner may read.

    Raises:
        KeyFileError: others may read it, or it cannot be read.
    """
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFileError(f"{path}: readable by others; run: chmod 600 {path}")
        return path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from None


def create_private(path: Path, make: Callable[[], bytes]) -> None:
    """Make a file of mode 0600, whole or not at all, unless there is one.

    Raises:
        OSError: the folder cannot be written.
    """
    if path.exists():
        return
    draft = _draft(path, make())
    try:
        # A link fails when the name exists, a rename would replace another process's key.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def replace_private(path: Path, data: bytes) -> None:
    """Put a file of mode 0600 in place of another, whole or not at all.

    Raises:
        OSError: the folder cannot be written.
    """
    _draft(path, data).replace(path)


def _draft(path: Path, data: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return draft
