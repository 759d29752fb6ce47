"""Effects read and answered: which records are whose, what a transaction's body must be, and what
a program is told."""

import base64
import json
from typing import Any

import pytest

from streams.delivery.effects import effects_of
from streams.effects import api
from streams.effects.answers import Answer, Refusal, fits, message_id, writes_of
from streams.effects.transfer import TransferOutcome, WishError, answer_of, transfer_of
from streams.records import EFFECT_REFUSED, Kind, decode_message, decode_output
from tests.effects.effects import effect, record, slice_of

ID = "0x" + "ab" * 32
WISH = {"id": ID, "to": "0x" + "11" * 20, "value": "7", "data": "0x00ff"}


def test_effects_of_some_labels_are_read_and_others_passed_over() -> None:
    values = [
        record("mqtt", b"t", b"1"),
        b"",
        b"no effect at all, though it is longer than the header of a record is" * 2,
        record("metrics", b"", b"{}"),
        record("send_tx", b"1", b"{}"),
        record("mqtt", b"t", b"2")[:-2][:58],  # cut short
        record("mqtt", b"t", b"3"),
    ]
    found = effects_of(slice_of(values, "tally", 3), {"mqtt", "send_tx"})
    assert [(one.record.label, one.record.b) for one in found] == [
        ("mqtt", b"1"), ("send_tx", b"{}"), ("mqtt", b"3"),
    ]  # fmt: skip
    assert {(one.dapp, one.partition) for one in found} == {("tally", 3)}
    assert found[0].value == values[0]


def test_a_transfer_as_the_program_wished_it() -> None:
    made = transfer_of(effect("send_tx", b"4690", b""), "4690", WISH | {"operatorName": "buyer"})
    assert (made.id.hex(), made.to.hex(), made.value_wei) == ("ab" * 32, "11" * 20, 7)
    assert (made.data, made.operator, made.chain, made.dapp) == (
        b"\x00\xff", "buyer", "4690", "tally",
    )  # fmt: skip
    bare = {"id": ID, "to": "11" * 20, "data": "00"}
    made = transfer_of(effect("send_tx", b"1", b""), "1", bare)
    assert (made.value_wei, made.data, made.operator) == (0, b"\x00", "default")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "0x12"}, "no id"),
        ({"id": 7}, "no id"),
        ({"to": "0x12"}, "no address"),
        ({"to": None}, "no address"),
        ({"data": "0x1"}, "not hexadecimal"),
        ({"value": "-1"}, "no decimal number"),
        ({"value": "²"}, "no decimal number"),
        ({"value": str(2**256)}, "no decimal number"),
        ({"value": "9" * 5_000}, "no decimal number"),
    ],
)
def test_what_is_no_transfer_says_why(change: dict[str, Any], said: str) -> None:
    with pytest.raises(WishError, match=said):
        transfer_of(effect("send_tx", b"1", b""), "1", WISH | change)


def test_an_outcome_is_told_to_those_who_route_it() -> None:
    reply = transfer_of(effect("send_tx", b"1", b""), "1", WISH).reply
    outcome = TransferOutcome("reverted", b"\x01" * 32, 9, b"\x02" * 32, 21_000)
    assert answer_of(reply, outcome, lambda dapp, event_type: False) is None
    told = answer_of(reply, outcome, lambda dapp, event_type: event_type == "TX_RESULT")
    assert told is not None
    assert (told.dapp, told.partition, told.device, told.event_type) == (
        "tally", 3, "did:x", "TX_RESULT",
    )  # fmt: skip
    assert json.loads(told.payload) == {
        "id": ID, "chainID": "1", "status": "reverted", "hash": "0x" + "01" * 32, "block": 9,
        "blockHash": "0x" + "02" * 32, "gasUsed": 21_000,
    }  # fmt: skip


def test_an_api_calls_outcome_is_the_apis_response() -> None:
    request = {"id": ID, "Header": {"Eventtype": ["PAID"], "X": ["1", "2"], "Odd": "text"}}
    reply = transfer_of(effect("api_call", b"", b""), "1", WISH, request).reply
    told = answer_of(reply, TransferOutcome("failed", reason="no"), lambda dapp, event_type: False)
    assert told is not None
    assert told.event_type == "PAID"
    response = json.loads(told.payload)
    assert (response["Status"], response["StatusCode"], response["Proto"]) == (
        "200 OK", 200, "HTTP/1.1",
    )  # fmt: skip
    assert response["Header"] == {
        "Eventtype": ["PAID"], "X": ["1", "2"],
        "Content-Type": ["application/json; charset=utf-8"],
    }  # fmt: skip
    assert json.loads(base64.b64decode(response["Body"])) == {
        "transactionID": ID, "state": "FAILED",
    }  # fmt: skip


def test_a_request_without_a_body_is_told_so() -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        api.body_of({"Body": base64.b64encode(b"[]").decode()})
    with pytest.raises(ValueError, match="line 1"):
        api.body_of({})


def test_answers_go_to_the_device_and_refusals_to_the_dead_letters() -> None:
    refused = effect("mqtt", b"#", b"body")
    answers = [Answer("tally", 3, "did:x", "PAID", bytes([n]) * 32, b"{}") for n in range(2)]
    messages, letters = writes_of([*answers, Refusal(refused, "why")], now_ms=5)
    assert (messages.topic, messages.partition) == ("messages.tally", 3)
    assert (letters.topic, letters.partition) == ("dead.tally", 3)
    said = [decode_message(one["value"]) for one in messages.records]
    assert [one.message_id for one in said] == [
        message_id("tally", bytes([n]) * 32) for n in range(2)
    ]
    assert {(one.device, one.event_type, one.time_ms) for one in said} == {("did:x", "PAID", 5)}
    letter = decode_output(letters.records[0]["value"])
    assert (letter.kind, letter.label) == (Kind.DEAD_LETTER, EFFECT_REFUSED)
    assert (letter.a, letter.b) == (b"why", refused.value)
    assert letters.records[0]["key"] == b"did:x"


def test_what_fits_into_a_message() -> None:
    assert fits("PAID", b"x")
    assert not fits("")
    assert not fits("p" * 65)
    assert not fits("PAID", bytes(256 * 1024 + 1))
