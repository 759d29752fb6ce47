"""A chain in memory behind web3's provider: it reorganises, forgets its pool, refuses cheap
replacements as real pools do, is away, and kills its caller before or after it has listened.

It knows the W3bStream contract only as far as a submitter can see it: the code at its address, and
whether a call of ``submit`` would still do something.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import requests
from eth_account.typed_transactions import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3.providers import BaseProvider

from streams.chain.deployment import FACTORY

CHAIN_ID = 31337
CODE = b"the contract's code"
GWEI = 10**9


class Killed(BaseException):
    """The caller dies here, as by kill -9."""


@dataclass(frozen=True)
class Transaction:
    hash: bytes
    nonce: int
    to: bytes
    data: bytes
    fee_wei: int
    tip_wei: int
    value_wei: int = 0


@dataclass
class Block:
    hash: bytes
    transactions: list[Transaction] = field(default_factory=list)


class ForgetfulChain(BaseProvider):
    """One account's chain.

    Attributes:
        before: called with each method's name before it is obeyed; may raise.
        after: the same after it was obeyed, its answer not yet given.
        reverts: call data that its contracts refuse.
        costs_too_much: whether no account can pay for a trial run.
        on_raw: called with the hash of each transaction that arrives.
    """

    def __init__(self, contract: bytes) -> None:
        super().__init__()
        self.contract = contract
        self.blocks = [Block(sha256(b"genesis").digest())]
        self.pool: dict[int, Transaction] = {}
        self.base_fee_wei = 10 * GWEI
        self.balance_wei = 10**21
        self.away = False
        self.reverts: set[bytes] = set()
        self.costs_too_much = False
        self.before: Callable[[str], None] = lambda method: None
        self.after: Callable[[str], None] = lambda method: None
        self.on_raw: Callable[[bytes], None] = lambda transaction: None
        self._forks = 0

    # --- what happens to it ----------------------------------------------------------------------

    def mine(self) -> None:
        """A block with what the pool has in unbroken order, at its fee."""
        block = Block(sha256(b"%d %d" % (len(self.blocks), self._forks)).digest())
        self.blocks.append(block)
        while (one := self.pool.get(self.nonce())) and one.fee_wei >= self.base_fee_wei:
            block.transactions.append(self.pool.pop(one.nonce))

    def reorganise(self, depth: int) -> None:
        """The last blocks give way to empty ones; their transactions are gone, not pooled."""
        self._forks += 1
        depth = min(depth, len(self.blocks) - 1)
        del self.blocks[len(self.blocks) - depth :]
        for _ in range(depth):
            self.blocks.append(Block(sha256(b"%d %d" % (len(self.blocks), self._forks)).digest()))

    def wipe(self) -> None:
        """Everything begins anew."""
        self._forks += 1
        self.blocks = [Block(sha256(b"genesis %d" % self._forks).digest())]
        self.pool = {}

    def spend_nonce(self, data: bytes) -> None:
        """Somebody else uses the account."""
        mark = sha256(b"stranger %d" % self.nonce()).digest()
        self.pool.pop(self.nonce(), None)
        self.blocks.append(
            Block(mark, [Transaction(mark, self.nonce(), self.contract, data, GWEI, GWEI)])
        )

    def mined(self) -> list[Transaction]:
        return [one for block in self.blocks for one in block.transactions]

    def nonce(self) -> int:
        return len(self.mined())

    def deployed(self) -> bool:
        return any(one.to == FACTORY for one in self.mined())

    # --- JSON-RPC --------------------------------------------------------------------------------

    def make_request(self, method: Any, params: Any) -> Any:
        self.before(method)
        if self.away:
            raise requests.ConnectionError("the chain is away")
        answer = getattr(self, f"_{method}")(*params)
        self.after(method)
        shape = answer if isinstance(answer, dict) and "error" in answer else {"result": answer}
        return {"jsonrpc": "2.0", "id": 1, **shape}

    def _eth_chainId(self) -> str:
        return hex(CHAIN_ID)

    def _eth_getBalance(self, address: str, block: str) -> str:
        return hex(self.balance_wei)

    def _eth_getTransactionCount(self, address: str, block: str) -> str:
        return hex(self.nonce())

    def _eth_getBlockByNumber(self, block: str, full: bool) -> dict[str, Any]:
        return {"number": hex(len(self.blocks) - 1), "baseFeePerGas": hex(self.base_fee_wei)}

    def _eth_maxPriorityFeePerGas(self) -> str:
        return hex(GWEI)

    def _eth_getCode(self, address: str, block: str) -> str:
        return "0x" + (CODE.hex() if self.deployed() else "")

    def _eth_call(self, call: dict[str, Any], block: str) -> str:
        new = all(one.data != bytes(HexBytes(call["data"])) for one in self.mined())
        return "0x" + int(new).to_bytes(32, "big").hex()

    def _eth_estimateGas(self, call: dict[str, Any], *block: Any) -> Any:
        if bytes(HexBytes(call["data"])) in self.reverts:
            return {"error": {"code": 3, "message": "execution reverted", "data": "0x"}}
        if self.costs_too_much:
            return _error("insufficient funds for gas * price + value")
        return hex(100_000)

    def _eth_getTransactionReceipt(self, wanted: str) -> dict[str, Any] | None:
        for number, block in enumerate(self.blocks):
            for one in block.transactions:
                if one.hash == bytes(HexBytes(wanted)):
                    return {
                        "blockNumber": hex(number),
                        "blockHash": "0x" + block.hash.hex(),
                        "gasUsed": hex(70_000),
                        "status": "0x1",
                    }
        return None

    def _eth_sendRawTransaction(self, raw: str) -> Any:
        given = self._decoded(bytes(HexBytes(raw)))
        self.on_raw(given.hash)
        if self.balance_wei < 10**15:
            return _error("insufficient funds for gas * price + value")
        if given.nonce < self.nonce():
            return _error("nonce too low")
        if given.fee_wei < self.base_fee_wei:
            return _error("max fee per gas less than block base fee")
        there = self.pool.get(given.nonce)
        if there is not None and there.hash == given.hash:
            return _error("already known")
        if there is not None and not (
            given.fee_wei * 10 >= there.fee_wei * 11 and given.tip_wei * 10 >= there.tip_wei * 11
        ):
            return _error("replacement transaction underpriced")
        self.pool[given.nonce] = given
        return "0x" + given.hash.hex()

    def _decoded(self, raw: bytes) -> Transaction:
        signed = TypedTransaction.from_bytes(HexBytes(raw))
        fields = signed.as_dict()
        return Transaction(
            hash=keccak(raw),
            nonce=int(fields["nonce"]),
            to=bytes(fields["to"]),
            data=bytes(fields["data"]),
            fee_wei=int(fields["maxFeePerGas"]),
            tip_wei=int(fields["maxPriorityFeePerGas"]),
            value_wei=int(fields["value"]),
        )


def _error(message: str) -> dict[str, Any]:
    return {"error": {"code": -32000, "message": message}}
