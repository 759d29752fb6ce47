"""What both sources of messages hand to the player."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Stretch:
    """Messages of one device in time order: ``payloads[i]`` at ``offsets_ms[i]``."""

    offsets_ms: list[int]  # since the drive began
    payloads: list[bytes]
    raw: frozenset[int] = field(default=frozenset())  # places whose payload is not JSON


class Drive(Protocol):
    """One device's part: named, so that its key can be found, and read once from its start."""

    @property
    def name(self) -> str:
        """The device's name in its fleet."""
        ...

    @property
    def duration_ms(self) -> int:
        """How long it takes in its own time."""
        ...

    @property
    def faulty(self) -> int:
        """Messages given out so far that cannot be read as a sample."""
        ...

    def stretches(self) -> Iterator[Stretch]:
        """Its messages."""
        ...
