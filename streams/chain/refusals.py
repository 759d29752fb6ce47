"""What a chain's refusal to take a transaction means, told from its words.

JSON-RPC has one code for nearly all of them (-32000), so the message decides; the words are those
of go-ethereum, Nethermind, Erigon, reth and anvil.
"""

from enum import StrEnum
from typing import Final


class Refusal(StrEnum):
    """Why a transaction was not taken, by what a sender does about it; a metric's label."""

    KNOWN = "known"  # it is in the pool: fine
    NONCE_USED = "nonce_used"  # one of our attempts was mined, or a stranger's: look at receipts
    UNDERPRICED = "underpriced"  # sign again with a higher fee
    NO_FUNDS = "no_funds"  # keep, do not bump, wait for money
    UNKNOWN = "unknown"  # assume that it was sent


_WORDS: Final = (
    (Refusal.KNOWN, ("already known", "already imported", "alreadyknown", "known transaction")),
    (Refusal.NONCE_USED, ("nonce too low", "oldnonce", "nonce is too low", "invalid nonce")),
    (
        Refusal.UNDERPRICED,
        (
            "underpriced",
            "feetoolow",
            "fee too low",
            "less than block base fee",
            "max fee per gas less than",
            "fee cap less than",
        ),
    ),
    (Refusal.NO_FUNDS, ("insufficient funds", "insufficientfunds", "insufficient balance")),
)


def refusal(message: str) -> Refusal:
    """What an error message of ``eth_sendRawTransaction`` means."""
    lower = message.lower()
    return next(
        (meaning for meaning, words in _WORDS if any(word in lower for word in words)),
        Refusal.UNKNOWN,
    )
