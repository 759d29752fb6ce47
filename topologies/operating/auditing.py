"""Who did what: the audit log, read, and written of what changes no entry of the registry."""

import socket
import sys
from collections.abc import Mapping
from typing import Any, Final

from streams import limits
from streams.audit.log import AuditLog
from streams.audit.record import AuditError, Author, Record, at_command
from streams.clock import SystemClock
from topologies.commands import CommandError
from topologies.config import Settings
from topologies.registering import Desk

_REACH_S: Final = 1.0


def list_audit(
    _: Desk | None,
    settings: Settings,
    device: str = "",
    owner: str = "",
    dapp: str = "",
    since_ms: int = 0,
    most: int = 0,
) -> dict[str, Any]:
    """What concerns a device, an owner, a Dapp, or all of them at once; oldest first.

    ``most``: of the newest records; 0: as many as are told at once.

    Raises:
        CommandError: more are wanted.
        DatabaseError: ClickHouse does not answer.
    """
    from streams.database.audits import audited
    from streams.database.server import Server

    if most > limits.AUDIT_SHOWN_MAX:
        raise CommandError(f"most {most}: at most {limits.AUDIT_SHOWN_MAX}")
    assert settings.clickhouse_url is not None  # resolved settings have one
    server = Server(settings.clickhouse_url)
    try:
        records = audited(
            server,
            device=device,
            owner=owner,
            dapp=dapp,
            since_ms=since_ms,
            most=most or limits.AUDIT_SHOWN_MAX,
        )
    finally:
        server.close()
    return {"records": records}


def tell(
    kafka: Mapping[str, Any],
    author: Author,
    action: str,
    kind: str,
    name: str,
    *,
    dapp: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Put into the audit log what somebody has done besides changing the registry.

    Raises:
        AuditError: Kafka does not have it.
    """
    AuditLog(kafka).append(
        Record(
            at_ms=SystemClock().now_ms(),
            author=author,
            action=action,
            kind=kind,
            name=name,
            dapp=dapp,
            before=before,
            after=after,
        )
    )


def tell_if_reachable(
    settings: Settings,
    action: str,
    kind: str,
    name: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """As `tell`, of a command that changes files: it works while Kafka is away, and then says that
    the audit log does not have it."""
    kafka = {**settings.kafka_config(), "log_level": 0}
    try:
        _reach(str(settings.kafka_bootstrap_servers))
        tell(kafka, at_command(), action, kind, name, before=before, after=after)
    except (OSError, ValueError, AuditError) as error:
        print(f"w3b: this is not in the audit log: {error}", file=sys.stderr)


def _reach(servers: str) -> None:
    """See that one of Kafka's addresses takes connections; its client would go on trying."""
    last = OSError("no address of Kafka's")
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _REACH_S).close()
            return
        except OSError as error:
            last = OSError(f"Kafka at {server} does not answer: {error.strerror or error}")
    raise last
