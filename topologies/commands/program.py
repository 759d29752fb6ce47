"""`w3b program`: make a program, check it before it is deployed, try it on events."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.commands import CommandError

if TYPE_CHECKING:
    from streams.execution.program import Program, Specification
    from topologies.__main__ import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the commands."""
    parser = subparsers.add_parser("program", help="make, check, try and measure a program")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _register_making(actions)
    _register_trying(actions)


def _register_making(actions: "Subparsers") -> None:
    new = actions.add_parser(
        "new",
        help="make a program that builds and passes its test",
        description="Make a folder with a program in AssemblyScript, its manifest and golden "
        "files. It builds and passes its test as it is; the rest is yours.",
    )
    new.add_argument("folder", type=Path, metavar="NAME", help="of the Dapp, and of its folder")
    new.set_defaults(func=_new)

    build = actions.add_parser(
        "build",
        help="compile a program in AssemblyScript",
        description="Compile the AssemblyScript of a program's folder, unless the output is newer. "
        "The compiler is the one that npm installed there, or the node's own.",
    )
    build.add_argument("folder", type=Path, metavar="FOLDER")
    build.set_defaults(func=_build)

    test = actions.add_parser(
        "test",
        help="compare what a program does with its golden files",
        description="Build a program if need be, run it on FOLDER/golden/input.jsonl and compare "
        "with FOLDER/golden/expected.jsonl. Exit status 1 when they differ.",
    )
    test.add_argument("folder", type=Path, metavar="FOLDER")
    test.add_argument("--update", action="store_true", help="write what it does as expected")
    test.set_defaults(func=_test)


def _register_trying(actions: "Subparsers") -> None:

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
    _add_input(run)
    run.set_defaults(func=_run)

    bench = actions.add_parser(
        "bench",
        help="how fast a program runs, and what an event uses",
        description="Run a program on events again and again, in batches as a node does, on one "
        "thread and without Kafka; print events/s, and fuel and memory of an event.",
    )
    _add_input(bench)
    bench.add_argument("--seconds", type=float, default=3.0, metavar="N", help="default: 3")
    bench.add_argument("--json", action="store_true", help="print JSON")
    bench.set_defaults(func=_bench)


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="a .wasm file, a program.toml or its folder")
    parser.add_argument("--input", type=Path, metavar="FILE", help="default: standard input")
    parser.add_argument("--handler", metavar="NAME", help="the one for all events (default: start)")
    parser.add_argument("--env", action="append", default=[], metavar="KEY=VALUE")


def _new(args: argparse.Namespace) -> int:
    from topologies import workshop

    workshop.new(args.folder)
    return 0


def _build(args: argparse.Namespace) -> int:
    from topologies import workshop

    workshop.build(args.folder)
    return 0


def _test(args: argparse.Namespace) -> int:
    from topologies import workshop

    with _told(args.folder / "golden" / "input.jsonl"):
        return workshop.test(
            args.folder, lambda: _load(args.folder, handler=None, assignments=[]), args.update
        )


def _bench(args: argparse.Namespace) -> int:
    from topologies import workshop

    with _told(args.input):
        program = _load(args.file, args.handler, args.env)
        lines = (args.input.read_bytes() if args.input else sys.stdin.buffer.read()).splitlines()
        workshop.bench(program, lines, args.seconds, args.json)
    return 0


def _check(args: argparse.Namespace) -> int:
    from streams.execution.check import ProgramError, check_module, handlers_of
    from streams.execution.linking import host
    from streams.execution.starting import load_and_start

    binary, specification = _read(args.file, None, [])
    try:
        handlers = args.handler or (
            list(specification.all_handlers)
            if args.file.suffix != ".wasm"
            else handlers_of(binary, host()) or ["start"]  # what is wrong with that one is said
        )
        has_tables = specification.sql is not None or args.file.suffix == ".wasm"
        check_module(binary, handlers, host(), claims=specification.roots, sql=has_tables)
        load_and_start(binary, replace(specification, routes={name: name for name in handlers}))
    except ProgramError as error:
        for problem in error.problems:
            print(problem)
        return 1
    print(f"{args.file}: a node can serve it; handlers: {', '.join(handlers)}")
    return 0


def _run(args: argparse.Namespace) -> int:
    import orjson

    from streams.execution.trial import Trial

    with _told(args.input):
        trial = Trial(_load(args.file, args.handler, args.env))
        with args.input.open("rb") if args.input else sys.stdin.buffer as lines:
            for effects in trial.feed_all(lines):
                sys.stdout.buffer.write(orjson.dumps(effects.as_json()) + b"\n")
                if effects.detail:
                    print(effects.detail, file=sys.stderr)
    return 0


@contextmanager
def _told(events: Path | None) -> Iterator[None]:
    """What goes wrong with a program and its events, as a command says it."""
    from streams.execution.check import ProgramError
    from streams.execution.trial import EventError

    try:
        yield
    except ProgramError as error:
        raise CommandError("\n".join(error.problems)) from error
    except EventError as error:
        raise CommandError(f"{events or 'standard input'}, {error}") from error
    except BrokenPipeError:
        raise  # whoever reads the output has enough
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from error


def _load(file: Path, handler: str | None, assignments: list[str]) -> "Program":
    from streams.execution.starting import load_and_start

    return load_and_start(*_read(file, handler, assignments))


def _read(file: Path, handler: str | None, assignments: list[str]) -> "tuple[bytes, Specification]":
    """A program's bytes and how it is to be run."""
    from streams.execution.program import Specification
    from streams.registry.manifest import ManifestError, load_manifest
    from topologies.programs import specification_of

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
        specification = specification_of(manifest)
        routes = {"DEFAULT": handler} if handler else specification.routes
        changed = replace(specification, routes=routes, env={**specification.env, **env})
        return program.read_bytes(), changed
    except ManifestError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(
            f"{error.filename}: {error.strerror}; build the program first"
        ) from error
