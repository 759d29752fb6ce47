"""`w3b wallet`, as an operator and an owner type it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from streams import limits
from streams.clock import SystemClock
from streams.wallet.did import KeyKind
from streams.wallet.keys import load_or_create
from tests.wallet.https_server import HttpsServer, answer
from topologies.__main__ import main
from topologies.config import Settings
from topologies.parts.receiving import published

pytestmark = pytest.mark.usefixtures("quick_derivation")

W3b = Callable[..., tuple[int, str, str]]


@pytest.fixture
def wallet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> W3b:
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        status = main(["wallet", *words, "--data", str(tmp_path / "data")])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_a_node_holds_and_presents_a_credential_that_its_operator_signed(
    wallet: W3b, tmp_path: Path
) -> None:
    did = json.loads(wallet("show", "--json")[1])["did"]
    operator = load_or_create(tmp_path / "operator.pem", KeyKind.P256)
    status, _, err = wallet(
        "issue", "--key-file", "operator.pem", "--format", "jwt", "--subject", did,
        "--type", "NodeCredential", "--claim", "cores=2", "-o", "node.vc",
    )  # fmt: skip
    assert (status, err) == (0, "")
    status, out, _ = wallet("verify", "node.vc")
    assert (status, out.splitlines()[0]) == (0, "holds")
    assert f'{{"cores": 2, "id": "{did}"}}' in out
    assert wallet("add", "node.vc")[0] == 0
    assert f"NodeCredential by {operator.did}" in wallet("show")[1]

    assert wallet("present", "--challenge", "c", "--domain", "d", "-o", "node.vp")[0] == 0
    status, out, _ = wallet("verify", "node.vp", "--challenge", "c", "--domain", "d")
    assert (status, out.splitlines()[0]) == (0, f"holds: presented by {did}")
    status, out, _ = wallet("verify", "node.vp", "--challenge", "e", "--domain", "d")
    assert (status, out) == (1, "refused: challenge_mismatch: made for another challenge\n")


def test_what_cannot_be_done_is_one_line(wallet: W3b, tmp_path: Path) -> None:
    def refused(*words: str) -> str:
        status, _, err = wallet(*words)
        assert status == 1
        assert len(err.splitlines()) == 1
        return err

    assert "not a DID" in refused("issue", "--subject", "alice")
    other = load_or_create(tmp_path / "other.pem", KeyKind.SECP256K1).did
    assert "is not NAME=VALUE" in refused("issue", "--subject", other, "--claim", "id=x")
    assert "Ed25519" in refused("issue", "--subject", other, "--key-file", "other.pem")
    assert "cannot be read" in refused("verify", "nothing")
    assert "both --challenge" in refused("verify", "other.pem", "--domain", "d")
    wallet("issue", "--subject", other, "--type", "T", "-o", "other.vc")
    assert "is not about this node" in refused("add", "other.vc")
    assert wallet("verify", "other.vc")[0] == 0
    assert refused("add", "other.pem").startswith("w3b: other.pem is refused: malformed_jwt")


def test_a_wallet_is_made_shown_and_rotated(wallet: W3b, tmp_path: Path) -> None:
    status, out, _ = wallet("init")
    assert (status, "wallet.passphrase: it protects copies of" in out) == (0, True)
    did = out.split()[0]
    assert did in wallet("show")[1]
    assert "there is a wallet" in wallet("init")[2]
    assert "nothing to rotate" in wallet("rotate", "tokens")[2]
    assert f"{did} is now did:key:" in wallet("rotate", "identity", "--now")[1]
    assert did not in wallet("show")[1]
    assert wallet("rotate", "passphrase")[0] == 0
    assert "there is no terminal" in wallet("rotate", "passphrase", "--prompt")[2]


def test_a_node_with_a_name_on_the_web_is_found_and_takes_back_what_it_said(
    wallet: W3b, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FETCH_S", 60)
    device = load_or_create(tmp_path / "device.pem", KeyKind.ED25519).did
    issued = ("issue", "--subject", device, "--revocable", "-o", "device.vc")
    assert "set did_web_host" in wallet(*issued)[2]
    with HttpsServer(tmp_path) as https:
        monkeypatch.setenv("W3B_DID_WEB_HOST", https.host)
        documents = published(Settings.resolve(data=tmp_path / "data"), SystemClock())

        def serve() -> None:
            for path, make in documents.items():
                https.answers[path] = answer(make())

        serve()
        assert wallet(*issued)[0] == 0
        assert "no public address" in wallet("verify", "device.vc")[1]
        monkeypatch.setenv("W3B_DID_CA_LOCATION", str(https.ca_location))
        monkeypatch.setenv("W3B_DID_PRIVATE_ADDRESSES", "true")
        status, out, _ = wallet("verify", "device.vc")
        assert (status, f"issuer   did:web:{https.host.replace(':', '%3A')}" in out) == (0, True)

        assert wallet("rotate", "identity")[0] == 0
        assert wallet("revoke", "device.pem")[0] == 1
        assert "issued no revocable" in wallet("revoke", "urn:uuid:0")[2]
        assert "300 s to notice" in wallet("revoke", "device.vc")[1]
        serve()
        status, out, _ = wallet("verify", "device.vc")
        assert (status, out.split(":")[:2]) == (1, ["refused", " revoked"])
        wallet("issue", "--subject", device, "-o", "after.vc")  # by the new key
        assert wallet("verify", "after.vc")[0] == 0

        place = ("--key-file", "device.pem", "--status", https.url("/list") + "#7", "-o", "own.vc")
        wallet("issue", "--subject", device, *place)
        for revoked, outcome in (([], 0), (["--revoked", "6", "7"], 1)):
            listed = ("revocations", https.url("/list"), "--key-file", "device.pem", "-o", "list")
            assert wallet(*listed, *revoked)[0] == 0
            https.answers["/list"] = answer((tmp_path / "list").read_bytes())
            assert wallet("verify", "own.vc")[0] == outcome
        assert "places in a list" in wallet(*listed, "--revoked", "131072")[2]
        wallet("rotate", "identity", "--now")
        serve()
        assert "method_not_authorized" in wallet("verify", "device.vc")[1]
