"""Sign-In with Ethereum: the text that a wallet shows and signs, read and checked.

Source: EIP-4361 (the text), EIP-191 version 0x45 (what is signed), EIP-55 (the address's letters);
CAIP-10 and the did:pkh method for the account's DID. Accounts that are contracts (EIP-1271) are not
asked: that would need their chain. Our own few lines, because the library of this name holds web3
at a version that is not the node's.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from streams import limits
from streams.commitments import SIGNATURE_BYTES, signer_of
from streams.wallet.credentials.faults import CredentialError, Fault
from streams.wallet.credentials.instants import read_instant

VERSION: Final = "1"
_TEXT: Final = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<domain>[A-Za-z0-9.:\[\]_-]+)"
    r" wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9a-fA-F]{40})\n"
    r"\n"
    r"(?:(?P<statement>[A-Za-z0-9 :/?#\[\]@!$&'()*+,;=._~%-]+)\n)?"
    r"\n"
    r"URI: (?P<uri>\S+)\n"
    r"Version: (?P<version>1)\n"
    r"Chain ID: (?P<chain_id>[0-9]{1,18})\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,256})\n"
    r"Issued At: (?P<issued_at>\S+)"
    r"(?:\nExpiration Time: (?P<expires>\S+))?"
    r"(?:\nNot Before: (?P<not_before>\S+))?"
    r"(?:\nRequest ID: (?P<request_id>\S*))?"
    r"(?:\nResources:(?P<resources>(?:\n- \S+)*))?",
    re.ASCII,
)


class SignInError(ValueError):
    """A text that is none of EIP-4361's; says what is wrong."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a text says. Times are in ms since 1970."""

    domain: str
    address: str
    uri: str
    chain_id: int
    nonce: str
    issued_at_ms: int
    expires_ms: int | None
    not_before_ms: int | None

    @property
    def did(self) -> str:
        """The account's did:pkh."""
        return f"did:pkh:eip155:{self.chain_id}:{self.address}"

    def is_for(self, domain: str) -> bool:
        """Whether it was made for a domain (RFC 3986's authority), and a page of it."""
        try:
            parts = urlsplit(self.uri)
        except ValueError:
            return False
        return self.domain == domain == parts.netloc and parts.scheme in ("http", "https")

    def holds_at(self, now_ms: int) -> bool:
        """Whether a time is within what it says, give or take `limits.CLOCK_SKEW_MS`."""
        skew_ms = limits.CLOCK_SKEW_MS
        begins_ms = max(self.issued_at_ms, self.not_before_ms or 0)
        return begins_ms - skew_ms <= now_ms and (
            self.expires_ms is None or now_ms - skew_ms < self.expires_ms
        )


def read_sign_in(text: str) -> SignIn:
    """What a text says; nothing of it is checked yet.

    Raises:
        SignInError: it is not of the form.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise SignInError("not a text of EIP-4361 (Sign-In with Ethereum)")
    if found["scheme"] not in (None, "http", "https"):
        raise SignInError("its scheme is neither https nor http")
    if to_checksum_address(found["address"]) != found["address"]:
        raise SignInError("its address is not written as EIP-55 has it")
    times: dict[str, int | None] = {}
    for name in ("issued_at", "expires", "not_before"):
        try:
            times[name] = read_instant(found[name], name, Fault.MALFORMED_CREDENTIAL)
        except CredentialError as error:
            raise SignInError(str(error)) from None
    return SignIn(
        found["domain"], found["address"], found["uri"], int(found["chain_id"]), found["nonce"],
        times["issued_at"] or 0, times["expires"], times["not_before"],
    )  # fmt: skip


def is_signed_by(text: str, signature: bytes, address: str) -> bool:
    """Whether an account signed a text: 65 bytes r ‖ s ‖ v, v being 27 or 28, or 0 or 1."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    if signature[-1] < 2:  # as some hardware wallets have it
        signature = signature[:-1] + bytes([signature[-1] + 27])
    message = text.encode()
    digest = keccak(b"\x19Ethereum Signed Message:\n%d" % len(message) + message)
    signer = signer_of(digest, signature)
    return signer is not None and to_checksum_address(signer) == address
