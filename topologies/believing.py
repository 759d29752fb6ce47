"""Whom a node believes: the resolvers and the verifier that its settings ask for."""

from typing import Final

from streams.clock import Clock, SystemClock
from streams.wallet.credentials.status import StatusLists
from streams.wallet.credentials.verifier import Verifier
from streams.wallet.did_web import WebResolver
from streams.wallet.fetching import Fetcher
from streams.wallet.resolver import CachedResolver, KeyResolver, Resolver, Resolvers
from topologies.config import Settings

# Where in the file store the credentials lie by which devices are their owners'.
CREDENTIALS: Final = "credentials"


def verifier(settings: Settings, clock: Clock | None = None) -> Verifier:
    """Checks credentials and presentations; remembers documents and status lists for a while."""
    clock = clock or SystemClock()
    fetch = Fetcher(
        private_addresses=settings.did_private_addresses, ca_location=settings.did_ca_location
    ).fetch
    methods: dict[str, Resolver] = {
        "key": KeyResolver(),
        "web": CachedResolver(WebResolver(fetch), clock, settings.credentials_grace_s),
    }
    resolver = Resolvers(methods)
    # Lists are credentials too; a list that can itself be revoked is not believed.
    statuses = StatusLists(fetch, Verifier(resolver, clock), clock, settings.credentials_grace_s)
    return Verifier(resolver, clock, statuses)
