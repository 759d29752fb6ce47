"""The node's engine and the naive one, which share no code, on the same messages."""

import base64
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.delivery.batch import pack_records
from streams.execution.instance import ALL_LOGS, Instance, Outcome
from streams.execution.program import Program, Specification, load
from streams.records import Message, Output, decode_output
from tests.benchmarks.naive import NaiveEngine
from topologies.fleet.simulator import fleet
from wasm_programs import build

PROGRAM = Path(build.__file__).parent / "safe_driving"
T0 = 1_700_000_000_000


@pytest.fixture(scope="module")
def binary() -> bytes:
    if not build.is_fresh(PROGRAM):
        build.build(PROGRAM)
    return build.output_of(PROGRAM).read_bytes()


@pytest.fixture(scope="module", params=["fresh", "kept"])
def program(request: pytest.FixtureRequest, binary: bytes) -> Program:
    return load(binary, Specification({"DEFAULT": "start"}, instance=request.param))


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def packed(messages: list[Message], first: int = 0) -> bytes:
    return pack_records(
        [message.device.encode() for message in messages],
        [message.encode() for message in messages],
        list(range(first, first + len(messages))),
        [message.time_ms for message in messages],
    )


def outputs(outcome: Outcome, stream: str) -> list[Output]:
    return [decode_output(record["value"]) for record in outcome.records[stream]]


def state(outcome: Outcome) -> dict[str, str]:
    """The program's own keys that changed (they are marked with a k), to base64."""
    return {
        record["key"][1:].decode(): base64.b64encode(record["value"]).decode()
        for record in outcome.records["state"]
        if record["key"][:1] == b"k"
    }


def test_golden(program: Program) -> None:
    instance = Instance(program, "safe_driving", 0, ALL_LOGS)
    events = read_lines(PROGRAM / "golden" / "input.jsonl")
    expected = read_lines(PROGRAM / "golden" / "expected.jsonl")
    for number, (event, wanted) in enumerate(zip(events, expected, strict=True)):
        payload = (
            event["payload_text"].encode()
            if "payload_text" in event
            else orjson.dumps(event["payload"])
        )
        sent = Message(event["device"], payload, number.to_bytes(16), event["time_ms"])
        outcome = instance.run(packed([sent], number))
        instance.commit()
        dead = outputs(outcome, "dead")
        assert [[one.label, one.b] for one in dead] == (
            [[wanted["error"], sent.encode()]] if wanted["error"] else []
        )
        assert {
            "logs": [[o.label, o.a.decode(), o.b.decode()] for o in outputs(outcome, "logs")],
            "kv": state(outcome),
            "results": [orjson.loads(one.b) for one in outputs(outcome, "results")],
            "claims": [
                [one.a.decode(), one.b[16:].decode()]  # behind the salt
                for one in outputs(outcome, "claims")
            ],
        } == {name: wanted[name] for name in ("logs", "kv", "results", "claims")}, (
            f"line {number + 1} of golden/input.jsonl"
        )


def test_a_fleet_with_bad_rows_in_one_batch(program: Program, binary: bytes) -> None:
    """Byte for byte the same results, claims and state, thousands of events in one call."""
    naive = NaiveEngine(binary)
    results: list[bytes] = []
    claims: list[tuple[bytes, bytes]] = []
    messages: list[Message] = []
    for car in fleet(3, 420, seed=11, bad_share=0.02):
        for stretch in car.stretches():
            for offset, payload in zip(stretch.offsets_ms, stretch.payloads, strict=True):
                number = len(messages).to_bytes(16)
                messages.append(Message(car.name, payload, number, T0 + offset))
    dead = 0
    for message in messages:
        outcome = naive.handle("start", message.payload, message.device, message.time_ms)
        results += outcome.results
        claims += outcome.claims
        dead += outcome.code < 0
    whole = Instance(program, "safe_driving", 0).run(packed(messages))
    assert [one.b for one in outputs(whole, "results")] == results
    assert [(one.a, one.b[16:]) for one in outputs(whole, "claims")] == claims
    assert sum(whole.dead.values()) == dead > 0
    assert whole.processed == len(messages) - dead
    assert state(whole) == {
        key.decode(): base64.b64encode(value).decode() for key, value in naive.state.items()
    }
