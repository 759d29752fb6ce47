"""Keys at rest: sealed, found again, taken over from the clear, rotated, and never half."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.wallet.did import KeyKind
from streams.wallet.keys import KeyFileError, load_or_create, load_or_create_secret
from streams.wallet.sealing import Keyring, SealError, seal, unseal
from streams.wallet.store import SealedFiles, make_keyring, open_keyring, write_keyring

KEYRING = Keyring.make(b"correct horse")  # one derivation for all tests that need no other


@pytest.fixture
def store(tmp_path: Path) -> SealedFiles:
    return SealedFiles(tmp_path, KEYRING)


@pytest.mark.parametrize("kind", KeyKind)
def test_a_key_is_made_once_and_lies_sealed(
    store: SealedFiles, tmp_path: Path, kind: KeyKind
) -> None:
    (key,) = store.keys("node", kind)
    (again,) = SealedFiles(tmp_path, KEYRING).keys("node", kind)
    assert again.secret_bytes == key.secret_bytes
    (file,) = tmp_path.iterdir()
    assert (file.name, stat.S_IMODE(file.stat().st_mode)) == ("node.jwe", 0o600)
    assert key.secret_bytes not in file.read_bytes()
    other = next(one for one in KeyKind if one is not kind)
    with pytest.raises(KeyFileError, match="is needed here"):
        store.keys("node", other)


def test_what_is_not_to_be_made_is_not(store: SealedFiles, tmp_path: Path) -> None:
    assert store.keys("operators/alice", KeyKind.SECP256K1, make=False) == []
    assert list(tmp_path.iterdir()) == []
    for name in ("../node", "a/b/c", "", "a.b"):
        with pytest.raises(KeyFileError, match="is no name"):
            store.secrets(name)


def test_keys_in_the_clear_are_taken_over(store: SealedFiles, tmp_path: Path) -> None:
    pem = tmp_path / "operators" / "alice.pem"
    key = load_or_create(pem, KeyKind.SECP256K1)
    secret = load_or_create_secret(tmp_path / "tokens.key")
    assert store.names("operators") == ["alice"]
    assert store.keys("operators/alice", KeyKind.SECP256K1)[0].secret_bytes == key.secret_bytes
    assert store.secrets("tokens") == [secret]
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    assert left == ["operators/alice.jwe", "tokens.jwe"]
    assert store.names("operators") == ["alice"]


def test_a_takeover_that_was_cut_short_is_finished_and_another_key_is_no_takeover(
    store: SealedFiles, tmp_path: Path
) -> None:
    pem = tmp_path / "node.pem"
    load_or_create(pem, KeyKind.ED25519)
    kept = pem.read_bytes()
    (key,) = store.keys("node", KeyKind.ED25519)
    pem.write_bytes(kept)
    pem.chmod(0o600)
    assert SealedFiles(tmp_path, KEYRING).keys("node", KeyKind.ED25519)[0].did == key.did
    assert not pem.exists()
    load_or_create(pem, KeyKind.ED25519)
    with pytest.raises(KeyFileError, match="another key lies beside"):
        SealedFiles(tmp_path, KEYRING).keys("node", KeyKind.ED25519)
    pem.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        SealedFiles(tmp_path, KEYRING).keys("node", KeyKind.ED25519)


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    load_or_create(tmp_path / "old.pem", KeyKind.ED25519)

    def start(_: int) -> tuple[str, str]:
        store = SealedFiles(tmp_path, KEYRING)
        return tuple(store.keys(name, KeyKind.ED25519)[0].did for name in ("old", "new"))  # type: ignore[return-value]

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(start, range(16)))) == 1


def test_a_rotation_is_seen_by_those_at_work_and_keeps_the_key_before(
    store: SealedFiles, tmp_path: Path
) -> None:
    (before,) = store.keys("node", KeyKind.ED25519)
    (secret,) = store.secrets("tokens")
    SealedFiles(tmp_path, KEYRING).rotate("node")
    SealedFiles(tmp_path, KEYRING).rotate("tokens", keep=False)
    new, kept = store.keys("node", KeyKind.ED25519)
    assert new.did != kept.did == before.did
    assert secret not in store.secrets("tokens")
    with pytest.raises(KeyFileError, match="nothing to rotate"):
        store.rotate("nobody")


def test_a_sealed_file_is_of_its_name_and_whole(store: SealedFiles, tmp_path: Path) -> None:
    store.keys("authority", KeyKind.SECP256K1)
    store.keys("operator", KeyKind.SECP256K1)
    (tmp_path / "operator.jwe").write_bytes((tmp_path / "authority.jwe").read_bytes())
    with pytest.raises(KeyFileError, match="sealed as 'authority'"):
        SealedFiles(tmp_path, KEYRING).keys("operator", KeyKind.SECP256K1)
    with pytest.raises(KeyFileError, match="another key, or damaged"):
        SealedFiles(tmp_path, Keyring(bytes(32), ())).keys("authority", KeyKind.SECP256K1)
    (tmp_path / "authority.jwe").chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        SealedFiles(tmp_path, KEYRING).keys("authority", KeyKind.SECP256K1)


@given(st.integers(0, 200), st.binary(min_size=1, max_size=1))
def test_no_changed_byte_opens(at: int, byte: bytes) -> None:
    sealed = seal(b"secret", bytes(32), "name").encode()
    changed = sealed[:at] + byte + sealed[at + 1 :]
    try:
        assert unseal(changed.decode("ascii", "replace"), bytes(32), "name") == b"secret"
    except SealError:
        assert changed != sealed


@pytest.mark.usefixtures("quick_derivation")
def test_another_passphrase_opens_the_same_keyring(tmp_path: Path) -> None:
    assert open_keyring(tmp_path, [b"first"]) is None
    first = make_keyring(tmp_path, b"first")
    sealed = first.seal(b"secret", "name")
    with pytest.raises(KeyFileError, match="does not open it"):
        open_keyring(tmp_path, [b"second"])
    both = first.with_slot(b"second")
    write_keyring(tmp_path, both)
    for passphrase in (b"first", b"second"):
        keyring = open_keyring(tmp_path, [passphrase])
        assert keyring is not None
        assert keyring.unseal(sealed, "name") == b"secret"
    write_keyring(tmp_path, both.with_first_slot_only())
    with pytest.raises(KeyFileError, match="does not open it"):
        open_keyring(tmp_path, [b"first"])
    assert repr(both) == "Keyring(2 slots)"


def test_a_passphrase_costs_what_rfc_9106_recommends() -> None:
    (slot,) = json.loads(KEYRING.encode())["slots"]
    cost = [slot[name] for name in ("kdf", "memory_kib", "passes", "lanes")]
    assert cost == ["argon2id", 64 * 1024, 3, 4]


@given(st.binary(max_size=60))
@settings(max_examples=50)
def test_what_is_no_keyring_says_so(data: bytes) -> None:
    for file in (data, b'{"slots":[' + data + b"]}"):
        with pytest.raises(SealError, match="not a keyring"):
            Keyring.open(file, b"x")
