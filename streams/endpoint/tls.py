"""TLS for every door, and who a client's certificate says that it is.

A device may show a certificate instead of a token: its DID is a URI among the certificate's
alternative names (RFC 5280, section 4.2.1.6), or its common name. It counts if an authority
signed it that the operator named; whether the device may send is for admission to say, as of any.
"""

import asyncio
import logging
import ssl
from collections.abc import Iterable, Mapping
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
        seen = self.changed_at()
        while True:
            await asyncio.sleep(limits.TLS_LOOK_S)
            now = self.changed_at()
            if now != seen:
                try:
                    self.renew(context)
                    seen = now
                except TlsError as error:  # one of them may be on its way yet
                    log.warning("%s; the certificate from before is shown", error)

    def changed_at(self) -> tuple[int, ...]:
        """When the files were written; what there is not, at no time."""
        try:
            return tuple(one.stat().st_mtime_ns for one in (self.certificate, self.key))
        except OSError:
            return ()

    def grpc_credentials(self, *, is_mutual: bool = False) -> grpc.ServerCredentials:
        """For the gRPC door; renewed files are shown from the next connection on.

        Args:
            is_mutual: only who shows a certificate of ``client_ca`` gets in. gRPC for Python can
                demand one or ask for none; asyncio's doors ask for one and do without.
        """
        shown = _Shown(self)
        return grpc.dynamic_ssl_server_credentials(shown.first, shown.renewed, is_mutual)


class _Shown:
    """What gRPC shows. It asks before every handshake, on a thread of its own."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._seen = tls.changed_at()
        self.first = self._configuration()

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """What is to be shown from now on; None: what was."""
        now = self._tls.changed_at()
        if now == self._seen:
            return None
        self._seen = now  # whatever comes of it: files that are refused are looked at once
        try:
            self._tls.context()  # half of a pair is not shown
            configuration = self._configuration()
        except (TlsError, OSError) as error:
            log.warning("%s; gRPC shows the certificate from before", error)
            return None
        log.info("the certificate %s was renewed, over gRPC", self._tls.certificate)
        return configuration

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        pair = (self._tls.key.read_bytes(), self._tls.certificate.read_bytes())
        authority = self._tls.client_ca
        return grpc.ssl_server_certificate_configuration(
            [pair], None if authority is None else authority.read_bytes()
        )


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
    return _did_among(*uris, *names)


def grpc_certified_did(authentication: Mapping[str, Iterable[bytes]]) -> str | None:
    """As `certified_did`, of what gRPC tells of a call's connection (its ``auth_context``)."""
    found = [
        value.decode(errors="replace")
        for kind in ("peer_uri", "x509_common_name")
        for value in authentication.get(kind, ())
    ]
    return _did_among(*found)


def _did_among(*names: str) -> str | None:
    return next((one for one in names if one.startswith("did:")), None)
