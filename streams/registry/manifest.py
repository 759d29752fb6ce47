"""A Dapp's manifest: what its program.toml says, checked before anything is started."""

import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
)

from streams import limits
from streams.records import DEFAULT_EVENT_TYPE
from streams.registry.column_types import is_column_type
from streams.registry.sources import MonitorSection, ScheduleSection
from streams.registry.sql_schema import SqlSection

DAPP_NAME: Final = r"^[a-z0-9_]{1,32}$"
QUERY_NAME: Final = r"^[a-z0-9_]{1,64}$"
FILE_NAME: Final = "program.toml"

# Columns that every result row has already (see the database's migrations).
_TAKEN_COLUMNS: Final = frozenset(
    {"dapp", "device", "time", "message_id", "event_type", "epoch", "index", "program", "body",
     "partition", "offset"}
)  # fmt: skip

_Handler = Annotated[str, Field(pattern=r"^[A-Za-z_$][A-Za-z0-9_.$]{0,127}$")]
_ONE, _SEVERAL = "a handler", "handlers"  # not part of a field's name: see `parse_manifest`
_Handlers = Annotated[
    Annotated[_Handler, Tag(_ONE)]
    | Annotated[
        list[_Handler], Field(min_length=1, max_length=limits.EVENT_HANDLERS_MAX), Tag(_SEVERAL)
    ],
    Discriminator(lambda given: _SEVERAL if isinstance(given, list) else _ONE),
]
_Schedules = Annotated[list[ScheduleSection], Field(max_length=limits.SOURCES_MAX)]
_Monitors = Annotated[list[MonitorSection], Field(max_length=limits.SOURCES_MAX)]
_Column = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
_QueryName = Annotated[str, Field(pattern=QUERY_NAME)]
_Days = Annotated[int, Field(ge=1, le=limits.RETENTION_DAYS_MAX)] | None
_Mib = Annotated[int, Field(ge=1, le=limits.RETENTION_MIB_MAX)] | None


class ManifestError(ValueError):
    """A manifest that cannot be used; names every field that is wrong and what it should be."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DappSection(_Section):
    """``[dapp]``: what it is called and how the network treats it."""

    name: Annotated[str, Field(pattern=DAPP_NAME)]
    version: Annotated[str, Field(min_length=1, max_length=32)] = "0.1.0"
    description: Annotated[str, Field(max_length=500)] = ""
    trust_model: Literal["cloud"] = "cloud"
    consensus: Literal["poa", "none"] = "poa"
    partitions: Annotated[int, Field(ge=1, le=limits.PARTITIONS_MAX)] = 1

    @property
    def has_epochs(self) -> bool:
        """Whether its messages are cut into epochs, for the network to agree on."""
        return self.consensus != "none"


class ProgramSection(_Section):
    """``[program]``: the WebAssembly file, relative to the manifest, and how it is run."""

    file: Annotated[str, Field(min_length=1)]
    instance: Literal["fresh", "kept"] = "fresh"

    @field_validator("file")
    @classmethod
    def _inside(cls, file: str) -> str:
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError("must be a path inside the manifest's folder")
        return file


class ResultsSection(_Section):
    """``[results]``: for analysts, fields of the result JSON as typed columns."""

    columns: dict[_Column, str] = {}

    @field_validator("columns")
    @classmethod
    def _known_types(cls, columns: dict[str, str]) -> dict[str, str]:
        if taken := sorted(_TAKEN_COLUMNS & columns.keys()):
            raise ValueError(f"rename {', '.join(taken)}: every result row has that column already")
        for name, type_ in columns.items():
            if not is_column_type(type_):
                raise ValueError(
                    f"{name}: {type_!r} is no type that a JSON field can be read as; use String, "
                    "Bool, Float64, Int64, DateTime64(3), LowCardinality(String), Nullable(…), "
                    "Array(…) and their like"
                )
        return columns


class QuerySection(_Section):
    """``[queries.NAME]``: what the Dapp's users may ask of its results and claims.

    Attributes:
        sql: one statement for ClickHouse; ``{name:Type}`` in it are the asker's parameters.
    """

    sql: Annotated[str, Field(min_length=1, max_length=limits.SAVED_QUERY_BYTES_MAX)]
    description: Annotated[str, Field(max_length=500)] = ""


class RetentionSection(_Section):
    """``[retention]``: how many days the database keeps rows, or how many MiB of them.

    For ever where nothing is said; where both are, whichever is over first.
    """

    messages: _Days = None
    results: _Days = None
    dead_letters: _Days = None
    customized_metrics: _Days = None
    messages_mib: _Mib = None
    results_mib: _Mib = None
    dead_letters_mib: _Mib = None
    customized_metrics_mib: _Mib = None


class EpochsSection(_Section):
    """``[epochs]``: an epoch ends after so many seconds or messages, whichever comes first."""

    seconds: Annotated[int, Field(ge=1, le=86_400)] = 10
    messages: Annotated[int, Field(ge=1, le=1_000_000_000)] = 100_000


class LimitsSection(_Section):
    """``[limits]``: of one event, and of a partition's state; at most `streams.limits`'.

    Attributes:
        messages_per_s: what each endpoint process takes for the Dapp; None: no limit.
    """

    fuel: Annotated[int, Field(ge=1, le=limits.EVENT_FUEL_MAX)] = limits.EVENT_FUEL_MAX
    memory_bytes: Annotated[int, Field(ge=64 * limits.KIB, le=limits.PROGRAM_MEMORY_BYTES_MAX)] = (
        limits.PROGRAM_MEMORY_BYTES_MAX
    )
    output_bytes: Annotated[int, Field(ge=1, le=limits.EVENT_OUTPUT_BYTES_MAX)] = (
        limits.EVENT_OUTPUT_BYTES_MAX
    )
    state_bytes: Annotated[int, Field(ge=1, le=limits.STATE_BYTES_MAX)] = limits.STATE_BYTES_MAX
    sql_bytes: Annotated[int, Field(ge=1, le=limits.SQL_BYTES_MAX)] = limits.SQL_BYTES_MAX
    logs: Annotated[int, Field(ge=1, le=limits.EVENT_LOGS_MAX)] = limits.EVENT_LOGS_MAX
    effects: Annotated[int, Field(ge=1, le=limits.EVENT_EFFECTS_MAX)] = limits.EVENT_EFFECTS_MAX
    files_bytes: Annotated[int, Field(ge=1, le=limits.FILES_BYTES_MAX)] = limits.FILES_BYTES_MAX
    messages_per_s: Annotated[int, Field(ge=1)] | None = None


_Queries = Annotated[dict[_QueryName, QuerySection], Field(max_length=limits.SAVED_QUERIES_MAX)]


class Manifest(_Section):
    """All of a program.toml. Immutable; ``model_dump(mode="json")`` goes into the registry."""

    dapp: DappSection
    program: ProgramSection
    events: dict[str, _Handlers] = {DEFAULT_EVENT_TYPE: "start"}
    results: ResultsSection = ResultsSection()
    epochs: EpochsSection = EpochsSection()
    limits: LimitsSection = LimitsSection()
    queries: _Queries = {}
    retention: RetentionSection = RetentionSection()
    env: dict[str, str] = {}
    schedule: _Schedules = []
    monitor: _Monitors = []

    @field_validator("schedule", "monitor")
    @classmethod
    def _once(cls, sources: list[BaseModel]) -> list[BaseModel]:
        for number, one in enumerate(sources):
            if one in sources[:number]:
                raise ValueError(f"number {number + 1} is there twice")
        return sources

    sql: SqlSection | None = None

    @field_validator("events")
    @classmethod
    def _event_types(cls, events: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
        for event_type, handlers in events.items():
            if isinstance(handlers, list) and len(set(handlers)) < len(handlers):
                raise ValueError(f"{event_type}: a handler is named twice")
            if not 1 <= len(event_type.encode()) <= limits.EVENT_TYPE_BYTES_MAX:
                raise ValueError(
                    f"{event_type[:80]!r}: an event type has 1 to "
                    f"{limits.EVENT_TYPE_BYTES_MAX} bytes"
                )
        if not events:
            raise ValueError(f'name at least one handler, as in {DEFAULT_EVENT_TYPE} = "start"')
        return events


def parse_manifest(data: Mapping[str, Any], source: str) -> Manifest:
    """A manifest from a mapping (TOML or JSON read in); ``source`` names it in errors.

    Raises:
        ManifestError: one line a problem, each ``source: section.field: what is wrong``.
    """
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        raise ManifestError(
            "\n".join(
                f"{source}: {_place(problem['loc'])}: {_said(dict(problem))}"
                for problem in error.errors(include_url=False)
            )
        ) from None


def load_manifest(path: Path) -> tuple[Manifest, Path]:
    """A program.toml, or that of a folder, and where its program should lie.

    Raises:
        ManifestError: not there, too large, not TOML, or a field is wrong.
    """
    if path.is_dir():
        path = path / FILE_NAME
    try:
        if path.stat().st_size > limits.MANIFEST_BYTES_MAX:
            raise ManifestError(f"{path}: over {limits.MANIFEST_BYTES_MAX} bytes")
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ManifestError(f"{path}: no such file; give a program.toml or its folder") from None
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: not TOML: {error}") from None
    manifest = parse_manifest(_with_tables(data, path), str(path))
    return manifest, path.parent / manifest.program.file


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc if part not in (_ONE, _SEVERAL))


def _with_tables(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """The manifest with its SQL schema in it: ``[sql] schema`` names a file beside it."""
    sql = data.get("sql")
    if not isinstance(sql, dict) or not isinstance(sql.get("schema"), str):
        return data
    if others := sorted(sql.keys() - {"schema"}):
        raise ManifestError(f"{path}: sql.{others[0]}: the schema's file says all there is to say")
    file = path.parent / sql["schema"]
    try:
        if file.stat().st_size > limits.SQL_SCHEMA_BYTES_MAX:
            raise ManifestError(f"{file}: over {limits.SQL_SCHEMA_BYTES_MAX} bytes")
        content = orjson.loads(file.read_bytes())
    except OSError as error:
        raise ManifestError(f"{file}: {error.strerror}; {path} names it as sql.schema") from None
    except orjson.JSONDecodeError as error:
        raise ManifestError(f"{file}: not JSON: {error}") from None
    return {**data, "sql": content}


def _said(problem: dict[str, Any]) -> str:
    if problem["type"] == "missing":
        return "is missing"
    if problem["type"] == "extra_forbidden":
        return "is not a known field; check its spelling"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return message[0].lower() + message[1:]
