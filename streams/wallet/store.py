"""Where a node's keys lie: in sealed files, or wherever else a `KeyStore` keeps them."""

import base64
import re
import secrets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import orjson
from joserfc.jwk import ECKey, OKPKey

from streams.wallet.did import KeyKind
from streams.wallet.keys import (
    SECRET_BYTES,
    KeyFileError,
    SigningKey,
    create_private,
    from_secret,
    generate,
    load,
    load_secret,
    read_private,
    replace_private,
)
from streams.wallet.sealing import Keyring, SealError

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}(?:/[A-Za-z0-9_-]{1,64})?")
_KEYRING: Final = "keyring.json"
# RFC 7518, 8037, 8812: what a JWK calls the kinds of key.
_CURVES: Final = {
    KeyKind.ED25519: "Ed25519",
    KeyKind.SECP256K1: "secp256k1",
    KeyKind.P256: "P-256",
}


class KeyStore(Protocol):
    """Keys by name, newest first: after a rotation the one before is still there.

    What a node needs of a store of keys; `SealedFiles` is the one that it has. For any thread.
    """

    def keys(self, name: str, kind: KeyKind, *, make: bool = True) -> Sequence[SigningKey]:
        """The keys of a name. If there is none: a new one, or nothing unless ``make``.

        Raises:
            KeyFileError: they cannot be had, or are of another kind.
        """
        ...

    def secrets(self, name: str) -> Sequence[bytes]:
        """Secrets of 32 bytes that the processes of a node share; made if there is none.

        Raises:
            KeyFileError: they cannot be had.
        """
        ...

    def names(self, folder: str) -> Sequence[str]:
        """The names ``folder/…`` that there are keys of, without the folder."""
        ...

    def rotate(self, name: str, *, keep: bool = True) -> None:
        """A new key or secret of a name that has one; the one before is kept, or not.

        Processes at work notice when they next ask.

        Raises:
            KeyFileError: there is none of this name.
        """
        ...


class SealedFiles:
    """One file a name, ``NAME.jwe``: a JWK Set (RFC 7517, section 5) sealed under a keyring's key.

    A key that lies there in the clear (``NAME.pem``, PKCS#8; ``NAME.key``, hex digits), as nodes
    had it before or an operator puts it there, is sealed when first asked for, and then removed.
    """

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        """``keyring``: opened (`open_keyring`)."""
        self._folder = folder
        self._keyring = keyring
        self._lock = threading.Lock()
        # By name: which file was read (when it was changed), and what was in it.
        self._read: dict[str, tuple[tuple[int, int], list[dict[str, Any]]]] = {}

    def keys(self, name: str, kind: KeyKind, *, make: bool = True) -> Sequence[SigningKey]:
        """As `KeyStore`."""
        jwks = self._jwks(name, (lambda: _key_jwk(generate(kind))) if make else None)
        return [_read_key(jwk, kind, name) for jwk in jwks]

    def secrets(self, name: str) -> Sequence[bytes]:
        """As `KeyStore`."""
        return [_base64url_bytes(jwk["k"]) for jwk in self._jwks(name, _new_secret)]

    def names(self, folder: str) -> Sequence[str]:
        """As `KeyStore`."""
        files = (self._folder / folder).glob("*")
        return sorted({file.stem for file in files if file.suffix in (".jwe", ".pem")})

    def rotate(self, name: str, *, keep: bool = True) -> None:
        """As `KeyStore`."""
        jwks = self._jwks(name, None)
        if not jwks:
            raise KeyFileError(f"{self._file(name)}: there is nothing to rotate")
        kinds = {curve: kind for kind, curve in _CURVES.items()}
        newest = jwks[0]
        new = _new_secret() if "k" in newest else _key_jwk(generate(kinds[newest["crv"]]))
        replace_private(self._file(name), self._seal(name, [new, newest] if keep else [new]))

    def _jwks(self, name: str, make: Callable[[], dict[str, Any]] | None) -> list[dict[str, Any]]:
        file = self._file(name)
        with self._lock:
            if not file.exists():
                # Of several processes that get here at once, the first one's file counts.
                jwk = self._plain(name) or (make() if make is not None else None)
                if jwk is not None:
                    create_private(file, lambda: self._seal(name, [jwk]))
                elif not file.exists():
                    return []
            status = file.stat()
            version = status.st_mtime_ns, status.st_ino
            known = self._read.get(name)
            if known is None or known[0] != version:
                known = version, self._unseal(name, file)
                self._drop_plain(name, known[1])
                self._read[name] = known
            return known[1]

    def _file(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise KeyFileError(f"{name[:80]!r} is no name of a key: letters, digits, _ and -")
        return self._folder / f"{name}.jwe"

    def _seal(self, name: str, jwks: list[dict[str, Any]]) -> bytes:
        return self._keyring.seal(orjson.dumps({"keys": jwks}), name).encode() + b"\n"

    def _unseal(self, name: str, file: Path) -> list[dict[str, Any]]:
        try:
            plain = self._keyring.unseal(
                read_private(file).decode("ascii", "replace").strip(), name
            )
        except SealError as error:
            raise KeyFileError(f"{file}: {error}") from None
        keys: list[dict[str, Any]] = orjson.loads(plain)["keys"]
        return keys

    def _plain(self, name: str) -> dict[str, Any] | None:
        """A key that lies here in the clear."""
        file = self._file(name)
        pem, text = file.with_suffix(".pem"), file.with_suffix(".key")
        try:
            if pem.exists():
                return _key_jwk(load(pem, *KeyKind))
            if text.exists():
                return _secret_jwk(load_secret(text))
        except KeyFileError:
            if pem.exists() or text.exists():
                raise  # or else another process has sealed and removed it meanwhile
        return None

    def _drop_plain(self, name: str, jwks: list[dict[str, Any]]) -> None:
        """Remove a key in the clear, now that it is sealed, on disk and read back from there."""
        plain = self._plain(name)
        if plain is None:
            return
        if plain not in jwks:
            raise KeyFileError(
                f"{self._folder / name}: another key lies beside the sealed one; remove the .jwe "
                "to take the new one, or the other to keep the old"
            )
        for suffix in (".pem", ".key"):
            self._file(name).with_suffix(suffix).unlink(missing_ok=True)


def has_keyring(folder: Path) -> bool:
    """Whether a folder of keys has a keyring."""
    return (folder / _KEYRING).exists()


def open_keyring(folder: Path, passphrases: Sequence[bytes]) -> Keyring | None:
    """A folder's keyring, opened by the first passphrase that does; None if there is none.

    Raises:
        KeyFileError: none of them opens it; or it cannot be read.
    """
    file = folder / _KEYRING
    if not has_keyring(folder):
        return None
    data, error = read_private(file), SealError("there is no passphrase")
    for passphrase in passphrases:
        try:
            return Keyring.open(data, passphrase)
        except SealError as failed:
            error = failed
    raise KeyFileError(f"{file}: {error}")


def make_keyring(folder: Path, passphrase: bytes) -> Keyring:
    """A new keyring, unless another process has just made one: then that.

    Raises:
        KeyFileError: another process made it with another passphrase.
    """
    create_private(folder / _KEYRING, Keyring.make(passphrase).encode)
    keyring = open_keyring(folder, [passphrase])
    assert keyring is not None
    return keyring


def write_keyring(folder: Path, keyring: Keyring) -> None:
    """Replace the keyring's file: its slots have changed."""
    replace_private(folder / _KEYRING, keyring.encode())


def _key_jwk(key: SigningKey) -> dict[str, Any]:
    type_ = OKPKey if key.kind is KeyKind.ED25519 else ECKey
    return dict(type_.import_key(key.to_pem()).as_dict(private=True))


def _secret_jwk(secret: bytes) -> dict[str, Any]:
    return {"kty": "oct", "k": _base64url(secret)}


def _new_secret() -> dict[str, Any]:
    return _secret_jwk(secrets.token_bytes(SECRET_BYTES))


def _read_key(jwk: dict[str, Any], kind: KeyKind, name: str) -> SigningKey:
    if jwk.get("crv") != _CURVES[kind]:
        raise KeyFileError(f"{name}: holds a {jwk.get('crv')} key, {kind.name} is needed here")
    # The public half follows from the secret: what the file says of it is not asked.
    return from_secret(kind, _base64url_bytes(jwk["d"]))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _base64url_bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
