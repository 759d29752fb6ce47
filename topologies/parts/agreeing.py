"""claims of all Dapps → what the authorities sign → proofs."""

from collections.abc import Sequence

from streams.consensus.agree import Agree
from streams.consensus.worker import AgreeWorker
from topologies.parts.contract import deployment, node_key
from topologies.stage import Emit, InThreads
from topologies.wiring import Wiring


class Agreeing(InThreads):
    """Agreement over the claims of all Dapps."""

    def __init__(self, wiring: Wiring, emit: Emit) -> None:
        settings = wiring.settings
        secret, domain = node_key(settings, "authority"), deployment(settings).domain()
        protocol = Agree(secret, domain, wiring.partitions, wiring.clock)
        self._worker = AgreeWorker(wiring.kafka, wiring.dapps(), protocol, emit)
        super().__init__(self._worker)

    async def subscribe(self, dapps: Sequence[str]) -> None:
        """Agree on these Dapps from now on."""
        self._worker.subscribe(dapps)
