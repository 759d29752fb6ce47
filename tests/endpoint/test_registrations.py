"""Devices that register themselves with what their owner signed, on a real Kafka."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from streams import limits
from streams.clock import SystemClock
from streams.registry.entries import Device, DeviceStatus, Grant, Hold, Owner
from streams.registry.ownership import OWNERSHIP
from streams.wallet.credentials.issuing import Identity, Securing, Statement, issue
from streams.wallet.did import KeyKind
from streams.wallet.keys import SigningKey, generate
from tests.endpoint.setting import Client, Node, Opened, trust

pytestmark = pytest.mark.services

CLOCK = SystemClock()
TERMS = "https://www.w3.org/ns/credentials/undefined-terms/v2"


@pytest_asyncio.fixture
async def client(node: Node, tmp_path: Path) -> AsyncIterator[Client]:
    async with Opened(node.kafka, node.registry, tmp_path, CLOCK) as client:
        yield client


@pytest.fixture
def owner() -> Identity:
    return Identity.of_key(generate(KeyKind.ED25519))


def ownership(owner: Identity, *devices: str, type_: str = OWNERSHIP) -> str:
    """A credential that the devices are the owner's; of several only one is named by its id."""
    statement = Statement([type_], {"id": devices[0]}, [TERMS])
    return issue(statement, owner, CLOCK.now_ms(), Securing.JWT)


async def register(
    client: Client, key: SigningKey, credential: str, **change: Any
) -> tuple[int, Any]:
    _, said = await client.ask("POST", "/v1/challenges", json={"device": key.did})
    signature = base64.urlsafe_b64encode(key.sign(said["challenge"].encode())).decode()
    body = {
        "device": key.did,
        "challenge": said["challenge"],
        "signature": signature,
        "credential": credential,
    }
    return await client.ask("POST", "/v1/registrations", json=body | change)


async def test_a_device_is_the_owners_who_signed_that_it_is(
    client: Client, node: Node, owner: Identity, tmp_path: Path
) -> None:
    key = generate(KeyKind.P256)
    credential = ownership(owner, key.did)
    status, answer = await register(client, key, credential)
    assert (status, answer["error"]) == (403, "owner_unknown")
    assert node.registry.device(key.did) is None
    assert not (tmp_path / "files").exists()
    node.add(Owner(owner.did, 1), Grant(owner.did, node.first, 0))
    for _ in range(2):  # twice is once
        status, answer = await register(client, key, credential)
        assert (status, answer) == (201, {"device": key.did, "owner": owner.did})
    device = node.registry.device(key.did)
    assert device is not None
    assert device.credential is not None
    kept = trust(tmp_path, CLOCK).keep
    assert kept(credential.encode()) == device.credential.sha256
    assert (device.owner, device.credential.methods) == (owner.did, (owner.method,))
    headers = await client.token(key)
    path = f"/v1/dapps/{node.first}/messages"
    assert (await client.ask("POST", path, json={}, headers=headers))[0] == 202

    node.add(Hold(key.did, "revoked", device.credential.sha256, 1))
    status, answer = await client.ask("POST", path, json={}, headers=headers)
    assert (status, answer["error"]) == (403, "credential_refused")
    assert (await client.log_in(key))[1]["error"] == "credential_refused"
    assert (await register(client, key, ownership(owner, key.did)))[0] == 201  # a newer one
    assert (await client.ask("POST", path, json={}, headers=headers))[0] == 202


async def test_nobody_has_a_device_without_its_key_and_the_owners_word(
    client: Client, node: Node, owner: Identity
) -> None:
    key, other = generate(KeyKind.ED25519), generate(KeyKind.ED25519)
    node.add(Owner(owner.did, 1))

    async def refused(credential: str, **change: Any) -> str:
        status, answer = await register(client, key, credential, **change)
        assert 400 <= status < 500
        return str(answer["error"])

    good = ownership(owner, key.did)
    assert await refused(good, device=other.did) == "challenge_forged"
    assert await refused(good, signature="AAAA") == "signature_invalid"
    assert await refused(good[:-8] + "AAAAAAAA") == "credential_refused"
    assert await refused("{") == "credential_refused"
    assert await refused(ownership(owner, other.did)) == "credential_refused"
    assert await refused(ownership(owner, key.did, type_="Other")) == "credential_refused"
    assert await refused(ownership(owner, "did:web:a.example")) == "credential_refused"
    assert await refused("a" * (limits.REGISTRATION_BYTES_MAX + 1)) == "malformed_request"
    assert node.registry.device(key.did) is None

    node.add(Device(key.did, node.owner))
    assert await refused(good) == "device_owned"
    revoked = generate(KeyKind.ED25519)
    node.add(Device(revoked.did, owner.did, DeviceStatus.REVOKED))
    status, answer = await register(client, revoked, ownership(owner, revoked.did))
    assert (status, answer["error"]) == (403, "device_revoked")


async def test_an_open_node_takes_owners_that_it_did_not_know_and_not_too_much_of_each(
    node: Node, owner: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OWNER_DEVICES_MAX", 1)
    is_open = trust(tmp_path, CLOCK, is_open=True)
    async with Opened(node.kafka, node.registry, tmp_path, CLOCK, trust=is_open) as client:
        for expected in ("", "too_many_devices"):
            key = generate(KeyKind.ED25519)
            _, answer = await register(client, key, ownership(owner, key.did))
            assert answer.get("error", "") == expected
    assert node.registry.owner(owner.did) is not None


async def test_where_owners_register_nothing_nothing_is_found(node: Node, tmp_path: Path) -> None:
    async with Opened(node.kafka, node.registry, tmp_path, CLOCK, trust=None) as client:
        key = generate(KeyKind.ED25519)
        status, answer = await register(client, key, "x")
        assert (status, answer["error"]) == (404, "not_found")
