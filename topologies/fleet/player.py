"""Plays drives through a node's HTTP door, as devices that must not lose a message would.

Each device proves its key and carries a token. Its messages go in order, one request at a time;
a request that was not answered, or answered "not now", is repeated with the same id, so that
the node recognises what it has already: each message counts once however often it is sent.
Payloads that are not JSON travel alone, as the bytes they are.
"""

import asyncio
import base64
import itertools
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import aiohttp
import orjson

from streams.clock import Clock, SystemClock
from streams.wallet.keys import SigningKey
from topologies.fleet.drives import Drive, Stretch

ENVELOPES: Final = "application/vnd.w3b.envelopes+x-ndjson"
BYTES: Final = "application/octet-stream"

ROWS_MAX: Final = 500  # a request: about 100 kB
ACTIVE_MAX: Final = 64  # devices at work at once when nothing paces them
TICK_S: Final = 0.5  # a paced device sends what is due this often
PATIENCE_S: Final = 300.0  # a node that restarts, or whose Kafka does, comes back sooner
SETTLE_S: Final = 10.0  # a new registration reaches every process of a node within this
BACKOFF_S: Final = (0.1, 5.0)
_RENEW_MS: Final = 30_000  # a token is renewed this long before it expires
_NOT_NOW: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_STALE: Final = frozenset({"token_expired", "token_forged"})  # forged: the node has a new key
_TRY_ANEW: Final = frozenset({"challenge_expired", "challenge_used"})  # an answer was lost
_SIGN_ON_TRIES: Final = 5
_NOT_YET: Final = frozenset({"device_unknown", "not_granted", "unknown_dapp"})


@dataclass(slots=True)
class Tally:
    """How a play stands; counts of messages unless they say otherwise."""

    devices: int = 0
    devices_done: int = 0
    sent: int = 0  # handed to a request; repeats of a request do not count again
    acknowledged: int = 0  # the node has them
    refused: Counter[str] = field(default_factory=Counter)  # by the node's own word for it
    devices_refused: Counter[str] = field(default_factory=Counter)  # could not even sign on
    repeats: int = 0  # requests sent again
    faulty: int = 0  # sent although no program can read them: dead letters to be
    elapsed_s: float = 0.0
    is_done: bool = False

    def snapshot(self) -> "Tally":
        """A copy that the play does not change."""
        return replace(
            self, refused=Counter(self.refused), devices_refused=Counter(self.devices_refused)
        )

    @property
    def adds_up(self) -> bool:
        """Whether every message has been answered for."""
        return self.sent == self.acknowledged + self.refused.total()


class _RefusedError(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Player:
    """Sends drives to one node; each `play` is a run of its own."""

    def __init__(
        self,
        url: str,
        key_of: Callable[[str], SigningKey],
        dapp: str | None = None,
        clock: Clock | None = None,
        rows_max: int = ROWS_MAX,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """``url``: the endpoint's, as ``http://127.0.0.1:8080``.

        ``key_of``: a device's key by its name, as `keyring.Keyring.key`.
        ``dapp``: where messages go; None: to every Dapp that the devices' owner granted.
        """
        self._url = url.rstrip("/")
        self._key_of = key_of
        self._path = f"/v1/dapps/{dapp}/messages" if dapp else "/v1/messages"
        self._clock = clock or SystemClock()
        self._rows_max = rows_max
        self._patience_s = patience_s

    async def play(
        self, drives: Sequence[Drive], speedup: float | None = None, every_s: float = 0.5
    ) -> AsyncIterator[Tally]:
        """Play all drives at once; yields the tally every ``every_s``, and a last one when done.

        ``speedup``: times real time; None: as fast as the node takes it. Messages' own times
        always end about now. Closing the iterator stops the play.

        Raises:
            ValueError: a speed that is not positive.
        """
        if speedup is not None and speedup <= 0:
            raise ValueError("speedup must be positive")
        tally = Tally(devices=len(drives))
        began_s = self._clock.monotonic_s()
        running = asyncio.create_task(self._play_all(drives, speedup, tally))
        try:
            while not running.done():
                await asyncio.wait({running}, timeout=every_s)
                self._update(tally, drives, began_s)
                if not running.done():
                    yield tally.snapshot()
            running.result()
            tally.is_done = True
            yield tally
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def _update(self, tally: Tally, drives: Sequence[Drive], began_s: float) -> None:
        tally.elapsed_s = self._clock.monotonic_s() - began_s
        tally.faulty = sum(drive.faulty for drive in drives)

    async def _play_all(self, drives: Sequence[Drive], speedup: float | None, tally: Tally) -> None:
        longest_ms = max((drive.duration_ms for drive in drives), default=0)
        lasts_ms = longest_ms / speedup if speedup else 0.0
        pace = _Pace(
            self._clock, self._clock.now_ms() - round(longest_ms - lasts_ms), speedup, SETTLE_S
        )
        room = asyncio.Semaphore(ACTIVE_MAX if speedup is None else max(1, len(drives)))
        connections = aiohttp.TCPConnector(limit=ACTIVE_MAX)
        timeout = aiohttp.ClientTimeout(total=60, sock_connect=10)
        async with (
            aiohttp.ClientSession(self._url, connector=connections, timeout=timeout) as http,
            asyncio.TaskGroup() as group,
        ):
            for drive in drives:
                group.create_task(self._play_one(http, room, pace, drive, tally))

    async def _play_one(
        self,
        http: aiohttp.ClientSession,
        room: asyncio.Semaphore,
        pace: "_Pace",
        drive: Drive,
        tally: Tally,
    ) -> None:
        async with room:
            door = _Door(http, self._key_of(drive.name), pace, tally, self._patience_s)
            try:
                await door.sign_on()
                for stretch in drive.stretches():
                    await self._play_stretch(door, pace, stretch)
            except _RefusedError as refused:
                tally.devices_refused[refused.name] += 1
            tally.devices_done += 1

    async def _play_stretch(self, door: "_Door", pace: "_Pace", stretch: Stretch) -> None:
        start = 0
        while start < len(stretch.payloads):
            end = await pace.due(stretch.offsets_ms, start, self._rows_max)
            for first, last in _runs(start, end, stretch.raw):
                times_ms = [pace.start_ms + offset for offset in stretch.offsets_ms[first:last]]
                payloads = stretch.payloads[first:last]
                if first in stretch.raw:
                    query = {"time_ms": str(times_ms[0])}
                    await door.send(self._path, query, BYTES, payloads[0], 1)
                else:
                    body = b"\n".join(
                        [
                            b'{"time_ms":%d,"payload":%b}' % line
                            for line in zip(times_ms, payloads, strict=True)
                        ]
                    )
                    await door.send(self._path, {}, ENVELOPES, body, last - first)
            start = end


class _Pace:
    """When a message is due."""

    def __init__(self, clock: Clock, start_ms: int, speedup: float | None, settle_s: float) -> None:
        self.start_ms = start_ms  # of every drive's first message, in messages' time
        self.clock = clock
        self._speedup = speedup
        self._began_s = clock.monotonic_s()
        self.settled_s = self._began_s + settle_s

    async def due(self, offsets_ms: list[int], start: int, rows_max: int) -> int:
        """Wait until message ``start`` is due; the place after the last one to send now."""
        stop = min(start + rows_max, len(offsets_ms))
        if self._speedup is None:
            return stop
        wait_s = offsets_ms[start] / 1000 / self._speedup - self._elapsed_s()
        if wait_s > 0:
            await asyncio.sleep(wait_s + TICK_S)
        now_ms = self._elapsed_s() * 1000 * self._speedup
        return start + max(
            1, sum(1 for _ in itertools.takewhile(now_ms.__ge__, offsets_ms[start:stop]))
        )

    def _elapsed_s(self) -> float:
        return self.clock.monotonic_s() - self._began_s


def _runs(start: int, end: int, raw: frozenset[int]) -> Iterator[tuple[int, int]]:
    """Split [start, end) so that each place in ``raw`` stands alone."""
    for place in sorted(place for place in raw if start <= place < end):
        if start < place:
            yield start, place
        yield place, place + 1
        start = place + 1
    if start < end:
        yield start, end


class _Door:
    """One device at the node's door: its token, its requests, its patience."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        key: SigningKey,
        pace: _Pace,
        tally: Tally,
        patience_s: float,
    ) -> None:
        self._http = http
        self._key = key
        self._pace = pace
        self._clock = pace.clock
        self._tally = tally
        self._patience_s = patience_s
        self._token = ""
        self._renew_at_ms = 0

    async def sign_on(self) -> None:
        """Prove the key and get a token.

        Raises:
            _RefusedError: the node does not let this device in.
        """
        for tries_left in reversed(range(_SIGN_ON_TRIES)):
            try:
                granted = await self._prove()
            except _RefusedError as refused:
                if refused.name not in _TRY_ANEW or tries_left == 0:
                    raise
            else:
                self._token = f"Bearer {granted['token']}"
                self._renew_at_ms = granted["expires_ms"] - _RENEW_MS
                return

    async def _prove(self) -> dict[str, Any]:
        device = {"device": self._key.did}
        challenge = (await self._ask("/v1/challenges", device))["challenge"]
        signature = base64.urlsafe_b64encode(self._key.sign(challenge.encode())).rstrip(b"=")
        proof = device | {"challenge": challenge, "signature": signature.decode()}
        return await self._ask("/v1/tokens", proof)

    async def send(
        self, path: str, query: dict[str, str], content_type: str, body: bytes, rows: int
    ) -> None:
        """Send ``rows`` messages; returns when they are acknowledged, or refused for good."""
        self._tally.sent += rows
        query = query | {"id": str(uuid.uuid4())}
        try:
            if self._clock.now_ms() >= self._renew_at_ms:
                await self.sign_on()
            answer = await self._request(path, query, content_type, body)
            self._tally.acknowledged += len(answer["ids"])
        except _RefusedError as refused:
            self._tally.refused[refused.name] += rows

    async def _ask(self, path: str, question: dict[str, str]) -> dict[str, Any]:
        return await self._request(path, {}, "application/json", orjson.dumps(question))

    async def _request(
        self, path: str, query: dict[str, str], content_type: str, body: bytes
    ) -> dict[str, Any]:
        """POST until there is an answer that stands; a 2xx's JSON.

        Raises:
            _RefusedError: the node said no, or said nothing for as long as we have patience.
        """
        began_s = self._clock.monotonic_s()
        pause_s = BACKOFF_S[0]
        tokens_left = 2
        while True:
            headers = {"Content-Type": content_type, "Authorization": self._token}
            try:
                async with self._http.post(
                    path, params=query, data=body, headers=headers
                ) as response:
                    status = response.status
                    answer = _read_json(await response.read())
                    after = response.headers.get("Retry-After", "")
            except (aiohttp.ClientError, TimeoutError, OSError):
                status, answer, after = 0, {}, ""
            if 200 <= status < 300:
                return answer
            name = str(answer.get("error", "no_answer" if status == 0 else f"http_{status}"))
            waited_s = self._clock.monotonic_s() - began_s
            if name in _STALE and tokens_left > 0:
                tokens_left -= 1
                await self.sign_on()
            elif not self._may_repeat(status, name) or waited_s > self._patience_s:
                raise _RefusedError(name)
            self._tally.repeats += 1
            await asyncio.sleep(max(pause_s, float(after) if after.isdecimal() else 0.0))
            pause_s = min(pause_s * 2, BACKOFF_S[1])

    def _may_repeat(self, status: int, name: str) -> bool:
        if status == 0 or status in _NOT_NOW:
            return True
        return name in _NOT_YET and self._clock.monotonic_s() < self._pace.settled_s


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}
