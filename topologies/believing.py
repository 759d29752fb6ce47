"""Whom a node believes: the resolvers and the verifier that its settings ask for."""

from typing import Final

from streams import limits
from streams.clock import Clock, SystemClock
from streams.wallet.credentials.status import StatusLists
from streams.wallet.credentials.verifier import Verifier
from streams.wallet.did import DidError
from streams.wallet.did_io import Call, IoResolver
from streams.wallet.did_web import WebResolver
from streams.wallet.fetching import Fetcher
from streams.wallet.resolver import (
    CachedResolver,
    KeyResolver,
    Resolver,
    Resolvers,
    UnresolvedError,
)
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
    if settings.did_io_registry is not None:
        io = IoResolver(_contract(settings), fetch, settings.ipfs_gateway)
        methods["io"] = CachedResolver(io, clock, settings.credentials_grace_s)
    resolver = Resolvers(methods)
    # Lists are credentials too; a list that can itself be revoked is not believed.
    statuses = StatusLists(fetch, Verifier(resolver, clock), clock, settings.credentials_grace_s)
    return Verifier(resolver, clock, statuses)


def _contract(settings: Settings) -> Call:
    """Calls the ioID registry that the settings name."""
    # Here, because few nodes look anything up there.
    from streams.chain.json_rpc import ChainAway, JsonRpc, RpcError

    url = settings.did_io_rpc_url or settings.chain_rpc_url
    assert url is not None, "resolve() fills addresses in"
    rpc = JsonRpc(url, limits.CALL_TIMEOUT_S)

    def call(data: bytes) -> bytes:
        asked = {"to": settings.did_io_registry, "data": "0x" + data.hex()}
        try:
            return bytes.fromhex(str(rpc.call("eth_call", asked, "latest")).removeprefix("0x"))
        except ChainAway as error:
            raise UnresolvedError(str(error)) from error
        except RpcError as error:
            raise DidError(f"the ioID registry has no such device ({error})") from error

    return call
