"""From a DID to its document, whatever its method."""

from collections.abc import Mapping
from typing import Protocol

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
