"""A chain that tests may stop, kill, wipe and set back; and commitments to put on it."""

import dataclasses
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from web3 import Web3
from web3.types import RPCEndpoint

from streams.chain.deployment import Deployment, resolve
from streams.chain.sender import ChainSettings
from streams.commitments import Checkpoint, Commitment, Domain, address_of, sign
from streams.delivery.batch import Slice, pack_records
from topologies.components import chain

if TYPE_CHECKING:
    from tests.chain.living import Living

AUTHORITY = sha256(b"authority").digest()
OPERATOR = sha256(b"operator").digest()


class Anvil:
    """An anvil process on one port, with its state in memory.

    `LOGGER` is where `log` puts a contract that logs its input, whose first word is the topic.
    """

    LOGGER = "0x" + "70" * 20
    _LOGGER_CODE = "0x3660006000376000353660" + "00a100"

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.rpc_url = f"http://127.0.0.1:{self.port}"
        self.web3 = Web3(Web3.HTTPProvider(self.rpc_url, exception_retry_configuration=None))
        self._argv = chain.child(folder, self.port).argv
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        self._process = subprocess.Popen([*self._argv, *arguments])
        deadline = time.monotonic() + 20
        while not self.web3.is_connected():
            assert time.monotonic() < deadline, "anvil did not start"
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def log(self, topic: str) -> str:
        """A block with a log of this topic; the transaction's hash."""
        self.call("anvil_setCode", self.LOGGER, self._LOGGER_CODE)
        account = self.call("eth_accounts")[0]
        return str(
            self.call("eth_sendTransaction", {"from": account, "to": self.LOGGER, "data": topic})
        )

    def mine(self, blocks: int) -> None:
        self.call("anvil_mine", hex(blocks))

    def reorganise(self, depth: int) -> None:
        """The last blocks give way to empty ones."""
        self.call("anvil_reorg", depth, [])

    def call(self, method: str, *params: object) -> Any:
        answer = self.web3.provider.make_request(RPCEndpoint(method), list(params))
        assert "error" not in answer, answer
        return answer["result"]

    def dump(self) -> str:
        return str(self.web3.provider.make_request("anvil_dumpState", [])["result"])

    def load(self, state: str) -> None:
        assert self.web3.provider.make_request("anvil_loadState", [state])["result"] is True


def settings_of(anvil: Anvil) -> ChainSettings:
    return ChainSettings(anvil.rpc_url, chain.CHAIN_ID, local=True, confirmations=1)


@pytest.fixture
def anvil(tmp_path: Path) -> Iterator[Anvil]:
    made = Anvil(tmp_path / "chain")
    made.start()
    yield made
    made.kill()


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return resolve(
        tmp_path / "deployment.json",
        chain.CHAIN_ID,
        owner=address_of(OPERATOR),
        authorities=[address_of(AUTHORITY)],
        threshold=1,
    )


@pytest.fixture
def fresh_dapp() -> str:
    """A name that no other test of this session has used on a shared chain."""
    return f"dapp_{secrets.token_hex(8)}"


def checkpoint_of(dapp: str) -> Checkpoint:
    return Checkpoint(
        dapp=dapp,
        epoch=7,
        partitions=4,
        program=sha256(b"program").digest(),
        input_root=sha256(b"input").digest(),
        claims_root=sha256(b"claims").digest(),
        state_root=sha256(b"state").digest(),
        messages=100_000,
        repeats=11,
        dead=3,
        results=4_000,
        claims=250,
    )


def commitments_of(dapp: str, domain: Domain, epochs: int) -> list[Commitment]:
    """Epochs of a Dapp from 0 on, signed by the only authority."""
    made = [dataclasses.replace(checkpoint_of(dapp), epoch=epoch) for epoch in range(epochs)]
    return [Commitment(one, domain, (sign(one.digest(domain), AUTHORITY),)) for one in made]


def proofs(commitments: Sequence[Commitment], first_offset: int) -> Slice:
    """The slice of topic ``proofs`` that holds these records."""
    values = [one.encode() for one in commitments]
    offsets = range(first_offset, first_offset + len(values))
    packed = pack_records([one.key() for one in commitments], values, offsets, [0] * len(values))
    return Slice("proofs", 0, first_offset, offsets[-1] + 1, len(values), packed, 1)


@pytest.fixture
def checkpoint(fresh_dapp: str) -> Checkpoint:
    return checkpoint_of(fresh_dapp)


@pytest.fixture
def certify(checkpoint: Checkpoint) -> Callable[[Domain, int], Commitment]:
    """An epoch of the test's Dapp, signed by the only authority."""

    def make(domain: Domain, epoch: int) -> Commitment:
        made = dataclasses.replace(checkpoint, epoch=epoch)
        return Commitment(made, domain, (sign(made.digest(domain), AUTHORITY),))

    return make


@pytest.fixture
def sender(tmp_path: Path, certify: Callable[[Domain, int], Commitment]) -> Iterator["Living"]:
    from tests.chain.living import Living

    made = Living(tmp_path, certify)
    yield made
    made.journal.close()
