"""What programs send by MQTT, to the clients of this door: ``effects.<dapp>`` → outboxes.

A device hears what is its own: messages whose topic has its name as a level (``ack/{device}``,
``v1/devices/{did}/commands``), and, where a topic names no device at all, those that its own event
asked for; from Dapps that its owner granted. Its subscriptions choose among these.

A position in the effects is committed once what waits for somebody is kept on Kafka (`keeping`); so
after a crash a message may come twice, which is what QoS 1 promises, and none is lost.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from confluent_kafka import KafkaException

from streams import limits, metrics, topics
from streams.clock import Clock
from streams.delivery.batch import Batch, Position
from streams.delivery.effects import Effect, effects_of
from streams.delivery.reader import BatchReader, RebalanceUnderWay
from streams.endpoint import admission
from streams.endpoint.admission import RefusedError
from streams.endpoint.mqtt.outbox import Downlink
from streams.endpoint.mqtt.sessions import Session, Sessions
from streams.registry.entries import Device, Publisher
from streams.registry.view import Registry

log = logging.getLogger(__name__)

_LABELS: Final = frozenset({"mqtt"})
_PAUSE_S: Final = 1.0  # before a reader that failed is made anew
_OUTCOMES: Final = ("acknowledged", "sent", "lost")

_Told = tuple[Session, int, Downlink]  # with which QoS
_Read = tuple[list[Effect], list[Position]]


class Downlinks:
    """Reads all Dapps' effects; made and used on one event loop."""

    def __init__(
        self,
        kafka: Mapping[str, Any],
        registry: Registry,
        sessions: Sessions,
        clock: Clock,
        instance: str,
    ) -> None:
        """``instance``: this process's name among the node's endpoints, as after a restart."""
        self._kafka = kafka
        self._registry = registry
        self._sessions = sessions
        self._clock = clock
        # Each process reads all of it: the sessions that it holds are nobody else's.
        self._group = f"downlinks.{instance}"
        self._read: asyncio.Queue[_Read | None] = asyncio.Queue()  # None: the reader has failed
        self._reader: BatchReader | None = None
        self._dapps: list[str] = []
        self._running: asyncio.Task[None] | None = None
        self._is_stopping = False
        for outcome in _OUTCOMES:  # each is there from the start, at nought
            metrics.ENDPOINT_DOWNLINKS.labels(outcome)

    def start(self) -> None:
        """Begin to read."""
        self._loop = asyncio.get_running_loop()
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Finish what was read, and read no more."""
        self._is_stopping = True
        self._read.put_nowait(None)
        if self._running is not None:
            with suppress(TimeoutError):  # Kafka is away
                await asyncio.wait_for(self._running, limits.READER_STOP_S)

    def subscribe(self, dapps: Sequence[str]) -> None:
        """Read these Dapps' effects from now on."""
        self._dapps = sorted(dapps)
        if self._reader is not None:
            self._reader.subscribe([topics.effects(dapp) for dapp in self._dapps])

    # --- reading ---------------------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._is_stopping:
            self._read = asyncio.Queue()
            reader = BatchReader(
                self._kafka,
                self._group,
                [topics.effects(dapp) for dapp in self._dapps],
                self._emit,
                self,
                instance_id=self._group,
            )
            self._reader = reader
            try:
                reader.start(lambda _: self._hand_over(None))
                while (read := await self._read.get()) is not None:
                    effects, places = read
                    await self._bring(effects)
                    with suppress(KafkaException, RebalanceUnderWay, RuntimeError):
                        await asyncio.to_thread(reader.commit, places)
                    reader.release()
            except Exception:
                log.exception("messages to MQTT clients stopped; going on from what is committed")
            finally:
                self._reader = None
                await asyncio.shield(asyncio.to_thread(reader.stop))
            if not self._is_stopping:
                await asyncio.sleep(_PAUSE_S)

    def assigned(self, committed: Sequence[Position]) -> Sequence[Position]:
        """Go on behind what is in safe hands."""
        return committed

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        """What is not committed is read again by whoever has it next."""

    def _emit(self, batch: Batch) -> None:
        """On the reader's thread."""
        effects = [one for piece in batch.slices for one in effects_of(piece, _LABELS)]
        places = [Position(one.topic, one.partition, one.next_offset) for one in batch.slices]
        self._hand_over((effects, places))

    def _hand_over(self, read: _Read | None) -> None:
        with suppress(RuntimeError):  # the loop closed
            self._loop.call_soon_threadsafe(self._read.put_nowait, read)

    # --- bringing --------------------------------------------------------------------------------

    async def _bring(self, effects: Sequence[Effect]) -> None:
        told = [one for effect in effects for one in self._told(effect)]
        await self._sessions.bring(told)

    def _told(self, effect: Effect) -> Iterator[_Told]:
        record = effect.record
        try:
            topic = record.a.decode()
        except UnicodeDecodeError:
            return
        if not topic or set(topic) & set("+#\0") or len(record.b) > limits.MQTT_MESSAGE_BYTES_MAX:
            return
        place = f"{effect.dapp}/{record.message_id.hex()}/{record.index}"
        message = Downlink(place, topic, record.b)
        now_s, now_ms = self._clock.monotonic_s(), self._clock.now_ms()
        for sender in self._addressees(effect, topic):
            try:
                if isinstance(sender, Publisher):
                    admission.admit_publisher(self._registry, sender.token_sha256)
                else:
                    admission.admit_device(self._registry, sender.did)
                admission.admit_to_dapp(self._registry, sender, effect.dapp, now_ms)
            except RefusedError:
                continue
            for session in self._sessions.of(sender.name):
                qos = session.quality_of(topic)
                if qos is not None and session.is_alive(now_s):
                    yield session, qos, message

    def _addressees(self, effect: Effect, topic: str) -> list[Device | Publisher]:
        levels = dict.fromkeys(topic.split("/", limits.MQTT_DOWNLINK_LEVELS_MAX))
        named = [found for level in levels if (found := self._known(effect.dapp, level))]
        if named:
            return named
        asking = self._known(effect.dapp, effect.record.device.decode(errors="replace"))
        return [] if asking is None else [asking]

    def _known(self, dapp: str, name: str) -> Device | Publisher | None:
        return self._registry.device(name) or self._registry.publisher(dapp, name)
