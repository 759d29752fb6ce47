"""What a node can be asked: whether it is well, its rows, claims' proofs."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from topologies.commands import CommandError
from topologies.config import Settings
from topologies.health import node_health
from topologies.registering import Desk


def get_status(_: Desk | None, settings: Settings) -> dict[str, Any]:
    """Whether each component and role is well."""
    components, roles = node_health(settings)
    return {
        "components": {name: health.as_json() for name, health in components.items()},
        "roles": {name: health.as_json() for name, health in roles.items()},
    }


def query(
    _: Desk | None,
    settings: Settings,
    sql: str,
    format: str = "",
    parameters: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A statement's answer as text: one JSON object a line, or CSV.

    Raises:
        QueryError: it is not answered.
        CommandError: no such format.
    """
    from streams.database.query import Format, ask
    from streams.database.server import Server

    formats = {"": Format.JSON, "json": Format.JSON, "csv": Format.CSV}
    if format not in formats:
        raise CommandError(f"format {format!r}: there are json and csv")
    assert settings.clickhouse_url is not None  # resolved settings have one
    server = Server(settings.clickhouse_url)
    try:
        return {"rows": ask(server, sql, formats[format], dict(parameters or {})).decode()}
    finally:
        server.close()


def get_proof(
    _: Desk | None,
    settings: Settings,
    dapp: str,
    subject: str = "",
    epoch: int | None = None,
    partition: int | None = None,
    index: int | None = None,
) -> dict[str, Any]:
    """The proof of a claim: of the newest certified one about a subject, or of the one at a place.

    Raises:
        CommandError: the claim is named by neither, or by both.
        NoProof: there is none (yet).
        DatabaseError: ClickHouse does not answer.
    """
    from streams.database.server import Server
    from topologies.proving import Place, make_proof, newest_claim

    place = (epoch, partition, index)
    if subject and place == (None,) * 3:
        named = None
    elif not subject and epoch is not None and partition is not None and index is not None:
        named = Place(epoch, partition, index)
    else:
        raise CommandError("name the claim by its subject, or by epoch, partition and index")
    assert settings.clickhouse_url is not None
    server = Server(settings.clickhouse_url)
    try:
        where = named or newest_claim(server, dapp, subject)
        proof = make_proof(server, dapp, where).encode().decode()
    finally:
        server.close()
    return asdict(where) | {"proof": proof}
