"""Operators' calls over HTTP and gRPC, on a real Kafka: the command's, by name."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
import wasmtime
from confluent_kafka import Producer
from google.protobuf import json_format
from grpc import StatusCode, aio

from streams import limits, topics
from streams.clock import SystemClock
from streams.database.migrations import migrate
from streams.database.server import Server
from streams.endpoint.operators import RULES, SERVICE
from streams.endpoint.rpc import operator_pb2 as pb
from streams.endpoint.tokens import OPERATOR_TYPE, Tokens
from streams.execution.files import files_of
from streams.filesystem.store import FileStore
from streams.registry.entries import DappStatus, DeviceStatus
from streams.wallet.did import KeyKind
from streams.wallet.keys import generate
from tests.audit.told import told
from tests.endpoint.setting import Client, Node, Opened, make_node
from tests.execution.guests import padded
from topologies.__main__ import main
from topologies.config import Settings
from topologies.operating.calls import CHANGES, READS, WORKS, Operating
from topologies.unlocking import key_store

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def node(kafka: str) -> Iterator[Node]:
    node = make_node(kafka)
    yield node
    node.close()


def _token(life_s: int = 60) -> str:
    return Tokens(lambda: [b"s" * 32], SystemClock(), OPERATOR_TYPE).issue("ann", life_s)[0]


def _program(code: int) -> bytes:
    return bytes(
        wasmtime.wat2wasm(
            '(module (memory (export "memory") 1)'
            f' (func (export "start") (param i32) (result i32) i32.const {code}))'
        )
    )


@dataclass
class Calls:
    """An operator's way to an endpoint, by both doors."""

    client: Client
    channel: aio.Channel
    token: str

    async def http(self, method: str, path: str, token: str = "", **more: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return await self.client.ask(method, f"/v1/operator{path}", headers=headers, **more)

    async def grpc(self, name: str, /, token: str = "", **asked: Any) -> dict[str, Any]:
        method = SERVICE.methods_by_name[name]
        call = self.channel.unary_unary(
            f"/{SERVICE.full_name}/{name}",
            response_deserializer=getattr(pb, method.output_type.name).FromString,
        )
        request = getattr(pb, method.input_type.name)(**asked).SerializeToString()
        metadata = [("authorization", f"Bearer {token or self.token}")]
        answer = await call(request, metadata=metadata, timeout=60)
        said: dict[str, Any] = json_format.MessageToDict(answer, preserving_proto_field_name=True)
        return said

    async def refused(self, name: str, /, **asked: Any) -> tuple[StatusCode, str]:
        with pytest.raises(aio.AioRpcError) as error:
            await self.grpc(name, **asked)
        return error.value.code(), dict(error.value.trailing_metadata())["w3b-refusal"]


@pytest_asyncio.fixture
async def calls(
    node: Node, tmp_path: Path, kafka: str, clickhouse_url: str
) -> AsyncIterator[Calls]:
    settings = Settings(
        data=tmp_path, kafka_bootstrap_servers=kafka, clickhouse_url=clickhouse_url
    ).with_local_addresses()
    operators = Operating(settings, node.kafka, node.registry)
    async with (
        Opened(
            node.kafka, node.registry, tmp_path, SystemClock(), grpc_port=0, operators=operators
        ) as client,
        aio.insecure_channel(f"127.0.0.1:{client.grpc_port}") as channel,
    ):
        yield Calls(client, channel, _token())


def test_every_call_has_a_path_and_somebody_who_carries_it_out() -> None:
    names = {method.name for method in SERVICE.methods}
    assert RULES.keys() == names
    assert CHANGES.keys() | READS.keys() | WORKS.keys() == names
    assert len(CHANGES) + len(READS) + len(WORKS) == len(names)


async def test_a_dapp_is_paused_resumed_and_removed(calls: Calls, node: Node) -> None:
    name = node.ungranted
    path = f"/dapps/{name}"
    status, paused = await calls.http("POST", f"{path}/pause")
    assert (status, paused["status"]) == (200, "paused")
    dapp = node.registry.dapp(name)
    assert dapp is not None
    assert dapp.status is DappStatus.PAUSED
    assert (await calls.grpc("ResumeDapp", dapp=name))["status"] == "active"
    status, allowed = await calls.http("PUT", f"{path}/keys/default")
    assert (status, allowed["keys"]) == (200, ["default"])
    status, shown = await calls.http("GET", path)
    assert (status, shown) == (200, allowed)
    said = await calls.grpc("GetDapp", dapp=name)
    assert said["manifest"]["dapp"]["name"] == shown["manifest"]["dapp"]["name"] == name
    assert said["keys"] == ["default"]
    assert "keys" not in await calls.grpc("DenyKey", dapp=name, key="default")
    assert name in {one["name"] for one in (await calls.http("GET", "/dapps"))[1]["dapps"]}
    assert (await calls.http("DELETE", path))[0] == 200
    assert node.registry.dapp(name) is None
    assert await calls.refused("GetDapp", dapp=name) == (StatusCode.NOT_FOUND, "not_found")


async def test_a_dapp_is_uploaded_and_upgraded(calls: Calls, node: Node, tmp_path: Path) -> None:
    name = f"u_{uuid4().hex[:20]}"

    def upload(version: str, code: int, more: str = "") -> dict[str, Any]:
        manifest = (
            f'[dapp]\nname = "{name}"\nversion = "{version}"\n{more}[program]\nfile = "a.wasm"\n'
        )
        return {"manifest": manifest, "program": _program(code)}

    first = upload("1.0.0", 0)
    said = await calls.grpc("AddDapp", **first, keys=["default"])
    assert (said["outcome"], said["dapp"]["keys"]) == ("added", ["default"])
    digest = hashlib.sha256(first["program"]).hexdigest()
    assert said["dapp"]["program_sha256"] == digest
    assert FileStore(str(tmp_path / "files")).get(digest) == first["program"]

    async def post(asked: dict[str, Any]) -> tuple[int, Any]:
        encoded = {**asked, "program": base64.b64encode(asked["program"]).decode()}
        return await calls.http("POST", "/dapps", json=encoded)

    status, said = await post(first)
    assert (status, said["outcome"]) == (200, "unchanged")
    status, said = await post(upload("2.0.0", 1))
    assert (status, said["outcome"], len(said["dapp"]["history"])) == (200, "upgraded", 2)
    assert said["dapp"]["keys"] == ["default"]
    rolled = await calls.grpc("RollBackDapp", dapp=name)
    assert rolled["program_sha256"] == digest
    largest = padded(_program(2), limits.PROGRAM_BYTES_MAX)
    said = await calls.grpc("AddDapp", **upload("3.0.0", 0) | {"program": largest})
    assert said["outcome"] == "upgraded"
    for wrong, words in [
        ({**first, "program": b"no program"}, "cannot be served"),
        ({**first, "manifest": "["}, "not TOML"),
        ({**first, "manifest": "[dapp]\n"}, "dapp.name"),
        (upload("4.0.0", 0, "partitions = 3\n"), "partitions"),
    ]:
        status, answer = await post(wrong)
        assert (status, answer["error"]) == (409, "not_possible")
        assert words in answer["message"]
    await calls.grpc("RemoveDapp", dapp=name)


async def test_devices_owners_and_publishers(calls: Calls, node: Node) -> None:
    did, owner = generate(KeyKind.ED25519).did, uuid4().hex
    asked = {"device": did, "owner": owner, "grant": [node.first]}
    status, added = await calls.http("POST", "/devices", json=asked)
    said = {"device": did, "owner": owner, "status": "active", "granted": [node.first]}
    assert (status, added) == (200, said)
    assert await calls.grpc("AddDevice", **asked) == said  # twice is once
    _, listed = await calls.http("GET", "/devices", params={"owner": owner})
    assert listed == {"devices": [{"device": did, "owner": owner, "status": "active"}]}
    assert await calls.grpc("ListDevices", owner=owner) == listed
    one = {"owner": owner, "devices": 1, "granted": [node.first, node.second]}
    assert await calls.grpc("AddOwner", owner=owner, grant=[node.second]) == one
    assert one in (await calls.http("GET", "/owners"))[1]["owners"]
    assert (await calls.grpc("RevokeDevice", device=did))["status"] == "revoked"
    device = node.registry.device(did)
    assert device is not None
    assert device.status is DeviceStatus.REVOKED

    _, made = await calls.http(
        "POST", "/publishers", json={"dapp": node.first, "key": owner, "kind": "gateway"}
    )
    headers = {"Authorization": f"Bearer {made['token']}"}
    path = f"/v1/dapps/{node.first}/messages"
    assert (await calls.client.ask("POST", path, data=b"x", headers=headers))[0] == 202
    _, listed = await calls.http("GET", "/publishers")
    shown = {"dapp": node.first, "key": owner, "kind": "gateway", "owner": node.first,
             "status": "active"}  # fmt: skip
    assert shown in listed["publishers"]
    _, revoked = await calls.http("DELETE", f"/publishers/{node.first}/{owner}")
    assert revoked == shown | {"status": "revoked"}
    assert (await calls.client.ask("POST", path, data=b"x", headers=headers))[0] == 403


async def test_grants_with_scope_are_told_with_who_made_them(calls: Calls, node: Node) -> None:
    owner, until_ms = uuid4().hex, SystemClock().now_ms() + 60_000
    did = node.add_device(owner).did
    path = f"/grants/{owner}/{node.first}"
    asked = {"until_ms": until_ms, "devices": [did], "event_types": ["TRIP"]}
    status, answer = await calls.http("PUT", path, json=asked)
    assert (status, answer["error"]) == (404, "not_found")  # of an owner who is none yet
    await calls.grpc("AddOwner", owner=owner)
    status, granted = await calls.http("PUT", path, json=asked)
    since_ms = granted.pop("since_ms")
    assert (status, granted) == (200, {"owner": owner, "dapp": node.first, **asked})
    _, listed = await calls.http("GET", "/grants", params={"owner": owner})
    assert listed == {"grants": [granted | {"since_ms": since_ms}]}
    assert node.registry.grants(owner)[node.first].event_types == frozenset({"TRIP"})
    wider = await calls.grpc("GrantDapp", owner=owner, dapp=node.first)
    assert int(wider["since_ms"]) == since_ms
    for wrong in ({"devices": [node.add_device().did]}, {"until_ms": 1}):
        assert (await calls.http("PUT", path, json=wrong))[1]["error"] == "not_possible"
    await calls.grpc("WithdrawGrant", owner=owner, dapp=node.first)
    assert (await calls.http("DELETE", path))[1]["error"] == "not_found"
    records = told(node.kafka["bootstrap.servers"], owner=owner, kind="grant")
    assert [(one.action, one.author.who, one.author.door) for one in records] == [
        ("add", "operator:ann", "http"),
        ("change", "operator:ann", "grpc"),
        ("remove", "operator:ann", "grpc"),
    ]
    everything = {"until_ms": None, "devices": None, "event_types": None}
    assert records[1].before == asked
    assert records[1].after == everything
    assert records[2].before == everything | {"since_ms": since_ms}


async def test_the_audit_log_is_asked(calls: Calls, clickhouse_url: str) -> None:
    server, name = Server(clickhouse_url), uuid4().hex
    migrate(server)
    server.command(
        "INSERT INTO audit (received, at, who, action, kind, name, dapp, times, after) VALUES"
        " (now64(3), fromUnixTimestamp64Milli(7000), 'ann', 'add', 'dapp', {n:String}, {n:String},"
        ' 1, \'{"keys":["default"]}\')',
        {"n": name},
    )
    server.close()
    status, found = await calls.http("GET", "/audit", params={"dapp": name, "since_ms": "6000"})
    (record,) = found["records"]
    assert (status, record["at_ms"], record["after"]) == (200, 7000, {"keys": ["default"]})
    assert "before" not in record
    (said,) = (await calls.grpc("ListAudit", dapp=name))["records"]
    assert (said["who"], said["kind"], said["after"]) == ("ann", "dapp", {"keys": ["default"]})
    assert await calls.grpc("ListAudit", dapp=name, since_ms=8000) == {}


async def test_rows_and_health(calls: Calls) -> None:
    sql = "SELECT {n:UInt8} + 1 AS two"
    status, answer = await calls.http("POST", "/query", json={"sql": sql, "parameters": {"n": "1"}})
    assert (status, answer) == (200, {"rows": '{"two":2}\n'})
    said = await calls.grpc("Query", sql=sql, format="csv", parameters={"n": "1"})
    assert said == {"rows": '"two"\n2\n'}
    assert (await calls.http("POST", "/query", json={"sql": "SELEC"}))[1][
        "error"
    ] == "query_refused"
    status, found = await calls.http("GET", "/status")
    assert found["components"]["kafka"]["healthy"]
    assert not found["roles"]["store"]["healthy"]  # nobody plays it here
    assert (await calls.grpc("GetStatus"))["components"]["clickhouse"]["healthy"]


@pytest.mark.usefixtures("quick_derivation")
async def test_state_files_rows_and_the_wallet(
    calls: Calls, node: Node, clickhouse_url: str, tmp_path: Path
) -> None:
    dapp, (first, second) = node.second, (b"a", b"\xff")
    migrate(Server(clickhouse_url))
    producer = Producer(node.kafka)
    for partition, value in enumerate((first, second)):
        producer.produce(topics.state(dapp), value, b"kspeed", partition)
    assert producer.flush(30) == 0
    path = f"/dapps/{dapp}"
    status, found = await calls.http("GET", f"{path}/state", params={"key": "speed"})
    assert (status, [one["value"] for one in found["values"]]) == (200, ["a", "0xff"])
    assert (await calls.grpc("GetState", dapp=dapp, key="0x7370656564"))["values"][1]["hex"] == "ff"
    assert await calls.refused("GetState", dapp=dapp, key="x") == (
        StatusCode.NOT_FOUND, "not_found",
    )  # fmt: skip

    asked = {"terms": {"messages": "30", "results_mib": "9"}}
    status, answer = await calls.http("PUT", f"{path}/retention", json=asked)
    assert status == 200, answer
    terms = {one["table"]: one for one in (await calls.grpc("GetRetention", dapp=dapp))["tables"]}
    assert (terms["messages"]["days"], terms["messages"]["set_by"]) == (30, "operator")
    assert terms["results"]["mib"] == "9"
    assert "days" not in terms["dead_letters"]
    wrong = {"terms": {"messages": "soon"}}
    assert (await calls.http("PUT", f"{path}/retention", json=wrong))[1]["error"] == "not_possible"

    saved = await calls.grpc("SaveQuery", dapp=dapp, name="devices", sql="SELECT 1")
    assert saved == {"queries": [{"name": "devices", "set_by": "operator", "sql": "SELECT 1"}]}
    assert (await calls.http("GET", f"{path}/queries"))[1] == saved
    assert (await calls.http("DELETE", f"{path}/queries/devices"))[1] == {"queries": []}
    assert (await calls.http("DELETE", f"{path}/queries/devices"))[0] == 404

    assert (await calls.http("POST", f"{path}/rebuild"))[1] == {"partitions": []}  # none is stored
    assert any("w3b_auditor" in sql for sql in (await calls.grpc("GetRights"))["statements"])
    kept = files_of(FileStore(str(tmp_path / "files")), dapp)
    digest = kept.put(b"which nothing names")
    _, done = await calls.http("POST", "/files/collect", json={"dry_run": True})
    assert (done["collected"][0]["dapp"], done["collected"][0]["put_aside"]) == (dapp, 1)
    (one,) = (await calls.grpc("CollectFiles"))["collected"]
    assert (one["put_aside"], kept.get(digest)) == ("1", b"which nothing names")
    _, shown = await calls.http("GET", "/wallet")
    assert (shown["did"][:8], shown["keys"].keys()) == ("did:key:", {"authority", "operator"})
    assert await calls.grpc("ShowWallet") | {"credentials": []} == shown

    told_of = told(node.kafka["bootstrap.servers"], dapp=dapp)[-4:]
    assert [(one.action, one.kind) for one in told_of] == [
        ("change", "dapp"), ("change", "dapp"), ("change", "dapp"), ("rebuild", "rows"),
    ]  # fmt: skip
    assert told_of[0].after == {"retention": {"messages": 30, "results_mib": 9}}
    assert told_of[1].after == {"queries": {"devices": "SELECT 1"}}
    assert {one.author.who for one in told_of} == {"operator:ann"}


async def test_refusals_by_name(calls: Calls, node: Node) -> None:
    device = (await calls.client.token(node.add_device()))["Authorization"].removeprefix("Bearer ")
    assert (await calls.client.ask("GET", "/v1/operator/dapps"))[1]["error"] == "token_missing"
    for token, name in (
        (device, "token_forged"),
        (_token(-1), "token_expired"),
        ("x", "token_forged"),
    ):
        status, answer = await calls.http("GET", "/dapps", token)
        assert (status, answer["error"]) == (401, name)
        assert await calls.refused("ListDapps", token=token) == (
            StatusCode.UNAUTHENTICATED, name,
        )  # fmt: skip
    # Nor is an operator's token a device's.
    headers = {"Authorization": f"Bearer {calls.token}"}
    path = f"/v1/dapps/{node.first}/messages"
    status, answer = await calls.client.ask("POST", path, data=b"x", headers=headers)
    assert (status, answer["error"]) == (401, "token_forged")
    for method, path, more, said in [
        ("GET", "/dapps/nobody", {}, (404, "not_found")),
        ("DELETE", "/devices/did:key:z6Mk", {}, (404, "not_found")),
        ("POST", f"/dapps/{node.first}/rollback", {}, (409, "not_possible")),
        ("DELETE", f"/dapps/{node.first}/keys/none", {}, (409, "not_possible")),
        ("GET", f"/dapps/{node.first}/proof", {"params": {"epoch": "1"}}, (409, "not_possible")),
        ("GET", "/dapps/a/proof", {"params": {"epoch": "x"}}, (400, "malformed_request")),
        ("POST", "/owners", {"json": {"owner": "a b"}}, (400, "malformed_request")),
        ("POST", "/owners", {"json": {"who": "ann"}}, (400, "malformed_request")),
        ("POST", "/owners", {"json": [1]}, (400, "malformed_request")),
        ("POST", "/owners", {"data": b"{"}, (400, "malformed_json")),
        ("POST", "/query", {"data": bytes(300_000)}, (413, "too_large")),
    ]:  # fmt: skip
        status, answer = await calls.http(method, path, **more)
        assert (status, answer["error"]) == said, answer
        assert answer["message"]
    taken = {"device": node.add_device().did, "owner": "somebody"}
    assert await calls.refused("AddDevice", **taken) == (
        StatusCode.FAILED_PRECONDITION, "not_possible",
    )  # fmt: skip


async def test_of_calls_that_meet_none_is_lost(calls: Calls, node: Node) -> None:
    await asyncio.gather(
        *(calls.http("PUT", f"/dapps/{node.second}/keys/k{n}") for n in range(10)),
        *(calls.grpc("AllowKey", dapp=node.second, key=f"k{n}") for n in range(10, 20)),
    )
    dapp = node.registry.dapp(node.second)
    assert dapp is not None
    assert set(dapp.keys) == {f"k{n}" for n in range(20)}


@pytest.mark.usefixtures("quick_derivation")
def test_a_token_is_made_from_the_data_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["operator", "token", "--name", "ann", "--data", str(tmp_path)]) == 0
    token = capsys.readouterr().out.strip()
    store = key_store(Settings(data=tmp_path))
    tokens = Tokens(lambda: store.secrets("tokens"), SystemClock(), OPERATOR_TYPE)
    assert tokens.holder_of(token) == "ann"
    for wrong in (["--name", "a b"], ["--minutes", "0"], ["--minutes", "1000000"]):
        assert main(["operator", "token", *wrong, "--data", str(tmp_path)]) == 1
        assert capsys.readouterr().err.count("\n") == 1
