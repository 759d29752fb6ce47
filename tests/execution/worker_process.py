"""A worker that can be killed, and the loop that feeds one.

``worker_process KAFKA DAPP SLOT [tally|sql]``
"""

import queue
import sys
import threading
from typing import Any

from streams.delivery.batch import Batch
from streams.execution.program import Program, Specification, load
from streams.execution.worker import Worker
from tests.execution.sql import guest
from tests.execution.sql.tables import SCHEMA
from tests.integration import tally_program


class Fed:
    """A worker whose batches are processed on a thread of their own, unless they are held."""

    def __init__(self, kafka: str, dapp: str, slot: str, kind: str | Program = "tally") -> None:
        config: dict[str, Any] = {"bootstrap.servers": kafka}
        program = kind if isinstance(kind, Program) else _program(kind)
        self.batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self.fetched = 0
        self.failures: list[BaseException] = []
        self._unheld = threading.Event()
        self._unheld.set()
        self.worker = Worker(config, dapp, program, slot, self._emit)
        self._thread = threading.Thread(target=self._process, daemon=True)

    def start(self) -> "Fed":
        """Join the group, take batches."""
        self.worker.start(self.failures.append)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Leave in order."""
        self._unheld.set()
        self.worker.stop()
        self.batches.put(None)
        self._thread.join(30)

    def hold(self) -> None:
        """Fetch, but do not process."""
        self._unheld.clear()

    def go_on(self) -> None:
        """Process what was held."""
        self._unheld.set()

    def _emit(self, batch: Batch) -> None:
        self.fetched += len(batch.slices)
        self.batches.put(batch)

    def _process(self) -> None:
        try:
            while (batch := self.batches.get()) is not None:
                self._unheld.wait()
                self.worker.process(batch)
        except Exception as error:
            self.failures.append(error)


def _program(kind: str) -> Program:
    if kind == "sql":
        return load(guest.BINARY, Specification({"DEFAULT": "start"}, sql=SCHEMA))
    return load(tally_program.BINARY, Specification({"DEFAULT": "start"}))


if __name__ == "__main__":
    fed = Fed(*sys.argv[1:]).start()
    threading.Event().wait()
