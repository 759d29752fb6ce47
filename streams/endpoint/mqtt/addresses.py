"""What a topic's name says: which Dapps a message goes to, and as what.

======================================================  ==========================================
``v1/messages[/{event_type}]``                          every Dapp that the owner granted
``v1/dapps/{dapp}/messages[/{event_type}]``             that one
``{dapp}/push/{token}/{event_type}[/ts={ms}&id={id}]``  that one, as W3bStream's clients publish
``{dapp}``                                              that one, as they publish whole events
======================================================  ==========================================

In W3bStream's forms a token, a publisher's or a device's, says whose the message is: here, or in
the event (`streams.endpoint.mqtt.events`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from streams.endpoint.admission import Refusal, RefusedError

# What W3bStream's form calls its options, and what they are called here.
_PUSH_OPTIONS: Final = {"ts": "time_ms", "id": "id"}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message goes.

    Attributes:
        dapp: None: every Dapp that the device's owner granted.
        options: of `streams.endpoint.bodies.read_options`, as the topic says them.
        token: whose the message is; None: the connection's.
        event_id: as W3bStream's form says it; empty: it says none.
        is_w3bstream: whether it is one of W3bStream's forms (`streams.endpoint.mqtt.events`).
    """

    dapp: str | None
    options: Mapping[str, str] = field(default_factory=dict)
    token: str | None = None
    event_id: str = ""
    is_w3bstream: bool = False


def parse_address(topic: str) -> Address:
    """The address that a topic's name is.

    Raises:
        RefusedError: NOT_FOUND, no such topic.
    """
    match topic.split("/"):
        case ["v1", "messages"]:
            return Address(None)
        case ["v1", "messages", event_type]:
            return Address(None, {"event_type": event_type})
        case ["v1", "dapps", dapp, "messages"]:
            return Address(dapp)
        case ["v1", "dapps", dapp, "messages", event_type]:
            return Address(dapp, {"event_type": event_type})
        case [dapp, "push", token, event_type]:
            return Address(dapp, {"event_type": event_type}, token, is_w3bstream=True)
        case [dapp, "push", token, event_type, options]:
            given = _push_options(options)
            event_id = given.pop("id", "")
            given["event_type"] = event_type
            return Address(dapp, given, token, event_id, is_w3bstream=True)
        case [dapp] if dapp:
            return Address(dapp, is_w3bstream=True)
    raise RefusedError(
        Refusal.NOT_FOUND,
        "no such topic: publish to v1/messages or v1/dapps/{dapp}/messages, with /{event_type} "
        "behind it if wanted",
    )


def _push_options(text: str) -> dict[str, str]:
    pairs = dict(parse_qsl(text))
    if unknown := sorted(pairs.keys() - _PUSH_OPTIONS.keys()):
        raise RefusedError(
            Refusal.NOT_FOUND, f"topic: unknown option {unknown[0][:40]!r}: there are ts and id"
        )
    return {_PUSH_OPTIONS[name]: value for name, value in pairs.items()}
