"""did:io: a contract has the document's hash and where it is; the document is checked against it.

Source: IoTeX's ioID registry (``documentHash(address)``, ``documentURI(address)``; both revert for
a device that it does not have). Which hash is the owner's choice there: SHA-256 (as its ``ioctl did
generate`` prints) and Keccak-256 are taken. As the hash says what the document is, it does not
matter who serves it: ``ipfs://`` is read through any gateway.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from streams.wallet.credentials.faults import CredentialError
from streams.wallet.credentials.strict_json import read_object
from streams.wallet.did import DidError
from streams.wallet.documents import DidDocument, read_document
from streams.wallet.fetching import Fetch, FetchError
from streams.wallet.resolver import UnresolvedError

_DID: Final = re.compile(r"did:io:0x([0-9a-fA-F]{40})")
_HASH: Final = keccak(b"documentHash(address)")[:4]
_URI: Final = keccak(b"documentURI(address)")[:4]
_URI_CHARACTERS_MAX: Final = 1_024
_IPFS: Final = re.compile(r"ipfs://(?:ipfs/)?([A-Za-z0-9]{1,128}(?:/[A-Za-z0-9._/-]{1,256})?)")

# What the contract answers to call data; raises UnresolvedError, or DidError where it refuses.
Call = Callable[[bytes], bytes]


class IoResolver:
    """Finds the documents of did:ios."""

    def __init__(self, call: Call, fetch: Fetch, ipfs_gateway: str | None = None) -> None:
        """A resolver.

        Args:
            call: of the registry's contract.
            fetch: has what is at a URL.
            ipfs_gateway: ``https://…`` before a content's name; None: ``ipfs://`` is not read.
        """
        self._call = call
        self._fetch = fetch
        self._ipfs_gateway = ipfs_gateway

    def resolve(self, did: str) -> DidDocument:
        """As `streams.wallet.resolver.Resolver`."""
        found = _DID.fullmatch(did)
        if found is None:
            raise DidError(f"not a did:io of an address: {did[:80]!r}")
        word = bytes.fromhex(found[1]).rjust(32, b"\0")
        digest: bytes = self._asked(did, _HASH + word, "bytes32")
        uri: str = self._asked(did, _URI + word, "string")
        try:
            text = self._fetch(self._url(did, uri))
        except FetchError as error:
            raise UnresolvedError(f"{did}: {error}") from error
        hashes = (hashlib.sha256(text).digest(), keccak(text))
        if not any(hmac.compare_digest(digest, one) for one in hashes):
            raise DidError(f"{did}: the document is not the one that the registry has the hash of")
        try:
            return read_document(did, read_object(text))
        except CredentialError as error:
            raise DidError(f"{did}: its document is refused: {error}") from error

    def _asked(self, did: str, data: bytes, type_: str) -> Any:
        try:
            (value,) = decode([type_], self._call(data))
        except (DecodingError, UnicodeDecodeError) as error:
            raise DidError(f"{did}: the registry's answer cannot be read") from error
        return value

    def _url(self, did: str, uri: str) -> str:
        if len(uri) > _URI_CHARACTERS_MAX:
            raise DidError(f"{did}: its document's address is too long")
        content = _IPFS.fullmatch(uri)
        if content is None:
            return uri
        if self._ipfs_gateway is None:
            raise DidError(f"{did}: its document is on IPFS, and this node has no ipfs_gateway")
        return f"{self._ipfs_gateway.rstrip('/')}/{content[1]}"
