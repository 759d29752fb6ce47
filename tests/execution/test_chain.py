"""Transactions and requests to the node itself: what is accepted leaves as an effect."""

import base64

import orjson
import pytest

from streams.execution.instance import ALL_LOGS, Instance
from streams.execution.program import Specification, load
from streams.records import DeadReason
from tests.execution.feeding import message, numbered, outputs, packed, state
from tests.execution.guests import PRELUDE, wasm

TO = "0x" + "aB" * 20

# The payload goes to the function; its answer becomes the value of a key, its code the handler's.
BODY = """
 (func (export "start") (param $rid i32) (result i32) (local $code i32)
   (call $read (local.get $rid))
   (local.set $code (call $ask {chain} (call $in) (call $len) (i32.const 16) (i32.const 20)))
   (drop (call $set_db (i32.const 64) (i32.const 9)
     (i32.load (i32.const 16)) (i32.load (i32.const 20))))
   (local.get $code))
"""


def asking(function: str, pages: int = 1):
    chain = "" if function == "ws_api_call" else "(i32.const 4690)"
    parameters = "i32 i32 i32 i32" if function == "ws_api_call" else "i32 i32 i32 i32 i32"
    asked = f'(import "env" "{function}" (func $ask (param {parameters}) (result i32)))'
    prelude = PRELUDE.replace('(memory (export "memory") 1)', f'(memory (export "memory") {pages})')
    body = wasm(asked + prelude + BODY.format(chain=chain), prelude="")
    return load(body, Specification({"DEFAULT": "start"}))


def run(program, *payloads: bytes):
    """Codes aside: the instance, the value of the key, the effects, what was logged."""
    instance = Instance(program, "d", 0, ALL_LOGS)
    outcome = instance.run(numbered(payloads))
    effects = [
        (one.label, one.a.decode(), orjson.loads(one.b)) for one in outputs(outcome, "effects")
    ]
    logs = [one.b.decode() for one in outputs(outcome, "logs") if not one.b.startswith(b"host.")]
    return instance.code, state(outcome).get(b"state:key", b""), effects, logs


# --- ws_send_tx ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sender():
    return asking("ws_send_tx")


def transaction(**fields) -> bytes:
    return orjson.dumps({"to": TO, "value": "7", "data": "0xC0ffee"} | fields)


def test_a_transaction_is_an_effect_and_its_id_the_answer(sender):
    code, answer, effects, logs = run(sender, transaction())
    assert (code, logs) == (0, [])
    ((label, target, body),) = effects
    assert (label, target) == ("send_tx", "4690")
    assert body == {"id": answer.decode(), "to": TO, "value": "7", "data": "0xC0ffee"}
    assert answer[:2] == b"0x"
    assert len(bytes.fromhex(answer[2:].decode())) == 32


def test_ids_differ_by_event_and_are_the_same_on_a_replay(sender):
    def ids(*payloads: bytes) -> list[str]:
        return [body["id"] for _, _, body in run(sender, *payloads)[2]]

    twice = ids(transaction(), transaction())
    assert len(set(twice)) == 2
    assert ids(transaction(), transaction()) == twice
    one = Instance(sender, "d", 0)  # in a batch each: the same ids
    cut = [one.run(numbered([transaction()], first=i)) for i in range(2)]
    assert [orjson.loads(outputs(each, "effects")[0].b)["id"] for each in cut] == twice
    other = Instance(sender, "other", 0).run(numbered([transaction()]))
    assert orjson.loads(outputs(other, "effects")[0].b)["id"] not in twice


def test_raw_messages_with_the_same_bytes_have_ids_of_their_own(sender):
    outcome = Instance(sender, "d", 0).run(packed([transaction(), transaction()]))
    bodies = [orjson.loads(one.b) for one in outputs(outcome, "effects")]
    assert len({body["id"] for body in bodies}) == 2


@pytest.mark.parametrize(
    ("given", "body"),
    [
        ({"value": 12}, {"value": "12"}),
        ({"value": "0"}, {"value": "0"}),
        ({"value": str(2**256 - 1)}, {"value": str(2**256 - 1)}),
        ({"data": ""}, {"data": "0x"}),
        ({"data": "00ff"}, {"data": "0x00ff"}),
        ({"to": "11" * 20}, {"to": "0x" + "11" * 20}),
        ({"operatorName": "mine"}, {}),  # ws_send_tx takes the default operator
    ],
)
def test_forms_that_are_taken(sender, given, body):
    code, _, ((_, _, sent),), _ = run(sender, transaction(**given))
    assert code == 0
    del sent["id"]
    assert sent == {"to": TO, "value": "7", "data": "0xC0ffee"} | body


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"{", "no JSON object"),
        (b"[]", "no JSON object"),
        (b"{}", "missing to or value string"),
        (transaction(value=""), "missing to or value string"),
        (transaction(to=None), "missing to or value string"),
        (transaction(to="0x12"), "`to` is no address"),
        (transaction(to="0x" + "zz" * 20), "`to` is no address"),
        (transaction(value="0x7"), "fail to read tx value"),
        (transaction(value="-7"), "fail to read tx value"),
        (transaction(value=1.5), "fail to read tx value"),
        (transaction(value=str(2**256)), "fail to read tx value"),
        (transaction(data="0xabc"), "`data` is not hexadecimal"),
        (transaction(data="hello!"), "`data` is not hexadecimal"),
        (b"[" * 50_000, "no JSON object"),
        (b'{"to":' + b"[" * 20_000 + b"]" * 20_000 + b',"value":1}', "`to` is no address"),
        (transaction(value=True), "fail to read tx value"),
    ],
)
def test_what_is_no_transaction_is_refused(sender, payload, said):
    code, answer, effects, (line,) = run(sender, payload)
    assert (code, answer, effects) == (-1, b"", [])
    assert said in line


def test_the_operator_is_named():
    code, answer, effects, _ = run(
        asking("ws_send_tx_with_operator"), transaction(operatorName='a"b')
    )
    assert (code, effects[0][2]["operatorName"], effects[0][2]["id"]) == (0, 'a"b', answer.decode())


def test_a_trap_takes_the_transaction_back(sender):
    trapping = BODY.replace("(local.get $code))", "(unreachable))").format(chain="(i32.const 1)")
    imports = '(import "env" "ws_send_tx" (func $ask (param i32 i32 i32 i32 i32) (result i32)))'
    program = load(wasm(imports + PRELUDE + trapping, ""), Specification({"DEFAULT": "start"}))
    outcome = Instance(program, "d", 0).run(packed([message(transaction(), 1)]))
    assert (outcome.dead, outcome.records["effects"]) == ({DeadReason.TRAP: 1}, [])


# --- ws_api_call --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def caller():
    return asking("ws_api_call")


def request(method="GET", url="/system/hello", header=None, body=b"", **more) -> bytes:
    given = {"Method": method, "Url": url, "Header": {"Eventtype": ["ANSWER"]} | (header or {})}
    return orjson.dumps(given | {"Body": base64.b64encode(body).decode()} | more)


def answered(code_answer) -> dict:
    response = orjson.loads(code_answer)
    response["Body"] = base64.b64decode(response["Body"]).decode()
    return response


def test_hello_is_answered_as_the_original_does(caller):
    given = request(header={"Name": ["<w3b>"], "Content-Type": ["x"]})
    code, answer, ((label, target, body),), _ = run(caller, given)
    assert code == 0
    assert answer == (
        b'{"Status":"200 OK","StatusCode":200,"Proto":"HTTP/1.1","Header":{'
        b'"Content-Type":["application/json; charset=utf-8"],"Eventtype":["ANSWER"],'
        b'"Name":["\\u003cw3b\\u003e"]},"Body":"'
        + base64.b64encode(rb'"{\"message\": \"hello \u003cw3b\u003e\"}"')
        + b'"}'
    )
    assert (label, target) == ("api_call", "/system/hello")
    assert len(body.pop("id")) == 66
    assert body == orjson.loads(given)


SEND = b'{"chainName":"iotex-testnet","to":"0x1","value":"1","data":"0x"}'


def test_a_transaction_by_request_is_accepted_under_an_id(caller):
    url = "w3bstream://w3bstream.com/system/send_tx?x=1"
    _, answer, ((_, target, body),), _ = run(caller, request("POST", url, body=SEND))
    response = answered(answer)
    assert target == "/system/send_tx"
    assert orjson.loads(response["Body"]) == {"transactionID": body["id"]}
    assert response["Header"]["Transactionid"] == body["Header"]["Transactionid"] == [body["id"]]
    assert base64.b64decode(body["Body"]) == SEND


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", "/system/read_tx", b'{"chainname":"goerli","HASH":"0x1"}'),
        ("POST", "/system/gen_zk_proof", b"{}"),
    ],
)
def test_other_requests_are_accepted_without_a_body(caller, method, url, body):
    _, answer, effects, _ = run(caller, request(method, url, body=body))
    assert answered(answer) == {
        "Status": "200 OK",
        "StatusCode": 200,
        "Proto": "HTTP/1.1",
        "Header": {"Eventtype": ["ANSWER"]},
        "Body": "",
    }
    assert [target for _, target, _ in effects] == [url]


REQUIRED = "Key: 'sendTxReq.{0}' Error:Field validation for '{0}' failed on the 'required' tag"


@pytest.mark.parametrize(
    ("given", "status", "body"),
    [
        (request(url="/nowhere"), 404, "404 page not found"),
        (request("POST"), 404, "404 page not found"),
        (request(header={"Eventtype": []}), 200, ""),
        (request(header={"Eventtype": [""]}), 200, ""),
        (b'{"url":"/system/hello"}', 200, ""),
        (b'{"url":"/system/hello","header":{"eventType":["ANSWER"]}}', 200, ""),
        (request("POST", "/system/send_tx"), 400, '{"error":"EOF"}'),
        (request("POST", "/system/send_tx", body=b"[]"), 400, None),
        (request("POST", "/system/send_tx", body=b'{"data":1}'), 400, None),
        (
            request("POST", "/system/send_tx", body=b'{"to":"0x1"}'),
            400,
            f'{{"error":"{REQUIRED.format("ChainName")}\\n{REQUIRED.format("Data")}"}}',
        ),
    ],
)  # fmt: skip
def test_what_is_not_accepted_has_its_status_and_no_effect(caller, given, status, body):
    code, answer, effects, _ = run(caller, given)
    response = answered(answer)
    assert (code, response["StatusCode"], effects) == (0, status, [])
    if body is not None:
        assert response["Body"] == body


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"[]",
        b'{"Method":1}',
        b'{"Method":"G T","Url":"/"}',
        b'{"Url":"/\\n"}',
        b'{"Header":[]}',
        b'{"Header":{"a":"b"}}',
        b'{"Header":{"a":[1]}}',
        b'{"Body":"*"}',
        b'{"Body":[256]}',
        b'{"Body":{}}',
    ],
)
def test_what_is_no_request_is_a_bad_one(caller, given):
    code, answer, effects, _ = run(caller, given)
    assert (code, effects) == (0, [])
    assert answer == b'{"Status":"","StatusCode":400,"Proto":"","Header":null,"Body":null}'


@pytest.mark.parametrize("body", ["e30=", "e30", [123, 125]])
def test_a_body_in_every_form_that_sdks_write(caller, body):
    given = request("POST", "/system/gen_zk_proof", Body=body)
    _, answer, ((_, _, sent),), _ = run(caller, given)
    assert answered(answer)["StatusCode"] == 200
    assert sent["Body"] == "e30="


def test_escapes_count_against_the_output_ceiling():
    given = request(header={"Name": ["<" * 250_000]})
    outcome = Instance(asking("ws_api_call", pages=64), "d", 0).run(numbered([given]))
    assert outcome.dead == {DeadReason.OUTPUT_LIMIT: 1}


def test_an_answer_that_finds_no_room_in_the_program_is_an_error_of_that_call(caller):
    given = request(header={"Name": ["x" * 25_000]})  # `alloc` gives out what is not there
    code, _, _, logs = run(caller, given)
    assert code == 5
    assert logs == ["fail to copy data"]
