"""A node's submitter as its agents see it: slices of topic ``proofs`` in, progress out."""

import asyncio
import logging
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import requests
from web3.exceptions import Web3Exception

from streams import limits, metrics
from streams.chain.deployment import Deployment
from streams.chain.journal import Journal
from streams.chain.rpc import host_of
from streams.chain.submitter import ChainBeganAnew, ChainError, ChainSettings, Submitter
from streams.chain.totals import Totals, totals
from streams.clock import Clock
from streams.commitments import CommitmentError, address_of, decode_commitment
from streams.delivery.batch import Slice, spans

log = logging.getLogger(__name__)

_AWAY: Final = (requests.RequestException, Web3Exception, OSError)


class Submit:
    """The one submitter of a node; its thread works from `run` on, whatever the chain does.

    Args:
        settings: of the chain.
        deployment: of the contract.
        journal: the path of the journal's file.
        secret: the operator's secp256k1 key, 32 bytes: it pays.
        clock: for retries.

    Raises:
        JournalError: another process submits from this journal, or it is another key's.
    """

    def __init__(
        self,
        settings: ChainSettings,
        deployment: Deployment,
        journal: Path,
        secret: bytes,
        clock: Clock,
    ) -> None:
        self._path = journal
        self._host = host_of(settings.rpc_url)
        self._journal = Journal(journal, sender=address_of(secret))
        self._submitter = Submitter(settings, deployment, self._journal, secret, clock)
        self._position = self._journal.position
        self._stopping = threading.Event()
        self._taken = threading.Event()
        self._working = threading.Lock()
        self.trouble: str | None = None  # why nothing is being sent, while that is so

    @property
    def position(self) -> int:
        """Where reading topic ``proofs`` starts: the offset behind the last commitment taken."""
        return self._position

    async def take(self, slices: Iterable[Slice]) -> None:
        """Take slices of ``proofs``; returns once they are on disk. Waits while the queue is full.

        What was taken before is passed over; what is no commitment is reported and passed over.

        Raises:
            JournalError: the journal has started over (`run` raises `ChainBeganAnew`).
        """
        for piece in slices:
            while self._journal.queued_count() >= limits.SUBMIT_QUEUED_MAX:  # noqa: ASYNC110, on disk
                await asyncio.sleep(limits.CHAIN_POLL_MS / 1000)
            commitments = []
            for offset, start, end in spans(piece):
                if offset < self._position:
                    continue
                try:
                    commitments.append(decode_commitment(piece.packed[start:end]))
                except CommitmentError as error:
                    log.error("%s@%d is no commitment: %s", piece.topic, offset, error)
            if piece.next_offset > self._position:
                await asyncio.to_thread(
                    self._submitter.take, commitments, self._position, piece.next_offset
                )
                self._position = piece.next_offset
                self._taken.set()

    async def run(self) -> None:
        """Submit until cancelled.

        Raises:
            ChainBeganAnew: the local chain was wiped; start this role again.
        """
        try:
            await asyncio.to_thread(self._work)
        finally:
            self._stopping.set()
            self._taken.set()

    def close(self) -> None:
        """End the thread's work after its present step, and give up the journal's lock. Blocks."""
        self._stopping.set()
        self._taken.set()
        with self._working:
            self._journal.close()

    def progress(self) -> Totals:
        """What has been done on this chain so far."""
        return totals(self._path)

    def _work(self) -> None:
        with self._working:
            while not self._stopping.is_set():
                acted = self._step()
                done = self.progress()
                metrics.SUBMIT_QUEUED.set(done.queued)
                metrics.SUBMIT_IN_FLIGHT.set(done.in_flight)
                metrics.SUBMIT_GAS.set(done.gas_used)
                if not acted:
                    self._taken.wait(limits.CHAIN_POLL_MS / 1000)
                self._taken.clear()

    def _step(self) -> bool:
        try:
            acted = self._submitter.step()
        except ChainBeganAnew:
            raise
        except ChainError as error:
            self._in_trouble(str(error))
            return False
        except _AWAY as error:
            metrics.SUBMIT_CHAIN_UP.set(0)
            self._in_trouble(f"no answer from {self._host}: {type(error).__name__}")
            return False
        if self.trouble is not None:
            log.info("the chain at %s answers again", self._host)
            self.trouble = None
        return acted

    def _in_trouble(self, text: str) -> None:
        if text != self.trouble:
            log.warning("commitments wait: %s", text)
            self.trouble = text
