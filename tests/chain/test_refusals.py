"""Refusals in the words of the nodes that utter them."""

import pytest

from streams.chain.refusals import Refusal, refusal


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ("already known", Refusal.KNOWN),  # go-ethereum
        ("AlreadyKnown", Refusal.KNOWN),  # Nethermind
        ("transaction already imported", Refusal.KNOWN),  # anvil
        ("nonce too low: next nonce 7, tx nonce 5", Refusal.NONCE_USED),
        ("OldNonce", Refusal.NONCE_USED),
        ("replacement transaction underpriced", Refusal.UNDERPRICED),
        ("max fee per gas less than block base fee: address 0x0", Refusal.UNDERPRICED),
        ("FeeTooLow, EffectivePriorityFeePerGas too low", Refusal.UNDERPRICED),
        ("Insufficient funds for gas * price + value", Refusal.NO_FUNDS),
        ("the node is having a bad day", Refusal.UNKNOWN),
    ],
)
def test_meaning(message: str, meaning: Refusal) -> None:
    assert refusal(message) is meaning
