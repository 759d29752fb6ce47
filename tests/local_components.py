"""Real components for tests: started one by one, killed one by one, gone with the test run."""

import random
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from topologies.components import chain, clickhouse, kafka
from topologies.supervisor import Child, Running


class LocalComponents:
    """Kafka, ClickHouse and a chain on free ports, with data in a directory of their own.

    Each starts when it is first asked for. They die with this process, `kill -9` included.
    """

    def __init__(self, data: Path) -> None:
        """Nothing starts yet; `data` holds what they keep, across `kill` and `start`."""
        self._data = data
        self._children: dict[str, Child] = {}
        self._running: dict[str, Running] = {}
        self._make: dict[str, Callable[[], Child]] = {
            "kafka": lambda: kafka.child(data / "kafka", free_port(), free_port()),
            "clickhouse": lambda: clickhouse.child(data / "clickhouse", free_port(), free_port()),
            "chain": lambda: chain.child(data / "chain", free_port()),
        }

    @property
    def kafka(self) -> str:
        """Bootstrap servers, `host:port`."""
        return self.start("kafka").address

    @property
    def clickhouse_url(self) -> str:
        """`http://user:password@host:port/database`."""
        port = int(self.start("clickhouse").address.rsplit(":")[-1].split("/")[0])
        return clickhouse.url(self._data / "clickhouse", port)

    @property
    def clickhouse_reader_url(self) -> str:
        """The same of the user who answers saved queries."""
        port = int(self.start("clickhouse").address.rsplit(":")[-1].split("/")[0])
        return clickhouse.url(self._data / "clickhouse", port, clickhouse.READER)

    @property
    def chain_rpc_url(self) -> str:
        """JSON-RPC over HTTP."""
        return self.start("chain").address

    def start(self, name: str) -> Child:
        """Start `kafka`, `clickhouse` or `chain` if it does not run; returns once it is well."""
        if name not in self._children:
            self._children[name] = self._make[name]()
        child = self._children[name]
        if name not in self._running:
            more = child.prepare() if child.prepare is not None else ()
            running = self._running[name] = Running(child, self._data / "logs", more)
            running.wait_until_healthy()
        return child

    def kill(self, name: str) -> None:
        """`kill -9`."""
        self._running.pop(name).kill()

    def stop(self, name: str) -> None:
        """An orderly stop, which saves the chain's state too."""
        self._running.pop(name).stop()

    def pause(self, name: str) -> None:
        """SIGSTOP: it keeps its connections and answers nothing."""
        self._running[name].send(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """SIGCONT."""
        self._running[name].send(signal.SIGCONT)

    def close(self) -> None:
        """Kill what runs; the data goes with the temporary directory."""
        for name in list(self._running):
            self.kill(name)


def free_port() -> int:
    """A port nobody listens on, below those that the kernel gives to outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
