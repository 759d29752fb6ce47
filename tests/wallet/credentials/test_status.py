"""Bitstring status lists over real HTTPS: revocation noticed, lists that do not hold refused."""

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from streams import limits
from streams.clock import ManualClock
from streams.wallet.credentials.faults import CredentialError, Fault
from streams.wallet.credentials.issuing import Identity, Securing, Statement, issue
from streams.wallet.credentials.status import (
    ENTRY,
    LIST,
    LIST_CREDENTIAL,
    StatusLists,
    encode_bits,
)
from streams.wallet.credentials.verifier import Verifier
from streams.wallet.did import KeyKind
from streams.wallet.fetching import Fetcher
from streams.wallet.keys import from_secret
from streams.wallet.resolver import KeyResolver
from tests.wallet.https_server import HttpsServer, answer

ISSUER, OTHER = (
    Identity.of_key(from_secret(KeyKind.ED25519, bytes([number] * 32))) for number in (1, 2)
)
PATH = "/status/3"
INDEX = 94567  # the specification's example
# The specification's example of `encodedList` (section 2.2), all of whose bits are 0.
EMPTY = "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA"


class Setting:
    """An issuer's list on a server, and a verifier that looks it up."""

    def __init__(self, https: HttpsServer, fetcher: Fetcher, grace_s: float = 0) -> None:
        self.https = https
        self.clock = ManualClock()
        self.url = https.url(PATH)
        plain = Verifier(KeyResolver(), self.clock)
        lists = StatusLists(fetcher.fetch, plain, self.clock, grace_s)
        self.verifier = Verifier(KeyResolver(), self.clock, lists)

    def publish(
        self, bits: str = EMPTY, issuer: Identity = ISSUER, securing: Securing = Securing.JWT,
        purpose: Any = "revocation", name: str | None = None, **more: Any,
    ) -> None:  # fmt: skip
        subject = {"type": LIST, "statusPurpose": purpose, "encodedList": bits, **more}
        statement = Statement([LIST_CREDENTIAL], subject, id=name or self.url)
        text = issue(statement, issuer, self.clock.now_ms(), securing)
        self.https.answers[PATH] = answer(text.encode(), "application/vc+jwt")

    def credential(self, **entry: Any) -> str:
        status = {
            "type": ENTRY,
            "statusPurpose": "revocation",
            "statusListIndex": str(INDEX),
            "statusListCredential": self.url,
        } | entry
        statement = Statement([], {"id": OTHER.did}, status=status)
        return issue(statement, ISSUER, self.clock.now_ms(), Securing.DATA_INTEGRITY)

    def refused(self, credential: str | None = None) -> Fault | None:
        """Why the credential is not believed, or None."""
        try:
            self.verifier.credential(credential or self.credential())
        except CredentialError as error:
            return error.fault
        return None


@pytest.fixture
def setting(https: HttpsServer, fetcher: Fetcher) -> Setting:
    return Setting(https, fetcher)


@pytest.mark.parametrize("securing", list(Securing))
def test_a_revocation_is_noticed_once_the_list_is_old(setting: Setting, securing: Securing) -> None:
    setting.publish(securing=securing)
    assert setting.refused() is None
    setting.publish(encode_bits([INDEX]), securing=securing)
    setting.clock.advance_ms(1000 * limits.STATUS_LIFE_S - 1)
    assert setting.refused() is None
    setting.clock.advance_ms(1)
    assert setting.refused() is Fault.REVOKED
    setting.publish(encode_bits([INDEX - 1, INDEX + 1, 0, limits.STATUS_BITS_MIN - 1]))
    setting.clock.advance_ms(1000 * limits.STATUS_LIFE_S)
    assert setting.refused() is None
    assert len(setting.https.asked) == 3


def test_an_issuer_may_ask_for_a_shorter_life_of_its_list(setting: Setting) -> None:
    setting.publish(ttl=10_000, purpose=["suspension", "revocation"])
    suspension = setting.credential(statusPurpose="suspension")
    assert setting.refused(suspension) is None
    setting.publish(encode_bits([INDEX]), ttl=10_000, purpose=["suspension", "revocation"])
    setting.clock.advance_ms(10_000)
    assert setting.refused(suspension) is Fault.SUSPENDED


def test_a_list_that_cannot_be_had_is_not_taken_for_an_empty_one(
    https: HttpsServer, fetcher: Fetcher
) -> None:
    setting = Setting(https, fetcher, grace_s=60)
    assert setting.refused() is Fault.STATUS_UNAVAILABLE
    setting.publish()
    assert setting.refused() is Fault.STATUS_UNAVAILABLE  # not asked for again at once
    setting.clock.advance_ms(1000 * limits.FETCH_RETRY_S)
    assert setting.refused() is None
    https.answers.clear()
    setting.clock.advance_ms(1000 * (limits.STATUS_LIFE_S + 60) - 1)
    assert setting.refused() is None  # within the grace that was set
    setting.clock.advance_ms(1)
    assert setting.refused() is Fault.STATUS_UNAVAILABLE
    setting.publish(encode_bits([INDEX]))
    setting.clock.advance_ms(1000 * limits.FETCH_RETRY_S)
    assert setting.refused() is Fault.REVOKED


def test_a_forged_list_is_refused_even_within_the_grace(
    https: HttpsServer, fetcher: Fetcher
) -> None:
    setting = Setting(https, fetcher, grace_s=60)
    setting.publish()
    assert setting.refused() is None
    setting.clock.advance_ms(1000 * limits.STATUS_LIFE_S)
    setting.publish(issuer=OTHER)
    assert setting.refused() is Fault.MALFORMED_STATUS


def test_a_verifier_that_looks_nothing_up_refuses_what_can_be_revoked(setting: Setting) -> None:
    with pytest.raises(CredentialError) as refused:
        Verifier(KeyResolver(), setting.clock).credential(setting.credential())
    assert refused.value.fault is Fault.STATUS_UNSUPPORTED


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"type": "StatusList2021Entry"}, Fault.STATUS_UNSUPPORTED),
        ({"statusPurpose": "message", "statusSize": 2}, Fault.STATUS_UNSUPPORTED),
        ({"statusPurpose": "refresh"}, Fault.STATUS_UNSUPPORTED),
        ({"statusPurpose": "suspension"}, Fault.MALFORMED_STATUS),
        ({"statusListIndex": "-1"}, Fault.MALFORMED_STATUS),
        ({"statusListIndex": "٣"}, Fault.MALFORMED_STATUS),
        ({"statusListIndex": "131072"}, Fault.MALFORMED_STATUS),
        ({"statusListIndex": None}, Fault.MALFORMED_STATUS),
        ({"statusListCredential": {"id": "x"}}, Fault.MALFORMED_STATUS),
        ({"statusListCredential": "http://localhost/x"}, Fault.STATUS_UNAVAILABLE),
    ],
)
def test_an_entry_that_says_something_else_is_refused(
    setting: Setting, entry: dict[str, Any], fault: Fault
) -> None:
    setting.publish()
    assert setting.refused(setting.credential(**entry)) is fault


def _packed(data: bytes) -> str:
    return "u" + base64.urlsafe_b64encode(gzip.compress(data)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "publish",
    [
        lambda it: it.publish(EMPTY[1:]),
        lambda it: it.publish("u!"),
        lambda it: it.publish("u" + "A" * 40),
        lambda it: it.publish(EMPTY[:-12]),
        lambda it: it.publish(_packed(bytes(limits.STATUS_BITS_MIN // 8 - 1))),
        lambda it: it.publish(_packed(bytes(limits.STATUS_BYTES_MAX + 1))),
        lambda it: it.publish(ttl=True),
        lambda it: it.publish(ttl=-1),
        lambda it: it.publish(type="StatusList2021"),
        lambda it: it.publish(name="https://example.org/another"),
        lambda it: it.publish(credentialStatus="x", encodedList=None),
    ],
)  # fmt: skip
def test_a_malformed_list_is_refused(setting: Setting, publish: Callable[[Setting], None]) -> None:
    publish(setting)
    assert setting.refused() is Fault.MALFORMED_STATUS


def test_what_is_no_list_is_refused(setting: Setting) -> None:
    setting.https.answers[PATH] = answer(setting.credential().encode())
    assert setting.refused() is Fault.MALFORMED_STATUS  # a list may not depend on a list
    setting.clock.advance_ms(1000 * limits.FETCH_RETRY_S)
    setting.https.answers[PATH] = answer(json.dumps({"a": 1}).encode())
    assert setting.refused() is Fault.MALFORMED_STATUS


def test_few_lists_are_kept(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STATUS_LISTS_MAX", 1)
    setting.publish()
    assert setting.refused() is None
    other = setting.https.url("/other")
    setting.publish(name=other)
    setting.https.answers["/other"] = setting.https.answers[PATH]
    setting.publish()
    assert setting.refused(setting.credential(statusListCredential=other)) is None
    assert setting.refused() is None
    assert setting.https.asked == [PATH, "/other", PATH]
