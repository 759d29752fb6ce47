"""TLS for every door, and who a client's certificate says that it is.

A device may show a certificate instead of a token: its DID is a URI among the certificate's
alternative names (RFC 5280, section 4.2.1.6), or its common name. It counts if an authority
signed it that the operator named; whether the device may send is for admission to say, as of any.
"""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from streams import limits

log = logging.getLogger(__name__)


class TlsError(RuntimeError):
    """A certificate or key that cannot be used; says which and why."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What the doors show, as PEM files.

    Attributes:
        certificate: the endpoint's, with those in between behind it.
        key: its private key.
        client_ca: who signs devices' certificates; None: none is asked for.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        """For doors on asyncio.

        Raises:
            TlsError: a file cannot be used.
        """
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(self.certificate, self.key)
            if self.client_ca is not None:
                context.load_verify_locations(self.client_ca)
                context.verify_mode = ssl.CERT_OPTIONAL
        except (OSError, ssl.SSLError) as error:
            raise TlsError(
                f"TLS cannot be served with the certificate {self.certificate}, the key {self.key}"
                + (f" and the authority {self.client_ca}" if self.client_ca else "")
                + f": {error}"
            ) from error
        return context

    def renew(self, context: ssl.SSLContext) -> None:
        """Show what the files have now, from the next connection on.

        Raises:
            TlsError: they cannot be used, and what there was is still shown.
        """
        self.context()  # half of a pair is not loaded
        context.load_cert_chain(self.certificate, self.key)
        log.info("the certificate %s was renewed", self.certificate)

    async def keep_renewing(self, context: ssl.SSLContext) -> None:
        """Look at the files now and then, for ever."""
        seen = self._changed_at()
        while True:
            await asyncio.sleep(limits.TLS_LOOK_S)
            now = self._changed_at()
            if now != seen:
                try:
                    self.renew(context)
                    seen = now
                except TlsError as error:  # one of them may be on its way yet
                    log.warning("%s; the certificate from before is shown", error)

    def _changed_at(self) -> tuple[int, ...]:
        try:
            return tuple(one.stat().st_mtime_ns for one in (self.certificate, self.key))
        except OSError:
            return ()

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """For the gRPC door, which asks for no certificate of a client's."""
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        return grpc.ssl_server_credentials([pair])


def certified_did(certificate: Mapping[str, Any] | None) -> str | None:
    """The DID in a client's certificate, as `ssl.SSLSocket.getpeercert` tells of it; None: no
    certificate was shown, or none with a DID."""
    if not certificate:
        return None
    uris = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
    names = [
        value
        for part in certificate.get("subject", ())
        for kind, value in part
        if kind == "commonName"
    ]
    return next((one for one in [*uris, *names] if one.startswith("did:")), None)
