"""The node's keys, and the contract that its certificates are for."""

import logging
import time
from typing import Any, Final

import requests

from streams.chain.deployment import Deployment, load, resolve
from streams.commitments import address_of
from streams.wallet.did import KeyKind
from topologies.config import Settings
from topologies.unlocking import key_store

log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0


def node_key(settings: Settings, name: str) -> bytes:
    """A secp256k1 key of the node, by its purpose; made when first asked for. 32 bytes.

    Raises:
        KeyFileError: it cannot be had from the wallet.
    """
    return key_store(settings).keys(name, KeyKind.SECP256K1)[0].secret_bytes


def deployment(settings: Settings) -> Deployment:
    """The contract that the data directory records; decided now if there is none.

    Waits for the chain if it has to be asked which it is.

    Raises:
        DeploymentError: the record cannot be read, or is of another contract than the settings.
    """
    path = settings.data / "contract.json"
    address = settings.contract_address
    given = None if address is None else bytes.fromhex(address[2:])
    if path.exists() and given is None:
        return load(path)
    authority = address_of(node_key(settings, "authority"))
    operator = address_of(node_key(settings, "operator"))
    chain_id = _chain_id(settings)
    return resolve(
        path, chain_id, owner=operator, authorities=[authority], threshold=1, contract=given
    )


def _chain_id(settings: Settings) -> int:
    assert settings.chain_rpc_url is not None
    call: Any = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    while True:
        try:
            answer = requests.post(settings.chain_rpc_url, json=call, timeout=5)
            return int(answer.json()["result"], 16)
        except (requests.RequestException, KeyError, ValueError) as error:
            log.warning("the chain does not say which it is: %s", type(error).__name__)
            time.sleep(_RETRY_S)
