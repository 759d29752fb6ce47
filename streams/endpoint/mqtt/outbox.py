"""What a client is to be told, until it has acknowledged it [5 section 4.4]."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from streams import limits

_IDS: Final = 65_535


@dataclass(frozen=True, slots=True)
class Downlink:
    """A message to a client.

    Attributes:
        place: of the effect that it was, which no other has.
        topic: its name.
        payload: its bytes.
    """

    place: str
    topic: str
    payload: bytes


@dataclass(slots=True)
class Room:
    """What all outboxes of a process hold."""

    used_bytes: int = 0


class Outbox:
    """Messages of QoS 1 to one client, the oldest first."""

    __slots__ = ("_bytes", "_last_id", "_messages", "_room", "_under_way", "_unsent")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._messages: dict[str, Downlink] = {}
        self._unsent: deque[str] = deque()
        self._under_way: dict[int, str] = {}  # by packet id
        self._bytes = 0
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Downlink]:
        return iter(self._messages.values())

    def put(self, message: Downlink) -> list[Downlink]:
        """Take a message; those that had to give way to it, perhaps itself.

        One that is there already is not taken twice.
        """
        if message.place in self._messages:
            return []
        if self._room.used_bytes + len(message.payload) > limits.MQTT_OUTBOXES_BYTES_MAX:
            return [message]
        self._messages[message.place] = message
        self._unsent.append(message.place)
        self._account(len(message.payload))
        lost = []
        while self._unsent and (
            len(self._messages) > limits.MQTT_OUTBOX_MESSAGES_MAX
            or self._bytes > limits.MQTT_OUTBOX_BYTES_MAX
        ):
            lost.append(self._remove(self._unsent.popleft()))
        return lost

    def under_way(self) -> list[tuple[int, Downlink]]:
        """What was sent and is not acknowledged, with its packet ids, in order."""
        return [(id_, self._messages[place]) for id_, place in self._under_way.items()]

    def take(self, window: int) -> list[tuple[int, Downlink]]:
        """What may be sent now, with packet ids, if ``window`` messages may be under way."""
        taken = []
        while self._unsent and len(self._under_way) < window:
            place = self._unsent.popleft()
            packet_id = self._free_id()
            self._under_way[packet_id] = place
            taken.append((packet_id, self._messages[place]))
        return taken

    def acknowledge(self, packet_id: int) -> Downlink | None:
        """The message that a client has; None: no such one was under way."""
        place = self._under_way.pop(packet_id, None)
        return None if place is None else self._remove(place)

    def clear(self) -> Sequence[Downlink]:
        """Forget all of it; what it was."""
        messages = list(self._messages.values())
        self._account(-self._bytes)
        self._messages.clear()
        self._unsent.clear()
        self._under_way.clear()
        return messages

    def _remove(self, place: str) -> Downlink:
        message = self._messages.pop(place)
        self._account(-len(message.payload))
        return message

    def _account(self, more_bytes: int) -> None:
        self._bytes += more_bytes
        self._room.used_bytes += more_bytes

    def _free_id(self) -> int:
        while True:
            self._last_id = self._last_id % _IDS + 1
            if self._last_id not in self._under_way:
                return self._last_id
