"""The same components from a container engine, where the local ones are not set up.

`testcontainers` is imported only when it is needed, as importing it looks for an engine.
"""

from contextlib import ExitStack
from functools import cached_property

from streams.database.rights import rights_sql
from streams.database.server import Server

KAFKA_IMAGE = "confluentinc/cp-kafka:7.9.1"
CLICKHOUSE_IMAGE = "clickhouse/clickhouse-server:26.9"
CHAIN_IMAGE = "ghcr.io/foundry-rs/foundry:v1.7.1"
CHAIN_PORT = 8545


class Containers:
    """Each container starts when its address is first asked for."""

    def __init__(self) -> None:
        """Nothing starts yet."""
        self._started = ExitStack()

    def available(self) -> bool:
        """Whether a container engine answers."""
        import docker

        try:
            client = docker.from_env()
        except docker.errors.DockerException:
            return False
        try:
            return bool(client.ping())
        finally:
            client.close()

    @cached_property
    def kafka(self) -> str:
        """Bootstrap servers, `host:port`."""
        from testcontainers.community.kafka import KafkaContainer

        container = KafkaContainer(KAFKA_IMAGE).with_kraft()
        container.with_env("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
        container.with_env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
        container.with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
        return str(self._started.enter_context(container).get_bootstrap_server())

    @cached_property
    def clickhouse_url(self) -> str:
        """`http://user:password@host:port/database`."""
        from testcontainers.community.clickhouse import ClickHouseContainer

        container = self._started.enter_context(
            ClickHouseContainer(CLICKHOUSE_IMAGE, username="w3b", password="w3b", dbname="w3b")
        )
        host, port = container.get_container_host_ip(), container.get_exposed_port(8123)
        return f"http://w3b:w3b@{host}:{port}/w3b"

    @cached_property
    def clickhouse_reader_url(self) -> str:
        """The same of a user with the reader's rights."""
        server = Server(self.clickhouse_url)
        user = "CREATE USER reader IDENTIFIED BY 'reader' DEFAULT ROLE w3b_reader"
        for sql in (*rights_sql(server.database), user):
            server.command(sql)
        server.close()
        return self.clickhouse_url.replace("w3b:w3b@", "reader:reader@")

    @cached_property
    def chain_rpc_url(self) -> str:
        """JSON-RPC over HTTP."""
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.wait_strategies import LogMessageWaitStrategy

        container = DockerContainer(CHAIN_IMAGE).with_exposed_ports(CHAIN_PORT)
        container.with_command("anvil --host 0.0.0.0")
        container.waiting_for(LogMessageWaitStrategy("Listening on"))
        self._started.enter_context(container)
        return (
            f"http://{container.get_container_host_ip()}:{container.get_exposed_port(CHAIN_PORT)}"
        )

    def close(self) -> None:
        """Stop and remove what was started."""
        self._started.close()
