"""Is it running, does it keep up, and where does a message's time go."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.panels import Panel, lines, number
from grafana.panels import board as board_of
from grafana.queries import prom, quantile, rate

_READ: Final = '{table=~"messages|results"}'  # what is asked for most


def board() -> Dashboard:
    """The dashboard."""
    return board_of("pipeline", "W3bStream: pipeline", [*_now(), *_flow(), *_stages(), *_machine()])


def _now() -> list[Panel]:
    return [
        number(
            "Processes", "none", prom('up{job="w3b"}', "{{process}}"), "1: Prometheus reaches it."
        ),
        number(
            "Furthest behind",
            "s",
            prom("max by (stage) (w3b_lag_seconds)", "{{stage}}"),
            "How long the oldest record has waited that a stage has not taken yet.",
        ),
        number(
            "Failures of stages",
            "none",
            prom("sum by (stage) (increase(w3b_stage_failures_total[$__range]))", "{{stage}}"),
            "Times that a stage was made anew.",
        ),
    ]


def _flow() -> list[Panel]:
    return [
        lines(
            "Messages in",
            "cps",
            prom(rate("w3b_endpoint_messages_total", "door"), "{{door}}"),
            about="That Kafka has acknowledged.",
        ),
        lines(
            "Messages through programs",
            "cps",
            prom(rate("w3b_execute_messages_total", "outcome"), "{{outcome}}"),
        ),
        lines(
            "Rows into ClickHouse", "cps", prom(rate("w3b_store_rows_total", "table"), "{{table}}")
        ),
        lines(
            "Waiting, by stage",
            "short",
            prom("sum by (stage) (w3b_lag_messages)", "{{stage}}"),
            about="Records in the log that a stage has not taken yet.",
        ),
        lines(
            "Freshness",
            "s",
            prom(quantile(0.5, "w3b_store_freshness_seconds", "table", _READ), "{{table}} p50"),
            prom(
                quantile(0.99, "w3b_store_freshness_seconds", "table", _READ), "{{table}} p99", "B"
            ),
            about="From the log to where it can be queried.",
        ),
        lines(
            "From device to queryable",
            "s",
            prom(quantile(0.5, "w3b_store_device_freshness_seconds", "dapp"), "{{dapp}} p50"),
            prom(quantile(0.99, "w3b_store_device_freshness_seconds", "dapp"), "{{dapp}} p99", "B"),
            about="By the devices' clocks: what one kept back while it was offline is late.",
        ),
        lines(
            "Acknowledged after",
            "s",
            prom(quantile(0.99, "w3b_endpoint_acknowledge_seconds", "door"), "{{door}} p99"),
        ),
    ]


def _stages() -> list[Panel]:
    return [
        lines(
            "Messages in a batch",
            "short",
            prom(quantile(0.5, "w3b_execute_batch_messages", "dapp"), "{{dapp}} p50"),
            prom(quantile(0.99, "w3b_execute_batch_messages", "dapp"), "{{dapp}} p99", "B"),
        ),
        lines(
            "A batch in wasm",
            "s",
            prom(quantile(0.99, "w3b_execute_run_seconds", "dapp"), "{{dapp}} p99"),
        ),
        lines(
            "A batch's transaction",
            "s",
            prom(quantile(0.99, "w3b_execute_commit_seconds", "dapp"), "{{dapp}} p99"),
        ),
        lines(
            "Transactions aborted",
            "cps",
            prom(rate("w3b_execute_aborts_total", "dapp"), "{{dapp}}"),
            about="They are run again: nothing is lost, time is.",
        ),
        lines(
            "Instances made anew",
            "cps",
            prom(rate("w3b_execute_instance_renewals_total", "dapp"), "{{dapp}}"),
            about="After an event that changed what restoring does not undo.",
        ),
        lines(
            "Messages of schedules and monitors",
            "cps",
            prom(rate("w3b_watch_messages_total", "kind"), "{{kind}}"),
        ),
        lines(
            "Effects",
            "cps",
            prom(rate("w3b_effects_total", "label"), "{{label}}"),
            prom(rate("w3b_effects_refused_total", "label"), "{{label}} refused", "B"),
            about="What programs asked of the world; refused ones are dead letters.",
        ),
    ]


def _machine() -> list[Panel]:
    cpu = 'rate(process_cpu_seconds_total{job="w3b"}[$__rate_interval])'
    return [
        lines("Cores", "none", prom(cpu, "{{process}}")),
        lines("Memory", "bytes", prom('process_resident_memory_bytes{job="w3b"}', "{{process}}")),
    ]
