"""A fleet that plays through a node until it is told to stop: `w3b fleet`, again and again."""

import json
import threading
from collections import Counter
from types import TracebackType

from tests.integration.running import RunningNode

DEVICES = 40
MINUTES = 5  # of the cars' time, a play
SPEEDUP = 30  # so that a play takes ten seconds and brings some 1,200 messages a second
BAD_SHARE = 0.001


class Load:
    """A context manager; what was acknowledged is known once it has been left."""

    def __init__(self, node: RunningNode, seed: int = 1) -> None:
        self._node, self._seed = node, seed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._play)
        self.acknowledged = 0
        self.repeats = 0
        self.refused: Counter[str] = Counter()
        self._failure: BaseException | None = None

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def _play(self) -> None:
        try:
            while not self._stopping.is_set():
                self._play_once()
                self._seed += 1
        except BaseException as error:
            self._failure = error

    def _play_once(self) -> None:
        done = self._node.w3b(
            "fleet", "simulate", "--json",
            "--devices", str(DEVICES), "--minutes", str(MINUTES), "--speedup", str(SPEEDUP),
            "--bad-share", str(BAD_SHARE), "--seed", str(self._seed),
            check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        tally = json.loads(done.stdout)
        self.acknowledged += tally["acknowledged"]
        self.repeats += tally["repeats"]
        self.refused.update(tally["refused"])
        self.refused.update(tally["devices_refused"])
