"""What several of the wallet's tests need."""

from collections.abc import Iterator

import pytest

from streams import limits
from streams.wallet.fetching import Fetcher
from tests.wallet.https_server import HttpsServer


@pytest.fixture(scope="package")
def shared_https(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsServer]:
    with HttpsServer(tmp_path_factory.mktemp("https")) as server:
        yield server


@pytest.fixture
def https(shared_https: HttpsServer, monkeypatch: pytest.MonkeyPatch) -> HttpsServer:
    """A server that has nothing and was asked for nothing yet; it may be slow."""
    monkeypatch.setattr(limits, "FETCH_S", 60)
    shared_https.answers.clear()
    shared_https.asked.clear()
    return shared_https


@pytest.fixture(scope="package")
def fetcher(shared_https: HttpsServer) -> Fetcher:
    """It may ask that server."""
    return Fetcher(private_addresses=True, ca_location=shared_https.ca_location)
