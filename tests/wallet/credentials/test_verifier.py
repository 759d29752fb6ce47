"""Credentials and presentations: issued, believed, and every way of not being believed."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey

from streams import limits
from streams.clock import ManualClock
from streams.wallet.credentials.envelope import CREDENTIAL_TYPE, seal
from streams.wallet.credentials.faults import CredentialError, Fault
from streams.wallet.credentials.integrity import add_proof
from streams.wallet.credentials.issuing import Identity, Securing, Statement, issue, present
from streams.wallet.credentials.verifier import Verifier
from streams.wallet.did import DidError, KeyKind
from streams.wallet.documents import DidDocument
from streams.wallet.keys import from_secret
from streams.wallet.resolver import KeyResolver, Resolvers, UnresolvedError

CLOCK = ManualClock()
NOW_MS = CLOCK.now_ms()
YEAR_MS = 365 * 24 * 3_600_000
ISSUER, HOLDER, MALLORY = (
    Identity.of_key(from_secret(KeyKind.ED25519, bytes([number] * 32))) for number in (1, 2, 3)
)
P256 = Identity.of_key(from_secret(KeyKind.P256, bytes([1] * 32)))
SECP256K1 = Identity.of_key(from_secret(KeyKind.SECP256K1, bytes([1] * 32)))
STATEMENT = Statement(["Owned"], {"id": HOLDER.did, "colour": "red"}, (), NOW_MS + YEAR_MS)
VERIFIER = Verifier(Resolvers({"key": KeyResolver()}), CLOCK)
SIGNERS = [
    (ISSUER, Securing.DATA_INTEGRITY),
    (ISSUER, Securing.JWT),
    (P256, Securing.JWT),
    (SECP256K1, Securing.JWT),
]


def _issued(securing: Securing = Securing.DATA_INTEGRITY, issuer: Identity = ISSUER) -> str:
    return issue(STATEMENT, issuer, NOW_MS, securing)


def _refused(shown: bytes | str, verifier: Verifier = VERIFIER) -> Fault:
    with pytest.raises(CredentialError) as refused:
        verifier.credential(shown)
    return refused.value.fault


@pytest.mark.parametrize(("issuer", "securing"), SIGNERS)
def test_what_is_issued_is_believed_until_it_ends(issuer: Identity, securing: Securing) -> None:
    shown = _issued(securing, issuer)
    credential = VERIFIER.credential(shown)
    assert (credential.issuer, credential.subject_ids) == (issuer.did, (HOLDER.did,))
    assert credential.types == ("VerifiableCredential", "Owned")
    clock = ManualClock(NOW_MS - limits.CLOCK_SKEW_MS)
    verifier = Verifier(KeyResolver(), clock)
    verifier.credential(shown)
    clock.advance_ms(-1000)
    assert _refused(shown, verifier) is Fault.NOT_YET_VALID
    clock.advance_ms(1000 + YEAR_MS + 2 * limits.CLOCK_SKEW_MS - 1000)
    verifier.credential(shown)
    clock.advance_ms(1000)
    assert _refused(shown, verifier) is Fault.EXPIRED


@pytest.mark.parametrize("identity", [ISSUER, P256, SECP256K1])
def test_another_implementation_of_jose_reads_our_tokens(identity: Identity) -> None:
    token = _issued(Securing.JWT, identity)
    kinds: dict[KeyKind, tuple[Any, str]] = {
        KeyKind.ED25519: (OKPKey, "Ed25519"),
        KeyKind.P256: (ECKey, "ES256"),
        KeyKind.SECP256K1: (ECKey, "ES256K"),
    }
    key_type, algorithm = kinds[identity.signer.public.kind]
    key = key_type.import_key(identity.signer.to_pem())  # type: ignore[attr-defined]
    opened = jws.deserialize_compact(token, key, [algorithm])
    assert opened.headers() == {
        "alg": algorithm, "typ": "vc+jwt", "cty": "vc", "kid": identity.method,
    }  # fmt: skip
    assert json.loads(opened.payload)["issuer"] == identity.did


# --- the model -----------------------------------------------------------------------------------


def _body(**changes: Any) -> dict[str, Any]:
    body = {name: one for name, one in json.loads(_issued()).items() if name != "proof"} | changes
    return {name: value for name, value in body.items() if value is not ...}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"@context": ...}, Fault.CONTEXT_MISSING),
        ({"@context": "https://www.w3.org/ns/credentials/v2"}, Fault.CONTEXT_MISSING),
        ({"@context": ["https://www.w3.org/2018/credentials/v1"]}, Fault.CONTEXT_MISSING),
        ({"@context": ["https://www.w3.org/ns/credentials/v2", 1]}, Fault.CONTEXT_MISSING),
        ({"type": ...}, Fault.TYPE_MISSING),
        ({"type": ["Owned"]}, Fault.TYPE_MISSING),
        ({"type": ["VerifiableCredential", 1]}, Fault.TYPE_MISSING),
        ({"issuer": ...}, Fault.MALFORMED_CREDENTIAL),
        ({"issuer": {"name": "me"}}, Fault.MALFORMED_CREDENTIAL),
        ({"issuer": "no url"}, Fault.MALFORMED_CREDENTIAL),
        ({"id": "no url"}, Fault.MALFORMED_CREDENTIAL),
        ({"id": 1}, Fault.MALFORMED_CREDENTIAL),
        ({"credentialSubject": ...}, Fault.MALFORMED_CREDENTIAL),
        ({"credentialSubject": []}, Fault.MALFORMED_CREDENTIAL),
        ({"credentialSubject": {}}, Fault.MALFORMED_CREDENTIAL),
        ({"credentialSubject": {"id": 1}}, Fault.MALFORMED_CREDENTIAL),
        ({"credentialSubject": "did:example:a"}, Fault.MALFORMED_CREDENTIAL),
        ({"validFrom": "2020-01-01"}, Fault.MALFORMED_CREDENTIAL),
        ({"validFrom": "2020-02-30T00:00:00Z"}, Fault.MALFORMED_CREDENTIAL),
        ({"validUntil": "2020-01-01T00:00:00Z"}, Fault.MALFORMED_CREDENTIAL),
        ({"credentialSchema": {"id": "https://a.example"}}, Fault.MALFORMED_CREDENTIAL),
        ({"evidence": "none"}, Fault.MALFORMED_CREDENTIAL),
    ],
)
def test_what_is_not_of_the_models_form_is_refused_by_name(
    changes: dict[str, Any], fault: Fault
) -> None:
    body = _body(**changes)
    options = {"verificationMethod": ISSUER.method, "proofPurpose": "assertionMethod"}
    assert _refused(json.dumps(add_proof(body, options, ISSUER.signer))) is fault
    assert _refused(seal(body, CREDENTIAL_TYPE, ISSUER.method, ISSUER.signer)) is fault


def test_an_issuer_may_be_described() -> None:
    body = _body(issuer={"id": ISSUER.did, "name": "a node"})
    token = seal(body, CREDENTIAL_TYPE, ISSUER.method, ISSUER.signer)
    assert VERIFIER.credential(token).issuer == ISSUER.did


# --- who signed ----------------------------------------------------------------------------------


def test_nobody_signs_for_another() -> None:
    body = _body()
    options = {"verificationMethod": MALLORY.method, "proofPurpose": "assertionMethod"}
    proof = json.dumps(add_proof(body, options, MALLORY.signer))
    assert _refused(proof) is Fault.METHOD_NOT_AUTHORIZED
    token = seal(body, CREDENTIAL_TYPE, MALLORY.method, MALLORY.signer)
    assert _refused(token) is Fault.METHOD_NOT_AUTHORIZED
    claimed = seal(body, CREDENTIAL_TYPE, ISSUER.method, MALLORY.signer)
    assert _refused(claimed) is Fault.SIGNATURE_INVALID


def test_a_key_of_another_purpose_does_not_assert() -> None:
    agreement = next(one for one in KeyResolver().resolve(ISSUER.did).keys if one != ISSUER.method)
    for method in (agreement, ISSUER.did + "#other", "did:key:zzz#zzz", "did:example:a#b"):
        token = seal(_body(), CREDENTIAL_TYPE, method, ISSUER.signer)
        assert _refused(token) is Fault.METHOD_NOT_AUTHORIZED


def test_an_issuer_that_cannot_be_found_now_has_a_name_of_its_own() -> None:
    class Away:
        def resolve(self, did: str) -> DidDocument:
            raise UnresolvedError(f"{did} does not answer")

    assert _refused(_issued(), Verifier(Away(), CLOCK)) is Fault.DID_UNRESOLVED


# --- every field, every byte ----------------------------------------------------------------------


def _flip(shown: str, at: int) -> str:
    return shown[:at] + ("A" if shown[at] != "A" else "B") + shown[at + 1 :]


def test_every_field_of_a_credential_is_signed() -> None:
    shown = json.loads(_issued())
    places: list[tuple[dict[str, Any], str]] = [
        (place, name)
        for place in (shown, shown["proof"], shown["credentialSubject"])
        for name in place
    ]
    assert len(places) > 15
    for place, name in places:
        kept = place.pop(name)
        if name != "id" or place is shown["credentialSubject"]:
            _refused(json.dumps(shown))
        place[name] = "https://other.example/"
        _refused(json.dumps(shown))
        place[name] = kept
    VERIFIER.credential(json.dumps(shown))


def _header(**changes: Any) -> dict[str, Any]:
    header = {"alg": "Ed25519", "typ": "vc+jwt", "cty": "vc", "kid": ISSUER.method, **changes}
    return {name: value for name, value in header.items() if value is not ...}


def _token(header: dict[str, Any], payload: dict[str, Any]) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in (header, payload)
    ]
    signature = ISSUER.signer.sign(b".".join(parts))
    parts.append(base64.urlsafe_b64encode(signature).rstrip(b"="))
    return b".".join(parts).decode()


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ({"typ": "JWT"}, Fault.MALFORMED_JWT),
        ({"typ": "vp+jwt"}, Fault.MALFORMED_JWT),
        ({"typ": ...}, Fault.MALFORMED_JWT),
        ({"kid": ...}, Fault.MALFORMED_JWT),
        ({"kid": "key-1"}, Fault.MALFORMED_JWT),
        ({"jwk": {"kty": "OKP"}}, Fault.MALFORMED_JWT),
        ({"crit": ["b64"], "b64": False}, Fault.MALFORMED_JWT),
        ({"alg": "none"}, Fault.CRYPTOSUITE_UNSUPPORTED),
        ({"alg": "HS256"}, Fault.CRYPTOSUITE_UNSUPPORTED),
        ({"alg": "EdDSA"}, Fault.CRYPTOSUITE_UNSUPPORTED),
        ({"alg": "ES256"}, Fault.CRYPTOSUITE_UNSUPPORTED),
        ({"alg": ["Ed25519"]}, Fault.CRYPTOSUITE_UNSUPPORTED),
    ],
)
def test_a_header_that_asks_for_anything_else_is_refused(
    header: dict[str, Any], fault: Fault
) -> None:
    VERIFIER.credential(_token(_header(), _body()))
    assert _refused(_token(_header(**header), _body())) is fault


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"vc": {}}, Fault.MALFORMED_CREDENTIAL),
        ({"iss": MALLORY.did}, Fault.MALFORMED_CREDENTIAL),
        ({"sub": MALLORY.did}, Fault.MALFORMED_CREDENTIAL),
        ({"jti": "urn:other"}, Fault.MALFORMED_CREDENTIAL),
        ({"exp": "tomorrow"}, Fault.MALFORMED_JWT),
        ({"exp": 1e300}, Fault.MALFORMED_JWT),
        ({"exp": True}, Fault.MALFORMED_JWT),
        ({"exp": NOW_MS // 1000 - 61}, Fault.EXPIRED),
        ({"nbf": NOW_MS // 1000 + 61}, Fault.NOT_YET_VALID),
        ({"iat": NOW_MS // 1000 + 61}, Fault.NOT_YET_VALID),
    ],
)
def test_claims_that_say_otherwise_are_refused(claims: dict[str, Any], fault: Fault) -> None:
    assert _refused(_token(_header(), _body(**claims))) is fault


SHOWN = [_issued(securing) for securing in Securing]
CHANGES = [_flip, lambda shown, at: shown[:at], lambda shown, at: shown[:at] + shown[at + 1 :]]


@given(st.sampled_from(SHOWN), st.integers(0, 600), st.sampled_from(CHANGES))
def test_a_changed_byte_is_refused_and_nothing_else_is_raised(
    shown: str, at: int, change: Callable[[str, int], str]
) -> None:
    try:
        found = VERIFIER.credential(change(shown, at))
    except CredentialError:
        return
    assert found.body == VERIFIER.credential(shown).body  # bits of base64url that say nothing


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_nothing_but_a_credential_is_believed(shown: bytes | str) -> None:
    for prefix in ("", "{", '{"proof":'):
        text = prefix.encode() + shown if isinstance(shown, bytes) else prefix + shown
        with pytest.raises(CredentialError):
            VERIFIER.credential(text)
        with pytest.raises(CredentialError):
            VERIFIER.presentation(text, challenge="a", domain="b")


# --- presentations --------------------------------------------------------------------------------


def _presented(securing: Securing, holder: Identity = HOLDER, **more: Any) -> str:
    bound = {"challenge": "c-1", "domain": "node.example", **more}
    held = [_issued(), _issued(Securing.JWT)]
    return present(held, holder, NOW_MS, securing=securing, **bound)


@pytest.mark.parametrize("securing", Securing)
def test_a_presentation_is_for_one_challenge_and_domain(securing: Securing) -> None:
    def refused(shown: str, challenge: str = "c-1", domain: str = "node.example") -> Fault:
        with pytest.raises(CredentialError) as error:
            VERIFIER.presentation(shown, challenge=challenge, domain=domain)
        return error.value.fault

    shown = _presented(securing)
    presented = VERIFIER.presentation(shown, challenge="c-1", domain="node.example")
    assert presented.presentation.holder == HOLDER.did
    assert [one.subject_ids for one in presented.credentials] == [(HOLDER.did,)] * 2
    assert refused(shown, challenge="c-2") is Fault.CHALLENGE_MISMATCH
    assert refused(shown, domain="other.example") is Fault.DOMAIN_MISMATCH
    assert refused(_issued(securing)) in (Fault.TYPE_MISSING, Fault.MALFORMED_JWT)
    stolen = Identity(HOLDER.did, MALLORY.method, MALLORY.signer)
    assert refused(_presented(securing, stolen)) is Fault.METHOD_NOT_AUTHORIZED
    with pytest.raises(CredentialError):
        VERIFIER.credential(shown)


def test_a_presentation_of_a_credential_that_does_not_hold_does_not_hold() -> None:
    forged = json.loads(_issued()) | {"validUntil": "2999-01-01T00:00:00Z"}
    shown = present(
        [json.dumps(forged)], HOLDER, NOW_MS,
        challenge="c", domain="d", securing=Securing.JWT,
    )  # fmt: skip
    with pytest.raises(CredentialError) as refused:
        VERIFIER.presentation(shown, challenge="c", domain="d")
    assert refused.value.fault is Fault.SIGNATURE_INVALID


def _without_holder(body: dict[str, Any]) -> None:
    del body["holder"]


def _with_many(body: dict[str, Any]) -> None:
    body["verifiableCredential"] *= 9


def _with_a_bad_envelope(body: dict[str, Any]) -> None:
    body["verifiableCredential"][1]["id"] = "data:text/plain,x"


@pytest.mark.parametrize("change", [_without_holder, _with_many, _with_a_bad_envelope])
def test_a_malformed_presentation_is_refused(change: Callable[[dict[str, Any]], None]) -> None:
    body = json.loads(_presented(Securing.DATA_INTEGRITY))
    change(body)
    with pytest.raises(CredentialError) as refused:
        VERIFIER.presentation(json.dumps(body), challenge="c-1", domain="node.example")
    assert refused.value.fault is Fault.MALFORMED_PRESENTATION


def test_a_did_error_of_a_resolver_is_no_traceback() -> None:
    class Broken:
        def resolve(self, did: str) -> DidDocument:
            raise DidError("not its document")

    assert _refused(_issued(), Verifier(Broken(), CLOCK)) is Fault.METHOD_NOT_AUTHORIZED
