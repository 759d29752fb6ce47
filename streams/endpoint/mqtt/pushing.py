"""W3bStream's way of publishing: events with tokens of their own, and what became of them.

W3bStream's node tells a publisher on ``ack/{key}`` what its programs made of an event, as its event
API does over HTTP (`streams.endpoint.w3bstream`). Here a message of these forms asks for its
outcome if somebody has subscribed to that topic who may: the publisher's own sessions, and
the one that has shown its token. A PUBACK does not wait for it.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import msgspec
from mqtt5 import PublishPacket

from streams import limits
from streams.clock import Clock
from streams.endpoint.admission import RefusedError
from streams.endpoint.append import Settled
from streams.endpoint.bodies import derived_id, read_id
from streams.endpoint.intake import Intake
from streams.endpoint.mqtt.addresses import Address
from streams.endpoint.mqtt.events import Event, read_events
from streams.endpoint.mqtt.outbox import Downlink
from streams.endpoint.mqtt.reasons import DOOR
from streams.endpoint.mqtt.sessions import Session, Sessions
from streams.endpoint.w3bstream import MADE_HERE, EventApi, message_id
from streams.records import WANTS_ANSWER, Answer, Message
from streams.registry.entries import Device, Publisher
from streams.registry.view import Registry


class Pushing:
    """That of all connections of a process."""

    def __init__(
        self, intake: Intake, registry: Registry, sessions: Sessions, clock: Clock
    ) -> None:
        self._intake = intake
        self._events = EventApi(intake, registry)
        self._sessions = sessions
        self._clock = clock
        self._asking = 0  # events whose outcome has not been told
        self._tasks: set[asyncio.Task[None]] = set()

    def publish(
        self, packet: PublishPacket, dapp: str, address: Address, session: Session, settled: Settled
    ) -> None:
        """A PUBLISH of W3bStream's forms, by the client of ``session``.

        ``settled`` is told once Kafka has all of its events, or not.

        Raises:
            RefusedError: as `read_events`, or as `Intake.sender` and `admit_again`: nothing was
                written.
        """
        events = read_events(packet.payload, address, self._clock.now_ms())
        stem = _request_id(packet, session)
        admitted = [self._admit(one, dapp, session) for one in events]
        told: Settled = settled if len(events) == 1 else _Together(len(events), settled)
        for number, (event, (sender, device)) in enumerate(zip(events, admitted, strict=True)):
            if event.event_id:
                id_ = message_id(event.event_id)
            else:
                id_ = stem if len(events) == 1 else derived_id(stem, number)
            try:
                self._post(event, id_, dapp, sender, device, session, told)
            except RefusedError as refused:
                told(refused)

    def _admit(self, event: Event, dapp: str, session: Session) -> tuple[Device | Publisher, str]:
        sender = self._intake.sender(event.token) if event.token else session.sender
        device, _ = self._intake.admit_again(sender, dapp)
        return sender, device

    def _post(
        self,
        event: Event,
        id_: UUID,
        dapp: str,
        sender: Device | Publisher,
        device: str,
        session: Session,
        settled: Settled,
    ) -> None:
        is_heard = self._asking < limits.MQTT_ANSWERS_MAX and self._hearing(sender, device, session)
        flags = WANTS_ANSWER if is_heard else 0
        message = Message(device, event.payload, id_.bytes, event.time_ms, event.event_type, flags)
        if not is_heard:
            values = [message.encode()]
            self._intake.post(DOOR, device, [dapp], values, settled, sender.owner)
            return
        event_id = event.event_id or f"{id_}{MADE_HERE}"

        def kept(refused: RefusedError | None) -> None:
            if refused is not None:
                self._asking -= 1
            settled(refused)

        def answered(answer: Answer | None) -> None:
            said = self._events.described(dapp, message, event_id, answer)
            ack = Downlink(f"{dapp}/{id_.hex}/ack", _topic(device), msgspec.json.encode(said))
            self._begin(self._tell(ack, sender, device, session))

        self._intake.asking.post(DOOR, sender.owner, dapp, message, kept, answered)
        self._asking += 1

    async def _tell(
        self, ack: Downlink, sender: Device | Publisher, device: str, session: Session
    ) -> None:
        try:
            hearing = self._hearing(sender, device, session)
            await self._sessions.bring([(one, qos, ack) for one, qos in hearing])
        finally:
            self._asking -= 1

    def _hearing(
        self, sender: Device | Publisher, device: str, session: Session
    ) -> list[tuple[Session, int]]:
        """The sessions that are to be told of a publisher's events, and their QoS."""
        now_s, topic = self._clock.monotonic_s(), _topic(device)
        return [
            (one, qos)
            for one in {session, *self._sessions.of(sender.name)}
            if one.is_alive(now_s) and (qos := one.quality_of(topic)) is not None
        ]

    def _begin(self, told: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(told)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Together:
    """The outcome of several events: the first refusal, if there is one."""

    def __init__(self, due: int, settled: Settled) -> None:
        self._due = due
        self._settled = settled
        self._refused: RefusedError | None = None

    def __call__(self, refused: RefusedError | None) -> None:
        self._refused = self._refused or refused
        self._due -= 1
        if not self._due:
            self._settled(self._refused)


def _topic(device: str) -> str:
    return f"ack/{device}"


def _request_id(packet: PublishPacket, session: Session) -> UUID:
    """The same for a PUBLISH that comes again."""
    if packet.packet_id is None:
        return read_id(None)
    packet_id = packet.packet_id.to_bytes(2)
    before = session.sent_before(packet_id) if packet.duplicate else None
    made = read_id(None) if before is None else UUID(bytes=before)
    session.remember([packet_id], [made.bytes])
    return made
