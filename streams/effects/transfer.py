"""Transactions that programs ask for: from an effect's body, and to what the program is told.

A program that called ``ws_send_tx`` is told by an event of type ``TX_RESULT``, if its manifest
routes that type; one that called ``/system/send_tx`` by the response that W3bStream's API gives
(`streams.effects.api`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from streams.delivery.effects import Effect
from streams.effects import api
from streams.effects.answers import Answer

TX_RESULT: Final = "TX_RESULT"
DEFAULT_OPERATOR: Final = "default"
_ID: Final = re.compile(r"0x[0-9a-f]{64}")
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_HEX: Final = re.compile(r"0x([0-9a-fA-F]{2})*")
_WEI_MAX: Final = 2**256 - 1
_DIGITS_MAX: Final = 100  # leading zeros are no reason to refuse


Routes = Callable[[str, str], bool]  # whether a Dapp's manifest routes an event type by name


class WishError(ValueError):
    """An effect's body that cannot be carried out; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transaction that a program asked for.

    Attributes:
        id: 32 bytes that follow from the event; it is sent once.
        chain: an EIP-155 id, or a name of W3bStream's.
        operator: whose key signs and pays.
        to: 20 bytes.
        reply: who is to be told, and how; comes back with the outcome, as it is.
    """

    id: bytes
    dapp: str
    chain: str
    operator: str
    to: bytes
    value_wei: int
    data: bytes
    reply: bytes


@dataclass(frozen=True, slots=True)
class TransferOutcome:
    """What became of a transfer; ``status`` as `streams.chain.requests.Outcome` has it."""

    status: str
    hash: bytes | None = None
    block: int | None = None
    block_hash: bytes | None = None
    gas_used: int | None = None
    reason: str = ""


def id_of(body: Mapping[str, Any]) -> bytes:
    """An effect's id, 32 bytes.

    Raises:
        WishError: it has none.
    """
    id = body.get("id")
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise WishError("no id of 0x and 64 hexadecimal digits")
    return bytes.fromhex(id[2:])


def transfer_of(
    effect: Effect, chain: str, body: Mapping[str, Any], request: Mapping[str, Any] | None = None
) -> Transfer:
    """The transfer that an effect asks for.

    Args:
        chain: where.
        body: ``to``, ``value``, ``data``, ``operatorName``.
        request: the API's request around it, whose header names the event type of the answer.

    Raises:
        WishError: a field is missing, or is not what it should be.
    """
    to, value, data = (str(body.get(name) or "") for name in ("to", "value", "data"))
    data = data if data.startswith("0x") else f"0x{data}"
    to = to if to.startswith("0x") else f"0x{to}"
    value = value or "0"
    if not _ADDRESS.fullmatch(to):
        raise WishError("`to` is no address: it has to be 0x and 40 hexadecimal digits")
    if not _HEX.fullmatch(data):
        raise WishError("`data` is not hexadecimal")
    is_decimal = value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX
    if not is_decimal or int(value) > _WEI_MAX:
        raise WishError("`value` is no decimal number of wei")
    id = id_of(body if request is None else request)
    reply = {
        "dapp": effect.dapp,
        "partition": effect.partition,
        "device": effect.record.device.decode(),
        "id": f"0x{id.hex()}",
        "chain": chain,
        "header": None if request is None else api.header_of(request),
    }
    operator = str(body.get("operatorName") or DEFAULT_OPERATOR)
    return Transfer(
        id, effect.dapp, chain, operator, bytes.fromhex(to[2:]), int(value),
        bytes.fromhex(data[2:]), orjson.dumps(reply),
    )  # fmt: skip


def answer_of(reply: bytes, outcome: TransferOutcome, routes: Routes) -> Answer | None:
    """The message that tells a program what became of its transaction; None: it asked for none.

    Args:
        reply: `Transfer.reply`.
        outcome: what became of it.
        routes: whether a Dapp's manifest routes an event type by name.
    """
    asked = orjson.loads(reply)
    header = asked["header"]
    if header is not None:
        payload = api.sent(asked["id"], header, outcome.status == "confirmed", _hex(outcome.hash))
        event_type = api.event_type_of(header)
    else:
        if not routes(asked["dapp"], TX_RESULT):
            return None
        payload, event_type = _result(asked, outcome), TX_RESULT
    return Answer(
        asked["dapp"], asked["partition"], asked["device"], event_type,
        bytes.fromhex(asked["id"][2:]), payload,
    )  # fmt: skip


def _result(asked: Mapping[str, Any], outcome: TransferOutcome) -> bytes:
    said = {
        "id": asked["id"],
        "chainID": asked["chain"],
        "status": outcome.status,
        "hash": _hex(outcome.hash),
        "block": outcome.block,
        "blockHash": _hex(outcome.block_hash),
        "gasUsed": outcome.gas_used,
        "error": outcome.reason or None,
    }
    return orjson.dumps({name: value for name, value in said.items() if value is not None})


def _hex(value: bytes | None) -> str | None:
    return None if value is None else f"0x{value.hex()}"
