"""Cars of the Dapp safe_driving: where they are, how they are driven."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.panels import Panel, cells, lines, number, places
from grafana.panels import board as board_of
from grafana.queries import Sql

_SENT: Final = "FROM messages WHERE dapp = 'safe_driving' AND $__timeFilter(received)"
_SAID: Final = "FROM results_safe_driving WHERE $__timeFilter(time)"


def board() -> Dashboard:
    """The dashboard."""
    return board_of("fleet", "W3bStream: fleet", [*_now(), _map(), *_driving(), *_cars()])


def _now() -> list[Panel]:
    return [
        number("Cars", "none", Sql(f"SELECT uniq(device) AS cars {_SENT}", "table")),
        number("Trips", "none", Sql(f"SELECT countIf(kind = 'trip') AS trips {_SAID}", "table")),
        number(
            "Driven",
            "lengthkm",
            Sql(
                f"""
            SELECT sum(distance_m) / 1000 AS driven {_SAID} AND kind = 'trip'""",
                "table",
            ),
        ),
    ]


def _map() -> Panel:
    return places(
        "Where each car was last",
        Sql(
            f"""
        SELECT device, max(time) AS seen,
          argMax(JSONExtractFloat(payload, 'lat'), time) AS latitude,
          argMax(JSONExtractFloat(payload, 'lon'), time) AS longitude,
          argMax(JSONExtractFloat(payload, 'speed_kmh'), time) AS speed_kmh
        {_SENT} AND JSONHas(payload, 'lat') AND JSONHas(payload, 'lon')
        GROUP BY device ORDER BY seen DESC LIMIT 10000""",
            "table",
        ),
    )


def _driving() -> list[Panel]:
    return [
        lines(
            "Cars under way",
            "short",
            Sql(f"""
            SELECT $__timeInterval(received) AS t, uniq(device) AS cars {_SENT}
            GROUP BY t ORDER BY t"""),
        ),
        lines(
            "Speed",
            "velocitykmh",
            Sql(f"""
            SELECT $__timeInterval(received) AS t,
              avg(JSONExtractFloat(payload, 'speed_kmh')) AS mean,
              quantile(0.95)(JSONExtractFloat(payload, 'speed_kmh')) AS p95
            {_SENT} AND JSONHas(payload, 'speed_kmh') GROUP BY t ORDER BY t"""),
        ),
        lines(
            "Events of note",
            "short",
            Sql(f"""
            SELECT $__timeInterval(time) AS t, toString(kind) AS event, count() AS events {_SAID}
            AND kind != 'trip' GROUP BY t, event ORDER BY t"""),
        ),
    ]


def _cars() -> list[Panel]:
    return [
        cells(
            "Braking hardest",
            Sql(
                f"""
            SELECT device, countIf(kind = 'harsh_brake') AS harsh_brakes,
              minIf(rate_ms2, kind = 'harsh_brake') AS hardest_ms2
            {_SAID} GROUP BY device ORDER BY harsh_brakes DESC LIMIT 20""",
                "table",
            ),
        ),
        cells(
            "Latest trips",
            Sql(
                f"""
            SELECT time, device, distance_m, score, harsh_brakes, speeding_s, idle_s, reason
            {_SAID} AND kind = 'trip' ORDER BY time DESC LIMIT 100""",
                "table",
            ),
        ),
    ]
