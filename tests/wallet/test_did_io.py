"""did:io: a contract on a real chain, documents on a real HTTPS server."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from streams import limits
from streams.chain.json_rpc import JsonRpc
from streams.clock import ManualClock
from streams.wallet.credentials.faults import CredentialError, Fault
from streams.wallet.credentials.issuing import Identity, Securing, Statement, issue
from streams.wallet.did import DidError, KeyKind
from streams.wallet.did_io import IoResolver
from streams.wallet.keys import generate
from streams.wallet.resolver import UnresolvedError
from tests.waiting import wait_until
from tests.wallet.https_server import HttpsServer, answer
from topologies.believing import verifier
from topologies.config import Settings

pytestmark = [pytest.mark.services, pytest.mark.slow]

SOURCE = Path(__file__).with_name("ioid_registry.vy")
KEY = generate(KeyKind.ED25519)


class Registry:
    """The contract, deployed; its devices are named by the first bytes of random keys."""

    def __init__(self, rpc_url: str) -> None:
        import vyper

        self._rpc = JsonRpc(rpc_url)
        self._account = self._rpc.call("eth_accounts")[0]
        code = vyper.compile_code(SOURCE.read_text(), output_formats=["bytecode"])["bytecode"]
        self.address: str = self._send({"data": code})["contractAddress"]

    def register(self, did: str, digest: bytes, uri: str) -> None:
        selector = keccak(b"register(address,bytes32,string)")[:4]
        data = encode(["address", "bytes32", "string"], [did.removeprefix("did:io:"), digest, uri])
        self._send({"to": self.address, "data": "0x" + (selector + data).hex()})

    def _send(self, transaction: dict[str, Any]) -> Any:
        sent = self._rpc.call("eth_sendTransaction", {"from": self._account} | transaction)
        found: list[Any] = []

        def mined() -> bool:
            found[:] = [self._rpc.call("eth_getTransactionReceipt", sent)]
            return found[0] is not None

        wait_until(mined, "the transaction")
        return found[0]


@pytest.fixture(scope="module")
def registry(chain_rpc_url: str) -> Registry:
    return Registry(chain_rpc_url)


@pytest.fixture
def settings(
    registry: Registry, chain_rpc_url: str, https: HttpsServer, tmp_path: Path
) -> Settings:
    return Settings.resolve(
        data=tmp_path, did_io_registry=registry.address, did_io_rpc_url=chain_rpc_url,
        did_private_addresses=True, did_ca_location=https.ca_location,
        ipfs_gateway=https.url("/ipfs/"),
    )  # fmt: skip


def _did() -> str:
    return "did:io:0x" + generate(KeyKind.SECP256K1).secret_bytes[:20].hex()


def _document(did: str) -> bytes:
    method = {"id": f"{did}#key-1", "type": "Multikey", "controller": did,
              "publicKeyMultibase": KEY.public.multikey}  # fmt: skip
    return json.dumps({"id": did, "assertionMethod": [method]}).encode()


def _credential(did: str, clock: ManualClock) -> str:
    issuer = Identity(did, f"{did}#key-1", KEY)
    statement = Statement([], {"id": "did:key:zSomebody"})
    return issue(statement, issuer, clock.now_ms(), Securing.JWT)


def _fault(settings: Settings, did: str) -> Fault | None:
    clock = ManualClock()
    try:
        verifier(settings, clock).credential(_credential(did, clock))
    except CredentialError as error:
        return error.fault
    return None


def test_a_document_counts_if_it_has_the_hash_that_the_contract_has(
    registry: Registry, settings: Settings, https: HttpsServer
) -> None:
    did = _did()
    assert _fault(settings, did) is Fault.METHOD_NOT_AUTHORIZED  # no such device
    document = _document(did)
    for hashed in (hashlib.sha256(document).digest(), keccak(document)):
        for uri, path in (("ipfs://bafyAb12", "/ipfs/bafyAb12"), (https.url("/d"), "/d")):
            registry.register(did, hashed, uri)
            https.answers.clear()
            assert _fault(settings, did) is Fault.DID_UNRESOLVED
            https.answers[path] = answer(document)
            assert _fault(settings, did) is None
            https.answers[path] = answer(document.replace(b"{", b"{ ", 1))
            assert _fault(settings, did) is Fault.METHOD_NOT_AUTHORIZED


def test_a_document_of_another_is_none(
    registry: Registry, settings: Settings, https: HttpsServer
) -> None:
    did, document = _did(), _document(_did())
    registry.register(did, hashlib.sha256(document).digest(), https.url("/d"))
    https.answers["/d"] = answer(document)
    assert _fault(settings, did) is Fault.METHOD_NOT_AUTHORIZED
    assert _fault(settings, "did:io:0xabc") is Fault.METHOD_NOT_AUTHORIZED


def test_a_chain_that_is_away_may_be_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CALL_TIMEOUT_S", 1)
    away = settings.model_copy(update={"did_io_rpc_url": "http://127.0.0.1:1"})
    assert _fault(away, _did()) is Fault.DID_UNRESOLVED


def test_what_a_contract_answers_is_not_trusted(https: HttpsServer) -> None:
    def resolver(*answers: bytes) -> IoResolver:
        left = iter(answers)
        return IoResolver(lambda _: next(left), lambda url: url.encode())

    digest = bytes(32)
    for uri, said in (
        ("x" * 2000, "too long"), ("ipfs://bafy", "no ipfs_gateway"), ("x", "not the one"),
    ):  # fmt: skip
        with pytest.raises(DidError, match=said):
            resolver(digest, encode(["string"], [uri])).resolve(_did())
    for broken in (b"", b"\xff" * 64, encode(["bytes"], [b"\xff\xfe"])):
        with pytest.raises(DidError, match="cannot be read"):
            resolver(digest, broken).resolve(_did())
    assert issubclass(UnresolvedError, DidError)
