"""Owners' credentials looked at again: a real list over HTTPS, the registry on a real Kafka."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams import limits
from streams.clock import ManualClock, SystemClock
from streams.delivery.admin import ensure_topics
from streams.filesystem.store import FileStore
from streams.registry.entries import Device, Hold, Owner
from streams.registry.ownership import OWNERSHIP, owned_device
from streams.registry.view import Registry
from streams.registry.writer import RegistryWriter
from streams.topics import node_topics
from streams.wallet.credentials.issuing import Identity, Securing, Statement, issue
from streams.wallet.credentials.status import entry_of, list_of
from streams.wallet.did import KeyKind
from streams.wallet.keys import generate
from tests.waiting import wait_until
from tests.wallet.https_server import HttpsServer, answer
from topologies.believing import verifier
from topologies.config import Settings
from topologies.parts.vouching import Vouching
from topologies.stage import make_app
from topologies.wiring import Wiring

pytestmark = pytest.mark.services

TERMS = "https://www.w3.org/ns/credentials/undefined-terms/v2"
DAY_MS = 24 * 3_600_000


class Setting:
    """An owner with a list, and a node that looks at it."""

    def __init__(self, kafka: str, folder: Path, https: HttpsServer) -> None:
        self.https = https
        self.clock = ManualClock(SystemClock().now_ms())
        self.owner = Identity.of_key(generate(KeyKind.ED25519))
        config: dict[str, Any] = {"bootstrap.servers": kafka}
        ensure_topics(config, node_topics())
        self.registry = Registry(config)
        self.registry.start()
        self.writer = RegistryWriter(config)
        settings = Settings.resolve(
            data=folder, did_private_addresses=True, did_ca_location=https.ca_location
        )
        wiring = Wiring(
            settings, make_app("test"), config, self.registry, FileStore(str(folder)), self.clock
        )
        self.verifier = verifier(settings, self.clock)
        self.vouching = Vouching(wiring)

    def publish(self, *revoked: int) -> None:
        statement = list_of(self.https.url("/list"), revoked)
        text = issue(statement, self.owner, self.clock.now_ms(), Securing.DATA_INTEGRITY)
        self.https.answers["/list"] = answer(text.encode())

    def add(self, index: int | None, until_ms: int | None = None) -> Device:
        status = None if index is None else entry_of(self.https.url("/list"), index)
        did = generate(KeyKind.ED25519).did
        statement = Statement([OWNERSHIP], {"id": did}, [TERMS], until_ms, status)
        text = issue(statement, self.owner, self.clock.now_ms(), Securing.DATA_INTEGRITY)
        device = owned_device(text, self.verifier)
        self.registry.wait_for(self.writer.put(device))
        return device

    def look(self, *devices: Device) -> list[str | None]:
        """What the devices are held for, once the node has looked."""
        self.vouching.look()
        self.registry.wait_for(
            self.writer.put(Owner(self.owner.did, 1))
        )  # so what it wrote is here
        return [self._fault(self.registry.hold(device.did)) for device in devices]

    @staticmethod
    def _fault(hold: Hold | None) -> str | None:
        return None if hold is None else hold.fault


@pytest.fixture
def setting(kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    monkeypatch.setattr(limits, "FETCH_S", 60)
    with HttpsServer(tmp_path) as https:
        setting = Setting(kafka, tmp_path, https)
        yield setting
        setting.registry.close()


def test_what_an_owner_takes_back_is_held_after_the_next_look(setting: Setting) -> None:
    setting.publish()
    device, other = setting.add(7), setting.add(8)
    brief = setting.add(None, setting.clock.now_ms() + 1000)
    assert setting.look(device, other, brief) == [None, None, None]
    setting.publish(7)
    setting.clock.advance_ms(1000 * limits.STATUS_LIFE_S)
    assert setting.look(device, other, brief) == ["revoked", None, "expired"]
    setting.https.answers.clear()  # a list that cannot be had stops what it is about
    setting.clock.advance_ms(1000 * limits.STATUS_LIFE_S)
    assert setting.look(device, other) == ["revoked", "status_unavailable"]
    setting.publish()
    setting.clock.advance_ms(1000 * limits.FETCH_RETRY_S)
    assert setting.look(device, other) == ["revoked", None]  # what was revoked stays so


async def test_it_looks_by_itself(setting: Setting) -> None:
    setting.publish()
    device = setting.add(7)
    setting.publish(7)
    setting.clock.advance_ms(1000 * limits.STATUS_LIFE_S)
    await setting.vouching.start()
    await asyncio.to_thread(
        wait_until, lambda: setting.registry.hold(device.did) is not None, "the hold"
    )
    assert setting.vouching.trouble is None
    await setting.vouching.stop()
