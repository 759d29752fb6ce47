"""What every door does with a device's messages: admit, append, count."""

from streams import limits, metrics, topics
from streams.clock import Clock
from streams.endpoint import admission
from streams.endpoint.admission import Directory, Refusal, RefusedError
from streams.endpoint.append import Appender
from streams.endpoint.bodies import Messages, Options, read_messages
from streams.endpoint.tokens import Challenges, Tokens
from streams.endpoint.transactions import TransactionalAppender


class Intake:
    """The way in behind the doors; one for each endpoint process."""

    def __init__(
        self,
        directory: Directory,
        challenges: Challenges,
        tokens: Tokens,
        appender: Appender,
        transactional: TransactionalAppender,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._challenges = challenges
        self._tokens = tokens
        self._appender = appender
        self._transactional = transactional
        self._clock = clock

    def challenge(self, device: str) -> tuple[str, int]:
        """A text to sign and when it expires (ms); see `Challenges.issue`."""
        return self._challenges.issue(device)

    def log_in(self, device: str, challenge: str, signature: bytes) -> tuple[str, int]:
        """A token and when it expires (ms), for a device that signed its challenge.

        Raises:
            RefusedError: as `Challenges.redeem`, then as `admission.admit_device`: only who has
                the key learns whether the device is registered.
        """
        self._challenges.redeem(device, challenge, signature)
        admission.admit_device(self._directory, device)
        return self._tokens.issue(device)

    def admit(self, token: str, dapp: str | None) -> tuple[str, list[str]]:
        """Whose token it is, and the Dapps that the messages go to: ``dapp``, or all granted.

        Raises:
            RefusedError: as `Tokens.device_of` and `admission`.
        """
        device = admission.admit_device(self._directory, self._tokens.device_of(token))
        now_ms = self._clock.now_ms()
        if dapp is None:
            return device.did, admission.granted_dapps(self._directory, device, now_ms)
        admission.admit_to_dapp(self._directory, device, dapp, now_ms)
        return device.did, [dapp]

    async def accept(
        self, door: str, device: str, dapps: list[str], body: bytes, type_: str, options: Options
    ) -> Messages:
        """Returns once Kafka has all of a body's messages in every Dapp's topic.

        ``dapps`` come from `admit`; ``type_`` is the body's content type.

        Raises:
            RefusedError: as `read_messages` (nothing was written), or LOG_UNAVAILABLE with the
                id for a retry.
        """
        started_s = self._clock.monotonic_s()
        messages = read_messages(body, type_, options, device)
        if len(messages.values) * len(dapps) > limits.APPEND_MESSAGES_MAX:
            raise RefusedError(
                Refusal.TOO_MANY_MESSAGES,
                f"{len(messages.values)} messages for {len(dapps)} Dapps are over "
                f"{limits.APPEND_MESSAGES_MAX} records: send several bodies",
            )
        names = [topics.messages(dapp) for dapp in dapps]
        try:
            if len(names) == 1:
                await self._appender.append(names[0], device.encode(), messages.values)
            else:
                await self._transactional.append(names, device.encode(), messages.values)
        except RefusedError as error:
            error.retry_id = str(options.request_id)
            raise
        for dapp in dapps:
            metrics.ENDPOINT_MESSAGES.labels(door, dapp).inc(len(messages.values))
        metrics.ENDPOINT_ACKNOWLEDGE_SECONDS.labels(door).observe(
            self._clock.monotonic_s() - started_s
        )
        return messages

    async def close(self) -> None:
        """Wait for what is under way."""
        await self._appender.close()
        await self._transactional.close()
