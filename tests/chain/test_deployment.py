"""Where the contract is: known before the chain is, kept over restarts, never guessed."""

from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address

from streams.chain import deployment as deploying
from streams.chain.deployment import Deployment, DeploymentError, create2_address, load, resolve

OWNER, AUTHORITY, OTHER = bytes([1]) * 20, bytes([2]) * 20, bytes([3]) * 20


def resolved(path: Path, chain_id: int = 31337, contract: bytes | None = None) -> Deployment:
    return resolve(
        path, chain_id, owner=OWNER, authorities=[OTHER, AUTHORITY], threshold=2, contract=contract
    )


def test_address_follows_eip_1014(monkeypatch: pytest.MonkeyPatch) -> None:
    # EIP-1014's own example: deployer 0xdeadbeef…, salt 0, code 0x00.
    monkeypatch.setattr(
        deploying, "FACTORY", bytes.fromhex("deadbeef00000000000000000000000000000000")
    )
    expected = "0xB928f69Bb1D91Cd65274e3c79d8986362984fDA3"
    assert to_checksum_address(create2_address(b"\x00")) == expected


def test_is_recorded_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "chain" / "deployment.json"
    made = resolved(path)
    assert load(path) == resolved(path) == made
    assert made.contract == create2_address(made.creation_code)
    assert made.domain().chain_id == 31337


def test_the_record_outlives_a_change_of_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = resolved(tmp_path / "deployment.json")
    monkeypatch.setattr(deploying, "creation_code", lambda *_: b"of another version")
    assert resolved(tmp_path / "deployment.json") == made


def test_a_given_contract_is_not_deployed(tmp_path: Path) -> None:
    made = resolved(tmp_path / "deployment.json", contract=OTHER)
    assert (made.contract, made.creation_code) == (OTHER, b"")
    assert load(tmp_path / "deployment.json") == made


def test_order_of_authorities_does_not_matter(tmp_path: Path) -> None:
    made = resolved(tmp_path / "deployment.json")
    assert made.contract == create2_address(deploying.creation_code(OWNER, [AUTHORITY, OTHER], 2))


@pytest.mark.parametrize(
    ("chain_id", "contract", "why"),
    [(1, None, "is of chain 31337"), (31337, OTHER, "records the contract")],
)
def test_says_what_does_not_fit(
    tmp_path: Path, chain_id: int, contract: bytes | None, why: str
) -> None:
    resolved(tmp_path / "deployment.json")
    with pytest.raises(DeploymentError, match=why):
        resolved(tmp_path / "deployment.json", chain_id, contract)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "{", '{"chain_id": 1, "contract": "0x00", "creation_code": "0x", '
             '"code_hash": "0x"}', '{"chain_id": 1, "contract": "zz"}']
)  # fmt: skip
def test_says_when_a_record_is_damaged(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deployment.json"
    path.write_text(text)
    with pytest.raises(DeploymentError, match="not a deployment's record"):
        load(path)


def test_says_when_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="no node has run"):
        load(tmp_path / "deployment.json")
