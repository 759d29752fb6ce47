"""What carries a connection."""

from typing import Protocol


class Link(Protocol):
    """What carries a connection: TCP, with TLS or without, or a WebSocket."""

    @property
    def is_full(self) -> bool:
        """Whether the client does not read what it was sent."""
        ...

    def write(self, data: bytes) -> None:
        """Send; never blocks. Nothing happens once it is closed."""
        ...

    def close(self) -> None:
        """Close it once everything is sent."""
        ...

    def hold(self, is_held: bool) -> None:
        """Read no more for now, or go on."""
        ...
