"""`w3b program`: check a program before it is deployed, and try it on events."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.commands import CommandError

if TYPE_CHECKING:
    from streams.execution.program import Specification
    from topologies.__main__ import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the commands."""
    parser = subparsers.add_parser("program", help="check a program, or try it on events")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    check = actions.add_parser(
        "check",
        help="say whether a node can serve a program",
        description="List every unknown import, wrong signature and missing handler of a "
        "program, with what to do. Exit status 1 when there is one.",
    )
    check.add_argument("file", type=Path, help="a .wasm file, a program.toml or its folder")
    check.add_argument("--handler", action="append", metavar="NAME", help="one that it must export")
    check.set_defaults(func=_check)

    run = actions.add_parser(
        "run",
        help="run a program on events, one JSON object a line in and out",
        description="Run a program on events without any service. Input lines are "
        '{"payload": JSON or "payload_text": text, "device"?, "time_ms"?, "event_type"?}; output '
        "lines have code, error, logs, kv (changed keys, values in base64), results, claims and "
        "effects. State stays from event to event.",
    )
    run.add_argument("file", type=Path, help="a .wasm file, a program.toml or its folder")
    run.add_argument("--input", type=Path, metavar="FILE", help="default: standard input")
    run.add_argument("--handler", metavar="NAME", help="the one for all events (default: start)")
    run.add_argument("--env", action="append", default=[], metavar="KEY=VALUE")
    run.set_defaults(func=_run)


def _check(args: argparse.Namespace) -> int:
    from streams.execution.check import ProgramError, check_module, handlers_of
    from streams.execution.linking import host

    binary, specification = _read(args.file, None, [])
    try:
        handlers = args.handler or (
            list(dict.fromkeys(specification.routes.values()))
            if args.file.suffix != ".wasm"
            else handlers_of(binary, host())
        )
        if not handlers:
            raise ProgramError(["no export could be a handler: export NAME(i32) -> i32"])
        check_module(binary, handlers, host())
    except ProgramError as error:
        for problem in error.problems:
            print(problem)
        return 1
    print(f"{args.file}: a node can serve it; handlers: {', '.join(handlers)}")
    return 0


def _run(args: argparse.Namespace) -> int:
    import orjson

    from streams.execution.check import ProgramError
    from streams.execution.program import load
    from streams.execution.trial import EventError, Trial

    binary, specification = _read(args.file, args.handler, args.env)
    try:
        trial = Trial(load(binary, specification))
        with args.input.open("rb") if args.input else sys.stdin.buffer as lines:
            for effects in trial.feed_all(lines):
                sys.stdout.buffer.write(orjson.dumps(effects.as_json()) + b"\n")
                if effects.detail:
                    print(effects.detail, file=sys.stderr)
    except ProgramError as error:
        raise CommandError("\n".join(error.problems)) from error
    except EventError as error:
        raise CommandError(f"{args.input or 'standard input'}, {error}") from error
    except BrokenPipeError:
        raise  # whoever reads the output has enough
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from error
    return 0


def _read(file: Path, handler: str | None, assignments: list[str]) -> "tuple[bytes, Specification]":
    """A program's bytes and how it is to be run."""
    from streams.execution.program import Specification
    from streams.registry.manifest import ManifestError, load_manifest

    env = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise CommandError(f"--env {assignment}: write KEY=VALUE")
        env[key] = value
    try:
        if file.suffix == ".wasm":
            return file.read_bytes(), Specification({"DEFAULT": handler or "start"}, env=env)
        manifest, program = load_manifest(file)
        routes = {"DEFAULT": handler} if handler else manifest.events
        specification = Specification(routes, manifest.program.instance, {**manifest.env, **env})
        return program.read_bytes(), specification
    except ManifestError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(
            f"{error.filename}: {error.strerror}; build the program first"
        ) from error
