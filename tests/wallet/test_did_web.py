"""did:web: from a name to an address, and to the document that is there."""

import json

import pytest

from streams import limits
from streams.clock import ManualClock
from streams.wallet.did import DidError, KeyKind
from streams.wallet.did_web import WELL_KNOWN, WebResolver, did_of_host, url_of
from streams.wallet.documents import Purpose, did_key_document, read_document
from streams.wallet.fetching import Fetcher
from streams.wallet.keys import from_secret
from streams.wallet.resolver import CachedResolver, UnresolvedError
from tests.wallet.https_server import HttpsServer, answer

KEY = from_secret(KeyKind.ED25519, bytes(32)).public


@pytest.mark.parametrize(
    ("did", "url"),
    [  # the method's own examples (section 2.5.2)
        ("did:web:w3c-ccg.github.io", "https://w3c-ccg.github.io/.well-known/did.json"),
        ("did:web:w3c-ccg.github.io:user:alice", "https://w3c-ccg.github.io/user/alice/did.json"),
        ("did:web:example.com%3A3000:user:alice", "https://example.com:3000/user/alice/did.json"),
        ("did:web:example.com%3A3000", "https://example.com:3000/.well-known/did.json"),
    ],
)
def test_a_name_says_where_its_document_is(did: str, url: str) -> None:
    assert url_of(did) == url


def test_a_host_has_a_name() -> None:
    assert did_of_host("node.example:8443") == "did:web:node.example%3A8443"


@pytest.mark.parametrize(
    "did",
    ["did:key:z6Mk", "did:web:", "did:web:10.0.0.1", "did:web:2130706433", "did:web:127.1",
     "did:web:a.example%2Fetc", "did:web:user%40a.example", "did:web:a.example%3Aport",
     "did:web:a.example%3A", "did:web:a..example", "did:web:a.example::b", "did:web:a.example:..:b",
     "did:web:a.example:%2E%2E:b", "did:web:a.example:b%2Fc", "did:web:a.example:b%3Fc",
     "did:web:a.example:b%23c", "did:web:a.example:b%0D%0Ac", "did:web:a.example:b%20c",
     "did:web:b%C3%BCcher.example", "did:web:%5B%3A%3A1%5D"],
)  # fmt: skip
def test_what_leads_elsewhere_is_no_name(did: str) -> None:
    with pytest.raises(DidError):
        url_of(did)


def _document(did: str) -> bytes:
    method = f"{did}#key-1"
    body = {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": did,
        "verificationMethod": [
            {"id": method, "type": "Multikey", "controller": did,
             "publicKeyMultibase": KEY.multikey}
        ],
        "assertionMethod": [method],
    }  # fmt: skip
    return json.dumps(body).encode()


def test_a_document_is_fetched_kept_for_a_while_and_fetched_again(
    https: HttpsServer, fetcher: Fetcher
) -> None:
    clock = ManualClock()
    resolver = CachedResolver(WebResolver(fetcher.fetch), clock)
    did = did_of_host(https.host)

    with pytest.raises(UnresolvedError, match="answers 404"):
        resolver.resolve(did)
    https.answers[WELL_KNOWN] = answer(_document(did))
    with pytest.raises(UnresolvedError, match="answers 404"):
        resolver.resolve(did)  # not asked again at once
    clock.advance_ms(1000 * limits.FETCH_RETRY_S)
    document = resolver.resolve(did)
    assert document.verify_key(f"{did}#key-1", Purpose.ASSERTION) == KEY
    with pytest.raises(DidError):
        document.verify_key(f"{did}#key-1", Purpose.AUTHENTICATION)

    https.answers[WELL_KNOWN] = answer(b'{"id": "did:web:other.example"}')
    assert resolver.resolve(did) == document
    assert len(https.asked) == 2
    clock.advance_ms(1000 * limits.DID_LIFE_S)
    with pytest.raises(DidError, match="not the document of"):
        resolver.resolve(did)


def test_a_document_counts_longer_if_no_newer_one_can_be_had(
    https: HttpsServer, fetcher: Fetcher
) -> None:
    clock = ManualClock()
    resolver = CachedResolver(WebResolver(fetcher.fetch), clock, grace_s=60)
    did = did_of_host(https.host)
    https.answers[WELL_KNOWN] = answer(_document(did))
    document = resolver.resolve(did)
    https.answers.clear()
    clock.advance_ms(1000 * (limits.DID_LIFE_S + 60) - 1)
    assert resolver.resolve(did) == document
    clock.advance_ms(1)
    with pytest.raises(UnresolvedError, match="answers 404"):
        resolver.resolve(did)


def test_a_document_that_could_be_read_in_two_ways_is_refused(
    https: HttpsServer, fetcher: Fetcher
) -> None:
    did = did_of_host(https.host)
    https.answers[WELL_KNOWN] = answer(_document(did)[:-1] + b', "id": "did:web:b.example"}')
    with pytest.raises(DidError, match="twice"):
        WebResolver(fetcher.fetch).resolve(did)


def test_a_cache_forgets_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DIDS_CACHED_MAX", 2)
    asked = []

    class Counting:
        def resolve(self, did: str) -> object:
            asked.append(did)
            return did_key_document(did)

    resolver = CachedResolver(Counting(), ManualClock())  # type: ignore[arg-type]
    dids = [from_secret(KeyKind.ED25519, bytes([number] * 32)).did for number in range(3)]
    for did in (dids[0], dids[1], dids[2], dids[2], dids[1], dids[0]):
        assert resolver.resolve(did) == read_document(did, did_key_document(did).to_json())
    assert asked == [dids[0], dids[1], dids[2], dids[0]]
