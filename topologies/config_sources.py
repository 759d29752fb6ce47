"""Where settings come from, and what is said of those that are wrong."""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

PREFIX: Final = "W3B_"
_NEAR_MISS: Final = 0.85  # how alike a variable and a setting are when one is a typo of the other


class SettingsError(Exception):
    """A setting is wrong; the message names it and says what to do, in one line."""


def variable_of(name: str) -> str:
    """The variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def read_toml(path: Path) -> dict[str, Any]:
    """A settings file.

    Raises:
        SettingsError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"the settings file {path} is not TOML: {error}") from error


def refuse_near_misses(names: Iterable[str]) -> None:
    """A variable that is nearly a setting is a typo; others may be anybody's (Kubernetes' too).

    Raises:
        SettingsError: there is one.
    """
    known = [variable_of(name) for name in names]
    for variable in os.environ:
        if not variable.startswith(PREFIX) or variable in known:
            continue
        if near := difflib.get_close_matches(variable, known, 1, _NEAR_MISS):
            raise SettingsError(f"{variable} is not a setting; did you mean {near[0]}?")


def first_complaint(error: ValidationError, names: Iterable[str], places: Mapping[str, str]) -> str:
    """One line about the first thing that is wrong, without the value, which may be a secret."""
    first = error.errors(include_url=False, include_input=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if first["loc"]:
        name = str(first["loc"][0])
    else:  # a check across settings, which puts the name first
        name, _, message = message.partition(": ")
    place = places.get(name, variable_of(name))
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, names, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"{place}: there is no setting {name}{hint}"
    return f"setting {name} ({place}): {message[0].lower()}{message[1:]}"
