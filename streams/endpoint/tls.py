"""TLS for every door, and who a client's certificate says that it is.

A device may show a certificate instead of a token: its DID is a URI among the certificate's
alternative names (RFC 5280, section 4.2.1.6), or its common name. It counts if an authority
signed it that the operator named; whether the device may send is for admission to say, as of any.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc


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
