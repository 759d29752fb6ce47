"""did:web: the document is where a host keeps it.

Source: W3C CCG did:web method, section 2 (the name, and reading).
"""

import ipaddress
from typing import Final
from urllib.parse import unquote

from streams.wallet.credentials.faults import CredentialError
from streams.wallet.credentials.strict_json import read_object
from streams.wallet.did import DidError
from streams.wallet.documents import DidDocument, check_did, read_document
from streams.wallet.fetching import Fetch, FetchError
from streams.wallet.resolver import UnresolvedError

_PREFIX: Final = "did:web:"
WELL_KNOWN: Final = "/.well-known/did.json"


class WebResolver:
    """Fetches the documents of did:webs."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    def resolve(self, did: str) -> DidDocument:
        """As `streams.wallet.resolver.Resolver`."""
        url = url_of(did)
        try:
            return read_document(did, read_object(self._fetch(url)))
        except FetchError as error:
            raise UnresolvedError(f"{did}: {error}") from error
        except CredentialError as error:
            raise DidError(f"{did}: its document is refused: {error}") from error


def did_of_host(host: str) -> str:
    """The did:web of ``host`` or ``host:port``."""
    return check_did(_PREFIX + host.replace(":", "%3A"))


def url_of(did: str) -> str:
    """Where a did:web's document is.

    Raises:
        DidError: not a did:web, an address for a host, or a path that leads elsewhere.
    """
    check_did(did)
    if not did.startswith(_PREFIX):
        raise DidError(f"not a did:web: {did[:80]!r}")
    host, *path = (unquote(part) for part in did.removeprefix(_PREFIX).split(":"))
    name, _, port = host.partition(":")
    if not all(label.replace("-", "").isalnum() for label in name.split(".")) or not name.isascii():
        raise DidError(f"{did}: {name!r} is not the name of a host")
    if _is_address(name) or (port and not port.isdigit()) or host.endswith(":"):
        raise DidError(f"{did}: a did:web has a host's name, and a port if need be")
    if any(part in ("", ".", "..") or "/" in part or not part.isprintable() for part in path):
        raise DidError(f"{did}: not a path of a did:web")
    where = "/" + "/".join(path) + "/did.json" if path else WELL_KNOWN
    if not where.isascii() or any(sign in where for sign in "?#\\ "):
        raise DidError(f"{did}: not a path of a did:web")
    return f"https://{host}{where}"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        # A name of digits alone is an address to some resolvers: 127.1, 2130706433.
        return name.rpartition(".")[2].isdigit()
    return True
