"""One Kafka broker (KRaft: broker and controller in one process) from Kafka's own jars."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from topologies.supervisor import Child, Running, SetupError, Unhealthy

HOST: Final = "127.0.0.1"
_CHECKOUT: Final = Path(__file__).resolve().parents[2]
JARS: Final = _CHECKOUT / "build" / "kafka"
_PROBE_S: Final = 3.0

# A small heap with C2 left on: steady state matters more than the start. Half of a start is the
# loading of classes, which an archive of them saves (`archive_classes`): 2.7 s become 1.5 s.
_ARCHIVE: Final = JARS / "classes.jsa"
_JVM: Final = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-Djava.awt.headless=true")
_STORAGE_TOOL_JVM: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # lives for a second

_SERVER_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@{host}:{controller_port}
log.dirs={logs}
# Topics are made by name and with their settings (streams/topics.py); a typo must not make one.
auto.create.topics.enable=false
# One broker: nothing to replicate to.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# A start opens every partition of these; one node has a handful of groups and writers.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
# Nobody to wait for before a group's first assignment.
group.initial.rebalance.delay.ms=0
# After kill -9 a broker may register again once its old session is over (9 s by default).
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# A dead worker's open transaction hides what follows from read_committed readers: look often.
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
# A node that was off for months goes on where it stopped.
offsets.retention.minutes=5256000
"""

_LOG4J: Final = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.target = SYSTEM_OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""


def child(data: Path, port: int, controller_port: int) -> Child:
    """The broker as a supervised child.

    Args:
        data: its directory; holds settings, the log and the shared class archive.
        port: where clients connect (PLAINTEXT, loopback).
        controller_port: KRaft's own listener.

    Raises:
        SetupError: no Java, or Kafka's jars are missing.
    """
    java = _java()
    if not any(JARS.glob("kafka_2.13-*.jar")):
        raise SetupError(
            "Kafka's jars are not in build/kafka: run `make setup`, "
            "or set kafka_bootstrap_servers to a running Kafka"
        )
    address = f"{HOST}:{port}"
    archive = ("-Xshare:auto", f"-XX:SharedArchiveFile={_ARCHIVE}") if _ARCHIVE.exists() else ()

    def prepare() -> Sequence[str]:
        return (str(_prepare(java, data, port, controller_port)),)

    return Child(
        name="kafka",
        argv=(java, *_JVM, *archive, *_class_path(data), "kafka.Kafka"),
        env={},
        health=prober({"bootstrap.servers": address}),
        address=address,
        prepare=prepare,
        stop_s_max=20.0,  # it flushes its logs
    )


def prober(config: Mapping[str, object]) -> Callable[[], None]:
    """A check that asks a Kafka for its metadata.

    Args:
        config: a client's settings, `bootstrap.servers` and what authentication needs.

    Returns:
        A function that raises `Unhealthy` when no broker answers.
    """
    clients: list[AdminClient] = []

    def probe() -> None:
        if not clients:
            settings = {"log_level": 0, "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 250}
            clients.append(AdminClient({**config, **settings}))
        try:
            brokers = clients[0].list_topics(timeout=_PROBE_S).brokers
        except KafkaException as error:
            raise Unhealthy(error.args[0].str()) from error
        if not brokers:
            raise Unhealthy("it answers but knows no broker yet")

    return probe


def archive_classes() -> None:
    """Make the archive of Kafka's classes, by running a broker once; `make setup` does.

    Raises:
        SetupError: Java or Kafka's jars are missing.
        Unhealthy: the broker did not start.
    """
    _ARCHIVE.unlink(missing_ok=True)  # an archive cannot be made on top of another
    part = _ARCHIVE.with_suffix(".part")
    with tempfile.TemporaryDirectory() as scratch:
        broker = child(Path(scratch), _free_port(), _free_port())
        assert broker.prepare is not None
        java, *arguments = broker.argv
        argv = (java, f"-XX:ArchiveClassesAtExit={part}", "-Xlog:cds=off", *arguments)
        running = Running(
            replace(broker, argv=argv, stop_s_max=60.0), Path(scratch), broker.prepare()
        )
        try:
            running.wait_until_healthy()
        finally:
            running.stop()
    part.replace(_ARCHIVE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _java() -> str:
    """The Java to run.

    Raises:
        SetupError: none is installed.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None:
        raise SetupError(
            "java is missing: install Java 17 or later (JAVA_HOME or PATH), "
            "or set kafka_bootstrap_servers to a running Kafka"
        )
    return java


def _class_path(data: Path) -> tuple[str, ...]:
    log4j = f"-Dlog4j2.configurationFile={data / 'log4j2.properties'}"
    return (log4j, "-cp", f"{JARS}/*")


def _prepare(java: str, data: Path, port: int, controller_port: int) -> Path:
    """Write the settings; on the first start, format the log directory.

    Returns:
        The settings' file.
    """
    if "," in str(data):
        raise SetupError(f"Kafka takes a comma in {data} for two folders: give another --data")
    data.mkdir(parents=True, exist_ok=True)
    (data / "log4j2.properties").write_text(_LOG4J)
    properties = data / "server.properties"
    logs = data / "log"
    properties.write_text(
        _SERVER_PROPERTIES.format(
            host=HOST, port=port, controller_port=controller_port, logs=_property(logs)
        )
    )
    if not (logs / "meta.properties").exists():
        cluster_id = urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()
        tool = (java, *_STORAGE_TOOL_JVM, *_class_path(data), "kafka.tools.StorageTool")
        done = subprocess.run(
            [*tool, "format", "--cluster-id", cluster_id.replace("-", "A"), "--config", properties],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise SetupError(f"Kafka's storage cannot be formatted: {done.stderr or done.stdout}")
    return properties


def _property(path: Path) -> str:
    """A path as a Java properties file has it: ASCII, with `\\uXXXX` for all else."""
    units = str(path).replace("\\", "\\\\").encode("utf-16-be")
    codes = [int.from_bytes(units[i : i + 2]) for i in range(0, len(units), 2)]
    return "".join(chr(code) if code < 0x80 else f"\\u{code:04x}" for code in codes)
