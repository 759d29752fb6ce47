"""The senders of a node: one for each operator's key on each chain that it sends to.

Commitments and what programs ask for share a sender where they share a key and a chain: two would
race for its nonces. The stages `submit` and `act` run in one process and are handed the same
`Senders`, which outlive both.
"""

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from streams.chain.running import RunningSender
from streams.chain.sender import ChainSettings
from streams.commitments import address_of
from streams.wallet.did import KeyKind
from topologies.components import chain
from topologies.config import Settings
from topologies.parts.contract import deployment, node_key
from topologies.unlocking import key_store
from topologies.wiring import Wiring

DEFAULT_OPERATOR: Final = "default"
_OPERATOR: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OPERATORS: Final = "operators"

# Blocks after which a transaction counts as settled. The local chain mines on demand: the block
# that would confirm the last one may never come.
_CONFIRMATIONS_LOCAL: Final = 1
_CONFIRMATIONS: Final = 2


class NoSender(LookupError):
    """The node has no such operator, or does not know such a chain; says what to do."""


class Senders:
    """Makes each sender when it is first asked for. For any thread.

    Its methods may block until the chain has said once which one it is.
    """

    def __init__(self, wiring: Wiring) -> None:
        self._settings = wiring.settings
        self._clock = wiring.clock
        self._lock = threading.Lock()
        self._senders: dict[tuple[int, bytes], RunningSender] = {}  # by chain and account

    @property
    def trouble(self) -> str | None:
        """Why one of them sends nothing, or None."""
        return next((one.trouble for one in list(self._senders.values()) if one.trouble), None)

    def of_commitments(self) -> RunningSender:
        """The one that has the contract: the default operator's on the node's own chain.

        Raises:
            JournalError, KeyFileError, DeploymentError: it cannot be made.
        """
        return self.sender(deployment(self._settings).chain_id, DEFAULT_OPERATOR)

    def sender(self, chain_id: int, operator: str) -> RunningSender:
        """An operator's sender on a chain.

        Raises:
            NoSender: there is no such operator or chain.
            JournalError, KeyFileError, DeploymentError: it cannot be made.
        """
        secret = operator_key(self._settings, operator)
        key = chain_id, address_of(secret)  # two names of one key are one sender
        with self._lock:
            if key not in self._senders:
                self._senders[key] = self._make(chain_id, secret)
            return self._senders[key]

    def all(self) -> list[RunningSender]:
        """Those at work; those that a journal from before has work for are made first."""
        self.of_commitments()
        operators = [DEFAULT_OPERATOR, *key_store(self._settings).names(_OPERATORS)]
        for chain_id in chain_urls(self._settings, deployment(self._settings).chain_id):
            for operator in operators:
                address = address_of(operator_key(self._settings, operator))
                if self._journal(chain_id, address).exists():
                    self.sender(chain_id, operator)
        return self.made()

    def made(self) -> list[RunningSender]:
        """Those at work."""
        return list(self._senders.values())

    def close(self) -> None:
        """Let each finish its present step. Blocks."""
        for one in self._senders.values():
            one.close()

    def _journal(self, chain_id: int, address: bytes) -> Path:
        return self._settings.data / f"senders/{chain_id}-0x{address.hex()}.sqlite"

    def _make(self, chain_id: int, secret: bytes) -> RunningSender:
        contract = deployment(self._settings)
        rpc_url = chain_urls(self._settings, contract.chain_id).get(chain_id)
        if rpc_url is None:
            raise NoSender(
                f"this node knows no chain {chain_id}: its operator can name one in chain_rpc_urls"
            )
        local = chain_id == chain.CHAIN_ID
        settings = ChainSettings(
            rpc_url,
            chain_id,
            local,
            confirmations=_CONFIRMATIONS_LOCAL if local else _CONFIRMATIONS,
            deploys=self._settings.deploy_contract,
        )
        owner = operator_key(self._settings, DEFAULT_OPERATOR)
        if (chain_id, secret) == (contract.chain_id, owner):
            journal = self._settings.data / "submit.sqlite"
            return RunningSender(settings, journal, secret, self._clock, contract)
        journal = self._journal(chain_id, address_of(secret))
        return RunningSender(settings, journal, secret, self._clock)


def chain_urls(settings: Settings, own_chain_id: int) -> Mapping[int, str]:
    """The RPC of every chain that the node may speak to, by EIP-155's id."""
    assert settings.chain_rpc_url is not None
    return {**settings.chain_rpc_urls, own_chain_id: settings.chain_rpc_url}


def operator_key(settings: Settings, operator: str) -> bytes:
    """The secret of an operator's key, 32 bytes: ``default`` is the node's own.

    Raises:
        NoSender: the node has no key of that name.
        KeyFileError: it cannot be had from the wallet, or is of another kind.
    """
    if operator == DEFAULT_OPERATOR:
        return node_key(settings, "operator")
    if not _OPERATOR.fullmatch(operator):
        raise NoSender("an operator's name is 1 to 64 letters, digits or any of _ -")
    keys = key_store(settings).keys(f"{_OPERATORS}/{operator}", KeyKind.SECP256K1, make=False)
    if not keys:
        raise NoSender(
            f"this node has no operator named {operator}: its operator can put a secp256k1 key "
            f"into keys/{_OPERATORS}/{operator}.pem of its data directory"
        )
    return keys[0].secret_bytes
