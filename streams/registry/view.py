"""The registry as every process of a node has it: dictionaries that follow the topic."""

import heapq
import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams import limits, metrics
from streams.clock import Clock, SystemClock
from streams.registry.entries import (
    Dapp,
    Device,
    Entry,
    EntryError,
    Erasure,
    Grant,
    Hold,
    Kind,
    Owner,
    Publisher,
    decode,
)
from streams.topics import REGISTRY

log = logging.getLogger(__name__)

_NO_GRANTS: Final[Mapping[str, Grant]] = MappingProxyType({})
_POLL_S: Final = 0.2  # how long `close` may have to wait; records wake the reader at once
_END_MS: Final = 100  # how long the broker waits before it says that there is no more
_POLL_RECORDS_MAX: Final = 10_000

OnChange = Callable[[Kind, str, Entry | None], None]


class RegistryError(RuntimeError):
    """The registry cannot be read or written; says why."""


class Registry:
    """A view that a thread of its own keeps up to date; lookups never block.

    While Kafka is away the view answers with what it knew last; nothing could be written
    to Kafka then anyway.
    """

    def __init__(self, kafka: Mapping[str, Any], clock: Clock | None = None) -> None:
        """``kafka``: how clients reach Kafka (confluent-kafka's configuration keys)."""
        self._kafka = dict(kafka)
        self._clock = clock or SystemClock()
        self._entries: dict[Kind, dict[str, Any]] = {kind: {} for kind in Kind}
        self._grants: dict[str, Mapping[str, Grant]] = {}
        self._owned: dict[str, set[str]] = {}  # by owner, the DIDs of devices
        self._publishers: dict[str, Publisher] = {}  # by the SHA-256 of their tokens
        self._subscribers: list[tuple[OnChange, Collection[Kind]]] = []
        # Guards what subscribers are told and how far the view is; lookups do without.
        self._changed = threading.Condition(threading.RLock())
        self._next_offset = 0
        self._loaded = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="registry", daemon=True)

    # --- lookups ---------------------------------------------------------------------------------

    def entry(self, kind: Kind, name: str) -> Entry | None:
        """Whatever is there of a kind under a name."""
        found: Entry | None = self._entries[kind].get(name)
        return found

    def dapp(self, name: str) -> Dapp | None:
        """A Dapp by its name."""
        return self._entries[Kind.DAPP].get(name)

    def device(self, did: str) -> Device | None:
        """A device by its DID."""
        return self._entries[Kind.DEVICE].get(did)

    def hold(self, did: str) -> Hold | None:
        """Why a device is held, if its credential is still the one that did not hold."""
        hold: Hold | None = self._entries[Kind.HOLD].get(did)
        if hold is None:
            return None
        device = self.device(did)
        known = device.credential if device is not None else None
        return hold if known is not None and known.sha256 == hold.sha256 else None

    def owner(self, name: str) -> Owner | None:
        """An owner by name."""
        return self._entries[Kind.OWNER].get(name)

    def grants(self, owner: str) -> Mapping[str, Grant]:
        """An owner's grants by Dapp; ask each whether it `holds_at` the time."""
        return self._grants.get(owner, _NO_GRANTS)

    def publisher(self, dapp: str, key: str) -> Publisher | None:
        """A Dapp's publisher by its key."""
        return self._entries[Kind.PUBLISHER].get(f"{dapp}/{key}")

    def publisher_of(self, token_sha256: str) -> Publisher | None:
        """Whose token it is, revoked ones too."""
        return self._publishers.get(token_sha256)

    def publishers(self) -> tuple[Publisher, ...]:
        """All publishers, revoked ones too, by name."""
        return tuple(sorted(self._all(Kind.PUBLISHER), key=lambda publisher: publisher.name))

    def dapps(self) -> tuple[Dapp, ...]:
        """All Dapps, by name."""
        return tuple(sorted(self._all(Kind.DAPP), key=lambda dapp: dapp.name))

    def devices(self) -> tuple[Device, ...]:
        """All devices, revoked ones too, by DID."""
        return tuple(sorted(self._all(Kind.DEVICE), key=lambda device: device.did))

    def devices_of(self, owner: str, after: str, most: int) -> tuple[Device, ...]:
        """An owner's devices, revoked ones too: the ``most`` first by DID that come ``after``."""
        with self._changed:
            later = (did for did in self._owned.get(owner, ()) if did > after)
            dids = heapq.nsmallest(most, later)
            return tuple(self._entries[Kind.DEVICE][did] for did in dids)

    def device_count(self, owner: str) -> int:
        """How many devices an owner has, revoked ones too."""
        return len(self._owned.get(owner, ()))

    def devices_by_credential(self) -> tuple[Device, ...]:
        """The devices that are their owners' by a credential."""
        return tuple(one for one in self._all(Kind.DEVICE) if one.credential is not None)

    def owners(self) -> tuple[Owner, ...]:
        """All owners, by name."""
        return tuple(sorted(self._all(Kind.OWNER), key=lambda owner: owner.name))

    def erasure(self, name: str) -> Erasure | None:
        """An erasure by its UUID."""
        return self._entries[Kind.ERASURE].get(name)

    def erasures(self) -> tuple[Erasure, ...]:
        """All erasures, in the order in which they were asked for."""
        found: Iterable[Erasure] = self._all(Kind.ERASURE)
        return tuple(sorted(found, key=lambda erasure: (erasure.asked_ms, erasure.name)))

    def _all(self, kind: Kind) -> Iterable[Any]:
        with self._changed:
            return list(self._entries[kind].values())

    # --- changes ---------------------------------------------------------------------------------

    def subscribe(self, on_change: OnChange, kinds: Collection[Kind] = tuple(Kind)) -> None:
        """Call ``on_change(kind, name, entry)`` for every entry there is, then on each change.

        ``entry`` is None when it was removed. Calls come one at a time and in order, from the
        reader's thread (those for what is there already, from this one): be brief and hand over.
        """
        with self._changed:
            self._subscribers.append((on_change, frozenset(kinds)))
            if self._loaded:
                self._tell_all(on_change, kinds)

    def wait_for(self, offset: int, timeout_s: float = 10) -> None:
        """Until the view includes the record at ``offset`` (what `RegistryWriter.put` returns).

        Raises:
            RegistryError: not within the time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._next_offset > offset, timeout_s):
                raise RegistryError(f"the registry did not reach offset {offset} in {timeout_s} s")

    # --- life ------------------------------------------------------------------------------------

    @property
    def is_live(self) -> bool:
        """Whether the view has been loaded and its thread goes on following."""
        return self._loaded and self._thread.is_alive()

    def start(self, timeout_s: float = 60) -> None:
        """Read the whole topic, then follow it. Returns once everything is loaded.

        The topic must exist (`streams.delivery.admin.ensure_topics`).

        Raises:
            RegistryError: Kafka was not reached, or reading did not finish, in time.
        """
        self._thread.start()
        with self._changed:
            if not self._changed.wait_for(lambda: self._loaded, timeout_s):
                self._closing.set()
                raise RegistryError(
                    f"the registry could not be read in {timeout_s:.0f} s: is Kafka reachable, "
                    f"and does its topic {REGISTRY!r} exist?"
                )

    def close(self) -> None:
        """Stop following. The view stays as it is."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    # --- the reader's thread ---------------------------------------------------------------------

    def _follow(self) -> None:
        consumer = Consumer(
            {
                **self._kafka,
                "group.id": "registry-view",  # demanded by the client; no group is joined
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": _END_MS,
                "reconnect.backoff.max.ms": limits.RECONNECT_WAIT_MS,
            }
        )
        try:
            consumer.assign([TopicPartition(REGISTRY, 0, 0)])
            while not self._closing.is_set():
                try:
                    # `consume` would wait to see whether more come; one record is news enough.
                    first = consumer.poll(_POLL_S)
                    if first is not None:
                        self._apply([first, *consumer.consume(_POLL_RECORDS_MAX, 0)])
                except KafkaException:
                    log.exception("the registry could not be polled; trying again")
                    self._closing.wait(1)
        finally:
            consumer.close()

    def _apply(self, messages: list[Message]) -> None:
        with self._changed:
            for message in messages:
                error = message.error()
                if error is None:
                    self._apply_record(message)
                    self._next_offset = (message.offset() or 0) + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    self._note_end()
                else:
                    log.warning("registry: %s", error.str())
            self._changed.notify_all()

    def _apply_record(self, message: Message) -> None:
        try:
            kind, name, entry = decode(message.key(), message.value())
        except EntryError as error:
            log.warning("%s", error)
            metrics.REGISTRY_UNREADABLE.inc()
            return
        entries = self._entries[kind]
        if kind is Kind.DEVICE:
            self._index_owner(name, entries.get(name), entry)
        elif kind is Kind.PUBLISHER:
            if (before := entries.get(name)) is not None:
                self._publishers.pop(before.token_sha256, None)
            if isinstance(entry, Publisher):
                self._publishers[entry.token_sha256] = entry
        if entry is None:
            entries.pop(name, None)
        else:
            entries[name] = entry
        if kind is Kind.GRANT:
            owner, _, dapp = name.rpartition("/")
            others = {key: grant for key, grant in self.grants(owner).items() if key != dapp}
            self._grants[owner] = others | ({dapp: entry} if isinstance(entry, Grant) else {})
        if self._loaded:
            self._tell(kind, name, entry)

    def _index_owner(self, did: str, before: Device | None, device: Entry | None) -> None:
        owner = device.owner if isinstance(device, Device) else None
        if before is not None and before.owner != owner:
            self._owned[before.owner].discard(did)
        if owner is not None:
            self._owned.setdefault(owner, set()).add(did)

    def _note_end(self) -> None:
        for kind, entries in self._entries.items():
            metrics.REGISTRY_ENTRIES.labels(kind).set(len(entries))
        if not self._loaded:
            self._loaded = True
            for on_change, kinds in self._subscribers:
                self._tell_all(on_change, kinds)

    def _tell_all(self, on_change: OnChange, kinds: Collection[Kind]) -> None:
        for kind in kinds:
            for name, entry in list(self._entries[kind].items()):
                self._call(on_change, kind, name, entry)

    def _tell(self, kind: Kind, name: str, entry: Entry | None) -> None:
        for on_change, kinds in self._subscribers:
            if kind in kinds:
                self._call(on_change, kind, name, entry)

    def _call(self, on_change: OnChange, kind: Kind, name: str, entry: Entry | None) -> None:
        try:
            on_change(kind, name, entry)
        except Exception:  # one subscriber's fault must not stop the view for all
            log.exception("a subscriber failed on %s %s", kind, name)
