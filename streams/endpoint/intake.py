"""What every door does with a device's messages: admit, append, count."""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final
from uuid import UUID

from streams import limits, metrics, topics
from streams.clock import Clock
from streams.endpoint import admission
from streams.endpoint.admission import Directory, Refusal, RefusedError
from streams.endpoint.answers import AnswerReader
from streams.endpoint.append import Appender, Settled, unavailable
from streams.endpoint.asking import Asking
from streams.endpoint.bodies import Messages, Options, read_messages
from streams.endpoint.rates import Rates
from streams.endpoint.refused import Refusals
from streams.endpoint.tokens import Challenges, Tokens
from streams.endpoint.transactions import TransactionalAppender
from streams.records import Message
from streams.registry.entries import PUBLISHER_TOKEN, Dapp, Device, Publisher

log = logging.getLogger(__name__)

# Their children, which are dearer to find than to add to.
_MESSAGES: Final = lru_cache(4_096)(metrics.ENDPOINT_MESSAGES.labels)
_SECONDS: Final = lru_cache(16)(metrics.ENDPOINT_ACKNOWLEDGE_SECONDS.labels)


class Intake:
    """The way in behind the doors; one for each endpoint process."""

    def __init__(
        self,
        directory: Directory,
        challenges: Challenges,
        tokens: Tokens,
        appender: Appender,
        transactional: TransactionalAppender,
        answers: AnswerReader,
        rates: Rates,
        clock: Clock,
        refusals: Refusals | None = None,
    ) -> None:
        """``refusals``: of all doors; None: of this one alone, which nobody is told."""
        self.refusals = refusals or Refusals(clock)
        self._directory = directory
        self._challenges = challenges
        self._tokens = tokens
        self._appender = appender
        self._transactional = transactional
        self._answers = answers
        self._rates = rates
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self.asking = Asking(appender, answers, self._check_asked, self._count, clock)

    def attempt(self, address: str | None) -> None:
        """Count a challenge, a log-in or a registration from an address.

        Raises:
            RefusedError: as `Rates.attempt`.
        """
        self._rates.attempt(address)

    def challenge(self, device: str) -> tuple[str, int]:
        """A text to sign and when it expires (ms); see `Challenges.issue`."""
        return self._challenges.issue(device)

    def log_in(self, device: str, challenge: str, signature: bytes) -> tuple[str, int]:
        """A token and when it expires (ms), for a device that signed its challenge.

        Raises:
            RefusedError: as `Challenges.redeem`, then as `admission.admit_device`: only who has
                the key learns whether the device is registered.
        """
        self.prove(device, challenge, signature)
        admission.admit_device(self._directory, device)
        return self._tokens.issue(device)

    def prove(self, device: str, challenge: str, signature: bytes) -> None:
        """Returns if who signed the challenge has the device's key, whoever's device it is.

        Raises:
            RefusedError: as `Challenges.redeem`.
        """
        try:
            self._challenges.redeem(device, challenge, signature)
        except RefusedError as refused:
            refused.of(device=device)
            raise

    def admit(self, token: str, dapp: str | None) -> tuple[str, list[str]]:
        """Whose token it is, and the Dapps that the messages go to: ``dapp``, or all granted.

        Raises:
            RefusedError: as `Tokens.holder_of` and `admission`.
        """
        return self._destinations(self.sender(token), dapp)

    def admit_again(self, sender: Device | Publisher, dapp: str | None) -> tuple[str, list[str]]:
        """As `admit`, of a `sender` whose token was shown before: it may have been revoked since.

        Raises:
            RefusedError: as `admission`.
        """
        if isinstance(sender, Publisher):
            sender = admission.admit_publisher(self._directory, sender.token_sha256)
        else:
            sender = admission.admit_device(self._directory, sender.did)
        return self._destinations(sender, dapp)

    def admit_named(
        self, sender: Device | Publisher, dapp: str | None, name: str
    ) -> tuple[str, str, list[str]]:
        """Owner, device and Dapps of messages of the device ``name``; empty: the sender's own.

        Raises:
            RefusedError: as `admit_again` and `admit_as`.
        """
        device, dapps = self._destinations(sender, dapp)
        if name and name != device:
            self.admit_as(sender, name)
            device = name
        return sender.owner, device, dapps

    def _destinations(self, sender: Device | Publisher, dapp: str | None) -> tuple[str, list[str]]:
        name = admission.name_of(sender)
        try:
            return name, self._granted(sender, dapp)
        except RefusedError as refused:
            refused.of(device=name, owner=sender.owner, dapp=dapp or "")
            raise

    def _granted(self, sender: Device | Publisher, dapp: str | None) -> list[str]:
        now_ms = self._clock.now_ms()
        if isinstance(sender, Publisher):
            dapp = sender.dapp if dapp is None else dapp
        elif dapp is None:
            return admission.granted_dapps(self._directory, sender, now_ms)
        admission.admit_to_dapp(self._directory, sender, dapp, now_ms)
        return [dapp]

    def sender(self, token: str) -> Device | Publisher:
        """Whose token it is: a device that logged in, or a publisher.

        Raises:
            RefusedError: as `Tokens.holder_of` and `admission`.
        """
        if token.startswith(PUBLISHER_TOKEN):
            digest = hashlib.sha256(token.encode(errors="replace")).hexdigest()
            return admission.admit_publisher(self._directory, digest)
        return admission.admit_device(self._directory, self._tokens.holder_of(token))

    def reader(self, token: str) -> Publisher:
        """Who may ask a Dapp's queries with this token.

        Raises:
            RefusedError: NOT_GRANTED: the token is for sending. Or as `sender`.
        """
        sender = self.sender(token)
        if isinstance(sender, Publisher) and sender.is_reader:
            return sender
        raise RefusedError(
            Refusal.NOT_GRANTED,
            "this token is for sending: `w3b publisher add --reader` makes others",
            device=admission.name_of(sender),
            owner=sender.owner,
        )

    def certified(self, did: str) -> Device:
        """The device whose certificate was shown.

        Raises:
            RefusedError: as `admission.admit_device`.
        """
        return admission.admit_device(self._directory, did)

    def admit_as(self, sender: Device | Publisher, name: str) -> None:
        """Whether who has sent a token may send as the device ``name``.

        Raises:
            RefusedError: as `admission.admit_named_device`.
        """
        if not isinstance(sender, Publisher):
            if sender.did != name:
                raise RefusedError(
                    Refusal.NOT_GRANTED,
                    "a device's token is its own: for others use a gateway's",
                    device=sender.did,
                    owner=sender.owner,
                )
            return
        try:
            admission.admit_named_device(self._directory, sender, name)
        except RefusedError as refused:
            refused.of(device=name, owner=sender.owner, dapp=sender.dapp)
            raise

    async def accept(
        self, door: str, device: str, dapps: list[str], body: bytes, type_: str, options: Options
    ) -> tuple[Messages, Sequence[str]]:
        """A body's messages and to which Dapps they went, once Kafka has all of them everywhere.

        ``dapps`` come from `admit`; ``type_`` is the body's content type.

        Raises:
            RefusedError: as `read_messages` (nothing was written), or LOG_UNAVAILABLE with the
                id for a retry.
        """
        owner = self._owner(device, dapps)
        try:
            messages = read_messages(body, type_, options, device)
            values = {device: messages.values}
            took = await self.write(door, owner, dapps, values, options.request_id)
        except RefusedError as refused:
            refused.of(device=device, owner=owner)
            raise
        return messages, took

    async def write(
        self,
        door: str,
        owner: str,
        dapps: list[str],
        values: Mapping[str, Sequence[bytes]],
        request_id: UUID,
    ) -> Sequence[str]:
        """As `accept`, of messages that were read: record values by device, all of one owner's.

        Returns the Dapps to which they went.

        Raises:
            RefusedError: NOT_GRANTED, TOO_MANY_MESSAGES or as `Rates.take` (nothing was written),
                or LOG_UNAVAILABLE with the id for a retry.
        """
        started_s = self._clock.monotonic_s()
        granted = admission.granted_types(self._directory, owner, dapps, values.values())
        messages = self._check_load(owner, granted, values)
        by_key = {device.encode(): some for device, some in values.items()}
        try:
            if len(granted) == 1:
                await self._appender.append(topics.messages(granted[0]), by_key)
            else:
                await self._append_to_all(granted, by_key)
        except RefusedError as refused:
            refused.retry_id = str(request_id)
            refused.of(owner=owner)
            raise
        self._count(door, granted, messages, started_s)
        return granted

    def post(
        self,
        door: str,
        device: str,
        dapps: list[str],
        values: list[bytes],
        settled: Settled,
        owner: str | None = None,
    ) -> None:
        """As `accept`, of messages that were read, and without waiting.

        Args:
            door: which one, to the metrics.
            device: whose they are.
            dapps: from `admit`.
            values: the messages' records, as `streams.endpoint.bodies` makes them.
            settled: told of the outcome of all of them.
            owner: whose device it is; None: whose the registry says.

        Raises:
            RefusedError: as `accept`, where it is known at once.
        """
        started_s = self._clock.monotonic_s()
        whose = owner or self._owner(device, dapps)
        granted = admission.granted_types(self._directory, whose, dapps, (values,))
        self._check_load(whose, granted, {device: values})

        def done(refused: RefusedError | None) -> None:
            if refused is None:
                self._count(door, granted, len(values), started_s)
            else:
                refused.of(device=device, owner=whose)
            settled(refused)

        if len(granted) == 1:
            self._appender.post(topics.messages(granted[0]), device.encode(), values, done)
            return
        task = asyncio.ensure_future(self._append_to_all(granted, {device.encode(): values}))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._settle(task, done))

    def _check_load(
        self, owner: str, dapps: Sequence[str], values: Mapping[str, Sequence[bytes]]
    ) -> int:
        """How many messages they are."""
        devices = {device: len(some) for device, some in values.items()}
        messages = sum(devices.values())
        if messages * len(dapps) > limits.APPEND_MESSAGES_MAX:
            raise RefusedError(
                Refusal.TOO_MANY_MESSAGES,
                f"{messages} messages for {len(dapps)} Dapps are over "
                f"{limits.APPEND_MESSAGES_MAX} records: send several bodies",
            )
        self._charge(owner, devices, dapps)
        return messages

    async def _append_to_all(
        self, dapps: Sequence[str], values: Mapping[bytes, Sequence[bytes]]
    ) -> None:
        await self._transactional.append([topics.messages(dapp) for dapp in dapps], values)

    def _settle(self, task: asyncio.Task[None], settled: Settled) -> None:
        self._tasks.discard(task)
        error = task.exception() if not task.cancelled() else unavailable("the node stops")
        if error is not None and not isinstance(error, RefusedError):
            log.error("messages were not taken", exc_info=error)
            error = RefusedError(Refusal.INTERNAL, "the node failed; its log says more")
        settled(error)

    def _check_asked(
        self, owner: str, dapp: str, messages: Sequence[Message], values: Sequence[bytes]
    ) -> int:
        """The Dapp's partitions, if it may have these messages of an owner's now."""
        try:
            admission.granted_types(self._directory, owner, [dapp], (values,))
            self._charge(owner, Counter(message.device for message in messages), [dapp])
        except RefusedError as refused:
            refused.of(owner=owner, dapp=dapp)
            raise
        return self._dapp(dapp).manifest.dapp.partitions

    def _count(self, door: str, dapps: Sequence[str], messages: int, started_s: float) -> None:
        for dapp in dapps:
            _MESSAGES(door, dapp).inc(messages)
        _SECONDS(door).observe(self._clock.monotonic_s() - started_s)

    def _owner(self, device: str, dapps: Sequence[str]) -> str:
        known = self._directory.device(device) or self._directory.publisher(dapps[0], device)
        return known.owner if known is not None else device  # it was removed just now

    def _charge(self, owner: str, devices: Mapping[str, int], dapps: Sequence[str]) -> None:
        by_dapp = {dapp: self._dapp(dapp).manifest.limits.messages_per_s for dapp in dapps}
        self._rates.take(owner, devices, by_dapp)

    def _dapp(self, name: str) -> Dapp:
        dapp = self._directory.dapp(name)
        if dapp is None:
            raise RefusedError(Refusal.UNKNOWN_DAPP, "the Dapp was removed just now")
        return dapp

    async def close(self) -> None:
        """Wait for what is under way."""
        await self._appender.close()
        await self._transactional.close()
        await self._answers.close()
