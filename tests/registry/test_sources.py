"""Schedules and monitors in a manifest: what passes, and what is said about what does not."""

from typing import Any

import pytest

from streams.registry.manifest import Manifest, ManifestError, parse_manifest

SMALLEST: dict[str, Any] = {"dapp": {"name": "driving"}, "program": {"file": "a.wasm"}}
TICK = {"cron": "*/5 * * * *", "event_type": "TICK"}
LOGS = {"kind": "contract_log", "address": "0x" + "aB" * 20}
SOURCES = {
    "schedule": [TICK],
    "monitor": [
        LOGS | {"topics": ["", "0x" + "00" * 32], "chain": 4690, "from_block": 7},
        {"kind": "chain_tx", "hash": "0x" + "11" * 32, "confirmations": 20},
        {"kind": "chain_height", "height": 10, "event_type": "HIGH"},
    ],
}


def test_schedules_and_monitors_go_through_the_registry_unchanged() -> None:
    manifest = parse_manifest(SMALLEST | SOURCES, "here")
    assert [one.event_type for one in manifest.monitor] == [
        "MONITOR_DEFAULT", "MONITOR_DEFAULT", "HIGH",
    ]  # fmt: skip
    assert [one.confirmations for one in manifest.monitor] == [6, 20, 6]
    assert Manifest.model_validate(manifest.model_dump(mode="json")) == manifest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schedule": [{"event_type": "T"}]}, r"schedule\.0\.cron: is missing"),
        ({"schedule": [TICK | {"cron": "* * * *"}]}, r"cron: '\* \* \* \*' is no cron expression"),
        ({"schedule": [TICK | {"cron": "* * * * * *"}]}, "cron expression of five fields"),
        ({"schedule": [TICK | {"cron": "61 * * * *"}]}, "cron expression of five fields"),
        ({"schedule": [TICK, TICK]}, "schedule: number 2 is there twice"),
        ({"schedule": [TICK | {"event_type": ""}]}, r"schedule\.0\.event_type"),
        ({"monitor": [{"kind": "block"}]}, r"monitor\.0: .*'contract_log', 'chain_tx'"),
        ({"monitor": [LOGS | {"address": "0x1"}]}, r"monitor\.0\.contract_log\.address"),
        ({"monitor": [LOGS | {"topics": ["0x1"]}]}, r"monitor\.0\.contract_log\.topics\.0"),
        ({"monitor": [LOGS | {"confirmations": 0}]}, "confirmations: .*greater than or equal to 1"),
        ({"monitor": [LOGS | {"hash": "0x1"}]}, "hash: is not a known field"),
        ({"monitor": [{"kind": "chain_tx"}]}, r"chain_tx\.hash: is missing"),
        ({"monitor": [{"kind": "chain_height", "height": -1}]}, r"chain_height\.height"),
    ],
)
def test_each_wrong_field_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        parse_manifest(SMALLEST | change, "here")
