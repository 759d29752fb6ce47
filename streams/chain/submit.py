"""Commitments to their sender: slices of topic ``proofs`` in, calls in its journal."""

import asyncio
import logging
from collections.abc import Iterable

from web3 import Web3

from streams import limits
from streams.chain.certifying import calls_of
from streams.chain.contract import W3bStreamContract
from streams.chain.running import RunningSender
from streams.commitments import CommitmentError, decode_commitment
from streams.delivery.batch import Slice, spans

log = logging.getLogger(__name__)


class Submit:
    """Hands the commitments of topic ``proofs`` to the sender that has the contract."""

    def __init__(self, sender: RunningSender) -> None:
        assert sender.deployment is not None, "the sender that has the contract"
        self._sender = sender
        self._deployment = sender.deployment
        self._contract = W3bStreamContract(Web3(), sender.deployment.contract)
        self._position = sender.journal.position

    @property
    def position(self) -> int:
        """Where reading topic ``proofs`` starts: the offset behind the last commitment taken."""
        return self._position

    async def take(self, slices: Iterable[Slice]) -> None:
        """Take slices of ``proofs``; returns once they are on disk. Waits while the queue is full.

        What was taken before is passed over; what is no commitment is reported and passed over.

        Raises:
            JournalError: the journal has started over: read the topic from its start.
        """
        journal = self._sender.journal
        for piece in slices:
            while journal.commitments_queued() >= limits.SUBMIT_QUEUED_MAX:  # noqa: ASYNC110, on disk
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
                calls = calls_of(commitments, self._deployment, self._contract)
                await asyncio.to_thread(
                    self._sender.take_commitments, calls, self._position, piece.next_offset
                )
                self._position = piece.next_offset
