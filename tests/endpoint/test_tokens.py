"""Challenges and tokens: issued here, used by their device, for a while."""

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey

from streams import limits
from streams.clock import ManualClock
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.tokens import Challenges, Tokens
from streams.wallet.did import KeyKind
from streams.wallet.keys import SigningKey, generate

SECRET = bytes(range(32))
CAR = generate(KeyKind.ED25519)


def _secrets() -> list[bytes]:
    return [SECRET]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def _refusal(tokens: Tokens, token: str) -> Refusal:
    with pytest.raises(RefusedError) as error:
        tokens.holder_of(token)
    return error.value.refusal


def _unsigned(head: dict[str, object], claims: dict[str, object]) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()) for part in (head, claims))
    return ".".join(part.decode().rstrip("=") for part in parts) + "."


def _redeem_refusal(
    challenges: Challenges, device: str, challenge: str, signature: bytes
) -> Refusal:
    with pytest.raises(RefusedError) as error:
        challenges.redeem(device, challenge, signature)
    return error.value.refusal


def test_a_token_is_its_devices_until_it_expires(clock: ManualClock) -> None:
    tokens = Tokens(_secrets, clock)
    token, expires_ms = tokens.issue(CAR.did)
    assert expires_ms - clock.now_ms() == limits.TOKEN_LIFE_S * 1000
    assert Tokens(_secrets, clock).holder_of(token) == CAR.did  # another process of the node
    assert tokens.holder_of(token) == CAR.did
    clock.advance_ms(limits.TOKEN_LIFE_S * 1000 - 1)
    assert tokens.holder_of(token) == CAR.did
    clock.advance_ms(1)
    assert _refusal(tokens, token) is Refusal.TOKEN_EXPIRED
    assert _refusal(Tokens(_secrets, clock), token) is Refusal.TOKEN_EXPIRED


def test_forged_tokens_are_refused(clock: ManualClock) -> None:
    tokens = Tokens(_secrets, clock)
    token, _ = tokens.issue(CAR.did)
    head, body, signature = token.split(".")
    claims = {"sub": CAR.did, "exp": clock.now_ms() // 1000 + 60}
    other = OctKey.import_key(bytes(32))
    forged = [
        "",
        "x",
        "..",
        token[:-2],
        token + "é",
        f"{head}.{body}.",
        f"{head}.{body[:-1]}.{signature}",
        "x" * limits.CREDENTIAL_BYTES_MAX * 2,
        jwt.encode({"alg": "HS256", "typ": "w3b-token+jwt"}, claims, other),
        jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET)),
        _unsigned({"alg": "none", "typ": "w3b-token+jwt"}, claims),
        Challenges(_secrets, clock).issue(CAR.did)[0],  # a challenge is no token
    ]
    for text in forged:
        assert _refusal(tokens, text) is Refusal.TOKEN_FORGED
    assert tokens.holder_of(token) == CAR.did


@given(st.text(max_size=200))
def test_no_text_raises_anything_but_a_refusal(text: str) -> None:
    clock = ManualClock()
    challenge, _ = Challenges(_secrets, clock).issue(CAR.did)
    for attempt in (text, challenge + text, f"{text}.{text}.{text}"):
        with contextlib.suppress(RefusedError):
            assert Tokens(_secrets, clock).holder_of(attempt) is None
        with contextlib.suppress(RefusedError):
            Challenges(_secrets, clock).redeem(attempt, attempt, attempt.encode(errors="replace"))


@pytest.mark.parametrize("kind", KeyKind)
def test_a_challenge_is_redeemed_once(clock: ManualClock, kind: KeyKind) -> None:
    device = generate(kind)
    challenges = Challenges(_secrets, clock)
    challenge, expires_ms = challenges.issue(device.did)
    assert expires_ms - clock.now_ms() == limits.CHALLENGE_LIFE_S * 1000
    signature = device.sign(challenge.encode())
    challenges.redeem(device.did, challenge, signature)
    again = _redeem_refusal(challenges, device.did, challenge, signature)
    assert again is Refusal.CHALLENGE_USED


def test_a_challenge_is_for_one_device_one_signature_and_one_minute(clock: ManualClock) -> None:
    def signed(by: SigningKey, challenge: str) -> bytes:
        return by.sign(challenge.encode())

    challenges, thief = Challenges(_secrets, clock), generate(KeyKind.ED25519)
    challenge, _ = challenges.issue(CAR.did)
    refusals = [
        _redeem_refusal(challenges, thief.did, challenge, signed(thief, challenge)),
        _redeem_refusal(challenges, CAR.did, challenge, signed(thief, challenge)),
        _redeem_refusal(challenges, CAR.did, challenge, b""),
        _redeem_refusal(challenges, CAR.did, challenge + "x", signed(CAR, challenge + "x")),
        _redeem_refusal(challenges, "did:web:car", challenge, signed(CAR, challenge)),
        _redeem_refusal(
            challenges, CAR.did, token := Tokens(_secrets, clock).issue(CAR.did)[0],
            signed(CAR, token),
        ),
    ]  # fmt: skip
    assert refusals == [
        Refusal.CHALLENGE_FORGED,
        Refusal.SIGNATURE_INVALID,
        Refusal.SIGNATURE_INVALID,
        Refusal.CHALLENGE_FORGED,
        Refusal.MALFORMED_REQUEST,
        Refusal.CHALLENGE_FORGED,
    ]
    clock.advance_ms(limits.CHALLENGE_LIFE_S * 1000)
    late = _redeem_refusal(challenges, CAR.did, challenge, signed(CAR, challenge))
    assert late is Refusal.CHALLENGE_EXPIRED


def test_used_challenges_are_forgotten_once_they_have_expired(clock: ManualClock) -> None:
    challenges = Challenges(_secrets, clock)
    for _ in range(10):
        challenge, _ = challenges.issue(CAR.did)
        challenges.redeem(CAR.did, challenge, CAR.sign(challenge.encode()))
        clock.advance_ms(limits.CHALLENGE_LIFE_S * 1000)
    assert len(challenges._used._used) == 1


def test_a_rotated_secret_ends_no_token_until_it_is_forgotten(clock: ManualClock) -> None:
    held = [SECRET]
    tokens, challenges = Tokens(lambda: held, clock), Challenges(lambda: held, clock)
    (before, _), (challenge, _) = tokens.issue(CAR.did), challenges.issue(CAR.did)
    held.insert(0, bytes(32))
    assert tokens.holder_of(before) == CAR.did
    challenges.redeem(CAR.did, challenge, CAR.sign(challenge.encode()))
    after, _ = tokens.issue(CAR.did)
    held.pop()
    clock.advance_ms(limits.SECRETS_LOOK_MS)
    assert tokens.holder_of(after) == CAR.did
    assert _refusal(tokens, before) is Refusal.TOKEN_FORGED
