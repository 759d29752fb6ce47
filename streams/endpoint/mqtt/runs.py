"""Plain PUBLISHes that came together, read at once.

Most of what a fleet sends is alike: QoS 0 or 1, for the first time, without properties, one topic.
Through the codec, packet by packet, such a message cost the door's thread 22 to 29 µs before it had
its PUBACK, most of it Python around the codec's 0.7 µs. Here all that a run has in common (who may
send where, the record's prefix, the report of its delivery, the write of its PUBACKs) is done once.
Whatever is not plain is left to the codec, and a test holds both to the same.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from streams import limits
from streams.endpoint.admission import RefusedError
from streams.endpoint.bodies import check_event_type
from streams.endpoint.mqtt.addresses import Address, parse_address
from streams.records import DEFAULT_EVENT_TYPE

_ID_BYTES: Final = 2
# PUBLISHes that were not sent before and are not to be retained [5 section 3.3.1]: by their first
# byte, how many bytes of packet id they have.
_PLAIN: Final = {0x30: 0, 0x32: _ID_BYTES}
_NO_ID: Final = b"\x00\x00"


class Run(NamedTuple):
    """PUBLISH packets of one QoS and one topic, in the order in which they came.

    Attributes:
        address: what the topic says.
        packet_ids: two bytes each, as in the packets; none with QoS 0.
        payloads: one a packet.
    """

    address: Address
    packet_ids: list[bytes]
    payloads: list[bytes]


def read_run(data: bytes, at: int, *, is_v5: bool) -> tuple[Run | None, int]:
    """The plain PUBLISHes from ``at`` on, and where what follows them starts.

    Args:
        data: whole packets and perhaps the beginning of one.
        at: where a packet starts.
        is_v5: whether packets have properties, which are empty in a plain one.
    """
    end = len(data)
    head = data[at]
    id_bytes = _PLAIN.get(head)
    if id_bytes is None:
        return None, at
    topic = b""
    topic_bytes = 0
    address: Address | None = None
    packet_ids: list[bytes] = []
    payloads: list[bytes] = []
    while at + 4 < end and data[at] == head:
        size = data[at + 1]
        body = at + 2
        if size > 0x7F:  # the length has a second byte, or more
            high = data[body]
            if not 0 < high < 0x80:
                break
            size += (high << 7) - 0x80
            body += 1
        after = body + size
        if after > end:
            break
        if not topic:
            topic_bytes = 2 + (data[body] << 8 | data[body + 1])
            topic = data[body : body + topic_bytes]
            address = plain_address(topic)
            if address is None:
                break
        id_at = body + topic_bytes
        payload_at = id_at + id_bytes + is_v5
        if payload_at > after or data[body:id_at] != topic or (is_v5 and data[payload_at - 1]):
            break
        if id_bytes:
            packet_id = data[id_at : id_at + id_bytes]
            if packet_id == _NO_ID:
                break
            packet_ids.append(packet_id)
        payloads.append(data[payload_at:after])
        at = after
    if address is None or not payloads:
        return None, at
    return Run(address, packet_ids, payloads), at


@lru_cache(limits.MQTT_TOPICS_CACHED_MAX)
def plain_address(topic: bytes) -> Address | None:
    """What a topic says, by its bytes in a packet, length and all.

    None: it is refused, or W3bStream's, which may have a token in it: no secret to keep at hand.
    """
    try:
        address = parse_address(topic[2:].decode())
        check_event_type(address.options.get("event_type", DEFAULT_EVENT_TYPE))
    except (UnicodeDecodeError, RefusedError):
        return None
    return None if address.is_w3bstream else address
