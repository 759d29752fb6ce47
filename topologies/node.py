"""One process of a node, with some of its roles."""

import asyncio
import gc
import logging
import resource
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvloop
from mode import Service

from streams import limits
from streams.clock import SystemClock
from streams.delivery.admin import ensure_topics
from streams.filesystem.store import FileStore
from streams.registry.entries import DappStatus, Entry, Kind
from streams.registry.view import Registry
from streams.topics import node_topics
from topologies import agents, introspection
from topologies.config import PROCESSES, Role, Settings, worker_process
from topologies.identity import node_id
from topologies.per_dapp import PerDapp
from topologies.programs import keep_compiled
from topologies.stage import OfAllDapps, Stage, make_app
from topologies.wiring import Wiring

log = logging.getLogger(__name__)

_THREADS = 32


def main(settings: Settings, roles: Sequence[Role], slot: int = 0) -> None:
    """Run these roles until SIGTERM or SIGINT, on a fast event loop.

    ``slot``: which of the node's processes that execute this is.
    """
    collect_seldom()
    keep_compiled(settings)
    allow_connections()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, roles, slot))


def collect_seldom() -> None:
    """Let Python look for cycles among so many objects that a batch's messages are none of them.

    A batch is tens of thousands of objects that go again at once, without cycles. At Python's
    own setting each makes the collector look some fifteen times: a sixth of execute's CPU.
    """
    gc.freeze()
    gc.set_threshold(limits.COLLECTED_OBJECTS, 10, 10)


def allow_connections() -> None:
    """As many open files as the system lets a process have: each of a door's clients is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _run(settings: Settings, roles: Sequence[Role], slot: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Closers, compilations and the like of many Dapps, which mostly wait for Kafka.
    loop.set_default_executor(ThreadPoolExecutor(_THREADS))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    node = Node(settings, roles, slot)
    await node.start()
    try:
        await stop.wait()
    finally:
        await node.stop()


class Node:
    """The roles of one process and what they share."""

    def __init__(self, settings: Settings, roles: Sequence[Role], slot: int) -> None:
        self._roles = tuple(roles)
        self._slot = slot
        kafka: dict[str, Any] = dict(settings.kafka_config())
        self._registry = Registry(kafka)
        self._wiring = Wiring(
            settings,
            make_app("w3b"),
            kafka,
            self._registry,
            FileStore(settings.files_url),
            SystemClock(),
        )
        self._open_senders: list[Any] = []
        self._services: dict[Role, list[Any]] = {role: [] for role in roles}
        self._dapps_changed = asyncio.Event()

    async def start(self) -> None:
        """Start what every role needs, then the roles."""
        await asyncio.to_thread(ensure_topics, self._wiring.kafka, node_topics())
        await asyncio.to_thread(self._registry.start)
        process = next(name for name, roles in PROCESSES.items() if set(self._roles) & set(roles))
        if self._slot:
            process = worker_process(self._slot)
        port = self._wiring.settings.process_metrics_port(process)
        self._introspection = await introspection.serve(port, self.health)
        await self._wiring.app.start()
        self._wiring.app.flow_control.resume()  # Faust's consumer would; agents wait for it
        for role in self._roles:
            self._services[role] = self._services_of(role)
            for service in self._services[role]:
                await service.start()
        self._resubscriber = asyncio.create_task(self._resubscribe())

    async def stop(self) -> None:
        """Stop the roles, then what they shared."""
        self._resubscriber.cancel()
        running: list[Service] = [one for role in self._roles for one in self._services[role]]
        await asyncio.gather(*(one.stop() for one in running))
        for senders in self._open_senders:
            await asyncio.to_thread(senders.close)
        await self._wiring.app.stop()
        await self._introspection.cleanup()
        await asyncio.to_thread(self._registry.close)

    def health(self) -> Mapping[str, str | None]:
        """Of each role: why it is not well, or None."""
        if not self._registry.is_live:
            return dict.fromkeys(self._roles, "the registry is not being followed")
        return {
            role: next((one.trouble for one in services if one.trouble), None)
            for role, services in self._services.items()
        }

    @property
    def _senders(self) -> Any:
        if not self._open_senders:
            self._open_senders.append(agents.senders(self._wiring))
        return self._open_senders[0]

    def _services_of(self, role: Role) -> list[Any]:
        wiring, registry = self._wiring, self._registry
        slot = f"{node_id(wiring.settings)}.{self._slot}"  # the same after every restart
        makers: Mapping[Role, Callable[[], list[Any]]] = {
            "endpoint": lambda: [agents.endpoint(wiring)],
            "execute": lambda: [
                PerDapp(
                    registry,
                    lambda dapp: agents.execute(wiring, dapp, slot),
                    wants=lambda dapp: dapp.status is DappStatus.ACTIVE,
                )
            ],
            "store": lambda: [agents.store(wiring), agents.erase(wiring)],
            "agree": lambda: [
                agents.agree(wiring),
                PerDapp(registry, lambda dapp: agents.close(wiring, dapp)),
            ],
            "submit": lambda: [agents.submit(wiring, self._senders)],
            "act": lambda: [agents.act(wiring, self._senders)],
            "watch": lambda: [agents.watch(wiring), agents.vouch(wiring)],
            "publish": lambda: [agents.publish(wiring)] if wiring.settings.mqtt_url else [],
        }
        return makers[role]()

    async def _resubscribe(self) -> None:
        """Tell stages that read the topics of all Dapps of those that came and went."""
        loop = asyncio.get_running_loop()

        def on_change(_kind: Kind, _name: str, _entry: Entry | None) -> None:
            loop.call_soon_threadsafe(self._dapps_changed.set)

        self._registry.subscribe(on_change, [Kind.DAPP])
        while True:
            await self._dapps_changed.wait()
            self._dapps_changed.clear()
            for service in (one for services in self._services.values() for one in services):
                part: Any = service.part if isinstance(service, Stage) else None
                if isinstance(part, OfAllDapps):
                    await part.subscribe(self._wiring.dapps())
