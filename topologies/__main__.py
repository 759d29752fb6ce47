"""The `w3b` command."""

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from topologies import commands
from topologies.commands import CommandError
from topologies.config import SettingsError
from topologies.supervisor import SetupError

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_FAILED: Final = 1
_MISUSED: Final = 2  # as argparse has it
_INTERRUPTED: Final = 130  # as shells have it: 128 + SIGINT
_UNREAD: Final = 141  # 128 + SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments; by default the process's.

    Returns:
        The exit status: the command's own, 1 after an error, 2 for a misuse.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parser(words[0] if words else None).parse_args(words)
        status: int = args.func(args)
        sys.stdout.flush()
    except SettingsError as error:
        return _complain(error, _MISUSED)
    except (CommandError, SetupError) as error:
        return _complain(error, _FAILED)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # `w3b … | head`: whoever read the output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _UNREAD
    except OSError as error:  # of a file or address that was named: it says which
        return _complain(error, _FAILED)
    return status


def _complain(error: Exception, status: int) -> int:
    print(f"w3b: {error}", file=sys.stderr)
    return status


def _parser(command: str | None) -> argparse.ArgumentParser:
    """The parser; only the wanted command's module is imported, as some are heavy."""
    parser = argparse.ArgumentParser(
        prog="w3b", description="A W3bStream node: from a device's message to a proof on a chain."
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    names = [module.name for module in pkgutil.iter_modules(commands.__path__)]
    for name in [command] if command in names else names:
        importlib.import_module(f"topologies.commands.{name}").register(subparsers)
    for choice in subparsers.choices.values():
        _add_node_options(choice)
    return parser


def _add_node_options(parser: argparse.ArgumentParser) -> None:
    """Which node is meant: the same options on every command, its subcommands included."""
    nested = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for action in nested:
        for choice in action.choices.values():
            _add_node_options(choice)
    if nested:
        return
    group = parser.add_argument_group("which node")
    group.add_argument("--config", type=Path, metavar="FILE", help="settings (default: w3b.toml)")
    group.add_argument("--data", type=Path, metavar="DIR", help="its data (default: ~/.w3b)")
    group.add_argument(
        "--port-offset", type=int, metavar="N", help="added to every default port (default: 0)"
    )


if __name__ == "__main__":
    sys.exit(main())
