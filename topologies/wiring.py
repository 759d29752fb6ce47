"""What all stages of a process share."""

from dataclasses import dataclass
from typing import Any

from streams.clock import Clock
from streams.filesystem.store import FileStore
from streams.registry.view import Registry
from topologies.config import Settings
from topologies.stage import NodeApp


@dataclass(frozen=True, slots=True)
class Wiring:
    """What all stages of a process share."""

    settings: Settings
    app: NodeApp
    kafka: dict[str, Any]
    registry: Registry
    files: FileStore
    clock: Clock

    def dapps(self) -> list[str]:
        """The names of the Dapps that the node serves."""
        return [dapp.name for dapp in self.registry.dapps()]

    def partitions(self, dapp: str) -> int:
        """How many partitions a Dapp's topics have.

        Raises:
            LookupError: the node does not serve it.
        """
        found = self.registry.dapp(dapp)
        if found is None:
            raise LookupError(f"the node does not serve {dapp}")
        return found.manifest.dapp.partitions
