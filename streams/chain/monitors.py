"""What happens on a chain, as messages: logs of contracts, transactions, heights.

`look` is a function of a monitor, how far it has come, and a chain. Only blocks with as many
confirmations as the manifest wants are looked at, so a reorganisation that is shallower changes
nothing; what a deeper one takes back was told. Each message's id follows from the chain, the
block's hash and the place in it; with the position, which is committed with the messages, each is
made once.

Payloads are the chain's own JSON: of a log (``eth_getLogs``), of a transaction
(``eth_getTransactionByHash``), and W3bStream's ``{"HeaderNumber": n}``.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from streams import limits
from streams.chain.json_rpc import JsonRpc, RpcError
from streams.records import Message
from streams.registry.sources import (
    ChainHeightMonitor,
    ChainTxMonitor,
    ContractLogMonitor,
    MonitorSection,
)

_DONE: Final = {"done": True}

Position = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that a monitor saw.

    Attributes:
        place: bytes that no other happening of this monitor has.
        payload: JSON.
    """

    place: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Look:
    """What one look brought, and how far the monitor has come with it."""

    happenings: Sequence[Happening]
    position: Position


def identity(monitor: MonitorSection) -> str:
    """What a monitor is known by, wherever it stands in its manifest. Where it begins, and how
    patient it is, may change without its beginning anew."""
    said = monitor.model_dump(mode="json", exclude={"confirmations", "from_block"})
    digest = hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS))
    return f"monitor:{digest.hexdigest()[:32]}"


def look(rpc: JsonRpc, monitor: MonitorSection, position: Position | None, head: int) -> Look:
    """Look at the chain once.

    Args:
        position: of the look before; None: this is the first.
        head: the number of the chain's latest block.

    Raises:
        RpcError: the chain refuses. ChainAway: it does not answer.
    """
    if position == _DONE:
        return Look((), _DONE)
    confirmed = head - monitor.confirmations + 1  # the latest block that counts
    match monitor:
        case ContractLogMonitor():
            if position is None:
                first = head + 1 if monitor.from_block is None else monitor.from_block
                position = {"next": first}
            return _logs(rpc, monitor, position, confirmed)
        case ChainTxMonitor():
            return _transaction(rpc, monitor, confirmed)
        case ChainHeightMonitor():
            if confirmed < monitor.height:
                return Look((), {})
            payload = orjson.dumps({"HeaderNumber": monitor.height})
            return Look((Happening(b"%d" % monitor.height, payload),), _DONE)


def message(
    dapp: str, number: int, chain_id: int, monitor: MonitorSection, seen: Happening, now_ms: int
) -> Message:
    """A happening's message.

    Args:
        number: of the monitor in the manifest, from 0: the device is ``monitor:<number>``.
    """
    id = hashlib.sha256(f"w3b monitor\0{dapp}\0{identity(monitor)}\0{chain_id}\0".encode())
    id.update(seen.place)
    return Message(
        device=f"monitor:{number}",
        payload=seen.payload,
        message_id=id.digest()[:16],
        time_ms=now_ms,
        event_type=monitor.event_type,
    )


def _logs(rpc: JsonRpc, monitor: ContractLogMonitor, position: Position, confirmed: int) -> Look:
    start = int(position["next"])
    if start > confirmed:
        return Look((), position)
    blocks = min(confirmed - start + 1, limits.MONITOR_BLOCKS_MAX)
    while True:
        wanted = {
            "address": monitor.address,
            "topics": [topic or None for topic in monitor.topics],
            "fromBlock": hex(start),
            "toBlock": hex(start + blocks - 1),
        }
        try:
            found = rpc.call("eth_getLogs", wanted)
            break
        except RpcError:  # many chains refuse ranges that they find too long, or too full
            if blocks == 1:
                raise
            blocks //= 2
    happenings = [
        Happening(bytes.fromhex(one["blockHash"][2:] + f"{int(one['logIndex'], 16):08x}"),
                  orjson.dumps(one))
        for one in found
    ]  # fmt: skip
    return Look(happenings, {"next": start + blocks})


def _transaction(rpc: JsonRpc, monitor: ChainTxMonitor, confirmed: int) -> Look:
    found = rpc.call("eth_getTransactionByHash", monitor.hash)
    if found is None or found.get("blockNumber") is None:
        return Look((), {})
    if int(found["blockNumber"], 16) > confirmed:
        return Look((), {})
    place = bytes.fromhex(found["blockHash"][2:] + monitor.hash[2:])
    return Look((Happening(place, orjson.dumps(found)),), _DONE)
