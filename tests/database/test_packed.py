"""Looking into a packed batch."""

import pytest

from streams import records
from streams.database.packed import sent_ms_of_last
from streams.delivery.batch import pack_records

MESSAGE = records.Message("did:x", b"{}", bytes(16), 1_700_000_000_123).encode()


def sent_ms(*values: bytes | None) -> int | None:
    count = len(values)
    return sent_ms_of_last(pack_records([b"key"] * count, values, range(count), [7] * count))


def test_a_message_says_when_its_device_sent_it() -> None:
    assert sent_ms(b"raw", None, MESSAGE) == 1_700_000_000_123


@pytest.mark.parametrize("last", [None, b"", b"raw", MESSAGE[:31], records.barrier(1, 5)])
def test_what_is_no_message_of_a_device_does_not(last: bytes | None) -> None:
    assert sent_ms(MESSAGE, last) is None
