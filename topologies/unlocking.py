"""How a node's wallet is opened: by a variable, a file or a prompt.

In this order: the setting ``wallet_passphrase`` (rather the variable), the file that
``wallet_passphrase_file`` names, ``DATA/wallet.passphrase``, and on a terminal the user. The first
that opens the wallet counts, so that another passphrase can be configured before it is in force.

There is no default passphrase. A wallet that is made where none is configured gets a random one in
``DATA/wallet.passphrase`` (mode 0600): then copies of ``keys/`` alone are worth nothing, while
whoever reads the whole data directory has the keys.
"""

import getpass
import secrets
import sys
import threading
from functools import lru_cache
from pathlib import Path
from typing import Final

from streams.wallet.keys import KeyFileError, create_private, read_private, replace_private
from streams.wallet.sealing import Keyring
from streams.wallet.store import (
    KeyStore,
    SealedFiles,
    has_keyring,
    make_keyring,
    open_keyring,
    write_keyring,
)
from topologies.config import Settings

VARIABLE: Final = "W3B_WALLET_PASSPHRASE"
_LOCAL: Final = "wallet.passphrase"
_RANDOM_BYTES: Final = 32
_opening: Final = threading.Lock()
_prompted: Final[dict[Path, bytes]] = {}  # what the user typed, by the folder of keys


def key_store(settings: Settings) -> KeyStore:
    """The node's keys; the wallet is opened with what the settings say, or made.

    Raises:
        KeyFileError: it cannot be opened; says how it could be.
    """
    with _opening:  # once, however many stages of a process ask for it as they start
        return _opened(settings.keys, _local(settings), tuple(_configured(settings)))


@lru_cache
def _opened(folder: Path, local: Path, configured: tuple[bytes, ...]) -> KeyStore:
    return SealedFiles(
        folder, _keyring(folder, local, configured) or _made(folder, local, configured)
    )


def _keyring(folder: Path, local: Path, configured: tuple[bytes, ...]) -> Keyring | None:
    if not has_keyring(folder):
        return None  # looked at first: who makes a wallet writes the passphrase before the keyring
    known = [*configured, *_local_passphrase(local)]
    if folder in _prompted:
        known.append(_prompted[folder])
    try:
        return open_keyring(folder, known)
    except KeyFileError as error:
        if not sys.stdin.isatty():
            raise KeyFileError(
                f"the wallet is locked ({error}): set {VARIABLE} or wallet_passphrase_file"
            ) from None
        typed = getpass.getpass(f"passphrase of the wallet in {folder}: ").encode()
        keyring = open_keyring(folder, [typed])
        _prompted[folder] = typed
        return keyring


def _made(folder: Path, local: Path, configured: tuple[bytes, ...]) -> Keyring:
    if configured:
        return make_keyring(folder, configured[0])
    create_private(local, _random)
    (passphrase,) = _local_passphrase(local)
    return make_keyring(folder, passphrase)


def for_children(settings: Settings) -> dict[str, str]:
    """Variables that let the node's processes open the wallet as this process did."""
    if settings.wallet_passphrase is not None:
        return {VARIABLE: settings.wallet_passphrase.get_secret_value()}
    typed = _prompted.get(settings.keys)
    return {} if typed is None else {VARIABLE: typed.decode()}


def make_wallet(settings: Settings, prompt: bool) -> str:
    """Make a wallet where there is none; says what opens it.

    Args:
        settings: with the passphrase, unless it is typed or is to be a random one.
        prompt: have the user type it.

    Raises:
        KeyFileError: there is one.
    """
    if has_keyring(settings.keys):
        raise KeyFileError(f"there is a wallet in {settings.keys}: `w3b wallet show` shows it")
    if prompt:
        _prompted[settings.keys] = typed = _typed_twice()
        make_keyring(settings.keys, typed)
    key_store(settings)
    return _what_opens(settings)


def rotate_passphrase(settings: Settings, prompt: bool) -> str:
    """Another passphrase opens the wallet from now on; says which.

    The typed one; or else a configured one that did not open it yet; or else a new random one in
    the file that did.

    Raises:
        KeyFileError: the wallet cannot be opened, or what opens it is not ours to change.
    """
    folder, local, configured = settings.keys, _local(settings), _configured(settings)
    keyring = _keyring(folder, local, tuple(configured))
    if keyring is None:
        raise KeyFileError(f"there is no wallet in {folder}: `w3b wallet init` makes one")
    file = None
    if prompt:
        new = _typed_twice()
        _prompted[folder] = new
    elif configured and not _opens(folder, configured[0]):
        new = configured[0]
    elif settings.wallet_passphrase is not None or folder in _prompted:
        raise KeyFileError(
            "the passphrase is a variable or typed, which this command cannot change: change it "
            "with --prompt, then the variable, and start the node again"
        )
    else:
        file, new = settings.wallet_passphrase_file or local, _random().strip()
    both = keyring.with_slot(new)
    write_keyring(folder, both)
    if file is not None:
        replace_private(file, new + b"\n")
    write_keyring(folder, both.with_first_slot_only())
    if file != local:
        local.unlink(missing_ok=True)
    return _what_opens(settings)


def _opens(folder: Path, passphrase: bytes) -> bool:
    try:
        return open_keyring(folder, [passphrase]) is not None
    except KeyFileError:
        return False


def _what_opens(settings: Settings) -> str:
    if settings.keys in _prompted:
        return "the passphrase that you typed; nothing else has it"
    if settings.wallet_passphrase is not None:
        return "the setting wallet_passphrase"
    if settings.wallet_passphrase_file is not None:
        return f"the passphrase in {settings.wallet_passphrase_file}"
    return (
        f"the passphrase in {_local(settings)}: it protects copies of {settings.keys} alone, not "
        "against who reads both"
    )


def _configured(settings: Settings) -> list[bytes]:
    """What the settings say, in order of precedence."""
    found = []
    if settings.wallet_passphrase is not None:
        found.append(settings.wallet_passphrase.get_secret_value().encode())
    if (file := settings.wallet_passphrase_file) is not None:
        try:
            found.append(file.read_bytes().strip(b"\r\n"))
        except OSError as error:
            raise KeyFileError(f"{file}: {error.strerror}") from None
        if not found[-1]:
            raise KeyFileError(f"{file}: is empty; put a passphrase into it")
    return found


def _local(settings: Settings) -> Path:
    return settings.data / _LOCAL


def _local_passphrase(local: Path) -> list[bytes]:
    return [read_private(local).strip(b"\r\n")] if local.exists() else []


def _random() -> bytes:
    return secrets.token_urlsafe(_RANDOM_BYTES).encode() + b"\n"


def _typed_twice() -> bytes:
    if not sys.stdin.isatty():
        raise KeyFileError("there is no terminal to ask on")
    first = getpass.getpass("new passphrase: ")
    if not first or getpass.getpass("once more: ") != first:
        raise KeyFileError("the two are not the same, or are empty: nothing was changed")
    return first.encode()
