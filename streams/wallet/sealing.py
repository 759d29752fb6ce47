"""Secrets sealed under a passphrase.

A keyring file has a random key of 32 bytes, sealed under a key that Argon2id derives from the
passphrase; whatever else is secret is sealed under that random key. So the slow derivation is paid
once a process and not once a file, and another passphrase means another small file and touches no
secret. The keyring has a slot for each passphrase that opens it: two while one is being replaced,
so that a crash in between locks nobody out (as LUKS has it).

Sources: RFC 9106 (Argon2id, its second recommended choice of parameters); RFC 7516 (JWE), with
A256GCM, whose header is authenticated with the content.
"""

import base64
import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, Self

import msgspec
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

KEY_BYTES: Final = 32
_SALT_BYTES: Final = 16
_MEMORY_KIB: Final = 64 * 1024
_PASSES: Final = 3
_LANES: Final = 4
_ALGORITHMS: Final = ("dir", "A256GCM")
_SLOT: Final = "wallet slot"
# OpenSSL's threads are one pool: derivations that share it wait for each other for ever.
_deriving: Final = threading.Lock()


class SealError(ValueError):
    """What was sealed cannot be opened: another key, another name, or damaged bytes."""


class _Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    # Bounded, as the file says how much memory and time opening it takes.
    memory_kib: Annotated[int, msgspec.Meta(ge=8 * 4, le=1024 * 1024)]
    passes: Annotated[int, msgspec.Meta(ge=1, le=64)]
    lanes: Annotated[int, msgspec.Meta(ge=1, le=4)]
    salt: Annotated[str, msgspec.Meta(max_length=64)]
    sealed: Annotated[str, msgspec.Meta(max_length=4096)]
    kdf: Literal["argon2id"] = "argon2id"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    slots: Annotated[list[_Slot], msgspec.Meta(min_length=1, max_length=4)]


class Keyring:
    """A random key, and the slots that open it. Its repr shows neither."""

    def __init__(self, key: bytes, slots: Sequence[_Slot]) -> None:
        self._key = key
        self._slots = tuple(slots)

    @classmethod
    def make(cls, passphrase: bytes) -> Self:
        """A new random key, which ``passphrase`` opens."""
        return cls(secrets.token_bytes(KEY_BYTES), ()).with_slot(passphrase)

    @classmethod
    def open(cls, file: bytes, passphrase: bytes) -> Self:
        """The keyring in a file's bytes. Takes 64 MiB and a tenth of a second a slot.

        Raises:
            SealError: not such a file, or this passphrase does not open it.
        """
        try:
            slots = msgspec.json.decode(file, type=_File).slots
        except (msgspec.MsgspecError, ValueError) as error:
            raise SealError(f"not a keyring: {error}") from None
        for slot in slots:
            try:
                key = unseal(slot.sealed, _derive(slot, passphrase), _SLOT)
            except (SealError, ValueError):
                continue
            return cls(key, slots)
        raise SealError("the passphrase does not open it")

    def with_slot(self, passphrase: bytes) -> Self:
        """The same with one slot more, which ``passphrase`` opens; it comes first."""
        salt = base64.b64encode(secrets.token_bytes(_SALT_BYTES)).decode()
        slot = _Slot(_MEMORY_KIB, _PASSES, _LANES, salt, "")
        sealed = seal(self._key, _derive(slot, passphrase), _SLOT)
        return type(self)(self._key, (msgspec.structs.replace(slot, sealed=sealed), *self._slots))

    def with_first_slot_only(self) -> Self:
        """The same; what opened it by other slots does so no more."""
        return type(self)(self._key, self._slots[:1])

    def encode(self) -> bytes:
        """The file's bytes."""
        return msgspec.json.format(msgspec.json.encode(_File(list(self._slots))), indent=1) + b"\n"

    def seal(self, plain: bytes, name: str) -> str:
        """``plain`` as a compact JWE that opens by ``name`` only."""
        return seal(plain, self._key, name)

    def unseal(self, sealed: str, name: str) -> bytes:
        """What was sealed by this name.

        Raises:
            SealError: it was not, or not under this key.
        """
        return unseal(sealed, self._key, name)

    def __repr__(self) -> str:
        return f"Keyring({len(self._slots)} slots)"


def seal(plain: bytes, key: bytes, name: str) -> str:
    """A compact JWE (RFC 7516) under 32 bytes of key; ``name`` is its ``kid``."""
    header = {"alg": "dir", "enc": "A256GCM", "kid": name}
    return jwe.encrypt_compact(header, plain, OctKey.import_key(key), algorithms=_ALGORITHMS)


def unseal(sealed: str, key: bytes, name: str) -> bytes:
    """What `seal` sealed.

    Raises:
        SealError: under another key or name, or it was changed.
    """
    try:
        opened = jwe.decrypt_compact(sealed, OctKey.import_key(key), algorithms=_ALGORITHMS)
        header: Mapping[str, object] = opened.headers()
    except (JoseError, ValueError, TypeError):
        raise SealError("sealed under another key, or damaged") from None
    if header.get("kid") != name or opened.plaintext is None:
        raise SealError(f"sealed as {header.get('kid')!r}, not as {name!r}")
    return opened.plaintext


def _derive(slot: _Slot, passphrase: bytes) -> bytes:
    salt = base64.b64decode(slot.salt, validate=True)
    kdf = Argon2id(
        salt=salt, length=KEY_BYTES, iterations=slot.passes, lanes=slot.lanes,
        memory_cost=slot.memory_kib,
    )  # fmt: skip
    with _deriving:
        return kdf.derive(passphrase)
