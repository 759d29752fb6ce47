"""Who sends, who is sent away and why, who is known."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.panels import Panel, cells, lines, number
from grafana.panels import board as board_of
from grafana.queries import Sql, prom, quantile, rate

_IDENTITY: Final = (
    '{reason=~"token_.*|challenge_.*|signature_.*|credential_.*|device_unknown|device_revoked|'
    'device_owned|owner_unknown|not_granted"}'
)
_LOAD: Final = '{reason=~".*_rate_exceeded|overloaded|log_unavailable|too_slow|internal"}'


def board() -> Dashboard:
    """The dashboard."""
    return board_of(
        "endpoint", "W3bStream: endpoint and identity", [*_now(), *_requests(), *_who()]
    )


def _now() -> list[Panel]:
    accepted = "sum(rate(w3b_endpoint_messages_total[$__rate_interval]))"
    refused = "sum(rate(w3b_endpoint_refusals_total[$__rate_interval]))"
    return [
        number("Messages a second", "cps", prom(accepted, "messages")),
        number("Requests refused a second", "cps", prom(refused, "requests")),
        number(
            "Records that hold no entry",
            "none",
            prom("sum(w3b_registry_unreadable_total)", "records"),
            "On the registry's topic, since the processes started.",
        ),
    ]


def _requests() -> list[Panel]:
    return [
        lines(
            "Messages",
            "cps",
            prom(rate("w3b_endpoint_messages_total", "door, dapp"), "{{door}} to {{dapp}}"),
        ),
        lines(
            "Acknowledged after",
            "s",
            prom(quantile(0.5, "w3b_endpoint_acknowledge_seconds", "door"), "{{door}} p50"),
            prom(quantile(0.99, "w3b_endpoint_acknowledge_seconds", "door"), "{{door}} p99", "B"),
        ),
        lines(
            "Refused",
            "cps",
            prom(f"topk(10, {rate('w3b_endpoint_refusals_total', 'reason')} > 0)", "{{reason}}"),
            about="The ten reasons that were given most.",
        ),
        lines(
            "Not let in",
            "cps",
            prom(f"{rate('w3b_endpoint_refusals_total', 'reason', _IDENTITY)} > 0", "{{reason}}"),
            about="Tokens, challenges, signatures, devices and grants.",
        ),
        lines(
            "Too much",
            "cps",
            prom(rate("w3b_endpoint_refusals_total", "reason", _LOAD), "{{reason}}"),
            about="Rates, and what the node itself could not take.",
        ),
        lines(
            "Clients that stay",
            "short",
            prom("sum(w3b_endpoint_mqtt_connections)", "over MQTT"),
            prom("sum(w3b_endpoint_grpc_streams)", "streams over gRPC", "B"),
        ),
        lines(
            "Told to MQTT clients",
            "cps",
            prom(rate("w3b_endpoint_downlinks_total", "outcome"), "{{outcome}}"),
            about="Messages of programs; lost: the client did not keep up, or takes none so large.",
        ),
        lines(
            "Entries of the registry",
            "short",
            prom("max by (kind) (w3b_registry_entries)", "{{kind}}"),
            prom("max(w3b_registry_held_devices)", "devices that are held", "B"),
            about="Held: the owner's credential does not hold.",
        ),
    ]


def _who() -> list[Panel]:
    return [
        cells(
            "Sending most",
            Sql(
                """
            SELECT device, dapp, count() AS messages, max(received) AS latest FROM messages
            WHERE $__timeFilter(received) GROUP BY device, dapp
            ORDER BY messages DESC LIMIT 50""",
                "table",
            ),
        ),
        cells(
            "Failing most",
            Sql(
                """
            SELECT key AS device, dapp, reason, count() AS dead_letters, max(received) AS latest
            FROM dead_letters WHERE $__timeFilter(received) GROUP BY device, dapp, reason
            ORDER BY dead_letters DESC LIMIT 50""",
                "table",
            ),
        ),
        cells(
            "The audit log",
            Sql(
                """
            SELECT at, who, door, action, kind, name, dapp, reason, times, before, after FROM audit
            WHERE $__timeFilter(at) ORDER BY at DESC LIMIT 200""",
                "table",
            ),
            "Who changed what, and who was refused how often; the newest first.",
        ),
    ]
