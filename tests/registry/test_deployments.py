"""What an upgrade may change, and what it is told otherwise."""

from typing import Any

import pytest

from streams.registry.deployments import DeploymentError, check_upgrade
from streams.registry.manifest import Manifest, parse_manifest


def manifest(columns: dict[str, str], **dapp: Any) -> Manifest:
    return parse_manifest(
        {
            "dapp": {"name": "driving", **dapp},
            "program": {"file": "driving.wasm"},
            "results": {"columns": columns},
        },
        "program.toml",
    )


def test_result_columns_may_come_and_go() -> None:
    before = manifest({"kind": "String", "speed": "Float64"})
    check_upgrade(before, manifest({"kind": "String", "score": "UInt8"}, version="2"))


def test_a_result_column_keeps_its_type() -> None:
    before = manifest({"kind": "String", "speed": "Float64"})
    with pytest.raises(DeploymentError) as refused:
        check_upgrade(before, manifest({"kind": "String", "speed": "String"}))
    said = str(refused.value)
    assert said.startswith("results.columns.speed was Float64 and cannot become String")
    assert "add a column with a new name" in said


def test_every_problem_is_told() -> None:
    before = manifest({"speed": "Float64"}, partitions=2)
    with pytest.raises(DeploymentError) as refused:
        check_upgrade(before, manifest({"speed": "String"}, partitions=3))
    assert [line.split(" ")[0] for line in str(refused.value).splitlines()] == [
        "dapp.partitions",
        "results.columns.speed",
    ]
