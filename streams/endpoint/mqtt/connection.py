"""One client's side of the protocol, without any socket: bytes come in, bytes go out."""

import logging
import secrets
from typing import Final

from mqtt5 import (
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    Packet,
    PingReqPacket,
    PubAckPacket,
    PublishPacket,
    PubRelPacket,
    SubscribePacket,
    UnsubscribePacket,
    Will,
)

from streams import limits, metrics
from streams.clock import Clock
from streams.endpoint.admission import Refusal, RefusedError, name_of
from streams.endpoint.intake import Intake
from streams.endpoint.mqtt.authentication import authenticated
from streams.endpoint.mqtt.codec import PINGRESP, V5, Codec, FrameError
from streams.endpoint.mqtt.incoming import Incoming
from streams.endpoint.mqtt.link import Link
from streams.endpoint.mqtt.outbox import Downlink
from streams.endpoint.mqtt.outgoing import Outgoing
from streams.endpoint.mqtt.publishing import Messages, check_will
from streams.endpoint.mqtt.pushing import Pushing
from streams.endpoint.mqtt.reasons import DOOR, reasons_of
from streams.endpoint.mqtt.runs import Run
from streams.endpoint.mqtt.sessions import Session, Sessions

log = logging.getLogger(__name__)

_SILENCE: Final = 1.5  # keep-alives that a client may miss [5 section 3.1.2.10]


class Connection:
    """A client's connection, from its first byte to its last."""

    __slots__ = (
        "_clock", "_codec", "_did", "_incoming", "_intake", "_is_over", "_link", "_outgoing",
        "_pushing", "_session", "_sessions", "_silence_s_max", "_will", "heard_s",
    )  # fmt: skip

    def __init__(
        self,
        intake: Intake,
        sessions: Sessions,
        pushing: Pushing,
        clock: Clock,
        link: Link,
        did: str | None = None,
    ) -> None:
        """``did``: of the certificate that the client has shown."""
        self._intake = intake
        self._sessions = sessions
        self._pushing = pushing
        self._clock = clock
        self._link = link
        self._did = did
        self._codec = Codec()
        self._session: Session | None = None
        self._incoming: Incoming | None = None  # with the session
        self._outgoing: Outgoing | None = None  # with the session
        self._will: Will | None = None
        self._is_over = False
        self._silence_s_max: float = limits.MQTT_CONNECT_WAIT_S
        self.heard_s = clock.monotonic_s()

    # --- what the link tells ---------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Bytes from the client. Nothing is raised."""
        self.heard_s = self._clock.monotonic_s()
        try:
            for packet in self._codec.feed(data):
                self._take(packet)
                if self._is_over:
                    return
        except FrameError as error:
            if error.answer:
                self._link.write(error.answer)
            too_large = error.reason == DisconnectReasonCode.PACKET_TOO_LARGE
            name = Refusal.TOO_LARGE if too_large else Refusal.BROKEN_PROTOCOL
            self._count(RefusedError(name, str(error)))
            self._end(error.reason, str(error))
        except RefusedError as refused:
            self._refused(refused)
        except Exception:
            log.exception("an MQTT connection failed")
            self._count(RefusedError(Refusal.INTERNAL, "the node failed"))
            self._end(DisconnectReasonCode.UNSPECIFIED_ERROR, "the node failed")

    def lost(self) -> None:
        """The link is gone, whoever ended it."""
        self._over()
        session, self._session = self._session, None
        if session is not None:
            metrics.ENDPOINT_MQTT_CONNECTIONS.dec()
            self._sessions.leave(session, self, self._clock.monotonic_s(), self._will)

    def part(self) -> None:
        """The node stops; the client will find it again, so its last will stays unsaid."""
        self._will = None
        self._end(DisconnectReasonCode.SERVER_SHUTTING_DOWN, "the node stops")

    def look(self, now_s: float) -> None:
        """End it if the client has been silent for too long."""
        if self._is_over or now_s <= self.heard_s + self._silence_s_max:
            return
        if self._session is None:
            self._count(RefusedError(Refusal.TOO_SLOW, "no CONNECT came"))
        self._end(DisconnectReasonCode.KEEP_ALIVE_TIMEOUT, "silent beyond its keep-alive")

    def end(self, reason: DisconnectReasonCode, text: str) -> None:
        """Close it, saying why."""
        self._end(reason, text)

    def flush(self) -> None:
        """Send what waits in the session's outbox."""
        if self._outgoing is not None and not self._is_over:
            self._outgoing.flush()

    def tell(self, message: Downlink) -> None:
        """Send a message of QoS 0."""
        if self._outgoing is not None and not self._is_over:
            self._outgoing.tell(message)

    def _refused(self, refused: RefusedError) -> None:
        self._count(refused)
        self._end(reasons_of(refused.refusal).disconnect, str(refused))

    # --- packets ---------------------------------------------------------------------------------

    def _take(self, packet: Packet | Run) -> None:
        if isinstance(packet, Run) and self._incoming:
            self._incoming.publish_run(packet)
        elif isinstance(packet, PublishPacket) and self._incoming:
            self._incoming.publish(packet)
        elif isinstance(packet, ConnectPacket) and self._session is None:
            try:
                self._connect(packet)
            except RefusedError as refused:
                self._refuse_connect(refused, reasons_of(refused.refusal).connect)
        elif self._session is None or self._outgoing is None or self._incoming is None:
            raise _broken("the first packet is a CONNECT, and no other is")
        elif isinstance(packet, PingReqPacket):
            self._link.write(PINGRESP)
        elif isinstance(packet, PubRelPacket):
            self._incoming.release(packet.packet_id)
        elif isinstance(packet, DisconnectPacket):
            self._disconnect(packet, self._session)
        elif isinstance(packet, SubscribePacket):
            self._outgoing.subscribe(packet)
        elif isinstance(packet, UnsubscribePacket):
            self._outgoing.unsubscribe(packet)
        elif isinstance(packet, PubAckPacket):
            self._outgoing.acknowledged(packet.packet_id)
        else:
            raise _broken(f"a client sends no {type(packet).__name__.removesuffix('Packet')}")

    def _connect(self, packet: ConnectPacket) -> None:
        if packet.authentication_method is not None:
            return self._refuse_connect(
                RefusedError(
                    Refusal.MALFORMED_REQUEST, "no authentication method is served: send a token"
                ),
                ConnAckReasonCode.BAD_AUTHENTICATION_METHOD,
            )
        self._codec.writes_bytes_max = packet.max_packet_size
        self._codec.tells_reasons = packet.request_problem_info
        is_v5 = self._codec.version == V5
        if not packet.client_id and not is_v5 and not packet.clean_start:
            return self._refuse_connect(
                RefusedError(
                    Refusal.MALFORMED_REQUEST, "a client without an id has no session to go on with"
                ),
                ConnAckReasonCode.CLIENT_ID_NOT_VALID,
            )
        sender = authenticated(self._intake, packet, self._did)
        if packet.will is not None:
            if packet.will.retain and is_v5:  # [5 section 3.2.2.3.5]
                return self._refuse_connect(
                    RefusedError(Refusal.MALFORMED_REQUEST, "will: no message is retained here"),
                    ConnAckReasonCode.RETAIN_NOT_SUPPORTED,
                )
            check_will(self._intake, sender, packet.will)
        given_id = None if packet.client_id else secrets.token_hex(12)
        session, was_there = self._sessions.open(
            sender,
            given_id or packet.client_id,
            is_clean=packet.clean_start,
            connection=self,
            now_s=self.heard_s,
        )
        self._session = session
        messages = Messages(self._intake, self._pushing, self._clock, sender)
        self._incoming = Incoming(self._codec, self._link, session, self, messages, self._count)
        self._outgoing = Outgoing(
            self._codec, self._link, session, self._sessions, packet.receive_max, self._refused
        )
        self._will = packet.will
        asked_s = packet.session_expiry_interval if is_v5 else 0 if packet.clean_start else 2**32
        session.expiry_s = min(asked_s, limits.MQTT_SESSION_S)
        keep_alive_s = packet.keep_alive or limits.MQTT_KEEP_ALIVE_S_MAX
        if is_v5:  # which can be told of another one
            keep_alive_s = min(keep_alive_s, limits.MQTT_KEEP_ALIVE_S_MAX)
        self._silence_s_max = _SILENCE * keep_alive_s
        self._codec.packet_bytes_max = limits.MQTT_PACKET_BYTES_MAX
        self._codec.reads_runs = True
        metrics.ENDPOINT_MQTT_CONNECTIONS.inc()
        self._link.write(
            self._codec.accepted(
                session_present=was_there,
                keep_alive_s=keep_alive_s,
                session_expiry_s=session.expiry_s,
                client_id=given_id,
            )
        )
        self._sessions.save_quietly(session)
        self._outgoing.resume()
        return None

    def _refuse_connect(self, refused: RefusedError, reason: ConnAckReasonCode) -> None:
        self._count(refused)
        self._link.write(self._codec.refused(reason, str(refused)))
        self._close()

    def _disconnect(self, packet: DisconnectPacket, session: Session) -> None:
        asked_s = packet.session_expiry_interval
        if asked_s and not session.expiry_s:  # [5 section 3.14.2.2.2]
            raise _broken("a session expiry, after a CONNECT without one")
        if packet.reason_code != DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE:
            self._will = None
        if asked_s is not None:
            session.expiry_s = min(asked_s, limits.MQTT_SESSION_S)
        self._close()

    # --- the end ---------------------------------------------------------------------------------

    def _end(self, reason: DisconnectReasonCode, text: str) -> None:
        if self._is_over:
            return
        if self._session is not None:  # [5 section 3.14]: not before a CONNACK
            self._link.write(self._codec.disconnected(reason, text))
        self._close()

    def _close(self) -> None:
        self._over()
        self._link.close()

    def _over(self) -> None:
        self._is_over = True
        if self._incoming is not None:
            self._incoming.is_over = True

    def _count(self, refused: RefusedError, times: int = 1) -> None:
        if self._session is not None:
            refused.of(device=name_of(self._session.sender), owner=self._session.sender.owner)
        self._intake.refusals.count(DOOR, refused, times)


def _broken(message: str) -> FrameError:
    return FrameError(message, DisconnectReasonCode.PROTOCOL_ERROR)
