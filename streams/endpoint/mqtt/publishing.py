"""From a PUBLISH, or a last will, to a message of the client's device."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from mqtt5 import PublishPacket, Will

from streams.clock import Clock
from streams.endpoint.admission import Refusal, RefusedError, name_of
from streams.endpoint.append import Settled
from streams.endpoint.bodies import OPTIONS, read_messages, read_options, unnamed
from streams.endpoint.intake import Intake
from streams.endpoint.mqtt.addresses import Address, parse_address
from streams.endpoint.mqtt.pushing import Pushing
from streams.endpoint.mqtt.reasons import DOOR
from streams.endpoint.mqtt.runs import Run
from streams.endpoint.mqtt.sessions import Session
from streams.records import DEFAULT_EVENT_TYPE
from streams.registry.entries import Device, Publisher


class Messages:
    """One connection's; its sender has shown a token."""

    __slots__ = ("_address", "_clock", "_intake", "_pushing", "_sender", "_topic")

    def __init__(
        self, intake: Intake, pushing: Pushing, clock: Clock, sender: Device | Publisher
    ) -> None:
        self._intake = intake
        self._pushing = pushing
        self._clock = clock
        self._sender = sender
        self._topic = ""  # of the last PUBLISH: most have the same
        self._address = Address(None)

    def publish(self, packet: PublishPacket, session: Session, settled: Settled) -> None:
        """``settled`` is told once Kafka has it, or not.

        Raises:
            RefusedError: known at once: NOT_FOUND, or as `Intake`.
        """
        if packet.topic != self._topic:
            self._address = parse_address(packet.topic)
            self._topic = packet.topic
        address = self._address
        if address.is_w3bstream and address.dapp is not None:
            self._pushing.publish(packet, address.dapp, address, session, settled)
            return
        device, dapps = self._intake.admit_again(self._sender, address.dapp)
        given = _options(address, packet.user_properties)
        packet_id = None if packet.packet_id is None else packet.packet_id.to_bytes(2)
        if packet.duplicate and packet_id is not None and "id" not in given:
            before = session.sent_before(packet_id)
            given = given if before is None else {**given, "id": str(UUID(bytes=before))}
        options = read_options(given, self._clock.now_ms())
        if packet_id is not None:
            session.remember([packet_id], [options.request_id.bytes])
        read = read_messages(packet.payload, _type(packet), options, device)
        self._intake.post(DOOR, device, dapps, read.values, settled)

    def publish_run(self, run: Run, session: Session, settled: Settled) -> None:
        """As `publish`, of all of a run's messages."""
        device, dapps = self._intake.admit_again(self._sender, run.address.dapp)
        event_type = run.address.options.get("event_type", DEFAULT_EVENT_TYPE)
        values, ids = unnamed(run.payloads, device, event_type, self._clock.now_ms())
        if run.packet_ids:
            session.remember(run.packet_ids, ids)
        self._intake.post(DOOR, device, dapps, values, settled)


def check_will(intake: Intake, sender: Device | Publisher, will: Will) -> None:
    """See that a will can be said.

    Raises:
        RefusedError: NOT_FOUND or as `Intake.admit_again`.
    """
    address = parse_address(will.topic)
    if address.is_w3bstream:
        raise RefusedError(Refusal.NOT_FOUND, "a last will is said to v1/dapps/{dapp}/messages")
    intake.admit_again(sender, address.dapp)


def say_will(intake: Intake, clock: Clock, sender: Device | Publisher, will: Will) -> None:
    """A client's last will, as any message of its device."""

    def settled(refused: RefusedError | None) -> None:
        if refused is not None:
            refused.of(device=name_of(sender), owner=sender.owner)
            intake.refusals.count(DOOR, refused)

    try:
        address = parse_address(will.topic)
        device, dapps = intake.admit_again(sender, address.dapp)
        options = read_options(_options(address, will.user_properties), clock.now_ms())
        read = read_messages(will.payload or b"", _type(will), options, device)
        intake.post(DOOR, device, dapps, read.values, settled)
    except RefusedError as refused:
        settled(refused)


def _options(address: Address, properties: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """What a topic and user properties say of a message; other properties are the client's own."""
    if not properties:
        return address.options
    return {**address.options, **{name: value for name, value in properties if name in OPTIONS}}


def _type(packet: PublishPacket | Will) -> str:
    """The body's content type, as `streams.endpoint.bodies` takes it."""
    if packet.content_type is None:
        return ""
    return packet.content_type.partition(";")[0].strip().lower()
