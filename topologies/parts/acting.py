"""effects.<dapp> → transactions, API calls → answers in messages.<dapp>."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from streams.chain.json_rpc import JsonRpc, chain_id_of
from streams.chain.requests import Request
from streams.chain.running import RunningSender
from streams.effects import act
from streams.effects.telling import Teller
from streams.effects.transfer import Transfer, TransferOutcome
from streams.effects.worker import EffectWorker
from streams.registry.entries import Dapp
from streams.wallet.keys import KeyFileError
from topologies.config import Settings
from topologies.parts.contract import deployment
from topologies.parts.sending import NoSender, Senders, chain_urls
from topologies.stage import Emit, InThreads, OnFailure
from topologies.wiring import Wiring

_TELL_S: Final = 0.5


class ChainsOfNode:
    """The chains that the settings name, and the senders on them.

    Args:
        dapp_of: the registry's, which says whose money a Dapp may spend.
    """

    def __init__(
        self, settings: Settings, senders: Senders, dapp_of: Callable[[str], Dapp | None]
    ) -> None:
        self._settings = settings
        self._senders = senders
        self._dapp_of = dapp_of

    def send(self, transfers: Sequence[Transfer]) -> Mapping[bytes, str]:
        """Take transfers, durably; why some are over before they were begun, by id."""
        refused: dict[bytes, str] = {}
        by_sender: dict[RunningSender, list[Request]] = {}
        for one in transfers:
            try:
                self._check_allowed(one)
                sender = self._senders.sender(chain_id_of(one.chain), one.operator)
            except (LookupError, KeyFileError) as error:
                refused[one.id] = str(error)
            else:
                wanted = Request(one.id, one.dapp, one.to, one.value_wei, one.data, one.reply)
                by_sender.setdefault(sender, []).append(wanted)
        for sender, requests in by_sender.items():
            sender.take_requests(requests)
        return refused

    def _check_allowed(self, transfer: Transfer) -> None:
        dapp = self._dapp_of(transfer.dapp)
        if dapp is None or transfer.operator not in dapp.keys:
            raise NoSender(
                f"Dapp {transfer.dapp} may not pay with the operator's key "
                f"{transfer.operator[:64]!r}; the node's operator can allow it: "
                f"w3b dapp allow-key {transfer.dapp} {transfer.operator[:64]}"
            )

    def transaction(self, chain: str, hash: str) -> Any:
        """A transaction as the chain's JSON has it."""
        chain_id = chain_id_of(chain)
        url = chain_urls(self._settings, deployment(self._settings).chain_id).get(chain_id)
        if url is None:
            raise LookupError(f"this node knows no chain {chain_id}")
        found = JsonRpc(url).call("eth_getTransactionByHash", hash)
        if found is None:
            raise LookupError("not found")
        return found


class Acting(InThreads):
    """Carries out transactions and API calls, and tells what came of them."""

    def __init__(self, wiring: Wiring, senders: Senders, emit: Emit) -> None:
        senders.all()  # those that have something to send, or to tell, from before
        self._senders = senders
        self._wiring = wiring
        chains = ChainsOfNode(wiring.settings, senders, wiring.registry.dapp)
        outlet = act.Act(chains, self._routes)
        self._worker = EffectWorker(
            wiring.kafka, "act", act.LABELS, wiring.dapps(), outlet, wiring.clock, emit
        )
        self._teller = Teller(
            wiring.kafka,
            self._routes,
            lambda dapp: wiring.registry.dapp(dapp) is not None,
            wiring.clock,
        )
        self._telling: asyncio.Task[None] | None = None
        super().__init__(self._worker)

    async def start(self, on_failure: OnFailure) -> None:
        """Begin to emit, and to tell."""
        await super().start(on_failure)
        self._telling = asyncio.create_task(self._keep_telling(on_failure))

    async def stop(self) -> None:
        """Finish what is at work and let go."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        self._teller.close()
        await super().stop()

    async def subscribe(self, dapps: Sequence[str]) -> None:
        """Read these Dapps' effects from now on."""
        self._worker.subscribe(dapps)

    def _routes(self, dapp: str, event_type: str) -> bool:
        found = self._wiring.registry.dapp(dapp)
        return found is not None and event_type in found.manifest.events

    async def _keep_telling(self, on_failure: OnFailure) -> None:
        try:
            await asyncio.to_thread(self._teller.start)
            while True:
                await asyncio.to_thread(self._tell)
                await asyncio.sleep(_TELL_S)
        except Exception as error:
            on_failure(error)

    def _tell(self) -> None:
        for sender in self._senders.made():
            if untold := sender.untold():
                self._teller.tell(
                    (reply, TransferOutcome(**asdict(outcome))) for _, reply, outcome in untold
                )
                sender.told([id for id, *_ in untold])
