"""The rules of the house (ARCHITECTURE.md, "Rooms"), read off the sources."""

import argparse
import ast
import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from streams import limits, metrics
from topologies import commands
from topologies.config import Settings

ROOT = Path(__file__).resolve().parents[1]
NUMBERED = ("endpoint", "execution", "database", "consensus", "chain", "effects")
SUPPORT = ("delivery", "registry", "wallet", "filesystem", "audit")
SHARED = ("records", "topics", "limits", "metrics", "clock", "commitments")
SOURCES = ("streams", "topologies", "wasm_programs", "grafana", "tests")
SAY_NOTHING = {"utils", "util", "common", "helpers", "misc", "core"}
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
ROOM_DOCSTRING_LINES_MIN = 5
# What reads a clock of the machine; `time.sleep` does not.
CLOCK_READS = re.compile(
    r"\b(time\.(time|monotonic|perf_counter|process_time)(_ns)?|time\.(localtime|gmtime|ctime)"
    r"|(datetime|date)\.(now|utcnow|today))$"
)


_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

# --- reading sources ------------------------------------------------------------------------------


def files(*packages: str, ending: str = "py") -> list[Path]:
    """All sources of some packages, in order; others', which are installed, are none."""
    found = [file for package in packages for file in (ROOT / package).rglob(f"*.{ending}")]
    return sorted(file for file in found if "node_modules" not in file.parts)


@cache
def tree_of(file: Path) -> ast.Module:
    """A file, parsed."""
    return ast.parse(file.read_text(), str(file))


def place(file: Path) -> str:
    """A file's path in the project."""
    return str(file.relative_to(ROOT))


def imports_of(file: Path) -> Iterator[str]:
    """The dotted name of everything that a file imports, wherever in the file it does.

    ``from a import b`` imports ``a`` and, as ``b`` may be a module, ``a.b``.
    """
    package = file.relative_to(ROOT).parent.parts
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *filter(None, [node.module])))
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def breaches(sources: list[Path], is_forbidden: Callable[[str], bool]) -> list[str]:
    """What files import that they must not."""
    return sorted(
        {f"{place(file)}: {name}" for file in sources for name in imports_of(file)
         if is_forbidden(name)}
    )  # fmt: skip


def is_of(*packages: str) -> Callable[[str], bool]:
    """Whether a dotted name is one of some packages or lies in one."""
    return lambda name: any(name == one or name.startswith(f"{one}.") for one in packages)


def rooms(*names: str) -> list[str]:
    """The rooms' packages."""
    return [f"streams.{name}" for name in names]


# --- who may import whom --------------------------------------------------------------------------


def test_every_package_of_streams_is_a_known_room() -> None:
    found = {init.parent.name for init in (ROOT / "streams").glob("*/__init__.py")}
    assert found == set(NUMBERED) | set(SUPPORT)
    modules = {file.stem for file in (ROOT / "streams").glob("*.py")}
    assert modules == {*SHARED, "__init__"}


@pytest.mark.parametrize("room", NUMBERED)
def test_numbered_rooms_do_not_import_each_other(room: str) -> None:
    others = rooms(*(other for other in NUMBERED if other != room))
    assert breaches(files(f"streams/{room}"), is_of(*others)) == []


@pytest.mark.parametrize("room", SUPPORT)
def test_support_rooms_import_no_numbered_room(room: str) -> None:
    assert breaches(files(f"streams/{room}"), is_of(*rooms(*NUMBERED))) == []


def test_what_all_rooms_share_imports_no_room() -> None:
    shared = [ROOT / "streams" / f"{name}.py" for name in (*SHARED, "__init__")]
    assert breaches(shared, is_of(*rooms(*NUMBERED, *SUPPORT))) == []


def test_streams_knows_nothing_of_wiring() -> None:
    forbidden = is_of("topologies", "faust", "mode", "tests", "wasm_programs")
    assert breaches(files("streams"), forbidden) == []


def test_only_topologies_imports_faust() -> None:
    assert breaches(files("streams", "wasm_programs"), is_of("faust", "mode")) == []


def test_dashboards_are_text_about_a_node_and_no_part_of_it() -> None:
    known = is_of("grafana", "grafana_foundation_sdk", *sys.stdlib_module_names)
    assert breaches(files("grafana"), lambda name: not known(name)) == []
    assert breaches(files("streams", "topologies", "wasm_programs"), is_of("grafana")) == []


def test_rooms_find_each_other_by_import_statements_only() -> None:
    """What is imported by a computed name escapes the tests above."""
    found = [
        place(file)
        for file in files("streams")
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("__import__", "import_module", "importlib.import_module")
    ]
    assert found == []


# --- names, sizes, docstrings ---------------------------------------------------------------------


def test_no_name_that_says_nothing() -> None:
    sources = files(*SOURCES)
    parts = {part for file in sources for part in file.relative_to(ROOT).with_suffix("").parts}
    assert parts & SAY_NOTHING == set()


def test_no_file_is_too_long() -> None:
    sources = [file for ending in ("py", "zig", "ts") for file in files(*SOURCES, ending=ending)]
    lengths = {place(file): len(file.read_text().splitlines()) for file in sources}
    too_long = {name: lines for name, lines in lengths.items() if lines > FILE_LINES_MAX}
    assert too_long == {}


def test_no_function_is_too_long() -> None:
    too_long = {
        f"{place(file)}: {node.name}": node.end_lineno - node.lineno + 1
        for file in files(*SOURCES)
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    }
    assert too_long == {}


@pytest.mark.parametrize("room", [*NUMBERED, *SUPPORT])
def test_a_room_says_what_problem_it_solves(room: str) -> None:
    docstring = ast.get_docstring(tree_of(ROOT / "streams" / room / "__init__.py")) or ""
    assert len(docstring.splitlines()) >= ROOM_DOCSTRING_LINES_MIN


def test_every_module_and_everything_public_has_a_docstring() -> None:
    without = [
        f"{place(file)}: {getattr(node, 'name', 'module')}"
        for file in files("streams", "topologies", "grafana")
        for node in public_parts(tree_of(file))
        if not ast.get_docstring(node)
    ]
    assert without == []


def public_parts(tree: ast.Module) -> Iterator[_Documented]:
    """A module, and its public classes and functions."""
    yield tree
    for node in tree.body:
        kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node


def test_only_the_clock_reads_a_clock() -> None:
    found = [
        f"{place(file)}:{node.lineno}: {ast.unparse(node)}"
        for file in files("streams")
        if file.name != "clock.py"
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.Attribute) and CLOCK_READS.search(ast.unparse(node))
    ]
    found += breaches(
        [file for file in files("streams") if file.name != "clock.py"],
        lambda name: bool(CLOCK_READS.search(name)),
    )
    assert found == []


# --- catalogues: nothing declared in vain, nothing outside ----------------------------------------


def names_used_in(*packages: str, but: str) -> set[str]:
    """Every name and attribute that the packages' sources mention, one file aside."""
    return {
        getattr(node, "attr", getattr(node, "id", ""))
        for file in files(*packages)
        if place(file) != but
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.Attribute | ast.Name)
    }


def test_every_metric_is_used() -> None:
    declared = {name for name in vars(metrics) if name.isupper() and not name.startswith("_")}
    used = names_used_in("streams", "topologies", but="streams/metrics.py")
    assert declared - used == set()


def test_metrics_are_declared_in_the_catalogue_only() -> None:
    names = ("Counter", "Gauge", "Histogram", "Summary", "Info", "Enum", "metrics", "core")
    kinds = [f"prometheus_client.{name}" for name in names]
    sources = [file for file in files("streams", "topologies") if file.name != "metrics.py"]
    assert breaches(sources, is_of(*kinds)) == []


def test_every_limit_is_used() -> None:
    declared = {name for name in vars(limits) if name.isupper()}
    used = names_used_in("streams", "topologies", "wasm_programs", but="streams/limits.py")
    related = {
        node.id
        for statement in tree_of(ROOT / "streams" / "limits.py").body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    assert declared - used - related - COMPILED.keys() == set()


# Limits that are constants of a wasm module: name there, and where.
COMPILED = {
    "EVENT_HANDLERS_MAX": ("handlers_max", "streams/execution/driver"),
    "STATE_KEY_BYTES_MAX": ("key_bytes_max", "streams/execution/driver"),
}


@pytest.mark.parametrize("name", COMPILED)
def test_a_compiled_limit_is_the_declared_one(name: str) -> None:
    constant, folder = COMPILED[name]
    sources = "".join(file.read_text() for file in files(folder, ending="zig"))
    found = re.findall(rf"\bconst {constant}\b[^=]*= ([0-9_]+);", sources)
    assert list(map(int, found)) == [getattr(limits, name)]


# --- tests and README -----------------------------------------------------------------------------

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "wasm_programs/README.md", "docs/runbook.md")


@pytest.mark.parametrize("room", [*NUMBERED, *SUPPORT])
def test_every_room_has_tests(room: str) -> None:
    assert list((ROOT / "tests" / room).glob("test_*.py"))


@pytest.mark.slow
def test_readme_names_every_command_and_its_forms() -> None:
    readme = (ROOT / "README.md").read_text().replace("\\|", "|")
    missing = []
    for module in pkgutil.iter_modules(commands.__path__):
        subparsers = argparse.ArgumentParser().add_subparsers()
        importlib.import_module(f"topologies.commands.{module.name}").register(subparsers)
        if not re.search(rf"`w3b {module.name}\b", readme):
            missing.append(module.name)
        missing += [
            f"{module.name} {form}"
            for form in forms_of(subparsers.choices[module.name])
            if not re.search(rf"`w3b {module.name} (\w+\|)*{form}\b", readme)
        ]
    assert missing == []


def forms_of(parser: argparse.ArgumentParser) -> list[str]:
    """The names of a command's forms: `add`, `ls` …"""
    return [
        form
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for form in action.choices
    ]


def test_readme_shows_every_setting_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    named = set(re.findall(r"^([a-z_]+) =", example, re.MULTILINE))
    assert named == Settings.model_fields.keys()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_files_that_are_there(document: str) -> None:
    text = (ROOT / document).read_text()
    folder = (ROOT / document).parent
    links = [
        link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if not link.startswith("http")
    ]
    folders = "|".join((*SOURCES, "deploy", "docs"))
    paths = re.findall(rf"`((?:{folders})/[\w./]+)`", text)
    missing = [link for link in links if not (folder / link).exists()]
    missing += [path for path in paths if not (ROOT / path).exists()]
    assert missing == []
