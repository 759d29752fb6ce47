"""Where the items of a CBOR sequence end (RFC 8742), and whether they are well-formed.

A payload keeps its own bytes, so nothing has to be decoded: this walks over heads (RFC 8949,
section 3) and checks what section 5.3.1 calls well-formed. cbor2 would decode: measured, that
takes it twice as long as this, where most heads take one look into a table; and it evaluates
tags (regular expressions, decimals, references to oneself) that a stranger chose. Nesting costs
no stack here.
"""

from typing import Final

from streams import limits

_BREAK: Final = 0xFF
_INDEFINITE: Final = 31
_OPENING: Final = (0x9F, 0xBF)  # an array, a map without a length
_SIMPLE_MIN: Final = 32  # of a simple value in two bytes
_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _OTHER = 2, 3, 4, 5, 6, 7


class CborError(ValueError):
    """Not a sequence of well-formed items: which one is not (from 1), at which byte, and why."""

    def __init__(self, number: int, at: int, why: str) -> None:
        super().__init__(f"item {number}: {why} at byte {at}")


def _of_head(head: int) -> tuple[int, int]:
    """Bytes of a head whose first byte says them, its content included, and items that follow.

    (0, 0): it takes a closer look.
    """
    major, more = head >> 5, head & 0x1F
    argument_bytes = {24: 1, 25: 2, 26: 4, 27: 8}.get(more, 0)
    if more > 27 or head == 0xF8:
        return 0, 0
    if major in (0, 1, _OTHER):
        return 1 + argument_bytes, 0
    if major == _TAG:
        return 1 + argument_bytes, 1
    if argument_bytes:
        return 0, 0
    if major in (_BYTES, _TEXT):
        return 1 + more, 0
    return 1, more if major == _ARRAY else 2 * more


_SIZES: Final = tuple(_of_head(head)[0] for head in range(256))
_ITEMS: Final = tuple(_of_head(head)[1] for head in range(256))


def ends(body: bytes) -> list[int]:
    """Where each item of a sequence ends; at most one more than a body may have messages.

    Raises:
        CborError: an item is not well-formed, or the last one is cut short.
    """
    found: list[int] = []
    at = 0
    while at < len(body) and len(found) <= limits.REQUEST_MESSAGES_MAX:
        began = at
        try:
            at = _end(body, at, len(found) + 1)
        except IndexError:
            at = len(body) + 1
        if at > len(body):
            raise CborError(len(found) + 1, began, "is cut short: it began")
        found.append(at)
    return found


def _end(body: bytes, at: int, number: int) -> int:
    """The end of the item that begins at ``at``; past the body's, or IndexError: cut short."""
    left = 1  # items that are to come before the innermost container without a length goes on
    open_: list[list[int]] = []  # such containers: items left outside, items in it, is it a map
    while True:
        while left:
            head = body[at]
            size = _SIZES[head]
            if size:
                at += size
                left += _ITEMS[head] - 1
                continue
            left -= 1
            if head in _OPENING:
                open_.append([left, 0, head >> 5 == _MAP])
                left = 0
                at += 1
            else:
                at, items = _look(body, at, number)
                left += items
        if not open_:
            return at
        container = open_[-1]  # between two of its items
        if body[at] != _BREAK:
            container[1] += 1
            left = 1
            continue
        if container[2] and container[1] % 2:
            raise CborError(number, at, "a map ends after a key")
        left = open_.pop()[0]
        at += 1


def _look(body: bytes, at: int, number: int) -> tuple[int, int]:
    """Past a head that the tables leave open, with its content; and the items that follow."""
    head = body[at]
    major, more = head >> 5, head & 0x1F
    if head == 0xF8:
        if body[at + 1] < _SIMPLE_MIN:
            raise CborError(number, at, "a simple value below 32 in two bytes")
        return at + 2, 0
    if more == _INDEFINITE and major in (_BYTES, _TEXT):
        return _past_chunks(body, at + 1, number, major), 0
    if more > 27:
        why = "a break outside of any container" if head == _BREAK else f"no such head: {head:#04x}"
        raise CborError(number, at, why)
    after = at + 1 + (1 << more - 24)
    argument = int.from_bytes(body[at + 1 : after])
    if after > len(body):
        raise IndexError
    if major in (_BYTES, _TEXT):
        return after + argument, 0
    return after, argument if major == _ARRAY else 2 * argument


def _past_chunks(body: bytes, at: int, number: int, major: int) -> int:
    while body[at] != _BREAK:
        if body[at] >> 5 != major or body[at] & 0x1F > 27:
            raise CborError(number, at, "a string's chunk of another kind")
        size = _SIZES[body[at]]
        at = at + size if size else _look(body, at, number)[0]
    return at + 1
