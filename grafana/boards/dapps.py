"""One Dapp: what comes, what its program makes of it, what it keeps, what fails and why."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.panels import Panel, cells, lines, number
from grafana.panels import board as board_of
from grafana.queries import Sql, prom, quantile, rate

_DAPP: Final = '{dapp="$dapp"}'


def board() -> Dashboard:
    """The dashboard."""
    panels = [*_now(), *_program(), *_state(), *_rows()]
    return board_of("dapps", "W3bStream: Dapps", panels, of_one_dapp=True)


def _now() -> list[Panel]:
    return [
        number(
            "Messages a second",
            "cps",
            prom(f"sum(rate(w3b_execute_messages_total{_DAPP}[$__rate_interval]))", "messages"),
        ),
        number("Behind", "s", prom(f"max by (stage) (w3b_lag_seconds{_DAPP})", "{{stage}}")),
        number(
            "Fullest partition",
            "percentunit",
            prom(f"max(w3b_execute_state_share{_DAPP})", "state"),
            "Keyed state's share of its ceiling: at 1 events fail that write more.",
        ),
    ]


def _program() -> list[Panel]:
    return [
        lines(
            "Messages",
            "cps",
            prom(rate("w3b_execute_messages_total", "outcome", _DAPP), "{{outcome}}"),
            prom(rate("w3b_store_repeats_total", "dapp", _DAPP), "repeats at the sink", "B"),
        ),
        lines(
            "Dead letters",
            "cps",
            prom(rate("w3b_execute_dead_letters_total", "reason", _DAPP), "{{reason}}"),
        ),
        lines("Written", "cps", prom(rate("w3b_execute_outputs_total", "kind", _DAPP), "{{kind}}")),
        lines(
            "Waiting, by stage",
            "short",
            prom(f"sum by (stage) (w3b_lag_messages{_DAPP})", "{{stage}}"),
        ),
        lines(
            "A batch",
            "s",
            prom(quantile(0.99, "w3b_execute_run_seconds", "dapp", _DAPP), "in wasm, p99"),
            prom(
                quantile(0.99, "w3b_execute_commit_seconds", "dapp", _DAPP), "transaction, p99", "B"
            ),
        ),
        lines(
            "Stages that failed",
            "cps",
            prom(rate("w3b_stage_failures_total", "stage", _DAPP), "{{stage}}"),
        ),
    ]


def _state() -> list[Panel]:
    each = "partition {{partition}}"
    return [
        lines("Keys of keyed state", "short", prom(f"w3b_execute_state_keys{_DAPP}", each)),
        lines("Keyed state", "bytes", prom(f"w3b_execute_state_bytes{_DAPP}", each)),
        lines("Rows of SQL tables", "bytes", prom(f"w3b_execute_sql_bytes{_DAPP}", each)),
    ]


def _rows() -> list[Panel]:
    return [
        lines(
            "Devices that sent",
            "short",
            Sql("""
            SELECT $__timeInterval(received) AS t, uniq(device) AS devices FROM messages
            WHERE dapp = '$dapp' AND $__timeFilter(received) GROUP BY t ORDER BY t"""),
        ),
        lines(
            "Results",
            "short",
            Sql("""
            SELECT $__timeInterval(received) AS t, count() AS results FROM results
            WHERE dapp = '$dapp' AND $__timeFilter(received) GROUP BY t ORDER BY t"""),
        ),
        lines(
            "From device to queryable",
            "s",
            prom(quantile(0.5, "w3b_store_device_freshness_seconds", "dapp", _DAPP), "p50"),
            prom(quantile(0.99, "w3b_store_device_freshness_seconds", "dapp", _DAPP), "p99", "B"),
            about="By the devices' clocks: what one kept back while it was offline is late.",
        ),
        cells(
            "Latest dead letters",
            Sql(
                """
            SELECT received, reason, detail, topic, `partition`, `offset` FROM dead_letters
            WHERE dapp = '$dapp' AND $__timeFilter(received)
            ORDER BY received DESC LIMIT 100""",
                "table",
            ),
        ),
        cells(
            "Latest metrics that the program submitted",
            Sql(
                """
            SELECT received, device, json FROM customized_metrics
            WHERE dapp = '$dapp' AND $__timeFilter(received)
            ORDER BY received DESC LIMIT 100""",
                "table",
            ),
        ),
    ]
