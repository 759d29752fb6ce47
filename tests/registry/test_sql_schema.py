"""A Dapp's SQL schema: W3bStream's JSON form, what is refused, what may be added later."""

import copy
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from streams.registry.manifest import ManifestError, load_manifest, parse_manifest
from streams.registry.sql_schema import KINDS, SqlSection, upgrade_problems

# As the original's own test has it (pkg/types/wasm/wasm_config_database_test.go), as JSON.
DEMO: dict[str, Any] = {
    "schemas": [
        {
            "schema": "public",
            "tables": [
                {
                    "name": "t_demo",
                    "desc": "demo table",
                    "cols": [
                        {
                            "name": "f_id",
                            "constrains": {
                                "datatype": "INT64",
                                "autoincrement": True,
                                "desc": "primary id",
                            },
                        },
                        {"name": "f_name", "constrains": {"datatype": "TEXT", "length": 255}},
                        {"name": "f_amount", "constrains": {"datatype": "FLOAT64"}},
                        {
                            "name": "f_income",
                            "constrains": {
                                "datatype": "DECIMAL",
                                "length": 128,
                                "decimal": 128,
                                "default": "0",
                            },
                        },
                        {
                            "name": "f_comment",
                            "constrains": {"datatype": "TEXT", "default": "", "null": True},
                        },
                    ],
                    "keys": [{"name": "primary", "isUnique": True, "columnNames": ["f_id"]}],
                }
            ],
        }
    ]
}


def table() -> dict[str, Any]:
    """A copy to change, within a schema of its own."""
    return copy.deepcopy(DEMO["schemas"][0]["tables"][0])


def section(*tables: dict[str, Any]) -> SqlSection:
    return SqlSection.model_validate({"schemas": [{"tables": list(tables)}]})


def test_the_originals_form_is_read_and_travels_as_json() -> None:
    read = SqlSection.model_validate(DEMO)
    (demo,) = read.tables
    assert [column.constrains.kind for column in demo.cols] == [
        "int8", "text", "float8", "numeric", "text",
    ]  # fmt: skip
    assert [column.constrains.size for column in demo.cols] == [
        (0, 0), (255, 0), (0, 0), (128, 128), (255, 0),
    ]  # fmt: skip
    assert [column.constrains.default_value for column in demo.cols] == [None, None, None, "0", ""]
    assert demo.primary_key == ("f_id",)
    assert (
        SqlSection.model_validate(orjson.loads(orjson.dumps(read.model_dump(mode="json")))) == read
    )


def test_names_are_folded_and_fields_are_known_in_any_case() -> None:
    key = {"isunique": True, "COLUMNNAMES": ["ID"], "Name": "t_pkey"}
    cols = [{"Name": "ID", "Constrains": {"DataType": "int64", "AutoIncrement": True}}]
    (read,) = section({"name": "T", "cols": cols, "keys": [key]}).tables
    assert (read.name, read.cols[0].name, read.primary_key) == ("t", "id", ("id",))


@pytest.mark.parametrize("datatype", KINDS)
def test_every_datatype_of_the_original(datatype: str) -> None:
    (read,) = section(
        {"name": "t", "cols": [{"name": "a", "constrains": {"datatype": datatype}}]}
    ).tables
    assert read.cols[0].constrains.kind == KINDS[datatype]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"datatype": "BLOB"}, "'BLOB' is no datatype; there are INT"),
        ({"datatype": "TEXT", "autoincrement": True}, "for whole numbers"),
        ({"datatype": "INT", "autoincrement": True, "default": "1"}, "exclude each other"),
        ({"datatype": "INT", "default": "now()"}, "no number"),
        ({"datatype": "TEXT", "default": "hello"}, "quote it"),
        ({"datatype": "BOOL", "default": "maybe"}, "neither true nor false"),
        ({"datatype": "DECIMAL", "length": 2, "decimal": 3}, "more than length"),
        ({"datatype": "INT", "nul": True}, "Extra inputs"),
    ],
)
def test_columns_that_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        section({"name": "t", "cols": [{"name": "a", "constrains": change}]})


@pytest.mark.parametrize(
    ("schemas", "said"),
    [
        ([], "at least 1"),
        ([{"tables": []}], "at least one table"),
        ([{"schema": "other", "tables": [table()]}], "public"),
        ([{"tables": [table(), table()]}], "table t_demo is there twice"),
        ([{"tables": [{"name": "sqlite_x", "cols": table()["cols"]}]}], "the node's own"),
        (
            [
                {
                    "tables": [
                        {
                            "name": "t",
                            "cols": [{"name": "_rowid_", "constrains": {"datatype": "INT"}}],
                        }
                    ]
                }
            ],
            "node's number of a row",
        ),
        ([{"tables": [{"name": "a b", "cols": table()["cols"]}]}], "pattern"),
        (
            [{"tables": [{"name": "t", "cols": table()["cols"] * 2}]}],
            "column f_amount is there twice",
        ),
        (
            [{"tables": [table() | {"keys": [{"name": "x", "columnNames": ["nope"]}]}]}],
            "key x: no column nope",
        ),
        (
            [{"tables": [table() | {"keys": [{"columnNames": ["f_id"], "expr": "lower(f_id)"}]}]}],
            "Input should be ''",
        ),
    ],
)
def test_schemas_that_are_refused(schemas: list[Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SqlSection.model_validate({"schemas": schemas})


def changed(**constrains: Any) -> dict[str, Any]:
    """The table with a column more."""
    added = table()
    added["cols"].append({"name": "f_new", "constrains": constrains})
    return added


def test_tables_and_columns_may_be_added() -> None:
    before = SqlSection.model_validate(DEMO)
    other = {"name": "t_other", "cols": table()["cols"]}
    for after in (changed(datatype="INT", null=True), changed(datatype="INT", default="1")):
        assert upgrade_problems(before, section(after, other)) == []
    assert upgrade_problems(None, before) == []


def without(name: str) -> dict[str, Any]:
    left = table()
    left["cols"] = [column for column in left["cols"] if column["name"] != name]
    return left


def retyped(**constrains: Any) -> dict[str, Any]:
    other = table()
    other["cols"][1]["constrains"].update(constrains)
    return other


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ({"name": "t_other", "cols": table()["cols"]}, "table t_demo is gone: keep it"),
        (without("f_name"), "column t_demo.f_name is gone: keep it"),
        (retyped(length=300), "was text(255) and is text(300): add a column with a new name"),
        (retyped(null=True), "was text(255) and is text(255) null"),
        (changed(datatype="INT"), 'give it a "default", or "null": true'),
        (changed(datatype="INT", autoincrement=True), "an added one cannot count up"),
        (table() | {"keys": []}, "the unique key over f_id was taken away"),
    ],
)
def test_what_an_upgrade_cannot_change(after: dict[str, Any], said: str) -> None:
    (problem,) = upgrade_problems(SqlSection.model_validate(DEMO), section(after))
    assert said in problem


MANIFEST = '[dapp]\nname = "d"\n[program]\nfile = "d.wasm"\n[sql]\nschema = "schema.json"\n'


def test_a_manifest_takes_its_schema_from_the_file_beside_it(tmp_path) -> None:
    (tmp_path / "program.toml").write_text(MANIFEST)
    with pytest.raises(ManifestError, match=r"schema\.json: No such file.*names it as sql\.schema"):
        load_manifest(tmp_path)
    (tmp_path / "schema.json").write_text("{")
    with pytest.raises(ManifestError, match="not JSON"):
        load_manifest(tmp_path)
    (tmp_path / "schema.json").write_text('{"schemas": [{"tables": [{"name": "t"}]}]}')
    with pytest.raises(ManifestError, match=r"sql\.schemas\.0\.tables\.0\.cols: is missing"):
        load_manifest(tmp_path)
    (tmp_path / "schema.json").write_bytes(orjson.dumps(DEMO))
    manifest, _ = load_manifest(tmp_path)
    assert manifest.sql == SqlSection.model_validate(DEMO)
    assert parse_manifest(manifest.model_dump(mode="json"), "registry") == manifest
    (tmp_path / "program.toml").write_text(MANIFEST + "dialect = 'x'\n")
    with pytest.raises(ManifestError, match=r"sql\.dialect"):
        load_manifest(tmp_path)
