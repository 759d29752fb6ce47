"""`w3b dapp`: the applications that a node serves."""

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.effects.transfer import DEFAULT_OPERATOR
from streams.registry.manifest import Manifest, ManifestError, load_manifest
from topologies.commands import CommandError, settings_of
from topologies.config import Settings
from topologies.operating import dapps, deploying
from topologies.registering import known_dapp, open_desk, print_table

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers

_SHOWN_HASH: Final = 16


def register(subparsers: "Subparsers") -> None:
    """Add the command and its forms."""
    parser = subparsers.add_parser(
        "dapp",
        help="the applications that a node serves",
        description="Add, upgrade, list, show, pause and remove Dapps. A running node takes "
        "changes up at once.",
    )
    forms = parser.add_subparsers(required=True, metavar="FORM")

    add = forms.add_parser(
        "add",
        help="serve a Dapp, or a new version of it",
        description="Check a Dapp's manifest and program, keep the program under its hash, make "
        "the Dapp's topics and register it. Adding it again is an upgrade.",
    )
    add.add_argument("path", type=Path, metavar="PATH", help="program.toml or its folder")
    add.add_argument(
        "--allow-key",
        action="append",
        default=[],
        metavar="KEY",
        help="an operator's key that its transactions may be paid with; may be given again",
    )
    add.set_defaults(func=_add)

    upgrade = forms.add_parser(
        "upgrade",
        help="a new version of a Dapp that is served",
        description="Check a new manifest and program; they take over at the next barrier, in all "
        "partitions at the same place, with the state that is there.",
    )
    upgrade.add_argument("path", type=Path, metavar="PATH", help="program.toml or its folder")
    upgrade.set_defaults(func=_upgrade)

    for name, call, said in (
        ("rollback", _rollback, "go back to the deployment before, at the next barrier"),
        ("pause", _pause, "run its program no more; its messages are taken and wait"),
        ("resume", _resume, "run a paused Dapp's program again, on what has waited too"),
    ):
        form = forms.add_parser(name, help=said, description=said[0].upper() + said[1:] + ".")
        form.add_argument("name", metavar="NAME")
        form.set_defaults(func=call)

    _register_keys(forms)

    ls = forms.add_parser("ls", help="all Dapps")
    ls.add_argument("--json", action="store_true", help="print JSON")
    ls.set_defaults(func=_ls)

    show = forms.add_parser("show", help="one Dapp's manifest, program and history")
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


def _register_keys(forms: "Subparsers") -> None:
    for name, call, said in (
        ("allow-key", _allow_key, "let a Dapp's transactions be paid with an operator's key"),
        ("deny-key", _deny_key, "let it no longer; what was taken before is still sent"),
    ):
        form = forms.add_parser(
            name,
            help=said,
            description=f"{said[0].upper()}{said[1:]}. KEY is `default` (the node's own) or the "
            "NAME of a keys/operators/NAME.pem. No Dapp has any unless it was allowed.",
        )
        form.add_argument("name", metavar="NAME")
        form.add_argument("key", metavar="KEY")
        form.set_defaults(func=call)


def _add(args: argparse.Namespace) -> int:
    add(settings_of(args), args.path, keys=args.allow_key)
    return 0


def add(
    settings: Settings, path: Path, *, known_only: bool = False, keys: Sequence[str] = ()
) -> None:
    """Serve the Dapp of a program.toml or its folder, or a new version of it; says what was done.

    Args:
        settings: where the node is.
        path: the program.toml or its folder.
        known_only: refuse a Dapp that the node does not serve yet.
        keys: operators' keys that it may pay with, besides those that it may already.

    Raises:
        CommandError: its manifest or program is wrong, or the node cannot be reached.
    """
    manifest, binary = _read(path)
    name = manifest.dapp.name
    with open_desk(settings) as desk:
        if known_only:
            known_dapp(desk, name)
        added = deploying.add(desk, settings, manifest, binary, keys)
    if added.before is None:
        done = "added"
    elif added.is_unchanged:
        done = "unchanged"
    else:
        done = f"upgraded from {added.before.manifest.dapp.version} at its next barrier"
    print(
        f"Dapp {name} {manifest.dapp.version} {done}: program "
        f"{added.dapp.program_sha256[:_SHOWN_HASH]}…, {len(binary):,} bytes, "
        f"{manifest.dapp.partitions} partition(s)"
    )
    if added.sends and not added.dapp.keys:
        print(
            "Its program sends transactions; none is paid until a key is allowed: "
            f"w3b dapp allow-key {name} {DEFAULT_OPERATOR}"
        )


def _upgrade(args: argparse.Namespace) -> int:
    add(settings_of(args), args.path, known_only=True)
    return 0


def _rollback(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        now = dapps.roll_back(desk, settings, args.name)
    version = now["manifest"]["dapp"]["version"]
    print(f"Dapp {args.name} goes back to {version} at its next barrier, with its state")
    return 0


def _pause(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        dapps.pause(desk, settings, args.name)
    print(f"Dapp {args.name} paused: its messages are taken and wait")
    return 0


def _resume(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        dapps.resume(desk, settings, args.name)
    print(f"Dapp {args.name} goes on with what has waited")
    return 0


def _allow_key(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        allowed = dapps.allow_key(desk, settings, args.name, args.key)
    print(f"Dapp {args.name} may pay with {', '.join(allowed['keys'])}")
    file = settings.data / f"keys/operators/{args.key}.pem"
    if args.key != DEFAULT_OPERATOR and not (file.exists() or file.with_suffix(".jwe").exists()):
        print(f"There is no such key yet: put a secp256k1 key into {file}")
    return 0


def _deny_key(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        left = dapps.deny_key(desk, settings, args.name, args.key)
    print(f"Dapp {args.name} may pay with {', '.join(left['keys']) or 'no key'}")
    return 0


def _read(path: Path) -> tuple[Manifest, bytes]:
    """A manifest and its program's bytes."""
    try:
        manifest, file = load_manifest(path)
        return manifest, file.read_bytes()
    except ManifestError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        hint = "build it first (make build)" if isinstance(error, FileNotFoundError) else ""
        raise CommandError(f"{error.filename}: {error.strerror}; {hint}".rstrip("; ")) from error


def _ls(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        found = dapps.list_dapps(desk, settings)["dapps"]
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    print_table(
        ("NAME", "VERSION", "STATUS", "PARTITIONS", "PROGRAM", "DESCRIPTION"),
        [
            (
                dapp["name"],
                dapp["manifest"]["dapp"]["version"],
                dapp["status"],
                str(dapp["manifest"]["dapp"]["partitions"]),
                dapp["program_sha256"][:_SHOWN_HASH],
                dapp["manifest"]["dapp"]["description"],
            )
            for dapp in found
        ],
    )
    return 0


def _show(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        shown = dapps.get_dapp(desk, settings, args.name)
    if args.json:
        print(json.dumps(shown, indent=2))
        return 0
    print(f"program_sha256  {shown['program_sha256']}")
    print(f"status          {shown['status']}")
    print(f"may pay with    {', '.join(shown['keys']) or 'no key'}")
    for line in shown["history"]:
        since = datetime.fromtimestamp(line["since_ms"] // 1000, UTC).isoformat()
        print(f"deployment      {since}  {line['version']}  {line['sha256']}")
    for section, fields in shown["manifest"].items():
        if not fields:
            continue
        print(f"[{section}]")
        for name, value in fields.items() if isinstance(fields, dict) else enumerate(fields):
            print(f"  {name} = {json.dumps(value, ensure_ascii=False)}")
    return 0


def _remove(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        dapps.remove(desk, settings, args.name)
    print(f"Dapp {args.name} removed; its topics, state and rows are kept")
    return 0
