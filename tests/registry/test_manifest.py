"""Manifests: what passes, and what is said about what does not."""

from pathlib import Path
from typing import Any

import pytest

from streams.registry.column_types import is_column_type
from streams.registry.manifest import Manifest, ManifestError, load_manifest, parse_manifest

SMALLEST: dict[str, Any] = {"dapp": {"name": "driving"}, "program": {"file": "a.wasm"}}
PROGRAMS = Path(__file__).parents[2] / "wasm_programs"


def test_the_smallest_manifest_has_defaults() -> None:
    manifest = parse_manifest(SMALLEST, "here")
    assert manifest.dapp.partitions == 1
    assert manifest.program.instance == "fresh"
    assert manifest.events == {"DEFAULT": "start"}
    assert (manifest.epochs.seconds, manifest.epochs.messages) == (10, 100_000)
    assert Manifest.model_validate(manifest.model_dump(mode="json")) == manifest


@pytest.mark.parametrize(
    "path", sorted(PROGRAMS.glob("*/program.toml")), ids=lambda p: p.parent.name
)
def test_the_manifests_that_come_along(path: Path) -> None:
    manifest, program = load_manifest(path.parent)
    assert manifest.dapp.name == path.parent.name
    assert program.parent.parent == path.parent


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dapp": {}}, "here: dapp.name: is missing"),
        ({"dapp": {"name": "Driving"}}, "here: dapp.name: string should match pattern"),
        ({"dapp": {"name": "d", "partitions": 0}}, "dapp.partitions: .*greater than or equal to 1"),
        ({"dapp": {"name": "d", "partitions": "4"}}, "dapp.partitions: .*valid integer"),
        ({"dapp": {"name": "d", "consensus": "pbtf"}}, "dapp.consensus: .*'poa'"),
        ({"dapp": {"name": "d", "partition": 1}}, "dapp.partition: is not a known field"),
        ({"program": {"file": "/a.wasm"}}, "program.file: must be a path inside"),
        ({"program": {"file": "../a.wasm"}}, "program.file: must be a path inside"),
        (
            {"program": {"file": "a.wasm", "instance": "new"}},
            "program.instance: .*'fresh' or 'kept'",
        ),
        ({"events": {}}, "events: name at least one handler"),
        ({"events": {"": "start"}}, "events: '': an event type has 1 to 64 bytes"),
        ({"events": {"DEFAULT": "no handler"}}, "events.DEFAULT: string should match"),
        ({"results": {"columns": {"kind": "Text"}}}, "results.columns: kind: 'Text' is no type"),
        ({"results": {"columns": {"a b": "String"}}}, "results.columns.a b"),
        ({"results": {"columns": {"device": "String"}}}, "results.columns: rename device"),
        ({"epochs": {"seconds": 0}}, "epochs.seconds"),
        ({"limits": {"fuel": 10**12}}, "limits.fuel: .*less than or equal to"),
        ({"env": {"A": 1}}, "env.A: .*valid string"),
        ({"extra": {}}, "here: extra: is not a known field"),
    ],
)
def test_each_wrong_field_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        parse_manifest(SMALLEST | change, "here")


def test_all_wrong_fields_are_named_at_once() -> None:
    with pytest.raises(ManifestError) as error:
        parse_manifest({"dapp": {"name": "D", "partitions": 0}}, "here")
    assert len(str(error.value).splitlines()) == 3


def test_files_that_are_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such file; give a program"):
        load_manifest(tmp_path)
    path = tmp_path / "program.toml"
    path.write_text("[dapp")
    with pytest.raises(ManifestError, match="not TOML"):
        load_manifest(path)
    path.write_bytes(b"\xff")
    with pytest.raises(ManifestError, match="not TOML"):
        load_manifest(path)
    path.write_text("#" * 100_000)
    with pytest.raises(ManifestError, match="over 65536 bytes"):
        load_manifest(path)


@pytest.mark.parametrize(
    "text",
    ["String", "UInt8", "Int256", "Float64", "DateTime64(3)", "Decimal(10, 2)", "Decimal(76,76)",
     "Nullable(Float64)", "LowCardinality(Nullable(String))", "Array(Nullable(Int32))",
     "Array(Array(LowCardinality(String)))"],
)  # fmt: skip
def test_types_of_columns(text: str) -> None:
    assert is_column_type(text)


@pytest.mark.parametrize(
    "text",
    ["", "string", "Int7", "String) ENGINE = Null --", "DateTime64(10)", "Decimal(77, 1)",
     "Decimal(5, 6)", "Nullable(Nullable(String))", "Nullable(Array(String))",
     "LowCardinality(Float64)", "Array(String", "Array()", "AggregateFunction(sum, Int8)",
     "Array(" * 9 + "String" + ")" * 9],
)  # fmt: skip
def test_what_is_no_type_of_a_column(text: str) -> None:
    assert not is_column_type(text)
