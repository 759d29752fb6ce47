"""What goes to one client: answers to its subscriptions, and the messages that these bring.

QoS 0 and 1; who subscribes with 2 is granted 1. Nothing is retained, so a subscription brings what
is sent from then on.
"""

from collections.abc import Callable
from typing import Final

from mqtt5 import (
    DisconnectReasonCode,
    QoS,
    SubAckReasonCode,
    SubscribePacket,
    TopicFilter,
    UnsubAckReasonCode,
    UnsubscribePacket,
)

from streams import limits, metrics
from streams.endpoint.admission import RefusedError
from streams.endpoint.mqtt.codec import Codec, FrameError
from streams.endpoint.mqtt.filters import FilterError, check_filter
from streams.endpoint.mqtt.link import Link
from streams.endpoint.mqtt.outbox import Downlink
from streams.endpoint.mqtt.sessions import Session, Sessions

_SHARED: Final = "$share/"
_GRANTED: Final = (
    SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE,
    SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE,
)


class Outgoing:
    """One connection's."""

    __slots__ = ("_codec", "_link", "_refused", "_session", "_sessions", "_window")

    def __init__(
        self,
        codec: Codec,
        link: Link,
        session: Session,
        sessions: Sessions,
        receive_max: int,
        refused: Callable[[RefusedError], None],
    ) -> None:
        """``receive_max``: messages that the client takes unacknowledged; ``refused``: is told
        that a subscription could not be kept."""
        self._codec = codec
        self._link = link
        self._session = session
        self._sessions = sessions
        self._window = min(receive_max, limits.MQTT_OUTBOX_WINDOW)
        self._refused = refused

    # --- what the client says --------------------------------------------------------------------

    def subscribe(self, packet: SubscribePacket) -> None:
        """Answered once the session is kept, if it is to be.

        Raises:
            FrameError: with a subscription identifier, which are not served.
        """
        if packet.subscription_id is not None:
            raise FrameError(
                "no subscription identifiers are served",
                DisconnectReasonCode.SUBSCRIPTION_IDS_NOT_SUPPORTED,
            )
        reasons = [self._subscribe(one) for one in packet.topic_filters]
        self._save(lambda: self._codec.subscribed(packet.packet_id, reasons))

    def _subscribe(self, wanted: TopicFilter) -> SubAckReasonCode:
        pattern, subscriptions = wanted.pattern, self._session.subscriptions
        if pattern.startswith(_SHARED):
            return SubAckReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED
        try:
            check_filter(pattern)
        except FilterError:
            return SubAckReasonCode.TOPIC_FILTER_INVALID
        is_over = len(subscriptions) >= limits.MQTT_SUBSCRIPTIONS_MAX
        if len(pattern) > limits.MQTT_FILTER_CHARACTERS_MAX or (
            is_over and pattern not in subscriptions
        ):
            return SubAckReasonCode.QUOTA_EXCEEDED
        subscriptions[pattern] = min(int(wanted.max_qos), 1)
        return _GRANTED[subscriptions[pattern]]

    def unsubscribe(self, packet: UnsubscribePacket) -> None:
        """What waits already is still told [5 section 3.10.4]."""
        reasons = [
            UnsubAckReasonCode.NO_SUBSCRIPTION_EXISTED
            if self._session.subscriptions.pop(pattern, None) is None
            else UnsubAckReasonCode.SUCCESS
            for pattern in packet.patterns
        ]
        self._save(lambda: self._codec.unsubscribed(packet.packet_id, reasons))

    def acknowledged(self, packet_id: int) -> None:
        """The client has a message."""
        self._done(packet_id, "acknowledged")
        self.flush()

    # --- what it is told -------------------------------------------------------------------------

    def resume(self) -> None:
        """Go on where the connection before ended [5 section 4.4]."""
        for packet_id, message in self._session.outbox.under_way():
            self._send(packet_id, message, again=True)
        self.flush()

    def flush(self) -> None:
        """Send as many of the messages that wait as the client takes unacknowledged."""
        while taken := self._session.outbox.take(self._window):
            for packet_id, message in taken:
                self._send(packet_id, message, again=False)

    def tell(self, message: Downlink) -> None:
        """Send a message of QoS 0, unless the client does not keep up."""
        frame = self._codec.message(message.topic, message.payload, QoS.AT_MOST_ONCE, 0, False)
        if self._link.is_full or not self._fits(frame):
            metrics.ENDPOINT_DOWNLINKS.labels("lost").inc()
            return
        self._link.write(frame)
        metrics.ENDPOINT_DOWNLINKS.labels("sent").inc()

    def _send(self, packet_id: int, message: Downlink, *, again: bool) -> None:
        frame = self._codec.message(
            message.topic, message.payload, QoS.AT_LEAST_ONCE, packet_id, again
        )
        if self._fits(frame):
            self._link.write(frame)
        else:  # as if it had been sent [5 section 3.1.2.11.4]
            self._done(packet_id, "lost")

    def _done(self, packet_id: int, outcome: str) -> None:
        message = self._session.outbox.acknowledge(packet_id)
        if message is not None:
            metrics.ENDPOINT_DOWNLINKS.labels(outcome).inc()
            self._sessions.told(self._session, [message])

    def _fits(self, frame: bytes) -> bool:
        most = self._codec.writes_bytes_max
        return most is None or len(frame) <= most

    def _save(self, answer: Callable[[], bytes]) -> None:
        def settled(refused: RefusedError | None) -> None:
            if refused is None:
                self._link.write(answer())
            else:
                self._refused(refused)

        try:
            self._sessions.save(self._session, settled)
        except RefusedError as refused:
            self._refused(refused)
