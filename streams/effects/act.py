"""Transactions and calls of the node's API: each effect into the hands that carry it out."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

import orjson

from streams import limits, metrics
from streams.delivery.effects import Effect
from streams.effects import api
from streams.effects.answers import Answer, Reaction, Refusal, fits
from streams.effects.transfer import (
    Routes,
    Transfer,
    TransferOutcome,
    WishError,
    answer_of,
    id_of,
    transfer_of,
)

log = logging.getLogger(__name__)

LABELS: Final = frozenset({"send_tx", "api_call"})


class Chains(Protocol):
    """The chains that the node speaks to."""

    def send(self, transfers: Sequence[Transfer]) -> Mapping[bytes, str]:
        """Take transfers, durably; why some are over before they were begun, by id.

        What was taken before is passed over.
        """
        ...

    def transaction(self, chain: str, hash: str) -> Any:
        """A transaction as the chain's JSON has it.

        Raises:
            LookupError: there is no such chain or transaction; says which.
            OSError: the chain is away.
        """
        ...


class Act:
    """An `Outlet` for transactions and API calls.

    Args:
        chains: who sends and reads.
        routes: whether a Dapp's manifest routes an event type by name.
    """

    def __init__(self, chains: Chains, routes: Routes) -> None:
        self._chains = chains
        self._routes = routes
        self._readers = ThreadPoolExecutor(limits.API_READS_MAX, "api")

    def close(self) -> None:
        """Begin no more reads."""
        self._readers.shutdown(wait=False, cancel_futures=True)

    def carry_out(self, effects: Sequence[Effect]) -> list[Reaction]:
        """Transfers into their senders' journals; answers to what can be answered at once.

        Raises:
            OSError, RuntimeError: a journal cannot be written.
        """
        transfers: list[Transfer] = []
        reactions: list[Reaction] = []
        calls: list[tuple[Effect, dict[str, Any]]] = []
        for one in effects:
            try:
                body = _object(one)
                if one.record.label == "api_call":
                    id_of(body)
                    calls.append((one, body))
                else:
                    transfers.append(transfer_of(one, one.record.a.decode(), body))
            except (WishError, UnicodeDecodeError) as error:
                reactions.append(Refusal(one, str(error)))
        for made in self._readers.map(lambda call: self._called(*call), calls):
            if isinstance(made, Transfer):
                transfers.append(made)
            else:
                reactions.append(made)
        refused = self._chains.send(transfers)
        for over in (one for one in transfers if one.id in refused):
            reason = refused[over.id]
            log.warning("%s: transaction 0x%s: %s", over.dapp, over.id.hex(), reason)
            metrics.REQUEST_OUTCOMES.labels(over.dapp, "failed").inc()
            told = answer_of(over.reply, TransferOutcome("failed", reason=reason), self._routes)
            reactions += [told] if told is not None else []
        return reactions

    def _called(self, effect: Effect, request: dict[str, Any]) -> Reaction | Transfer:
        header = api.header_of(request)
        event_type = api.event_type_of(header)
        if not fits(event_type):
            return Refusal(effect, f"the header {api.EVENT_TYPE} names no event type")
        path = effect.record.a.decode(errors="replace")
        payload: bytes
        try:
            if path == "/system/send_tx":
                body = api.body_of(request)
                return transfer_of(effect, str(body.get("chainName", "")), body, request)
            payload = self._answered(path, header, request)
        except (WishError, ValueError) as error:
            payload = api.failed(400, header, str(error))
        except LookupError as error:
            payload = api.failed(500, header, str(error))
        except OSError as error:
            log.warning("%s: %s was not answered: %s", effect.dapp, path, error)
            payload = api.failed(500, header, "the chain does not answer")
        if not fits(event_type, payload):
            payload = api.failed(500, header, "the answer is larger than a message may be")
        return Answer(
            effect.dapp, effect.partition, effect.record.device.decode(), event_type,
            id_of(request), payload,
        )  # fmt: skip

    def _answered(self, path: str, header: api.Header, request: dict[str, Any]) -> bytes:
        if path == "/system/hello":
            return api.greeted(header)
        if path == "/system/read_tx":
            body = api.body_of(request)
            chain, hash = str(body.get("chainName", "")), str(body.get("hash", ""))
            found = self._chains.transaction(chain, hash)
            return api.response(200, header, {"transaction": found})
        if path == "/system/gen_zk_proof":
            return api.failed(501, header, "this node serves no prover for zero-knowledge proofs")
        return api.failed(404, header, f"this node serves no {path}")


def _object(effect: Effect) -> dict[str, Any]:
    try:
        body = orjson.loads(effect.record.b)
    except orjson.JSONDecodeError as error:
        raise WishError(f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise WishError("the body is no JSON object")
    return body
