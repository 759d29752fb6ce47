"""Whether a packet's texts are UTF-8, before the library reads it.

The library (mqtt5 0.8.0) panics over a text that is not, which prints a backtrace for every such
packet that anybody sends; so its texts are looked at first. Only as much of a packet is understood
as it takes to find them.
"""

from typing import Final

_CONNECT, _PUBLISH, _SUBSCRIBE, _UNSUBSCRIBE = 1, 3, 8, 10
_ACKNOWLEDGEMENTS: Final = frozenset({4, 5, 6, 7})
_DISCONNECT, _AUTH = 14, 15

# Identifiers of properties by what follows them [5 section 2.2.2.2].
_TEXTS: Final = frozenset({0x03, 0x08, 0x12, 0x15, 0x1A, 0x1C, 0x1F})
_PAIR: Final = 0x26
_BINARY: Final = frozenset({0x09, 0x16})
_NUMBER: Final = 0x0B  # of variable length
_SIZES: Final = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}


def check_texts(head: int, body: bytes) -> None:
    """Look at all texts of a packet of MQTT 5.

    Args:
        head: its first byte.
        body: what is behind its length.

    Raises:
        ValueError: a text is not UTF-8, or the packet ends within one.
    """
    kind = head >> 4
    if kind == _PUBLISH:  # the one of which there are many
        at = 2 + int.from_bytes(body[:2])
        body[2:at].decode()
        at += 2 if head & 0b110 else 0
        if body[at : at + 1] not in (b"\x00", b""):
            _Cursor(body, at).properties()
        return
    cursor = _Cursor(body, 0)
    if kind == _CONNECT:
        cursor.connect()
    elif kind in (_SUBSCRIBE, _UNSUBSCRIBE):
        cursor.skip(2)
        cursor.properties()
        while not cursor.is_at_end:
            cursor.text()
            cursor.skip(1 if kind == _SUBSCRIBE else 0)
    elif kind in _ACKNOWLEDGEMENTS or kind in (_DISCONNECT, _AUTH):
        cursor.skip(3 if kind in _ACKNOWLEDGEMENTS else 1, is_optional=True)
        if not cursor.is_at_end:
            cursor.properties()


class _Cursor:
    """A place in a packet. Methods raise ValueError at its end."""

    def __init__(self, body: bytes, at: int) -> None:
        self._body = body
        self._at = at

    @property
    def is_at_end(self) -> bool:
        return self._at >= len(self._body)

    def skip(self, size: int, *, is_optional: bool = False) -> bytes:
        found = self._body[self._at : self._at + size]
        if len(found) < size and not is_optional:
            raise ValueError("a packet that ends too early")
        self._at += size
        return found

    def sized(self) -> bytes:
        return self.skip(int.from_bytes(self.skip(2)))

    def text(self) -> None:
        self.sized().decode()

    def number(self) -> int:
        value = 0
        for shift in (0, 7, 14, 21):
            (byte,) = self.skip(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError("a number of over four bytes")

    def properties(self) -> None:
        size = self.number()
        end = self._at + size
        while self._at < end:
            (identifier,) = self.skip(1)
            if identifier in _TEXTS:
                self.text()
            elif identifier == _PAIR:
                self.text()
                self.text()
            elif identifier in _BINARY:
                self.sized()
            elif identifier == _NUMBER:
                self.number()
            elif identifier in _SIZES:
                self.skip(_SIZES[identifier])
            else:
                raise ValueError(f"there is no property {identifier}")

    def connect(self) -> None:
        self.sized()
        _, flags, *_ = self.skip(4)
        self.properties()
        self.text()
        if flags & 0b100:
            self.properties()
            self.text()
            self.sized()
        if flags & 0b1000_0000:
            self.text()
