"""Execute and close stages of a node, in a process of their own: ``roles_process KAFKA DATA``."""

import asyncio
import sys
from pathlib import Path

from streams import topics
from streams.clock import SystemClock
from streams.delivery.admin import ensure_topics
from streams.filesystem.store import FileStore
from streams.registry.entries import Dapp, DappStatus
from streams.registry.view import Registry
from topologies import agents
from topologies.config import Settings
from topologies.per_dapp import PerDapp
from topologies.stage import make_app
from topologies.wiring import Wiring


async def serve(servers: str, data: Path) -> None:
    """Serve the Dapps that have a folder beside ``data``: tests share their Kafka."""
    settings = Settings.load(data=data, kafka_bootstrap_servers=servers).with_local_addresses()
    kafka = dict(settings.kafka_config())
    ensure_topics(kafka, topics.node_topics())
    registry = Registry(kafka)
    registry.start()
    app = make_app("test")
    await app.start()
    app.flow_control.resume()  # as `topologies.node` does
    wiring = Wiring(settings, app, kafka, registry, FileStore(settings.files_url), SystemClock())

    def is_served(dapp: Dapp) -> bool:
        return (data.parent / dapp.name).exists()

    def is_run(dapp: Dapp) -> bool:
        return is_served(dapp) and dapp.status is DappStatus.ACTIVE

    await PerDapp(registry, lambda dapp: agents.execute(wiring, dapp, "0"), is_run).start()
    await PerDapp(registry, lambda dapp: agents.close(wiring, dapp), is_served).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
