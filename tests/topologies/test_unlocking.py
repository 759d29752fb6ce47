"""The wallet is opened by what an operator configures, and by nothing else."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from streams.wallet.did import KeyKind
from streams.wallet.keys import KeyFileError, load_or_create
from topologies import unlocking
from topologies.config import Settings
from topologies.unlocking import for_children, key_store, make_wallet, rotate_passphrase

pytestmark = pytest.mark.usefixtures("quick_derivation")


def _settings(data: Path, **more: Any) -> Settings:
    return Settings.load(data=data, **more)


def _did(settings: Settings) -> str:
    return key_store(settings).keys("identity", KeyKind.ED25519)[0].did


def test_a_node_from_before_keeps_its_keys_and_needs_no_prompt(tmp_path: Path) -> None:
    before = load_or_create(tmp_path / "keys/identity.pem", KeyKind.ED25519).did
    assert _did(_settings(tmp_path)) == before
    passphrase = tmp_path / "wallet.passphrase"
    assert stat.S_IMODE(passphrase.stat().st_mode) == 0o600
    assert len(passphrase.read_text()) > 40
    assert list(tmp_path.rglob("*.pem")) == []
    assert for_children(_settings(tmp_path)) == {}


def test_threads_and_processes_that_start_at_once_have_one_wallet(tmp_path: Path) -> None:
    settings = _settings(tmp_path)

    def start(number: int) -> str:
        if number % 4 == 0:
            unlocking._opened.cache_clear()  # as another process
        return _did(settings)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(start, range(12)))) == 1


def test_without_its_passphrase_a_wallet_is_locked(tmp_path: Path) -> None:
    settings = _settings(tmp_path, wallet_passphrase="correct horse")
    assert "wallet_passphrase" in make_wallet(settings, prompt=False)
    assert not (tmp_path / "wallet.passphrase").exists()
    assert for_children(settings) == {"W3B_WALLET_PASSPHRASE": "correct horse"}
    for wrong in (_settings(tmp_path), _settings(tmp_path, wallet_passphrase="wrong")):
        with pytest.raises(KeyFileError, match="wallet is locked"):
            key_store(wrong)
    with pytest.raises(KeyFileError, match="there is a wallet"):
        make_wallet(settings, prompt=False)
    with pytest.raises(KeyFileError, match="cannot change"):
        rotate_passphrase(settings, prompt=False)
    assert "correct horse" not in repr(settings)


def test_a_passphrase_is_rotated_and_moved_while_the_node_runs(tmp_path: Path) -> None:
    settings, local = _settings(tmp_path), tmp_path / "wallet.passphrase"
    did, before = _did(settings), local.read_bytes()
    rotate_passphrase(settings, prompt=False)
    assert local.read_bytes() != before
    assert _did(settings) == did

    file = tmp_path / "mounted"
    file.write_text("of the operator's own\n")
    moved = _settings(tmp_path, wallet_passphrase_file=file)
    assert _did(moved) == did  # configured before it is in force: the local one still opens
    rotate_passphrase(moved, prompt=False)
    assert not local.exists()
    assert file.read_text() == "of the operator's own\n"
    rotate_passphrase(moved, prompt=False)
    assert file.read_text() != "of the operator's own\n"
    unlocking._opened.cache_clear()  # as for a process that starts now
    with pytest.raises(KeyFileError, match="locked"):
        key_store(_settings(tmp_path, wallet_passphrase="of the operator's own"))


def test_an_empty_passphrase_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(KeyFileError, match="is empty"):
        key_store(_settings(tmp_path, wallet_passphrase_file=tmp_path / "empty"))
    assert not (tmp_path / "keys").exists()
