"""A block as the sink would make it of messages."""

import secrets
from collections.abc import Sequence

from streams.database.blocks import Block
from streams.database.encoder.host import Encoder, Family
from streams.delivery.batch import pack_records
from streams.records import Message


def block_of(encoder: Encoder, family: Family, dapp: str, messages: Sequence[Message]) -> Block:
    """Partition 0 from offset 0 on, received when it was sent."""
    count = len(messages)
    packed = pack_records(
        [one.device.encode() for one in messages],
        [one.encode() for one in messages],
        range(count),
        [one.time_ms for one in messages],
    )
    window = encoder.open_window(1)
    encoded = encoder.encode(family, dapp, 0, packed, window=window)
    encoder.close_window(window)
    block = Block(0, count, 0, token=secrets.token_hex(16))
    block.add(encoded.rows, count, 0)
    return block
