"""What programs ask a chain while their event runs: ``ws_call_contract``.

It is the one question whose answer does not follow from the log: asked again, as when a batch is
run again after a crash, a chain may answer otherwise. That is sound for a node alone, because the
answer is used within the transaction that commits what came of it: of a run that did not commit
nothing stays. Nodes that have to agree would need the answer in the log.
"""

import re
import struct
import threading
from collections.abc import Mapping
from typing import Any, Final

import orjson

from streams import limits
from streams.chain.json_rpc import ChainAway, JsonRpc, RpcError
from streams.clock import Clock

_CHAIN_ID: Final = struct.Struct("<I")
_FAILED: Final = -1
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_HEX: Final = re.compile(r"0x([0-9a-fA-F]{2})*")


class ContractCalls:
    """``eth_call`` at the latest block, on the chains that the node knows. For any thread.

    Args:
        own_url: the RPC of the node's own chain, which is asked once for its id.
        urls: of further chains, by id.
        clock: a chain that did not answer is left alone for a while, because each event of a batch
            might wait for it.
    """

    def __init__(self, own_url: str, urls: Mapping[int, str], clock: Clock) -> None:
        self._own = _rpc(own_url)
        self._chains = {chain_id: _rpc(url) for chain_id, url in urls.items()}
        self._knows_own = False
        self._clock = clock
        self._away_until_s: dict[int, float] = {}
        self._lock = threading.Lock()

    def answer(self, time_ms: int, seed: bytes, body: bytes) -> tuple[int, bytes]:
        """An answer to ``Ask.CALL_CONTRACT``: 0 and the bytes that were returned, or -1 and why."""
        (chain_id,) = _CHAIN_ID.unpack_from(body)
        if self._away_until_s.get(chain_id, 0.0) > self._clock.monotonic_s():
            return _FAILED, f"chain {chain_id} did not answer a moment ago".encode()
        try:
            call = orjson.loads(body[_CHAIN_ID.size :])
            return 0, self._called(chain_id, call)
        except (ValueError, LookupError) as error:  # RpcError among them
            return _FAILED, str(error).encode()
        except ChainAway as error:
            self._away_until_s[chain_id] = self._clock.monotonic_s() + limits.CALL_PAUSE_S
            return _FAILED, str(error).encode()

    def _called(self, chain_id: int, call: Any) -> bytes:
        given = call if isinstance(call, dict) else {}
        to, data = (_with_prefix(str(given.get(name) or "")) for name in ("to", "data"))
        if not _ADDRESS.fullmatch(to):
            raise ValueError("`to` is no address: it has to be 0x and 40 hexadecimal digits")
        if not _HEX.fullmatch(data):
            raise ValueError("`data` is not hexadecimal")
        returned = self._chain(chain_id).call("eth_call", {"to": to, "data": data}, "latest")
        if not isinstance(returned, str) or not _HEX.fullmatch(returned):
            raise RpcError("the chain's answer is not hexadecimal")
        answer = bytes.fromhex(returned[2:])
        if len(answer) > limits.CALL_ANSWER_BYTES_MAX:
            raise ValueError(f"the answer has over {limits.CALL_ANSWER_BYTES_MAX} bytes")
        return answer

    def _chain(self, chain_id: int) -> JsonRpc:
        if chain_id not in self._chains and not self._knows_own:
            own_id = int(self._own.call("eth_chainId"), 16)
            with self._lock:
                self._chains[own_id] = self._own
                self._knows_own = True
        if chain_id not in self._chains:
            raise LookupError(
                f"this node knows no chain {chain_id}: its operator can name one in chain_rpc_urls"
            )
        return self._chains[chain_id]


def _rpc(url: str) -> JsonRpc:
    return JsonRpc(url, limits.CALL_TIMEOUT_S)


def _with_prefix(text: str) -> str:
    return text if text.startswith("0x") else f"0x{text}"
