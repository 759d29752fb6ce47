"""Documents of strangers, over HTTPS, without being led astray.

Whoever names a DID or a status list has the node send a request to an address of their choice. So:
HTTPS only, certificates checked; no address that is not public, and the connection goes to the very
address that was looked at (a second look-up might answer otherwise); no redirects; nothing but JSON
and tokens, bounded in size and not compressed; over after a fixed time, however slowly names are
found or the other side sends.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from streams import limits

_HTTPS: Final = 443
_OK: Final = 200
_LOOK_UPS: Final = 4  # of names at once; one that is slow cannot be ended, and may hold up others
_GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")
# Of these, ranges that carry an IPv4 address, which may be a private one: 6to4, Teredo.
_TRANSLATED: Final = tuple(map(ipaddress.ip_network, ("2002::/16", "2001::/32")))
# Media types of DID documents, credentials and plain files of either; any that ends in +json too.
_TYPES: Final = frozenset(
    {"application/json", "application/did", "application/vc", "application/vc+jwt",
     "application/jwt", "application/octet-stream", "text/plain"}
)  # fmt: skip

# From an https:// URL to what is there; raises FetchError. May block for FETCH_S.
Fetch = Callable[[str], bytes]


class FetchError(OSError):
    """A document that cannot be had; says why, and nothing of what the other side answered."""


class Fetcher:
    """Fetches documents. For any thread."""

    def __init__(self, *, private_addresses: bool = False, ca_location: Path | None = None) -> None:
        """A fetcher.

        Args:
            private_addresses: may be asked too, and one's own.
            ca_location: a PEM file of whose certificates count beside the system's.
        """
        self._private_addresses = private_addresses
        self._context = ssl.create_default_context()
        if ca_location is not None:
            self._context.load_verify_locations(ca_location)
        self._look_ups = ThreadPoolExecutor(_LOOK_UPS, thread_name_prefix="look-up")

    def fetch(self, url: str) -> bytes:
        """What is at an ``https://`` URL, if the answer is 200.

        Raises:
            FetchError: it cannot be had.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or _HTTPS
        except ValueError:
            raise FetchError(f"not a URL: {url[:80]!r}") from None
        if parts.scheme != "https" or not host or "@" in parts.netloc:
            raise FetchError(f"not an https:// URL of a host: {url[:80]!r}")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            return self._get(host, port, path)
        except FetchError:
            raise
        except ssl.SSLError as error:
            raise FetchError(f"{host}: {error.reason or 'TLS failed'}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FetchError(f"{host} does not answer: {type(error).__name__}") from None

    def _get(self, host: str, port: int, path: str) -> bytes:
        plain = socket.create_connection((self._address(host, port), port), limits.FETCH_S)
        with contextlib.closing(plain):  # which the next line takes over, unless it fails
            secured = self._context.wrap_socket(
                plain, server_hostname=host, do_handshake_on_connect=False
            )
        with contextlib.closing(secured), _Deadline(secured, host) as deadline:
            secured.do_handshake()
            connection = http.client.HTTPConnection(host, port)
            connection.sock = secured
            connection.request("GET", path, headers={"Accept": "application/json, */*;q=0.5"})
            with connection.getresponse() as response:
                _check_head(response, host)
                data = response.read(limits.VC_BYTES_MAX + 1)
                deadline.check()
                if len(data) > limits.VC_BYTES_MAX:
                    raise FetchError(f"{host} sends more than {limits.VC_BYTES_MAX} bytes")
                if response.length:  # of what was announced, not all has come
                    raise FetchError(f"{host} hangs up too early")
        return data

    def _address(self, host: str, port: int) -> str:
        """An address of the host that may be asked."""
        found = self._look_ups.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            entries = found.result(limits.FETCH_S)
        except TimeoutError:
            found.cancel()
            raise FetchError(f"{host} is not found within {limits.FETCH_S} s") from None
        for entry in entries:
            address = str(entry[4][0])
            if self._private_addresses or is_public(address):
                return address
        raise FetchError(f"{host} has no public address")


class _Deadline:
    """Hangs up after `limits.FETCH_S`: a socket's own time-out begins anew with every byte."""

    def __init__(self, connection: ssl.SSLSocket, host: str) -> None:
        self._connection = connection
        self._host = host
        self._passed = threading.Event()
        self._timer = threading.Timer(limits.FETCH_S, self._hang_up)
        self._timer.daemon = True

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._timer.cancel()
        if error is not None:
            self.check()

    def check(self) -> None:
        """Raises `FetchError` if it has passed."""
        if self._passed.is_set():
            raise FetchError(f"{self._host} takes longer than {limits.FETCH_S} s") from None

    def _hang_up(self) -> None:
        self._passed.set()
        with contextlib.suppress(OSError):
            # Not the TLS socket's own method: it would have the reader go on in the clear.
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)


def _check_head(response: http.client.HTTPResponse, host: str) -> None:
    if response.status != _OK:
        raise FetchError(f"{host} answers {response.status}")
    type_ = response.headers.get_content_type() if "Content-Type" in response.headers else ""
    if type_ and type_ not in _TYPES and not type_.endswith("+json"):
        raise FetchError(f"{host} sends neither JSON nor a token")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise FetchError(f"{host} sends what it was not asked for: compressed")


def is_public(text: str) -> bool:
    """Whether an address is one that anybody may be asked at (RFC 6890, RFC 4291)."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(str(address.ipv4_mapped))
        if address not in _GLOBAL_UNICAST or any(address in one for one in _TRANSLATED):
            return False
    return address.is_global and not address.is_multicast
