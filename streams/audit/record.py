"""An audit record, and how it lies on the topic ``audit``: JSON under the key ``kind:name``.

=============================  =====================================================================
field                          what it says
=============================  =====================================================================
``at_ms``                      when, ms since 1970, by the clock of who writes it
``who``                        ``operator:NAME``, an owner's name or DID, ``node``; of a refusal
                               whoever was refused, as far as it was known
``door``                       ``http``, ``grpc``, ``mqtt``, ``command`` (`w3b`), ``node`` (itself)
``action``                     ``add``, ``change``, ``remove``, ``refuse``, ``rotate``, ``erase`` …
``kind``, ``name``             of what: ``device`` and its DID, ``grant`` and ``owner/dapp`` …
``owner``, ``device``, ``dapp``  whom it concerns; empty where nobody
``reason``                     of a refusal, its name; else empty
``times``                      of refusals, how many; else 1
``before``, ``after``          JSON objects: what differs, as it was and as it is; null: it was not
                               there, or is not any more. Never a secret
=============================  =====================================================================
"""

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

COMMAND: Final = "command"


class AuditError(RuntimeError):
    """An audit record that is none, or that Kafka did not take; says why."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who did something, and by which door they came."""

    who: str
    door: str


# What a node does by itself, for one to hold devices whose credentials have ended.
NODE: Final = Author("node", "node")


def operator(name: str, door: str) -> Author:
    """An operator, by the name that is in the token."""
    return Author(f"operator:{name}", door)


def at_command() -> Author:
    """Whoever has started this process: the operating system's user."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a number without a name, as in some containers
        name = str(os.getuid())
    return operator(name, COMMAND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was done, or refused; see the module for each field."""

    at_ms: int
    author: Author
    action: str
    kind: str
    name: str
    owner: str = ""
    device: str = ""
    dapp: str = ""
    reason: str = ""
    times: int = 1
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None

    def key(self) -> bytes:
        """The record's key."""
        return f"{self.kind}:{self.name}".encode()

    def encode(self) -> bytes:
        """The record's value."""
        return orjson.dumps(
            {
                "at_ms": self.at_ms,
                "who": self.author.who,
                "door": self.author.door,
                "action": self.action,
                "kind": self.kind,
                "name": self.name,
                "owner": self.owner,
                "device": self.device,
                "dapp": self.dapp,
                "reason": self.reason,
                "times": self.times,
                "before": self.before,
                "after": self.after,
            }
        )


def decode(value: bytes) -> Record:
    """A record from its value.

    Raises:
        AuditError: it is none.
    """
    try:
        body = orjson.loads(value)
        author = Author(_text(body.pop("who")), _text(body.pop("door")))
        record = Record(author=author, **body)
        texts = (record.action, record.kind, record.name, record.owner, record.device, record.dapp,
                 record.reason)  # fmt: skip
        for text in texts:
            _text(text)
        if not (_number(record.at_ms) >= 0 and 0 <= _number(record.times) < 2**63):
            raise ValueError("a number that is none of its kind")
        for said in (record.before, record.after):
            if not isinstance(said, dict | None):
                raise ValueError("before and after are objects, or null")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AuditError(f"not an audit record: {error}") from error
    return record


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{value!r} is no number")
    return value
