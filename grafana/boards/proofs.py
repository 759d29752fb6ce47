"""From an epoch's barrier to its commitment on the chain, and what that costs."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.panels import Panel, cells, lines, number
from grafana.panels import board as board_of
from grafana.queries import Sql, prom, rate


def board() -> Dashboard:
    """The dashboard."""
    panels = [*_now(), *_epochs(), *_chain(), *_commitments()]
    return board_of("proofs", "W3bStream: proofs and chain", panels)


def _now() -> list[Panel]:
    age = "time() - max by (dapp) (w3b_agree_timestamp_seconds)"
    return [
        number("Age of the latest checkpoint", "s", prom(age, "{{dapp}}")),
        number("Chain answers", "none", prom("w3b_submit_chain_up", "{{chain}}")),
        number("Waiting for the chain", "none", prom("w3b_submit_queued", "{{chain}}")),
    ]


def _epochs() -> list[Panel]:
    return [
        lines(
            "Latest epoch",
            "none",
            prom("max by (dapp) (w3b_closed_epoch)", "{{dapp}}: closed"),
            prom("max by (dapp) (w3b_agree_epoch)", "{{dapp}}: final", "B"),
            prom("max by (dapp) (w3b_submit_epoch)", "{{dapp}}: on chain", "C"),
        ),
        lines(
            "Open epoch",
            "none",
            prom("min by (dapp) (w3b_execute_epoch)", "{{dapp}}"),
            about="Of the partition that is furthest back.",
        ),
        lines(
            "Summaries of partitions",
            "cps",
            prom(rate("w3b_agree_summaries_total", "heard"), "{{heard}}"),
        ),
    ]


def _chain() -> list[Panel]:
    return [
        lines(
            "Commitments",
            "cps",
            prom(rate("w3b_submit_commitments_total", "outcome"), "{{outcome}}"),
        ),
        lines(
            "Transactions",
            "cps",
            prom(rate("w3b_submit_transactions_total", "action"), "{{action}}"),
        ),
        lines(
            "The chain's refusals",
            "cps",
            prom(rate("w3b_submit_errors_total", "error"), "{{error}}"),
        ),
        lines(
            "Transactions of programs",
            "cps",
            prom(rate("w3b_submit_requests_total", "dapp, outcome"), "{{dapp}}: {{outcome}}"),
        ),
        lines(
            "Queue",
            "short",
            prom("w3b_submit_queued", "{{chain}}: waiting"),
            prom("w3b_submit_in_flight", "{{chain}}: sent", "B"),
        ),
        lines("Head", "none", prom("w3b_submit_chain_head", "{{chain}}")),
        lines(
            "Gas",
            "short",
            prom("w3b_submit_gas_used", "{{chain}} {{account}}"),
            about="Of all transactions of the node on the chain.",
        ),
    ]


def _commitments() -> list[Panel]:
    return [
        lines(
            "Claims",
            "short",
            Sql("""
            SELECT $__timeInterval(received) AS t, toString(dapp) AS name, count() AS claims
            FROM claims WHERE $__timeFilter(received) GROUP BY t, name ORDER BY t"""),
        ),
        cells(
            "Latest commitments",
            Sql(
                """
            SELECT received, dapp, epoch, messages, dead, results, claims, digest,
              length(signers) AS signed
            FROM commitments WHERE $__timeFilter(received)
            ORDER BY received DESC LIMIT 100""",
                "table",
            ),
        ),
    ]
