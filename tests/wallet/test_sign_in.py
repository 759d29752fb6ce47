"""Sign-In with Ethereum: texts of the standard, signed by another implementation."""

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from streams import limits
from streams.wallet.sign_in import SignInError, is_signed_by, read_sign_in

# The standard's own example.
EXAMPLE = """example.com wants you to sign in with your Ethereum account:
0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2

I accept the ExampleOrg Terms of Service: https://example.com/tos

URI: https://example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- https://example.com/my-web2-claim.json"""
ISSUED_MS = 1_633_019_124_000


def test_the_standards_example_is_read() -> None:
    said = read_sign_in(EXAMPLE)
    assert said.did == "did:pkh:eip155:1:0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
    assert (said.nonce, said.issued_at_ms, said.expires_ms) == ("32891756", ISSUED_MS, None)
    assert said.is_for("example.com")
    assert not said.is_for("example.org")
    skew_ms = limits.CLOCK_SKEW_MS
    assert [said.holds_at(ISSUED_MS - skew_ms - past_ms) for past_ms in (0, 1)] == [True, False]


def test_a_text_need_not_say_what_it_need_not_and_may_say_all() -> None:
    plain = EXAMPLE.replace(
        "I accept the ExampleOrg Terms of Service: https://example.com/tos\n", ""
    )
    assert read_sign_in(plain.partition("\nResources")[0]).uri == "https://example.com/login"
    times = "Z\nExpiration Time: 2021-09-30T17:00:00.5+00:30\nNot Before: 2021-09-30T16:26:24Z"
    said = read_sign_in("https://" + EXAMPLE.replace("Z\n", times + "\nRequest ID: a\n", 1))
    assert (said.not_before_ms, said.expires_ms) == (ISSUED_MS + 60_000, ISSUED_MS + 276_500)
    skew_ms = limits.CLOCK_SKEW_MS
    ends_ms = ISSUED_MS + 276_500 + skew_ms
    assert [said.holds_at(at_ms) for at_ms in (ISSUED_MS - 1, ends_ms - 1, ends_ms)] == [
        False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Version: 1", "Version: 2"),
        ("0xC02a", "0xc02a"),
        ("Nonce: 32891756", "Nonce: 3289175"),
        ("Nonce: 32891756", "Nonce: 3289175-"),
        ("Chain ID: 1", "Chain ID: one"),
        ("16:25:24Z", "16:25:24"),
        ("2021-09-30", "2021-09-31"),
        ("URI: ", "URI:"),
        ("\n\nI", "\nI"),
        ("I accept", "I\naccept"),
        ("example.com wants", "ftp://example.com wants"),
        ("example.com wants", "user@example.com wants"),
        ("claim.json", "claim.json\n"),
        ("account:", "account :"),
    ],
)
def test_another_text_is_none(before: str, after: str) -> None:
    assert before in EXAMPLE
    with pytest.raises(SignInError):
        read_sign_in(EXAMPLE.replace(before, after, 1))


@pytest.mark.parametrize(
    "uri", ["https://example.org/", "https://a@example.com/", "ftp://example.com/", "https://[/"]
)
def test_the_page_has_to_be_of_the_domain(uri: str) -> None:
    assert not read_sign_in(EXAMPLE.replace("https://example.com/login", uri)).is_for("example.com")


def test_who_signed_is_found_whichever_way_v_is_written() -> None:
    account, other = Account.from_key(bytes([1] * 32)), Account.from_key(bytes([2] * 32))
    signature = bytes(account.sign_message(encode_defunct(text=EXAMPLE)).signature)
    assert is_signed_by(EXAMPLE, signature, account.address)
    assert is_signed_by(EXAMPLE, signature[:-1] + bytes([signature[-1] - 27]), account.address)
    assert not is_signed_by(EXAMPLE, signature, other.address)
    assert not is_signed_by(EXAMPLE + " ", signature, account.address)
    assert not is_signed_by(EXAMPLE, signature[:-1], account.address)
    for number in range(0, 65, 8):
        changed = bytearray(signature)
        changed[number] ^= 1
        assert not is_signed_by(EXAMPLE, bytes(changed), account.address)
