"""Where the contract is, on which chain, and how it gets there.

The contract is made by CREATE2 (EIP-1014) through the factory that nearly every EVM chain has at
the same address (github.com/Arachnid/deterministic-deployment-proxy), so its address is known
before the chain is even reachable: authorities sign for it from the first epoch on, and a local
chain that was wiped gets the same contract at the same address again. The record in the data
directory keeps the creation code, so that this holds over an upgrade of the node as well.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
from eth_utils.crypto import keccak

from streams.chain.contract import code_hash, creation_code
from streams.commitments import ADDRESS_BYTES, CommitmentError, Domain, read_hex

FACTORY: Final = bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")
_SALT: Final = bytes(32)


class DeploymentError(RuntimeError):
    """The record, the settings and the chain do not fit together; says what to do."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One contract on one chain.

    ``creation_code`` is empty for a contract that was given by its address: this node cannot
    deploy it. ``code_hash`` is Keccak-256 of the code that has to lie there.
    """

    chain_id: int
    contract: bytes
    creation_code: bytes
    code_hash: bytes

    def domain(self) -> Domain:
        """What signatures are bound to."""
        return Domain(self.chain_id, self.contract)

    def deploy_data(self) -> bytes:
        """The call data for `FACTORY` that makes the contract."""
        return _SALT + self.creation_code


def resolve(
    path: Path,
    chain_id: int,
    *,
    owner: bytes,
    authorities: Sequence[bytes],
    threshold: int,
    contract: bytes | None = None,
) -> Deployment:
    """The deployment that the data directory records; recorded now if there is none.

    Args:
        path: the record, a JSON file.
        chain_id: EIP-155's id of the chain that the settings name.
        owner: who may change the authorities, 20 bytes.
        authorities: who signs, 20 bytes each.
        threshold: how many of them have to.
        contract: the address of a contract that exists already, 20 bytes.

    Raises:
        DeploymentError: the record is of another chain or contract, or cannot be read.
    """
    if path.exists():
        recorded = load(path)
        if recorded.chain_id != chain_id:
            raise DeploymentError(
                f"{path} is of chain {recorded.chain_id}, but the chain has id {chain_id}: "
                "use another data directory, or move that file away to start on this chain"
            )
        if contract not in (None, recorded.contract):
            raise DeploymentError(
                f"{path} records the contract 0x{recorded.contract.hex()}, the settings name "
                f"0x{contract.hex()}: change the setting, or move that file away"
            )
        return recorded
    if contract is not None:
        made = Deployment(chain_id, contract, b"", code_hash())
    else:
        code = creation_code(owner, sorted(authorities), threshold)
        made = Deployment(chain_id, create2_address(code), code, code_hash())
    _save(path, made)
    return made


def load(path: Path) -> Deployment:
    """The recorded deployment.

    Raises:
        DeploymentError: no such file, or not a deployment's record.
    """
    try:
        given = orjson.loads(path.read_bytes())
        made = Deployment(
            int(given["chain_id"]),
            *(read_hex(given[name], name) for name in ("contract", "creation_code", "code_hash")),
        )
    except FileNotFoundError as error:
        raise DeploymentError(
            f"{path} does not exist: no node has run on this data directory yet"
        ) from error
    except (ValueError, KeyError, TypeError, CommitmentError) as error:
        raise DeploymentError(f"{path} is not a deployment's record: {error}") from error
    if len(made.contract) != ADDRESS_BYTES:
        raise DeploymentError(f"{path} is not a deployment's record: contract is no address")
    return made


def create2_address(code: bytes) -> bytes:
    """Where the factory puts what this creation code makes (EIP-1014), 20 bytes."""
    return keccak(b"\xff" + FACTORY + _SALT + keccak(code))[12:]


def _save(path: Path, made: Deployment) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: stages that start together may all be about to write the same record.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(
            orjson.dumps(
                {
                    "chain_id": made.chain_id,
                    "contract": "0x" + made.contract.hex(),
                    "creation_code": "0x" + made.creation_code.hex(),
                    "code_hash": "0x" + made.code_hash.hex(),
                },
                option=orjson.OPT_INDENT_2,
            )
        )
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
