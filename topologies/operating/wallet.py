"""Who the node is."""

from typing import Any

from streams.commitments import address_of
from streams.wallet.keys import KeyFileError
from topologies.commands import CommandError
from topologies.config import Settings
from topologies.identity import held_credentials, node_identity
from topologies.parts.contract import node_key
from topologies.registering import Desk


def show_wallet(_: Desk | None, settings: Settings) -> dict[str, Any]:
    """The node's DID, the addresses of its keys, and the credentials that it keeps about itself.

    Raises:
        CommandError: the wallet does not open.
    """
    try:
        identity = node_identity(settings)
        addresses = {
            name: "0x" + address_of(node_key(settings, name)).hex()
            for name in ("authority", "operator")
        }
    except KeyFileError as error:
        raise CommandError(str(error)) from error
    return {
        "did": identity.did,
        "method": identity.method,
        "keys": addresses,
        "credentials": held_credentials(settings),
    }
