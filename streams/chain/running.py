"""A sender at work: its journal, and a thread that steps for as long as it is wanted."""

import logging
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

import requests
from web3.exceptions import Web3Exception

from streams import limits, metrics
from streams.chain.certifying import ChainError
from streams.chain.deployment import Deployment
from streams.chain.journal import Journal
from streams.chain.json_rpc import host_of
from streams.chain.refusals import Refusal
from streams.chain.requests import Outcome, Request, Requests
from streams.chain.sender import ChainBeganAnew, ChainSettings, Sender
from streams.chain.totals import Totals, totals
from streams.chain.transactions import Queued
from streams.clock import Clock
from streams.commitments import address_of

log = logging.getLogger(__name__)

_AWAY: Final = (requests.RequestException, Web3Exception, OSError)


class RunningSender:
    """The one sender of a key on a chain; sends from when it is made until `close`.

    Args:
        settings: of the chain.
        journal: the path of the journal's file.
        secret: the operator's secp256k1 key, 32 bytes: it pays.
        clock: for retries.
        deployment: of the contract that commitments go to; None: this sender has none.

    Attributes:
        trouble: why nothing is being sent, while that is so.
        on_new_beginning: called, on the sender's thread, when the local chain was wiped and topic
            ``proofs`` has to be read from its start again.

    Raises:
        JournalError: another process sends from this journal, or it is another key's.
    """

    def __init__(
        self,
        settings: ChainSettings,
        journal: Path,
        secret: bytes,
        clock: Clock,
        deployment: Deployment | None = None,
    ) -> None:
        self.trouble: str | None = None
        self.on_new_beginning: Callable[[], None] | None = None
        self.deployment = deployment
        self.journal = Journal(journal, sender=address_of(secret))
        self._path = journal
        self._host = host_of(settings.rpc_url)
        self._labels = (str(settings.chain_id), f"0x{address_of(secret).hex()}")
        for why in Refusal:
            metrics.SUBMIT_ERRORS.labels(why)  # at 0: a rate needs a value before
        self._requests = Requests(self.journal)
        self._clock = clock
        self._make = partial(Sender, settings, self.journal, secret, clock, deployment)
        self._sender = self._make()
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="send", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread's work after its present step, and give up the journal's lock. Blocks."""
        self._stopping.set()
        self._woken.set()
        self._thread.join()
        self.journal.close()

    def take_commitments(self, calls: Iterable[Queued], after: int, position: int) -> None:
        """Queue commitments, durably, from topic ``proofs`` between two offsets. For any thread.

        Raises:
            JournalError: the journal's position is not ``after``: it has started over.
        """
        self.journal.take(list(calls), after, position)
        self._woken.set()

    def take_requests(self, wanted: Iterable[Request]) -> None:
        """Queue what programs asked for, durably; what was taken before is passed over."""
        if self._requests.take(wanted, self._clock.now_ms()):
            self._woken.set()

    def untold(self) -> list[tuple[bytes, bytes, Outcome]]:
        """(id, reply, outcome) of requests that are over and not told yet."""
        return self._requests.untold()

    def told(self, ids: list[bytes]) -> None:
        """Whoever asked knows by now."""
        self._requests.told(ids)

    def progress(self) -> Totals:
        """What has been done on this chain so far."""
        return totals(self._path)

    def _run(self) -> None:
        while not self._stopping.is_set():
            acted = self._step()
            done = self.progress()
            metrics.SUBMIT_QUEUED.labels(*self._labels).set(done.queued)
            metrics.SUBMIT_IN_FLIGHT.labels(*self._labels).set(done.in_flight)
            metrics.SUBMIT_GAS.labels(*self._labels).set(done.gas_used)
            if not acted:
                self._woken.wait(limits.CHAIN_POLL_MS / 1000)
            self._woken.clear()

    def _step(self) -> bool:
        try:
            acted = self._sender.step()
        except ChainBeganAnew as beginning:
            log.warning("%s", beginning)
            self._sender = self._make()
            if self.on_new_beginning is not None:
                self.on_new_beginning()
            return True
        except ChainError as error:
            self._in_trouble(str(error))
            return False
        except _AWAY as error:
            metrics.SUBMIT_CHAIN_UP.labels(*self._labels).set(0)
            self._in_trouble(f"no answer from {self._host}: {type(error).__name__}")
            return False
        except Exception as error:
            log.exception("sending to %s failed", self._host)
            self._in_trouble(f"{type(error).__name__}: {error}")
            self._stopping.wait(limits.CHAIN_RESEND_MS / 1000)
            return False
        if self._sender.trouble is not None:
            self._in_trouble(self._sender.trouble)
        elif self.trouble is not None:
            log.info("the chain at %s answers again", self._host)
            self.trouble = None
        return acted

    def _in_trouble(self, text: str) -> None:
        if text != self.trouble:
            log.warning("transactions wait: %s", text)
            self.trouble = text
