"""Bitstring status lists: what was revoked, without telling whose credential is looked at.

An issuer publishes one signed list for many credentials, a bit each; who checks one fetches the
whole list, and the issuer learns nothing. A list is fetched again when it is old; if it cannot be
had then, credentials that it is about are refused, unless a grace is set for which the one before
counts.

Source: W3C Bitstring Status List 1.0, sections 2 and 3.
"""

import base64
import binascii
import gzip
import threading
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from streams import limits
from streams.clock import Clock
from streams.wallet.credentials.faults import CredentialError, Fault
from streams.wallet.credentials.issuing import Statement
from streams.wallet.credentials.model import Credential
from streams.wallet.credentials.verifier import Verifier
from streams.wallet.fetching import Fetch, FetchError

STATUS_PATH: Final = "/v1/credentials/status"  # where a node publishes its own list
ENTRY: Final = "BitstringStatusListEntry"
LIST_CREDENTIAL: Final = "BitstringStatusListCredential"
LIST: Final = "BitstringStatusList"
REVOCATION: Final = "revocation"
_REFUSED_AS: Final = {"revocation": Fault.REVOKED, "suspension": Fault.SUSPENDED}
_INDEX_DIGITS_MAX: Final = 10
_GZIP: Final = 31  # zlib's window bits for "gzip only"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _List:
    issuer: str
    purposes: tuple[str, ...]
    bits: bytes
    until_s: float


class StatusLists:
    """Fetches and keeps lists. For any thread."""

    def __init__(self, fetch: Fetch, verifier: Verifier, clock: Clock, grace_s: float = 0) -> None:
        """Lists are fetched when first asked about.

        Args:
            fetch: has what is at a URL.
            verifier: of the credentials that lists are; knows no statuses itself.
            clock: how old a list is.
            grace_s: how long past its life a list counts when no newer one can be had.
        """
        self._fetch = fetch
        self._verifier = verifier
        self._clock = clock
        self._grace_s = grace_s
        self._lock = threading.Lock()
        self._lists: dict[str, _List] = {}  # by URL, oldest first
        # Until when one that was not to be had is not asked for again, and why it was not.
        self._refused: dict[str, tuple[float, CredentialError]] = {}

    def check(self, status: Mapping[str, Any], issuer: str) -> None:
        """As `streams.wallet.credentials.verifier.StatusChecker`."""
        if status.get("type") != ENTRY:
            raise CredentialError(Fault.STATUS_UNSUPPORTED, f"credentialStatus: not a {ENTRY}")
        purpose = str(status.get("statusPurpose"))
        if purpose not in _REFUSED_AS or status.get("statusSize", 1) != 1:
            raise CredentialError(Fault.STATUS_UNSUPPORTED, f"a status of {purpose[:40]!r}")
        index, url = str(status.get("statusListIndex")), status.get("statusListCredential")
        if not (index.isascii() and index.isdigit() and len(index) <= _INDEX_DIGITS_MAX):
            raise CredentialError(Fault.MALFORMED_STATUS, "statusListIndex: not a number")
        if not isinstance(url, str):
            raise CredentialError(Fault.MALFORMED_STATUS, "statusListCredential: not a URL")
        found = self._list(url)
        if found.issuer != issuer:
            raise CredentialError(Fault.MALFORMED_STATUS, "the status list is another issuer's")
        if purpose not in found.purposes:
            raise CredentialError(Fault.MALFORMED_STATUS, f"the status list is not of {purpose}")
        if _bit(found.bits, int(index)):
            raise CredentialError(_REFUSED_AS[purpose], f"{issuer} has taken it back ({purpose})")

    def _list(self, url: str) -> _List:
        now_s = self._clock.monotonic_s()
        with self._lock:
            known = self._lists.get(url)
            retry_s, refused = self._refused.get(url, (now_s, None))
        if known is not None and now_s < known.until_s:
            return known
        if refused is None or now_s >= retry_s:
            try:
                found = self._fetched(url, now_s)
            except CredentialError as error:
                refused = error
                self._keep(self._refused, url, (now_s + limits.FETCH_RETRY_S, error))
            else:
                self._keep(self._lists, url, found)
                return found
        is_away = refused.fault in (Fault.STATUS_UNAVAILABLE, Fault.DID_UNRESOLVED)
        if is_away and known is not None and now_s < known.until_s + self._grace_s:
            return known
        raise CredentialError(
            Fault.STATUS_UNAVAILABLE if is_away else Fault.MALFORMED_STATUS,
            f"its status list: {refused}",
        )

    def _keep(self, kept: dict[str, _T], url: str, value: _T) -> None:
        with self._lock:
            kept.pop(url, None)
            if len(kept) >= limits.STATUS_LISTS_MAX:
                del kept[next(iter(kept))]
            kept[url] = value

    def _fetched(self, url: str, now_s: float) -> _List:
        try:
            data = self._fetch(url)
        except FetchError as error:
            raise CredentialError(Fault.STATUS_UNAVAILABLE, str(error)) from error
        return _read(self._verifier.credential(data), url, now_s)


def entry_of(url: str, index: int) -> dict[str, Any]:
    """``credentialStatus`` of a credential that can be revoked: its place in a list."""
    return {
        "id": f"{url}#{index}",
        "type": ENTRY,
        "statusPurpose": REVOCATION,
        "statusListIndex": str(index),
        "statusListCredential": url,
    }


def list_of(url: str, revoked: Collection[int]) -> Statement:
    """What the credential at ``url`` has to say: which of a list's places are revoked.

    Raises:
        ValueError: a place that a list does not have.
    """
    if not all(0 <= index < limits.STATUS_BITS_MIN for index in revoked):
        raise ValueError(f"places in a list are 0 to {limits.STATUS_BITS_MIN - 1}")
    subject = {
        "id": f"{url}#list",
        "type": LIST,
        "statusPurpose": REVOCATION,
        "encodedList": encode_bits(revoked),
        "ttl": 1000 * limits.STATUS_LIFE_S,
    }
    return Statement([LIST_CREDENTIAL], subject, id=url)


def encode_bits(indices: Collection[int], bits: int = limits.STATUS_BITS_MIN) -> str:
    """``encodedList`` of a list of so many bits, in which those of ``indices`` are set."""
    data = bytearray(bits // 8)
    for index in indices:
        data[index // 8] |= 0x80 >> index % 8
    packed = gzip.compress(bytes(data), mtime=0)
    return "u" + base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _read(credential: Credential, url: str, now_s: float) -> _List:
    fault = Fault.MALFORMED_STATUS
    if LIST_CREDENTIAL not in credential.types or len(credential.subjects) != 1:
        raise CredentialError(fault, f"not a {LIST_CREDENTIAL}")
    if credential.body.get("id", url) != url:
        raise CredentialError(fault, "a list of another address")
    (subject,) = credential.subjects
    if subject.get("type") != LIST:
        raise CredentialError(fault, f"its subject is not a {LIST}")
    purposes, ttl_ms = subject.get("statusPurpose"), subject.get("ttl", 1000 * limits.STATUS_LIFE_S)
    purposes = tuple(purposes) if isinstance(purposes, list) else (purposes,)
    if isinstance(ttl_ms, bool) or not isinstance(ttl_ms, int | float) or ttl_ms < 0:
        raise CredentialError(fault, "ttl: not a number of milliseconds")
    life_s = min(ttl_ms / 1000, limits.STATUS_LIFE_S)
    bits = _unpack(subject.get("encodedList"))
    return _List(credential.issuer, purposes, bits, now_s + life_s)


def _unpack(encoded: object) -> bytes:
    try:
        if not isinstance(encoded, str) or not encoded.startswith("u"):
            raise ValueError
        text = encoded[1:]
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        unpacker = zlib.decompressobj(_GZIP)
        bits = unpacker.decompress(packed, limits.STATUS_BYTES_MAX)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise ValueError
    except (ValueError, binascii.Error, zlib.error):
        raise CredentialError(
            Fault.MALFORMED_STATUS,
            f"encodedList: not 'u' and base64url of up to {limits.STATUS_BYTES_MAX} bytes in gzip",
        ) from None
    if 8 * len(bits) < limits.STATUS_BITS_MIN:
        raise CredentialError(Fault.MALFORMED_STATUS, "encodedList: shorter than 131,072 bits")
    return bits


def _bit(bits: bytes, index: int) -> bool:
    if index >= 8 * len(bits):
        raise CredentialError(Fault.MALFORMED_STATUS, "statusListIndex: past the end of the list")
    return bool(bits[index // 8] & 0x80 >> index % 8)
