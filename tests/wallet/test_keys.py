"""Key files: private, whole, made once."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams.wallet.did import KeyKind
from streams.wallet.keys import KeyFileError, load, load_or_create, load_or_create_secret


@pytest.mark.parametrize("kind", KeyKind)
def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path, kind: KeyKind) -> None:
    path = tmp_path / "keys" / "node.pem"
    key = load_or_create(path, kind)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create(path, kind).secret_bytes == key.secret_bytes
    assert list(path.parent.iterdir()) == [path]
    assert key.secret_bytes.hex() not in repr(key)


def test_two_that_create_at_once_get_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "node.pem"
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: load_or_create(path, KeyKind.SECP256K1), range(16)))
    assert len({key.secret_bytes for key in keys}) == 1


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "node.pem"
    load_or_create(path, KeyKind.ED25519)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load(path, KeyKind.ED25519)


def test_unusable_files_say_why(tmp_path: Path) -> None:
    path = tmp_path / "node.pem"
    with pytest.raises(KeyFileError, match="No such file"):
        load(path, KeyKind.ED25519)
    load_or_create(path, KeyKind.SECP256K1)
    with pytest.raises(KeyFileError, match="holds a SECP256K1 key, ED25519 is needed"):
        load(path, KeyKind.ED25519)
    path.write_text("no key")
    with pytest.raises(KeyFileError, match="not an unencrypted PKCS#8 PEM key"):
        load(path, KeyKind.SECP256K1)


def test_a_shared_secret(tmp_path: Path) -> None:
    path = tmp_path / "tokens.key"
    secret = load_or_create_secret(path)
    assert len(secret) == 32
    assert load_or_create_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("short")
    with pytest.raises(KeyFileError, match="not 64 hex digits"):
        load_or_create_secret(path)
