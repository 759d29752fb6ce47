"""From a DID to its document, whatever its method."""

import threading
from collections.abc import Mapping
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


class CachedResolver:
    """Asks another resolver once in a while; remembers refusals too, for a shorter time."""

    def __init__(self, resolver: Resolver, clock: Clock) -> None:
        self._resolver = resolver
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[
            str, tuple[float, DidDocument | DidError]
        ] = {}  # until when, oldest first

    def resolve(self, did: str) -> DidDocument:
        """As `Resolver`."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            until_s, found = self._known.get(did, (now_s, None))
        if found is None or now_s >= until_s:
            found = self._ask(did)
            life_s = limits.DID_LIFE_S if isinstance(found, DidDocument) else limits.DID_RETRY_S
            with self._lock:
                self._known.pop(did, None)
                if len(self._known) >= limits.DIDS_CACHED_MAX:
                    del self._known[next(iter(self._known))]
                self._known[did] = now_s + life_s, found
        if isinstance(found, DidError):
            raise found
        return found

    def _ask(self, did: str) -> DidDocument | DidError:
        try:
            return self._resolver.resolve(did)
        except DidError as error:
            return error
