"""A Dapp's typed view of its results."""

import pytest

from streams.database.migrations import migrate
from streams.database.server import Server
from streams.database.views import ViewError, ensure_views, view_sql

COLUMNS = {"kind": "LowCardinality(String)", "speed": "Nullable(Float64)", "o'dd \\`": "UInt8"}


@pytest.mark.services
def test_a_view_reads_the_fields_that_the_manifest_names(server: Server) -> None:
    migrate(server)
    ensure_views(server, "driving", COLUMNS)
    server.command(
        "INSERT INTO results (dapp, device, body) VALUES"
        ' (\'driving\', \'a\', \'{"kind": "trip", "speed": 1.5, "o\\\'dd \\\\\\\\`": 7}\'),'
        " ('driving', 'b', '{}'), ('other', 'c', '{}')"
    )
    assert server.rows(
        "SELECT device, kind, speed, `o'dd \\\\\\``, toTypeName(kind), toTypeName(speed)"
        " FROM results_driving ORDER BY device"
    ) == [
        ("a", "trip", 1.5, 7, "LowCardinality(String)", "Nullable(Float64)"),
        ("b", "", None, 0, "LowCardinality(String)", "Nullable(Float64)"),
    ]


@pytest.mark.services
def test_a_view_follows_its_manifest(server: Server) -> None:
    migrate(server)
    ensure_views(server, "driving", {"kind": "String"})
    ensure_views(server, "driving", {"kind": "String", "score": "Float32"})
    server.command("INSERT INTO results (dapp, body) VALUES ('driving', '{\"score\": 0.5}')")
    assert server.rows("SELECT kind, score FROM results_driving") == [("", 0.5)]


@pytest.mark.parametrize("dapp", ["", "A", "x" * 33, "a; DROP TABLE results", "a`"])
def test_what_is_no_dapp_is_refused(dapp: str) -> None:
    with pytest.raises(ViewError, match="no Dapp's name"):
        view_sql(dapp, {})


def test_what_is_no_type_is_refused() -> None:
    with pytest.raises(ViewError, match="result column speed"):
        view_sql("driving", {"speed": "Float64'), (SELECT 1) AS ("})
