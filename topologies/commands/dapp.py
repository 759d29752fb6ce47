"""`w3b dapp`: the applications that a node serves."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streams.delivery.admin import TopicError, ensure_topics
from streams.execution import program as execution
from streams.execution.check import ProgramError
from streams.filesystem.store import FileStore
from streams.registry.entries import Dapp, Kind
from streams.registry.manifest import Manifest, ManifestError, load_manifest
from streams.registry.sql_schema import upgrade_problems
from streams.topics import dapp_topics
from topologies.commands import CommandError, settings_of
from topologies.config import Settings
from topologies.programs import specification_of
from topologies.registering import Desk, open_desk, print_table

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers

_SHOWN_HASH: Final = 16


def register(subparsers: "Subparsers") -> None:
    """Add the command and its forms."""
    parser = subparsers.add_parser(
        "dapp",
        help="the applications that a node serves",
        description="Add, list, show and remove Dapps. A running node takes changes up at once.",
    )
    forms = parser.add_subparsers(required=True, metavar="FORM")

    add = forms.add_parser(
        "add",
        help="serve a Dapp, or a new version of it",
        description="Check a Dapp's manifest and program, keep the program under its hash, make "
        "the Dapp's topics and register it. Adding it again replaces manifest and program.",
    )
    add.add_argument("path", type=Path, metavar="PATH", help="program.toml or its folder")
    add.set_defaults(func=_add)

    ls = forms.add_parser("ls", help="all Dapps")
    ls.add_argument("--json", action="store_true", help="print JSON")
    ls.set_defaults(func=_ls)

    show = forms.add_parser("show", help="one Dapp's manifest and program")
    show.add_argument("name", metavar="NAME")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(func=_show)

    remove = forms.add_parser(
        "remove",
        help="serve a Dapp no longer",
        description="Take no more messages for a Dapp. Its topics, state and rows are kept: "
        "added again, it goes on from there.",
    )
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(func=_remove)


def _add(args: argparse.Namespace) -> int:
    add(settings_of(args), args.path)
    return 0


def add(settings: Settings, path: Path) -> None:
    """Serve the Dapp of a program.toml or its folder, or a new version of it; says what was done.

    Raises:
        CommandError: its manifest or program is wrong, or the node cannot be reached.
    """
    manifest, binary = _read(path)
    with open_desk(settings) as desk:
        try:
            digest = FileStore(settings.files_url).put(binary)
        except OSError as error:
            raise CommandError(
                f"the program cannot be kept in {settings.files_url}: {error.strerror}"
            ) from error
        dapp = Dapp(manifest, digest)
        before = desk.registry.dapp(dapp.name)
        _check_tables(before, manifest)
        _ensure_topics(desk, manifest)
        if dapp != before:
            desk.registry.wait_for(desk.writer.put(dapp))
    done = "added" if before is None else "unchanged" if dapp == before else "replaced"
    print(
        f"Dapp {dapp.name} {manifest.dapp.version} {done}: program {digest[:_SHOWN_HASH]}…, "
        f"{len(binary):,} bytes, {manifest.dapp.partitions} partition(s)"
    )


def _read(path: Path) -> tuple[Manifest, bytes]:
    """A manifest and its program, both checked."""
    try:
        manifest, file = load_manifest(path)
        binary = file.read_bytes()
        execution.load(binary, specification_of(manifest))
    except ManifestError as error:
        raise CommandError(str(error)) from error
    except ProgramError as error:
        problems = "".join(f"\n  {problem}" for problem in error.problems)
        raise CommandError(f"{file} cannot be served:{problems}") from error
    except OSError as error:
        hint = "build it first (make build)" if isinstance(error, FileNotFoundError) else ""
        raise CommandError(f"{error.filename}: {error.strerror}; {hint}".rstrip("; ")) from error
    return manifest, binary


def _check_tables(before: Dapp | None, manifest: Manifest) -> None:
    """Whether the rows that a Dapp has fit into the tables of its new version."""
    problems = upgrade_problems(before.manifest.sql if before else None, manifest.sql)
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise CommandError(f"the SQL tables of Dapp {manifest.dapp.name} hold rows:{listed}")


def _ensure_topics(desk: Desk, manifest: Manifest) -> None:
    name = manifest.dapp.name
    try:
        ensure_topics(desk.kafka, dapp_topics(name, manifest.dapp.partitions))
    except TopicError as error:
        raise CommandError(
            f"{error}: a Dapp keeps the partitions that it was first added with, because its "
            "state lies in them; change dapp.partitions back, or give the Dapp a new name"
        ) from error


def _ls(args: argparse.Namespace) -> int:
    with open_desk(settings_of(args)) as desk:
        dapps = desk.registry.dapps()
    if args.json:
        print(json.dumps([_as_json(dapp) for dapp in dapps], indent=2))
        return 0
    print_table(
        ("NAME", "VERSION", "PARTITIONS", "PROGRAM", "DESCRIPTION"),
        [
            (
                dapp.name,
                dapp.manifest.dapp.version,
                str(dapp.manifest.dapp.partitions),
                dapp.program_sha256[:_SHOWN_HASH],
                dapp.manifest.dapp.description,
            )
            for dapp in dapps
        ],
    )
    return 0


def _show(args: argparse.Namespace) -> int:
    with open_desk(settings_of(args)) as desk:
        dapp = _known(desk, args.name)
    shown = _as_json(dapp)
    if args.json:
        print(json.dumps(shown, indent=2))
        return 0
    print(f"program_sha256  {dapp.program_sha256}")
    for section, fields in shown["manifest"].items():
        print(f"[{section}]")
        for name, value in fields.items():
            print(f"  {name} = {json.dumps(value, ensure_ascii=False)}")
    return 0


def _remove(args: argparse.Namespace) -> int:
    with open_desk(settings_of(args)) as desk:
        _known(desk, args.name)
        desk.registry.wait_for(desk.writer.remove(Kind.DAPP, args.name))
    print(f"Dapp {args.name} removed; its topics, state and rows are kept")
    return 0


def _known(desk: Desk, name: str) -> Dapp:
    dapp = desk.registry.dapp(name)
    if dapp is None:
        names = ", ".join(dapp.name for dapp in desk.registry.dapps()) or "none"
        raise CommandError(f"there is no Dapp {name!r}; there are: {names}")
    return dapp


def _as_json(dapp: Dapp) -> dict[str, Any]:
    return {
        "name": dapp.name,
        "program_sha256": dapp.program_sha256,
        "manifest": dapp.manifest.model_dump(mode="json"),
    }
