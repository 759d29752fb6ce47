"""From a DID to its document, whatever its method."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from streams import limits
from streams.clock import Clock
from streams.wallet.did import DidError
from streams.wallet.documents import DidDocument, did_key_document, method_of


class UnresolvedError(DidError):
    """A DID whose document cannot be had now; says why. Trying again later may help."""


class Resolver(Protocol):
    """Finds documents. May block, for as long as `limits` allow."""

    def resolve(self, did: str) -> DidDocument:
        """The document of a DID.

        Raises:
            UnresolvedError: it cannot be had now.
            DidError: not a DID that can have one, or what was found is not its document.
        """
        ...


class KeyResolver:
    """did:key: the document follows from the name."""

    def resolve(self, did: str) -> DidDocument:
        """As `Resolver`."""
        return did_key_document(did)


class Resolvers:
    """One resolver for each method."""

    def __init__(self, methods: Mapping[str, Resolver]) -> None:
        """``methods``: by the method's name, ``key`` for did:key."""
        self._methods = dict(methods)

    def resolve(self, did: str) -> DidDocument:
        """As `Resolver`."""
        method = self._methods.get(method_of(did))
        if method is None:
            known = ", ".join(f"did:{name}" for name in self._methods)
            raise DidError(f"{did[:80]}: of a method that this node does not resolve ({known})")
        return method.resolve(did)


@dataclass(frozen=True, slots=True)
class _Known:
    found: DidDocument | DidError
    ask_at_s: float
    counts_until_s: float  # of a document, when no newer one can be had


class CachedResolver:
    """Asks another resolver once in a while; remembers refusals too, for a shorter time."""

    def __init__(self, resolver: Resolver, clock: Clock, grace_s: float = 0) -> None:
        """``grace_s``: how long past its life a document counts when no newer one can be had."""
        self._resolver = resolver
        self._clock = clock
        self._grace_s = grace_s
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}  # oldest first

    def resolve(self, did: str) -> DidDocument:
        """As `Resolver`."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            known = self._known.get(did)
        if known is None or now_s >= known.ask_at_s:
            known = self._asked(did, known, now_s)
            with self._lock:
                self._known.pop(did, None)
                if len(self._known) >= limits.DIDS_CACHED_MAX:
                    del self._known[next(iter(self._known))]
                self._known[did] = known
        if isinstance(known.found, DidError):
            raise known.found.with_traceback(None)  # or it would grow with each time
        return known.found

    def _asked(self, did: str, before: _Known | None, now_s: float) -> _Known:
        retry_at_s = now_s + limits.FETCH_RETRY_S
        try:
            document = self._resolver.resolve(did)
        except DidError as error:
            if isinstance(error, UnresolvedError) and before and now_s < before.counts_until_s:
                return replace(before, ask_at_s=min(retry_at_s, before.counts_until_s))
            return _Known(error, retry_at_s, now_s)
        until_s = now_s + limits.DID_LIFE_S
        return _Known(document, until_s, until_s + self._grace_s)
