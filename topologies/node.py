"""One process of a node, with some of its roles."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import requests
import uvloop
from mode import Service

from streams.chain.deployment import Deployment, load, resolve
from streams.chain.submit import Submit
from streams.chain.submitter import ChainSettings
from streams.clock import SystemClock
from streams.commitments import address_of
from streams.delivery.admin import ensure_topics
from streams.endpoint.server import Endpoint
from streams.filesystem.store import FileStore
from streams.registry.entries import Dapp, Entry, Kind
from streams.registry.view import Registry
from streams.topics import node_topics
from streams.wallet.did import KeyKind
from streams.wallet.keys import load_or_create
from topologies import agents, introspection
from topologies.agents import OfAllDapps, Wiring
from topologies.components import chain
from topologies.config import PROCESSES, Role, Settings
from topologies.per_dapp import Closing, PerDapp
from topologies.stage import Stage, make_app

log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0
_CONFIRMATIONS: Final = 2  # a local chain's blocks do not go away; a reorganisation is followed


async def run(settings: Settings, roles: Sequence[Role]) -> None:
    """Run these roles until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    node = Node(settings, roles)
    await node.start()
    try:
        await stop.wait()
    finally:
        await node.stop()


def main(settings: Settings, roles: Sequence[Role]) -> None:
    """`run` on a fast event loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings, roles))


class Node:
    """The roles of one process and what they share."""

    def __init__(self, settings: Settings, roles: Sequence[Role]) -> None:
        self._settings = settings
        self._roles = tuple(roles)
        self._kafka: dict[str, Any] = dict(settings.kafka_config())
        self._registry = Registry(self._kafka)
        self._wiring = Wiring(
            make_app("w3b"),
            self._kafka,
            self._registry,
            FileStore(settings.files_url),
            SystemClock(),
        )
        self._stages: dict[Role, Stage] = {}
        self._per_dapp: dict[Role, PerDapp] = {}
        self._endpoint: Endpoint | None = None
        self._dapps_changed = asyncio.Event()
        self._starters: Mapping[Role, Callable[[], Awaitable[None]]] = {
            "endpoint": self._start_endpoint,
            "execute": self._start_execute,
            "store": self._start_store,
            "agree": self._start_agree,
            "submit": self._start_submit,
        }

    async def start(self) -> None:
        """Start what every role needs, then the roles."""
        await asyncio.to_thread(ensure_topics, self._kafka, node_topics())
        await asyncio.to_thread(self._registry.start)
        process = next(name for name, roles in PROCESSES.items() if set(self._roles) & set(roles))
        self._introspection = await introspection.serve(
            self._settings.process_metrics_port(process), self.health
        )
        await self._wiring.app.start()
        self._wiring.app.flow_control.resume()  # Faust's consumer would; agents wait for it
        for role in self._roles:
            await self._starters[role]()
        loop = asyncio.get_running_loop()

        def on_change(_kind: Kind, _name: str, _entry: Entry | None) -> None:
            loop.call_soon_threadsafe(self._dapps_changed.set)

        self._registry.subscribe(on_change, [Kind.DAPP])
        self._resubscriber = asyncio.create_task(self._resubscribe())

    async def stop(self) -> None:
        """Stop the roles, then what they shared."""
        self._resubscriber.cancel()
        if self._endpoint is not None:
            await self._endpoint.stop()
        running: list[Service] = [*self._per_dapp.values(), *self._stages.values()]
        await asyncio.gather(*(one.stop() for one in running))
        await self._wiring.app.stop()
        await self._introspection.cleanup()
        await asyncio.to_thread(self._registry.close)

    def health(self) -> Mapping[str, str | None]:
        """Why a role is not well, or None."""
        troubles: dict[str, str | None] = {}
        for role in self._roles:
            own = [self._stages[role].trouble] if role in self._stages else []
            others = self._per_dapp[role].troubles() if role in self._per_dapp else []
            troubles[role] = next((one for one in (*own, *others) if one), None)
        if not self._registry.is_live:
            troubles = dict.fromkeys(self._roles, "the registry is not being followed")
        return troubles

    # --- roles --------------------------------------------------------------------------------

    async def _start_endpoint(self) -> None:
        settings = self._settings
        assert settings.endpoint_port is not None
        self._endpoint = Endpoint(
            self._kafka,
            self._registry,
            host=settings.endpoint_host,
            port=settings.endpoint_port,
            token_key=settings.data / "keys" / "tokens",
        )
        await self._endpoint.start()

    async def _start_execute(self) -> None:
        def make(dapp: Dapp) -> Stage:
            return agents.execute(self._wiring, dapp, slot="0")

        await self._follow("execute", make)

    async def _start_store(self) -> None:
        assert self._settings.clickhouse_url is not None
        await self._begin("store", agents.store(self._wiring, self._settings.clickhouse_url))

    async def _start_agree(self) -> None:
        secret = self._key("authority")
        deployment = await self._deployment()
        await self._begin("agree", agents.agree(self._wiring, secret, deployment))
        await self._follow("agree", lambda dapp: Closing(self._wiring, dapp))

    async def _start_submit(self) -> None:
        deployment = await self._deployment()
        secret = self._key("operator")
        rpc_url = self._settings.chain_rpc_url
        assert rpc_url is not None
        local = deployment.chain_id == chain.CHAIN_ID
        chain_settings = ChainSettings(
            rpc_url, local, _CONFIRMATIONS, deploys=self._settings.deploy_contract
        )
        journal = self._settings.data / "submit.sqlite"

        def make() -> Submit:
            return Submit(chain_settings, deployment, journal, secret, self._wiring.clock)

        await self._begin("submit", agents.submit(self._wiring, make))

    async def _begin(self, role: Role, stage: Stage) -> None:
        self._stages[role] = stage
        await stage.start()

    async def _follow(self, role: Role, make: Callable[[Dapp], Service]) -> None:
        self._per_dapp[role] = following = PerDapp(self._registry, make)
        await following.start()

    async def _resubscribe(self) -> None:
        """Tell stages that read the topics of all Dapps of those that came and went."""
        while True:
            await self._dapps_changed.wait()
            self._dapps_changed.clear()
            for stage in self._stages.values():
                part: Any = stage.part
                if isinstance(part, OfAllDapps):
                    await part.subscribe(self._wiring.dapps())

    # --- keys and the contract ----------------------------------------------------------------

    def _key(self, name: str) -> bytes:
        path = self._settings.data / "keys" / f"{name}.pem"
        return load_or_create(path, KeyKind.SECP256K1).secret_bytes

    async def _deployment(self) -> Deployment:
        path = self._settings.data / "contract.json"
        if path.exists():
            return load(path)
        chain_id = await self._chain_id()
        authority, operator = address_of(self._key("authority")), address_of(self._key("operator"))
        given = self._settings.contract_address
        return resolve(
            path, chain_id, owner=operator, authorities=[authority], threshold=1,
            contract=None if given is None else bytes.fromhex(given[2:]),
        )  # fmt: skip

    async def _chain_id(self) -> int:
        url = self._settings.chain_rpc_url
        assert url is not None
        call: Any = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
        while True:
            try:
                answer = await asyncio.to_thread(requests.post, url, json=call, timeout=5)
                return int(answer.json()["result"], 16)
            except (requests.RequestException, KeyError, ValueError) as error:
                log.warning("the chain does not say which it is: %s", type(error).__name__)
                await asyncio.sleep(_RETRY_S)
