"""Refusals as MQTT 5 says them; the name goes along as the packet's reason string.

MQTT 3.1.1 has return codes for a CONNECT only (`streams.endpoint.mqtt.codec`).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from mqtt5 import ConnAckReasonCode as Connect
from mqtt5 import DisconnectReasonCode as Disconnect
from mqtt5 import PubAckReasonCode as Publish

from streams.endpoint.admission import Refusal

DOOR: Final = "mqtt"


class Reasons(NamedTuple):
    """What a refusal is called, by the packet that is refused.

    Attributes:
        connect: in a CONNACK.
        publish: in a PUBACK or PUBREC, which end the message. None: the connection ends instead,
            and the client sends the message again on its next one.
        disconnect: in a DISCONNECT, where the refusal ends the connection.
    """

    connect: Connect = Connect.UNSPECIFIED_ERROR
    publish: Publish | None = Publish.UNSPECIFIED_ERROR
    disconnect: Disconnect = Disconnect.UNSPECIFIED_ERROR


_UNREADABLE: Final = Reasons(
    Connect.PAYLOAD_FORMAT_INVALID,
    Publish.PAYLOAD_FORMAT_INVALID,
    Disconnect.PAYLOAD_FORMAT_INVALID,
)
_TOO_MUCH: Final = Reasons(
    Connect.PACKET_TOO_LARGE, Publish.QUOTA_EXCEEDED, Disconnect.PACKET_TOO_LARGE
)
_NO_CREDENTIAL: Final = Reasons(
    Connect.BAD_USER_NAME_OR_PASSWORD, Publish.NOT_AUTHORIZED, Disconnect.NOT_AUTHORIZED
)
_NO_DEVICE: Final = Reasons(Connect.NOT_AUTHORIZED, None, Disconnect.NOT_AUTHORIZED)
_NOT_NOW: Final = Reasons(Connect.SERVER_UNAVAILABLE, None, Disconnect.SERVER_BUSY)
_NO_TOPIC: Final = Reasons(
    Connect.TOPIC_NAME_INVALID, Publish.TOPIC_NAME_INVALID, Disconnect.TOPIC_NAME_INVALID
)
_TOO_FAST: Final = Reasons(
    Connect.CONNECTION_RATE_EXCEEDED, Publish.QUOTA_EXCEEDED, Disconnect.MESSAGE_RATE_TOO_HIGH
)
_BROKEN: Final = Reasons(Connect.PROTOCOL_ERROR, None, Disconnect.PROTOCOL_ERROR)

_REASONS: Final[Mapping[Refusal, Reasons]] = {
    Refusal.MALFORMED_REQUEST: _UNREADABLE,
    Refusal.MALFORMED_JSON: _UNREADABLE,
    Refusal.NO_MESSAGES: _UNREADABLE,
    Refusal.TOO_LARGE: _TOO_MUCH,
    Refusal.TOO_MANY_MESSAGES: _TOO_MUCH,
    Refusal.TOKEN_MISSING: _NO_CREDENTIAL,
    Refusal.TOKEN_EXPIRED: _NO_CREDENTIAL,
    Refusal.TOKEN_FORGED: _NO_CREDENTIAL,
    Refusal.DEVICE_UNKNOWN: _NO_DEVICE,
    Refusal.DEVICE_REVOKED: _NO_DEVICE,
    Refusal.CREDENTIAL_REFUSED: _NO_DEVICE,
    Refusal.NOT_GRANTED: Reasons(
        Connect.NOT_AUTHORIZED, Publish.NOT_AUTHORIZED, Disconnect.NOT_AUTHORIZED
    ),
    Refusal.UNKNOWN_DAPP: _NO_TOPIC,
    Refusal.NOT_FOUND: _NO_TOPIC,
    Refusal.DEVICE_RATE_EXCEEDED: _TOO_FAST,
    Refusal.OWNER_RATE_EXCEEDED: _TOO_FAST,
    Refusal.DAPP_RATE_EXCEEDED: _TOO_FAST,
    Refusal.OVERLOADED: _NOT_NOW,
    Refusal.LOG_UNAVAILABLE: _NOT_NOW,
    Refusal.BROKEN_PROTOCOL: _BROKEN,
}


def reasons_of(refusal: Refusal) -> Reasons:
    """What MQTT 5 calls a refusal."""
    return _REASONS.get(refusal, Reasons())
