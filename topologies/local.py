"""A whole node on one machine: what `w3b up` runs, until it is told to stop.

The order is: take the data directory's lock, see that the ports are free, start the components
that no setting replaces, ask those that one does, then start the node's processes. Each is a
child of this process (`topologies.supervisor`).
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from streams.clock import Clock, SystemClock
from streams.wallet.keys import KeyFileError
from topologies.components import chain, clickhouse, kafka, prometheus
from topologies.config import (
    CHAIN_PORT,
    CLICKHOUSE_HTTP_PORT,
    CLICKHOUSE_NATIVE_PORT,
    KAFKA_CONTROLLER_PORT,
    KAFKA_PORT,
    Settings,
)
from topologies.health import component_probes, process_probe
from topologies.node_file import NODE_FILE, write_node_file
from topologies.supervisor import Child, SetupError, Supervisor, Unhealthy
from topologies.unlocking import VARIABLE, for_children, key_store

_HOST: Final = "127.0.0.1"
_PORTS_PATIENCE_S: Final = 5.0  # children of a killed node take a moment to go
_EXTERNAL_PATIENCE_S: Final = 5.0
_POLL_S: Final = 0.1
# Threads by the dozen share two of glibc's arenas instead of having one each, which saves some
# 60 MB of a node's; a message costs no more CPU.
_ALLOCATOR: Final = {"MALLOC_ARENA_MAX": "2"}
_OFFSET_STEP: Final = 100  # wider than the span of one component's ports


def run(settings: Settings, *, components_only: bool = False) -> None:
    """Run a node until SIGINT, SIGTERM or SIGHUP; a second one ends it at once.

    Args:
        settings: as loaded: an address that is None is a component to start here.
        components_only: leave the node's own processes out.

    Raises:
        SetupError: the data directory or a port is in use, or something could not be started.
    """
    clock = SystemClock()
    with lock(settings.data):
        if not components_only:
            _unlock(settings)
        _check_ports(settings, components_only, clock)
        components = local_components(settings)
        resolved = settings.with_local_addresses()
        _check_external(resolved, {child.name for child in components}, clock)
        processes = [] if components_only else node_children(resolved) + collectors(resolved)
        asyncio.run(_run(resolved, components, processes, clock))


def _unlock(settings: Settings) -> None:
    """See that the wallet opens, asking on the terminal if need be, before anything is started."""
    try:
        key_store(settings)
    except KeyFileError as error:
        raise SetupError(str(error)) from error
    os.environ.pop(VARIABLE, None)  # the node's processes are given it, the components are not


def local_components(settings: Settings) -> list[Child]:
    """The components that no setting replaces.

    Raises:
        SetupError: one of them is not installed.
    """
    offset = settings.port_offset
    children = []
    if settings.kafka_bootstrap_servers is None:
        ports = KAFKA_PORT + offset, KAFKA_CONTROLLER_PORT + offset
        children.append(kafka.child(settings.data / "kafka", *ports))
    if settings.clickhouse_url is None:
        ports = CLICKHOUSE_HTTP_PORT + offset, CLICKHOUSE_NATIVE_PORT + offset
        children.append(clickhouse.child(settings.data / "clickhouse", *ports))
    if settings.chain_rpc_url is None:
        children.append(chain.child(settings.data / "chain", CHAIN_PORT + offset))
    return children


def node_children(settings: Settings) -> list[Child]:
    """The node's own processes, in the order of a message's path.

    Args:
        settings: with every address; the processes find them in `node.json`.
    """
    command = (sys.executable, "-m", "topologies", "node", "--data", str(settings.data))
    children = []
    slots = iter(range(settings.execute_workers))
    for name, roles in settings.processes.items():
        slot = next(slots) if "execute" in roles else 0
        port = settings.process_metrics_port(name)
        metrics = f"http://{_HOST}:{port}/metrics"
        address = settings.endpoint_addresses if name == "endpoint" else metrics
        children.append(
            Child(
                name=name,
                argv=(*command, "--roles", ",".join(roles), "--slot", str(slot)),
                env={**_ALLOCATOR, **for_children(settings)},
                health=process_probe(port),
                address=address,
            )
        )
    return children


def collectors(settings: Settings) -> list[Child]:
    """What collects the processes' metrics; nothing where it is not installed or not wanted.

    Args:
        settings: with every address.
    """
    if not settings.prometheus:
        return []
    program = prometheus.program()
    if program is None:
        _say(f"{prometheus.PROGRAM:<12}{prometheus.ADVICE}")
        return []
    ports = {name: settings.process_metrics_port(name) for name in settings.processes}
    told = prometheus.configuration(ports, settings.prometheus_interval_s)
    data, days = settings.data / "prometheus", settings.prometheus_days
    return [prometheus.child(program, data, settings.prometheus_port, told, days)]


async def _run(
    settings: Settings, components: list[Child], processes: list[Child], clock: Clock
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(1)  # the children go with this process
        stop.set()
        _say("stopping (once more to stop at once)")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal)
    started_s = clock.monotonic_s()

    def on_ready() -> None:
        seconds = clock.monotonic_s() - started_s
        _say(f"up after {seconds:.1f} s; data and logs in {settings.data}; Ctrl-C stops it")

    def on_start(pids: Mapping[str, int]) -> None:
        try:
            write_node_file(settings, os.getpid(), pids)
        except OSError as error:  # what it said before is still there, and mostly true
            _say(f"{NODE_FILE} cannot be written: {error}")

    write_node_file(settings, os.getpid(), {})
    tiers = [tier for tier in (components, processes) if tier]
    supervisor = Supervisor(tiers, settings.data / "logs", _say, on_start, clock)
    try:
        await supervisor.run(stop, on_ready)
    finally:
        on_start({})


def _say(line: str) -> None:
    """Tell whoever watches; when nobody does any more, the node runs on in silence."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def lock(data: Path) -> Iterator[None]:
    """Hold a data directory, made if missing; the kernel gives it back when this process goes.

    Raises:
        SetupError: another process holds it, or it cannot be made or written.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = (data / "lock").open("a+")
    except OSError as error:
        raise SetupError(
            f"{data} cannot be the data directory ({error.strerror}): give another --data"
        ) from None
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise SetupError(
                f"a node already runs on {data} (process {holder}): "
                "stop it, or give another --data and --port-offset"
            ) from None
        try:  # past the file's buffer, which would be written once more as it is closed
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"{os.getpid()}\n".encode())
        except OSError as error:
            raise SetupError(f"{data} cannot be written: {error.strerror}") from None
        yield


def _ports(settings: Settings, components_only: bool, offset: int) -> list[tuple[int, str, str]]:
    """Who is about to listen where: port, component, host."""
    ports = []
    if settings.kafka_bootstrap_servers is None:
        ports += [
            (KAFKA_PORT + offset, "Kafka", kafka.HOST),
            (KAFKA_CONTROLLER_PORT + offset, "Kafka's controller", kafka.HOST),
        ]
    if settings.clickhouse_url is None:
        ports += [
            (CLICKHOUSE_HTTP_PORT + offset, "ClickHouse's HTTP interface", clickhouse.HOST),
            (CLICKHOUSE_NATIVE_PORT + offset, "ClickHouse's native protocol", clickhouse.HOST),
        ]
    if settings.chain_rpc_url is None:
        ports.append((CHAIN_PORT + offset, "the chain", chain.HOST))
    if not components_only:
        resolved = settings.model_copy(update={"port_offset": offset}).with_local_addresses()
        for port, door in (
            (resolved.endpoint_port, "the endpoint"),
            (resolved.endpoint_mqtt_port, "the endpoint's MQTT door"),
            (resolved.endpoint_grpc_port, "the endpoint's gRPC door"),
        ):
            assert port is not None, "with_local_addresses() fills them in"
            ports.append((port, door, settings.endpoint_host))
        if resolved.endpoint_grpc_mutual_port is not None:
            door = "the endpoint's gRPC door for certificates"
            ports.append((resolved.endpoint_grpc_mutual_port, door, settings.endpoint_host))
        if settings.prometheus and prometheus.program() is not None:
            ports.append((resolved.prometheus_port, "Prometheus", prometheus.HOST))
        for name in resolved.processes:
            ports.append((resolved.process_metrics_port(name), f"metrics of {name}", _HOST))
    return ports


def _check_ports(settings: Settings, components_only: bool, clock: Clock) -> None:
    """See that nobody else listens where the node is about to.

    Raises:
        SetupError: names the port, who wanted it, and an offset at which all ports are free.
    """
    deadline_s = clock.monotonic_s() + _PORTS_PATIENCE_S
    wanted = _ports(settings, components_only, settings.port_offset)
    takers: dict[int, str] = {}
    for port, taker, _ in wanted:
        if (other := takers.setdefault(port, taker)) != taker:
            raise SetupError(f"{other} and {taker} would share port {port}: change one's setting")
    for port, taker, host in wanted:
        while (problem := _problem(host, port)) is not None:
            if problem.errno != errno.EADDRINUSE:
                raise SetupError(f"{taker} cannot listen on {host}:{port}: {problem.strerror}")
            if clock.monotonic_s() > deadline_s:
                raise SetupError(
                    f"port {port}, which {taker} needs, is in use: "
                    f"stop what listens there, or shift all ports, say by {_advice(settings)}"
                )
            time.sleep(_POLL_S)


def free_port_offset(settings: Settings) -> int | None:
    """A `port_offset`, from the settings' own on, at which all ports were free a moment ago."""
    first = settings.port_offset
    for offset in range(first, first + 10 * _OFFSET_STEP, _OFFSET_STEP):
        ports = _ports(settings, False, offset)
        if all(_problem(host, port) is None for port, _, host in ports):
            return offset
    return None


def _advice(settings: Settings) -> str:
    offset = free_port_offset(settings)
    return f"--port-offset {'N' if offset is None else offset}"


def _problem(host: str, port: int) -> OSError | None:
    """Why nobody can listen there at the moment, or None."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the listeners do
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def _check_external(settings: Settings, local: set[str], clock: Clock) -> None:
    """See that the components that run elsewhere answer.

    Raises:
        SetupError: names the setting that points at one that does not.
    """
    setting = {
        "kafka": "kafka_bootstrap_servers",
        "clickhouse": "clickhouse_url",
        "chain": "chain_rpc_url",
    }
    for name, (address, probe) in component_probes(settings).items():
        if name in local:
            continue
        deadline_s = clock.monotonic_s() + _EXTERNAL_PATIENCE_S
        while True:
            try:
                probe()
                break
            except Unhealthy as error:
                if clock.monotonic_s() > deadline_s:
                    raise SetupError(
                        f"{name} at {address} is not well ({error}): start it, "
                        f"or correct the setting {setting[name]}"
                    ) from error
                time.sleep(_POLL_S)
        _say(f"{name:<12}{address:<36} healthy (runs elsewhere)")
