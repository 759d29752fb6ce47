"""What comes from one client: its messages, and the answers that they get.

A PUBLISH is answered when Kafka has it, in the order in which they came [5 section 4.6]. One that
is refused for good is told so (MQTT 5) or ends the connection (MQTT 3.1.1, which has no word for
it); one that Kafka did not take ends the connection unanswered, so that the client sends it again.
"""

from collections import deque
from collections.abc import Callable, Sequence

from mqtt5 import DisconnectReasonCode, PublishPacket, QoS

from streams import limits
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.append import Settled
from streams.endpoint.mqtt.codec import V5, Codec, FrameError
from streams.endpoint.mqtt.link import Link
from streams.endpoint.mqtt.publishing import Messages
from streams.endpoint.mqtt.reasons import reasons_of
from streams.endpoint.mqtt.runs import Run
from streams.endpoint.mqtt.sessions import Attached, Session


class _Inbound:
    """PUBLISHes of QoS 1 or 2 that came together and are not answered yet."""

    __slots__ = ("_incoming", "is_settled", "packet_ids", "qos", "refused")

    def __init__(self, incoming: "Incoming", packet_ids: Sequence[bytes], qos: QoS) -> None:
        self._incoming = incoming
        self.packet_ids = packet_ids
        self.qos = qos
        self.is_settled = False
        self.refused: RefusedError | None = None

    def __call__(self, refused: RefusedError | None) -> None:
        """The outcome."""
        self.is_settled = True
        self.refused = refused
        self._incoming.settled(self)


class Incoming:
    """One connection's."""

    __slots__ = (
        "_codec", "_connection", "_count", "_held", "_link", "_messages", "_session", "_unasked",
        "_under_way", "_waiting", "is_over",
    )  # fmt: skip

    def __init__(
        self,
        codec: Codec,
        link: Link,
        session: Session,
        connection: Attached,
        messages: Messages,
        count: Callable[[RefusedError, int], None],
    ) -> None:
        """``count``: counts refusals, of so many messages each."""
        self._codec = codec
        self._link = link
        self._session = session
        self._connection = connection
        self._messages = messages
        self._count = count
        self._waiting: deque[_Inbound] = deque()
        self._under_way = 0  # messages of those
        self._unasked = 0  # messages of QoS 0 that Kafka does not have yet
        self._held = False
        self.is_over = False  # whether answers are of no use any more

    # --- what the client says --------------------------------------------------------------------

    def publish(self, packet: PublishPacket) -> None:
        """A message.

        Raises:
            FrameError: it may not be sent so.
        """
        if packet.retain and self._codec.version == V5:
            raise FrameError(
                "no message is retained here", DisconnectReasonCode.RETAIN_NOT_SUPPORTED
            )
        if packet.topic_alias is not None:
            raise FrameError("no topic alias is served", DisconnectReasonCode.TOPIC_ALIAS_INVALID)
        packet_id = packet.packet_id
        if packet_id is None:
            settled = self._expect_nothing(1)
        elif packet.qos == QoS.EXACTLY_ONCE and packet_id in self._session.received:
            self._link.write(self._codec.acknowledged([packet_id.to_bytes(2)], packet.qos))
            return
        else:
            settled = self._expect([packet_id.to_bytes(2)], packet.qos)
        try:
            self._messages.publish(packet, self._session, settled)
        except RefusedError as refused:
            settled(refused)

    def publish_run(self, run: Run) -> None:
        """As `publish`, of many."""
        settled = (
            self._expect(run.packet_ids, QoS.AT_LEAST_ONCE)
            if run.packet_ids
            else self._expect_nothing(len(run.payloads))
        )
        try:
            self._messages.publish_run(run, self._session, settled)
        except RefusedError as refused:
            settled(refused)

    def release(self, packet_id: int) -> None:
        """The client has been told that a message of QoS 2 is here."""
        received = self._session.received
        is_known = packet_id in received
        received.discard(packet_id)
        self._link.write(self._codec.completed(packet_id, is_known))

    # --- outcomes --------------------------------------------------------------------------------

    def _expect(self, packet_ids: Sequence[bytes], qos: QoS) -> Settled:
        self._bound_waiting(len(packet_ids))
        inbound = _Inbound(self, packet_ids, qos)
        self._waiting.append(inbound)
        self._under_way += len(packet_ids)
        return inbound

    def _bound_waiting(self, more: int) -> None:
        """MQTT 3.1.1 knows no maximum of messages under way, and not every client of MQTT 5 keeps
        to the one that it is told (mqtt.js 5.16): who sends more is read later."""
        if len(self._session.received) >= limits.MQTT_HELD_IDS_MAX:
            raise FrameError(
                "too many messages of QoS 2 were never released",
                DisconnectReasonCode.RECEIVE_MAX_EXCEEDED,
            )
        if self._under_way + more > limits.MQTT_RECEIVE_MAX:
            self._hold()

    def _expect_nothing(self, messages: int) -> Settled:
        """Of QoS 0, whose outcome nobody waits for; but what Kafka has no room for waits too."""
        self._unasked += messages
        if self._unasked > limits.MQTT_UNASKED_MAX:
            self._hold()

        def settled(refused: RefusedError | None) -> None:
            self._unasked -= messages
            self._go_on()
            if refused is None:
                return
            self._count(refused, messages)
            if refused.refusal in (Refusal.DEVICE_REVOKED, Refusal.DEVICE_UNKNOWN):
                self._connection.end(reasons_of(refused.refusal).disconnect, str(refused))

        return settled

    def settled(self, inbound: _Inbound) -> None:
        """A PUBLISH has its outcome: answer what can be answered in order."""
        session = self._session
        is_kept = inbound.qos == QoS.EXACTLY_ONCE and inbound.refused is None
        if is_kept and session.connection in (self._connection, None):
            session.received.update(map(int.from_bytes, inbound.packet_ids))
        waiting = self._waiting
        while waiting and waiting[0].is_settled and not self.is_over:
            self._answer(waiting.popleft())
        self._go_on()

    def _answer(self, inbound: _Inbound) -> None:
        self._under_way -= len(inbound.packet_ids)
        refused = inbound.refused
        if refused is None:
            self._link.write(self._codec.acknowledged(inbound.packet_ids, inbound.qos))
            return
        self._count(refused, len(inbound.packet_ids))
        reasons = reasons_of(refused.refusal)
        if reasons.publish is None or self._codec.version != V5:
            self._connection.end(reasons.disconnect, str(refused))
            return
        is_2 = inbound.qos == QoS.EXACTLY_ONCE
        write = self._codec.not_received if is_2 else self._codec.not_published
        for packet_id in map(int.from_bytes, inbound.packet_ids):
            self._link.write(write(packet_id, reasons.publish, str(refused)))

    # --- back-pressure ---------------------------------------------------------------------------

    def _hold(self) -> None:
        if not self._held:
            self._held = True
            self._link.hold(True)

    def _go_on(self) -> None:
        if (
            self._held
            and 2 * self._under_way < limits.MQTT_RECEIVE_MAX
            and 2 * self._unasked < limits.MQTT_UNASKED_MAX
        ):
            self._held = False
            self._link.hold(False)
