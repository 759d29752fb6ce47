"""Owners who log in with their Ethereum account, and what is theirs to change; a real Kafka."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streams import limits
from streams.clock import ManualClock
from streams.registry.entries import Kind, Owner
from streams.registry.writer import RegistryWriter
from streams.wallet.did import KeyKind
from streams.wallet.keys import SigningKey, generate
from tests.endpoint.ethereum_wallet import Headers, Wallet
from tests.endpoint.setting import Client, Node, Opened, trust

pytestmark = pytest.mark.services


@pytest.fixture
def wallet(node: Node, clock: ManualClock) -> Wallet:
    wallet = Wallet(clock)
    node.add(Owner(wallet.did, 1))
    return wallet


async def add(client: Client, headers: Headers, key: SigningKey) -> tuple[int, Any]:
    _, said = await client.ask("POST", "/v1/challenges", json={"device": key.did})
    signature = base64.urlsafe_b64encode(key.sign(said["challenge"].encode())).decode()
    body = {"device": key.did, "challenge": said["challenge"], "signature": signature}
    return await client.ask("POST", "/v1/owners/me/devices", json=body, headers=headers)


async def test_an_owner_adds_sees_and_revokes_devices(
    client: Client, node: Node, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OWNER_DEVICES_SHOWN", 2)
    headers = await wallet.log_in(client)
    keys = sorted((generate(KeyKind.ED25519) for _ in range(3)), key=lambda key: key.did)
    for key in keys:
        status, answer = await add(client, headers, key)
        assert (status, answer) == (201, {"device": key.did, "status": "active", "held": None})
    path = "/v1/owners/me/devices"
    _, first = await client.ask("GET", path, headers=headers)
    _, second = await client.ask("GET", path, headers=headers, params={"after": first["after"]})
    shown = [one["device"] for one in first["devices"] + second["devices"]]
    assert (shown, "after" in second) == ([key.did for key in keys], False)

    sending = await client.token(keys[0])
    status, answer = await client.ask("DELETE", f"{path}/{keys[0].did}", headers=headers)
    assert (status, answer) == (200, {"device": keys[0].did, "status": "revoked"})
    assert (await client.ask("DELETE", f"{path}/{keys[0].did}", headers=headers))[0] == 200
    status, answer = await client.ask("POST", "/v1/messages", json={}, headers=sending)
    assert (status, answer["error"]) == (403, "device_revoked")
    assert (await add(client, headers, keys[0]))[1]["error"] == "device_revoked"

    others = node.add_device()  # of which an owner learns nothing
    for did in (others.did, "did:key:zNobody"):
        status, answer = await client.ask("DELETE", f"{path}/{did}", headers=headers)
        assert (status, answer["error"], answer["message"]) == (
            403, "device_unknown", "you have no such device",
        )  # fmt: skip
    assert (await add(client, headers, others))[1]["error"] == "device_owned"


async def test_an_owner_grants_some_devices_for_a_while_and_withdraws(
    client: Client, node: Node, wallet: Wallet, clock: ManualClock
) -> None:
    headers = await wallet.log_in(client)
    one, other = generate(KeyKind.ED25519), generate(KeyKind.ED25519)
    for key in (one, other):
        await add(client, headers, key)
    path = f"/v1/owners/me/grants/{node.first}"
    until_ms = clock.now_ms() + 60_000

    async def grant(**said: Any) -> tuple[int, Any]:
        return await client.ask("PUT", path, json=said, headers=headers)

    async def sends(key: SigningKey) -> list[str]:
        """To the Dapp, and to all."""
        token, outcomes = await client.token(key), []
        for to in (f"/v1/dapps/{node.first}/messages", "/v1/messages"):
            status, answer = await client.ask("POST", to, json={}, headers=token)
            outcomes.append(answer.get("error", str(status)))
        return outcomes

    assert await sends(one) == ["not_granted"] * 2
    status, granted = await grant(until_ms=until_ms, devices=[one.did])
    assert (status, granted["devices"], granted["until_ms"]) == (200, [one.did], until_ms)
    assert await sends(one) == ["202"] * 2
    assert await sends(other) == ["not_granted"] * 2
    clock.advance_ms(60_000)
    assert await sends(one) == ["not_granted"] * 2
    assert (await grant())[0] == 200
    assert await sends(other) == ["202"] * 2
    _, shown = await client.ask("GET", "/v1/owners/me/grants", headers=headers)
    assert [(each["dapp"], each["devices"]) for each in shown["grants"]] == [(node.first, None)]

    assert (await grant(until_ms=clock.now_ms()))[1]["error"] == "malformed_request"
    assert (await grant(devices=[node.add_device().did]))[1]["error"] == "device_unknown"
    assert (await client.ask("PUT", path + "x", json={}, headers=headers))[1]["error"] == (
        "unknown_dapp"
    )
    status, answer = await client.ask("DELETE", path, headers=headers)
    assert (status, answer) == (200, {"dapp": node.first, "status": "withdrawn"})
    assert await sends(other) == ["not_granted"] * 2
    assert (await client.ask("DELETE", path, headers=headers))[1]["error"] == "not_granted"


async def test_an_owner_has_erased_what_is_theirs(
    client: Client, node: Node, wallet: Wallet
) -> None:
    headers = await wallet.log_in(client)
    path = "/v1/owners/me/erasures"

    async def erase(**said: Any) -> tuple[int, Any]:
        return await client.ask("POST", path, json=said, headers=headers)

    assert (await erase())[1]["error"] == "device_unknown"
    key = generate(KeyKind.ED25519)
    await add(client, headers, key)
    assert (await erase(devices=[node.add_device().did]))[1]["error"] == "device_unknown"
    assert (await erase(erasure="mine"))[1]["error"] == "malformed_request"
    status, said = await erase(devices=[key.did])
    (one,) = said["erasures"]
    try:
        assert (status, one["devices"], one["owner"]) == (202, [key.did], wallet.did)
        assert (await erase(erasure=one["erasure"])) == (202, said)  # all of the owner's: that one
        assert (await client.ask("GET", path, headers=headers))[1] == said
        assert (await client.ask("GET", f"{path}/{one['erasure']}", headers=headers))[1] == one
        assert (await client.ask("GET", f"{path}/x", headers=headers))[1]["error"] == "not_found"
    finally:  # other tests' nodes on the same Kafka would carry it out
        node.registry.wait_for(RegistryWriter(node.kafka).remove(Kind.ERASURE, one["erasure"]))


async def test_a_log_in_counts_once_here_and_now(
    client: Client, node: Node, wallet: Wallet, clock: ManualClock
) -> None:
    async def refused(body: dict[str, str]) -> str:
        status, answer = await client.ask("POST", "/v1/owners/session", json=body)
        assert status in (400, 401, 403)
        return str(answer["error"])

    _, said = await client.ask("GET", "/v1/owners/nonce")
    assert (said["domain"], said["chain_id"]) == ("node.example", 4689)
    mismatch = {"domain": "phish.example"}, {"uri": "https://phish.example/"}, {"chain_id": 1}
    for change in mismatch:
        assert await refused(wallet.sign(said, **change)) == "domain_mismatch"
    nonce = said["nonce"]
    changed = nonce[:-1] + ("0" if nonce[-1] != "0" else "1")
    for forged in (changed, nonce[:-2], "0" * len(nonce), "nothexnothex"):
        assert await refused(wallet.sign(said, nonce=forged)) == "challenge_forged"
    later = clock.now_ms() + limits.CLOCK_SKEW_MS + 60_000
    issued = datetime.fromtimestamp(later / 1000, UTC).isoformat(timespec="milliseconds")
    assert await refused(wallet.sign(said, issued=issued)) == "challenge_expired"
    good = wallet.sign(said)
    assert await refused(good | {"message": good["message"] + "\n"}) == "malformed_request"
    assert await refused(good | {"signature": "0x00"}) == "malformed_request"
    assert await refused(good | {"signature": Wallet(clock).sign(said)["signature"]}) == (
        "signature_invalid"
    )
    assert (await client.ask("POST", "/v1/owners/session", json=good))[0] == 200
    assert await refused(good) == "challenge_used"
    _, said = await client.ask("GET", "/v1/owners/nonce")
    assert await refused(Wallet(clock).sign(said)) == "owner_unknown"
    clock.advance_ms(1000 * limits.OWNER_NONCE_LIFE_S)
    assert await refused(wallet.sign(said)) == "challenge_expired"


async def test_a_token_of_one_kind_is_none_of_the_other(
    client: Client, node: Node, wallet: Wallet, clock: ManualClock
) -> None:
    headers = await wallet.log_in(client)
    status, answer = await client.ask("POST", "/v1/messages", json={}, headers=headers)
    assert (status, answer["error"]) == (401, "token_forged")
    path, device = "/v1/owners/me/devices", await client.token(node.add_device())
    assert (await client.ask("GET", path, headers=device))[1]["error"] == "token_forged"
    assert (await client.ask("GET", path))[1]["error"] == "token_missing"
    clock.advance_ms(1000 * limits.TOKEN_LIFE_S)
    assert (await client.ask("GET", path, headers=headers))[1]["error"] == "token_expired"


async def test_where_owners_do_not_log_in_nothing_is_found(
    node: Node, tmp_path: Path, clock: ManualClock
) -> None:
    without = trust(tmp_path, clock, site=None)
    async with Opened(node.kafka, node.registry, tmp_path, clock, trust=without) as client:
        for path in ("/v1/owners/nonce", "/v1/owners/me/devices"):
            status, answer = await client.ask("GET", path)
            assert (status, answer["error"]) == (404, "not_found")
