"""The sink and ClickHouse: how fast rows come, how large they are, what was in the way."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.panels import Panel, cells, lines, number
from grafana.panels import board as board_of
from grafana.queries import Sql, prom, quantile, rate


def board() -> Dashboard:
    """The dashboard."""
    return board_of("database", "W3bStream: database", [*_now(), *_sink(), *_trouble(), *_tables()])


def _now() -> list[Panel]:
    return [
        number(
            "Rows a second",
            "cps",
            prom("sum(rate(w3b_store_rows_total[$__rate_interval]))", "rows"),
        ),
        number("Waiting to be inserted", "bytes", prom("sum(w3b_store_waiting_bytes)", "rows")),
        number("Behind", "s", prom('max(w3b_lag_seconds{stage="store"})', "the sink")),
    ]


def _sink() -> list[Panel]:
    return [
        lines("Rows", "cps", prom(rate("w3b_store_rows_total", "table"), "{{table}}")),
        lines(
            "Rows of a block",
            "short",
            prom(quantile(0.5, "w3b_store_block_rows", "table"), "{{table}} p50"),
        ),
        lines(
            "An insert",
            "s",
            prom(quantile(0.99, "w3b_store_insert_seconds", "table"), "{{table}} p99"),
        ),
        lines(
            "Freshness",
            "s",
            prom(quantile(0.99, "w3b_store_freshness_seconds", "table"), "{{table}} p99"),
            about="From the log to where it can be queried.",
        ),
    ]


def _trouble() -> list[Panel]:
    return [
        lines(
            "Tried again",
            "cps",
            prom(rate("w3b_store_retries_total", "cause"), "{{cause}}"),
            about="By whose trouble it was.",
        ),
        lines(
            "Repeats",
            "cps",
            prom(rate("w3b_store_repeats_total", "dapp"), "{{dapp}}"),
            about="Messages that made no row.",
        ),
        lines(
            "Set aside",
            "cps",
            prom(rate("w3b_store_aside_total", "dapp, cause"), "{{dapp}}: {{cause}}"),
            about="Records that are dead letters because of the sink.",
        ),
        lines(
            "Rows put back",
            "cps",
            prom("sum(rate(w3b_store_completed_rows_total[$__rate_interval]))", "rows"),
            about="Of blocks that were sent again, and of which ClickHouse had lost some.",
        ),
    ]


def _tables() -> list[Panel]:
    return [
        lines(
            "Rows by the log's time",
            "short",
            Sql("""
            SELECT $__timeInterval(received) AS t, toString(dapp) AS name, count() AS messages
            FROM messages WHERE $__timeFilter(received) GROUP BY t, name ORDER BY t"""),
        ),
        cells(
            "Tables",
            Sql(
                """
            SELECT table, sum(rows) AS stored, formatReadableSize(sum(bytes_on_disk)) AS on_disk,
              round(sum(data_uncompressed_bytes) / sum(data_compressed_bytes), 1) AS ratio,
              round(sum(bytes_on_disk) / sum(rows), 1) AS bytes_a_row, count() AS parts
            FROM system.parts WHERE database = currentDatabase() AND active AND rows > 0
            GROUP BY table ORDER BY sum(bytes_on_disk) DESC""",
                "table",
            ),
        ),
        cells(
            "Slowest questions",
            Sql(
                """
            SELECT event_time, query_duration_ms AS ms, read_rows, memory_usage, user, query
            FROM system.query_log
            WHERE type = 'QueryFinish' AND query_kind = 'Select' AND $__timeFilter(event_time)
            ORDER BY query_duration_ms DESC LIMIT 30""",
                "table",
            ),
            "They share the server with the sink.",
        ),
    ]
