"""Whose a CONNECT is."""

import hmac

from mqtt5 import ConnectPacket

from streams.endpoint.admission import Refusal, RefusedError, name_of
from streams.endpoint.intake import Intake
from streams.registry.entries import Device, Publisher


def authenticated(intake: Intake, packet: ConnectPacket, did: str | None) -> Device | Publisher:
    """Who a client is: its password is a token, or the link brought a certificate.

    Args:
        intake: whom to ask.
        packet: its CONNECT.
        did: of the certificate, which a password goes before.

    Raises:
        RefusedError: as `Intake.sender` and `Intake.certified`; TOKEN_MISSING, or TOKEN_FORGED: the
            user name is another's.
    """
    if packet.password:
        sender = intake.sender(packet.password.decode(errors="replace"))
        named = packet.username or packet.client_id
    elif did is not None:
        sender = intake.certified(did)
        named = packet.username or did
    else:
        raise RefusedError(
            Refusal.TOKEN_MISSING,
            "connect with the device's DID as user name and a token from POST /v1/tokens as "
            "password, or with a publisher's key and its token",
        )
    name = name_of(sender)
    if not hmac.compare_digest(named.encode(), name.encode()):
        raise RefusedError(Refusal.TOKEN_FORGED, "the token is not that of the user name")
    return sender
