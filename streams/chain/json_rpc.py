"""A chain's JSON-RPC as it is, without web3: that takes a second to import, and shapes answers.

Source: ethereum.github.io/execution-apis (JSON-RPC 2.0 over HTTP).
"""

from typing import Any, Final
from urllib.parse import urlsplit

import requests

from streams import limits

# W3bStream's names of chains, by EIP-155's id (chainlist.org), of those that are EVM chains.
NAMES: Final = {
    "ethereum-mainnet": 1, "goerli": 5, "op-mainnet": 10, "conflux-espace-testnet": 71,
    "polygon-mainnet": 137, "zksync-era-testnet": 280, "zksync-era-mainnet": 324,
    "op-goerli": 420, "conflux-espace-mainnet": 1030, "iotex-mainnet": 4689,
    "iotex-testnet": 4690, "base-mainnet": 8453, "arbitrum-one": 42161, "mumbai": 80001,
    "base-goerli": 84531, "arbitrum-goerli": 421613,
}  # fmt: skip


class RpcError(LookupError):
    """The chain answered, and refused; says why."""


class ChainAway(OSError):
    """The chain did not answer; without what may be secret in its address."""


class JsonRpc:
    """One chain. For any thread.

    Raises (all calls):
        RpcError: it refused. ChainAway: it did not answer in time.
    """

    def __init__(self, rpc_url: str, timeout_s: float = limits.CHAIN_TIMEOUT_S) -> None:
        self._url = rpc_url
        self._timeout_s = timeout_s

    def call(self, method: str, *params: object) -> Any:
        """A call's result, as the JSON has it; null is None."""
        body: Any = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            answer = requests.post(self._url, json=body, timeout=self._timeout_s).json()
        except (requests.RequestException, ValueError) as error:
            raise ChainAway(
                f"no answer from {host_of(self._url)}: {type(error).__name__}"
            ) from None
        if not isinstance(answer, dict) or "result" not in answer:
            said = answer.get("error") if isinstance(answer, dict) else None
            raise RpcError(str(said.get("message", said)) if isinstance(said, dict) else str(said))
        return answer["result"]


def chain_id_of(name: str) -> int:
    """The id of a chain that is given by its id or by W3bStream's name.

    Raises:
        LookupError: it is neither.
    """
    if name.isascii() and name.isdigit() and len(name) < 20:
        return int(name)
    if name in NAMES:
        return NAMES[name]
    raise LookupError(f"no chain {name[:64]!r}: give its EIP-155 id, or one of {', '.join(NAMES)}")


def host_of(rpc_url: str) -> str:
    """A chain's host and port: the rest of its URL may be a secret (an API key)."""
    return urlsplit(rpc_url).netloc.rpartition("@")[2]
