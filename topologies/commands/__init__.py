"""The commands of `w3b`: each module here is one, and its name is the command's.

A module has `register(subparsers)`, which adds its parser and sets `func`: a function from the
parsed arguments to the exit status. Options that say which node is meant (`--config`, `--data`,
`--port-offset`) are added to every command by `topologies.__main__`; `settings_of` reads them.
"""

import argparse
from collections.abc import Callable

from topologies.config import Settings


class CommandError(Exception):
    """What went wrong and what to do, in one line; ends a command with exit status 1."""


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings of the node that a command line means, with every address filled in.

    Raises:
        SettingsError: a setting is wrong.
    """
    return Settings.resolve(args.config, data=args.data, port_offset=args.port_offset)


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """An option's type: a number of a kind (``int``, ``float``), more than 0 and finite."""

    def read(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not more than 0")
        return value

    read.__name__ = "number"  # argparse says "invalid number value"
    return read
