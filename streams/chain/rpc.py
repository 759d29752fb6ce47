"""What a submitter asks of a chain, over JSON-RPC; web3 behind it."""

from typing import Any, Final

from eth_utils.crypto import keccak
from web3 import Web3
from web3.exceptions import Web3Exception
from web3.providers import BaseProvider
from web3.types import RPCEndpoint, TxParams, Wei

from streams import limits
from streams.chain.nonces import Fees
from streams.chain.transactions import Queued, Receipt

_LOCAL_FUNDS_WEI: Final = 10**21
_LOCAL_FUNDS_LOW_WEI: Final = 10**20


class ChainRpc:
    """One chain.

    Raises (all calls):
        Web3Exception: the chain refused; `words` says why.
        requests.RequestException, OSError: it is away.
    """

    def __init__(self, provider: BaseProvider) -> None:
        self.web3 = Web3(provider)

    def chain_id(self) -> int:
        """EIP-155's id."""
        return self.web3.eth.chain_id

    def nonce(self, sender: bytes) -> int:
        """How many transactions of an address are mined."""
        return self.web3.eth.get_transaction_count(Web3.to_checksum_address(sender), "latest")

    def head(self) -> tuple[int, Fees]:
        """The latest block's number, and fees that should do for the next ones (EIP-1559)."""
        block = self.web3.eth.get_block("latest")
        tip_wei = int(self.web3.eth.max_priority_fee)
        return int(block["number"]), Fees(2 * int(block["baseFeePerGas"]) + tip_wei, tip_wei)

    def code_hash(self, address: bytes) -> bytes | None:
        """Keccak-256 of the code at an address; None where there is none."""
        code = bytes(self.web3.eth.get_code(Web3.to_checksum_address(address)))
        return keccak(code) if code else None

    def receipt(self, transaction: bytes) -> Receipt | None:
        """What became of a transaction; None if it is not mined."""
        answer = self._call("eth_getTransactionReceipt", Web3.to_hex(transaction))
        if answer is None:
            return None
        return Receipt(
            block=int(answer["blockNumber"], 16),
            block_hash=bytes.fromhex(answer["blockHash"][2:]),
            gas_used=int(answer["gasUsed"], 16),
            succeeded=int(answer["status"], 16) == 1,
        )

    def gas(self, sender: bytes, call: Queued) -> int:
        """What a call would use; raises if it would fail."""
        transaction: TxParams = {
            "from": Web3.to_checksum_address(sender),
            "to": Web3.to_checksum_address(call.target),
            "data": Web3.to_hex(call.data),
            "value": Wei(call.value_wei),
        }
        return self.web3.eth.estimate_gas(transaction)

    def send(self, raw: bytes) -> None:
        """Give signed bytes to the pool."""
        self._call("eth_sendRawTransaction", Web3.to_hex(raw))

    def fund(self, address: bytes) -> None:
        """On this machine's own chain: see that an address can pay."""
        shown = Web3.to_checksum_address(address)
        if self.web3.eth.get_balance(shown) < _LOCAL_FUNDS_LOW_WEI:
            self._call("anvil_setBalance", shown, hex(_LOCAL_FUNDS_WEI))

    def _call(self, method: str, *params: str) -> Any:
        # Past web3's own methods: its answers to these are shaped, and raise where one is null.
        return self.web3.manager.request_blocking(RPCEndpoint(method), list(params))


def http_provider(rpc_url: str) -> BaseProvider:
    """JSON-RPC over HTTP that fails in time and leaves trying again to its caller."""
    return Web3.HTTPProvider(
        rpc_url,
        request_kwargs={"timeout": limits.CHAIN_TIMEOUT_S},
        exception_retry_configuration=None,
    )


def words(error: Web3Exception) -> str:
    """Why the chain refused, in its own words."""
    response = getattr(error, "rpc_response", None)
    if isinstance(response, dict) and isinstance(response.get("error"), dict):
        return str(response["error"].get("message", error))
    return str(getattr(error, "message", None) or error)
