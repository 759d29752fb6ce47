"""Fetching from a real HTTPS server, and everywhere that a stranger may not lead it."""

import socket
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from streams import limits
from streams.wallet import fetching
from streams.wallet.fetching import Fetcher, FetchError, is_public
from tests.wallet.https_server import HttpsServer, answer


def _refused(fetcher: Fetcher, url: str) -> str:
    with pytest.raises(FetchError) as refused:
        fetcher.fetch(url)
    return str(refused.value)


def test_what_is_there_is_fetched(https: HttpsServer, fetcher: Fetcher) -> None:
    https.answers["/a?b=c"] = answer(b'{"d": 1}', "application/did+json; charset=utf-8")
    assert fetcher.fetch(https.url("/a?b=c#e")) == b'{"d": 1}'
    assert https.asked == ["/a?b=c"]


def _half(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "10")
    request.end_headers()
    request.wfile.write(b"12345")


def test_what_is_not_an_answer_of_the_kind_asked_for_is_refused(
    https: HttpsServer, fetcher: Fetcher
) -> None:
    most = limits.VC_BYTES_MAX
    https.answers |= {
        "/moved": answer(b"{}", status=302, Location=https.url("/there")),
        "/there": answer(b"{}"),
        "/page": answer(b"<p>log in</p>", "text/html"),
        "/packed": answer(b"{}", Content_Encoding="gzip"),
        "/largest": answer(b" " * most),
        "/large": answer(b" " * (most + 1)),
        "/half": _half,
    }
    assert _refused(fetcher, https.url("/moved")).endswith("answers 302")
    assert _refused(fetcher, https.url("/nothing")).endswith("answers 404")
    assert "neither JSON nor a token" in _refused(fetcher, https.url("/page"))
    assert "compressed" in _refused(fetcher, https.url("/packed"))
    assert len(fetcher.fetch(https.url("/largest"))) == most
    assert "more than" in _refused(fetcher, https.url("/large"))
    assert "hangs up too early" in _refused(fetcher, https.url("/half"))
    assert "/there" not in https.asked


def test_a_server_that_sends_a_byte_at_a_time_is_left(
    https: HttpsServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FETCH_S", 0.5)
    left = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while not left.wait(0.05):
            request.wfile.write(b" ")
            request.wfile.flush()

    https.answers["/drip"] = drip
    try:
        assert "takes longer than 0.5 s" in _refused(fetcher, https.url("/drip"))
    finally:
        left.set()


def test_only_certificates_that_hold_for_the_name_count(
    https: HttpsServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = "CERTIFICATE_VERIFY_FAILED"
    assert failed in _refused(Fetcher(private_addresses=True), https.url("/a"))
    found = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _, port, *__, **___: [(*found, ("127.0.0.1", port))]
    )
    other = https.url("/a").replace("localhost", "other.example")
    assert failed in _refused(fetcher, other)
    assert https.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/a",
        "file:///etc/passwd",
        "https://",
        "https://user:password@localhost/a",
        "https://@localhost/a",
        "https://localhost:99999/a",
        "https://[::1/a",
    ],
)
def test_what_is_no_url_of_https_is_asked_of_nobody(
    url: str, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    assert "URL" in _refused(fetcher, url)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "2130706433", "127.1"])
def test_a_private_address_is_asked_only_if_a_setting_says_so(
    host: str, https: HttpsServer
) -> None:
    strict = Fetcher(ca_location=https.ca_location)
    port = https.host.partition(":")[2]
    assert "no public address" in _refused(strict, f"https://{host}:{port}/a")
    assert https.asked == []


def test_the_address_that_was_looked_at_is_the_one_that_is_asked(
    https: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that has another address a moment later (DNS rebinding) leads nowhere else."""
    connected: list[Any] = []
    answers = iter(["192.0.43.7", "127.0.0.1"])

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def connect(address: Any, *_: Any) -> Any:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    assert "does not answer" in _refused(Fetcher(), "https://rebound.example/a")
    assert connected == [("192.0.43.7", 443)]
    assert "no public address" in _refused(Fetcher(), "https://rebound.example/a")
    assert len(connected) == 1


def test_a_name_that_is_looked_up_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FETCH_S", 0.05)
    found = threading.Event()
    monkeypatch.setattr(fetching.socket, "getaddrinfo", lambda *_, **__: found.wait() and [])
    try:
        assert "is not found within" in _refused(Fetcher(), "https://slow.example/a")
    finally:
        found.set()


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "127.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "192.168.1.1",
     "224.0.0.1", "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1%eth0", "fc00::1",
     "fec0::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:a00:1::",
     "2001:0:a00:1::", "2001:db8::1"],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "192.0.43.7", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)
