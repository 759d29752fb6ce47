"""A command's way to the registry: opened, checked and closed, with errors in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from streams.delivery.admin import TopicError, ensure_topics
from streams.registry.entries import Dapp, EntryError
from streams.registry.view import Registry, RegistryError
from streams.registry.writer import RegistryWriter
from streams.topics import node_topics
from topologies.commands import CommandError
from topologies.config import Settings

_ANSWER_S: Final = 10  # how long a command waits for Kafka


class UnknownError(CommandError):
    """There is nothing of this name."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command works with."""

    registry: Registry
    writer: RegistryWriter
    kafka: dict[str, Any]


@contextmanager
def open_desk(settings: Settings) -> Iterator[Desk]:
    """The registry as it is now, and a writer to it.

    Raises:
        CommandError: Kafka does not answer, or what is written is refused.
    """
    kafka = {**settings.kafka_config(), "log_level": 0}  # errors are told once, by us
    registry = Registry(kafka)
    try:
        ensure_topics(kafka, node_topics(), timeout_s=_ANSWER_S)
        registry.start()
        yield Desk(registry, RegistryWriter(kafka, registry), kafka)
    except TopicError as error:
        servers = settings.kafka_bootstrap_servers
        raise CommandError(f"{error} (at {servers}; `w3b up` starts a node)") from error
    except (RegistryError, EntryError) as error:
        raise CommandError(str(error)) from error
    finally:
        registry.close()


def known_dapp(desk: Desk, name: str) -> Dapp:
    """A Dapp that the node serves.

    Raises:
        UnknownError: it serves none of this name; says which it does.
    """
    dapp = desk.registry.dapp(name)
    if dapp is None:
        names = ", ".join(dapp.name for dapp in desk.registry.dapps()) or "none"
        raise UnknownError(f"there is no Dapp {name!r}; there are: {names}")
    return dapp


def print_table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Aligned columns, never cut: identifiers are there to be copied, and there may be many."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        print("  ".join(map(str.ljust, row, widths)).rstrip())
