"""The program `safe_driving` against its golden outputs, and rules that hold for any drive.

It runs on the naive engine, which shares no code with the node's own; the node's engine is held
to the same golden file elsewhere, so that each is the other's second opinion.
"""

import json
import struct
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.benchmarks.naive import NaiveEngine, Outcome
from wasm_programs import build

PROGRAM = Path(build.__file__).parent / "safe_driving"
DEVICE = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
T0 = 1_700_000_000_000
SAMPLE = {
    "speed_kmh": 50,
    "rpm": 2000,
    "throttle_pct": 17.6,
    "load_pct": 30.2,
    "coolant_c": 85,
    "ltft_pct": -1.5,
    "stft_pct": 2.3,
    "fuel_pct": 55.5,
    "run_time_s": 100,
}


@pytest.fixture(scope="module")
def program() -> bytes:
    if not build.is_fresh(PROGRAM):
        build.build(PROGRAM)
    return build.output_of(PROGRAM).read_bytes()


@pytest.fixture(scope="module")
def compiled(program: bytes) -> NaiveEngine:
    return NaiveEngine(program)


@pytest.fixture
def engine(compiled: NaiveEngine) -> NaiveEngine:
    compiled.state.clear()
    return compiled


def drive(engine: NaiveEngine, *samples: dict[str, Any], every_ms: int = 1000) -> list[Outcome]:
    """Send samples, each ``every_ms`` after the last, run time counting on by itself."""
    return [
        engine.handle(
            "start",
            orjson.dumps({**SAMPLE, "run_time_s": 100 + i * every_ms // 1000, **sample}),
            DEVICE,
            T0 + i * every_ms,
        )
        for i, sample in enumerate(samples)
    ]


def rows(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    return [orjson.loads(body) for outcome in outcomes for body in outcome.results]


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_golden(engine: NaiveEngine) -> None:
    events = read_lines(PROGRAM / "golden" / "input.jsonl")
    expected = read_lines(PROGRAM / "golden" / "expected.jsonl")
    assert len(events) == len(expected)
    for number, (event, wanted) in enumerate(zip(events, expected, strict=True), 1):
        payload = (
            event["payload_text"].encode()
            if "payload_text" in event
            else orjson.dumps(event["payload"])
        )
        outcome = engine.handle("start", payload, event["device"], event["time_ms"])
        assert outcome.as_json() == wanted, f"line {number} of golden/input.jsonl"


def test_golden_covers_every_kind_of_row_and_every_way_a_trip_ends() -> None:
    said = [
        r for line in read_lines(PROGRAM / "golden" / "expected.jsonl") for r in line["results"]
    ]
    assert {row["kind"] for row in said} == {
        "harsh_brake",
        "harsh_acceleration",
        "speeding",
        "idling",
        "fuel_trim",
        "trip",
    }
    assert {row["reason"] for row in said if row["kind"] == "trip"} == {
        "ignition_off",
        "engine_off",
        "gap",
        "restart",
    }


def test_one_page_and_only_what_a_node_serves(program: bytes) -> None:
    import wasmtime

    module = wasmtime.Module(wasmtime.Engine(), program)
    memories = [e.type for e in module.exports if isinstance(e.type, wasmtime.MemoryType)]
    assert [memory.limits.min for memory in memories] == [1]
    assert {e.name for e in module.exports} == {"memory", "alloc", "start"}
    assert {i.module for i in module.imports} == {"env", "w3b"}


def test_braking_is_harsh_from_7_mph_in_a_second(engine: NaiveEngine) -> None:
    assert rows(drive(engine, {"speed_kmh": 60}, {"speed_kmh": 49})) == []  # 3.06 m/s²
    engine.state.clear()
    (row,) = rows(drive(engine, {"speed_kmh": 60}, {"speed_kmh": 48}))  # 3.33 m/s²
    assert (row["kind"], row["rate_ms2"], row["from_kmh"]) == ("harsh_brake", -3.33, 60.0)


def test_one_long_braking_is_one_event(engine: NaiveEngine) -> None:
    speeds = [90, 75, 60, 45, 45, 30]
    kinds = [r["kind"] for r in rows(drive(engine, *({"speed_kmh": v} for v in speeds)))]
    assert kinds == ["harsh_brake", "harsh_brake"]


def test_half_second_samples_are_judged_over_a_second(engine: NaiveEngine) -> None:
    # 7 km/h in half a second would be 3.9 m/s²; over the second it is 1.9.
    speeds = [50, 50, 43, 43, 43]
    assert rows(drive(engine, *({"speed_kmh": v} for v in speeds), every_ms=500)) == []


def test_a_refused_sample_leaves_the_state_alone(engine: NaiveEngine) -> None:
    drive(engine, {}, {})
    before = dict(engine.state)
    outcome = engine.handle("start", b'{"speed_kmh":50,"rpm":17000}', DEVICE, T0 + 5000)
    assert (outcome.code, outcome.error) == (-1, "returned_error")
    assert outcome.logs == [
        (
            "error",
            "wasmCode",
            "telemetry refused: rpm is outside the sensor's range, 0 to 16383.75",
        )
    ]
    assert engine.state == before
    assert outcome.kv == {}


def test_distance_follows_the_messages_time(engine: NaiveEngine) -> None:
    outcomes = drive(engine, *([{"speed_kmh": 72}] * 101), {"speed_kmh": 72, "ignition": False})
    (trip,) = rows(outcomes)
    assert trip["kind"] == "trip"
    assert trip["distance_m"] == 101 * 20
    assert trip["end_ms"] - trip["start_ms"] == 101_000
    (claim,) = outcomes[-1].claims
    assert claim[0] == DEVICE.encode()
    assert json.loads(claim[1])["distance_m"] == 101 * 20


def test_a_car_moved_in_the_yard_is_no_trip(engine: NaiveEngine) -> None:
    outcomes = drive(
        engine, {"speed_kmh": 5}, {"speed_kmh": 5}, {"speed_kmh": 0, "ignition": False}
    )
    assert rows(outcomes) == []
    assert all(not outcome.claims for outcome in outcomes)


def speed_kept(engine: NaiveEngine, value: float) -> float:
    engine.state.clear()
    drive(engine, {"speed_kmh": value})
    (state,) = engine.state.values()
    (kept,) = struct.unpack_from("<d", state, 40)  # lastKmh
    return float(kept)


@settings(max_examples=300, deadline=None)
@given(value=st.decimals(0, 255, places=6).map(float) | st.integers(0, 255))
def test_numbers_as_sensors_give_them_are_read_exactly(compiled: NaiveEngine, value: float) -> None:
    assert speed_kept(compiled, value) == value


@settings(max_examples=300, deadline=None)
@given(value=st.floats(0, 255, allow_subnormal=False))
def test_any_number_is_read_closely(compiled: NaiveEngine, value: float) -> None:
    assert speed_kept(compiled, value) == pytest.approx(value, rel=1e-14, abs=0)


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet='{}[]":,.-+eE0123456789 \n\\ulntrfaspeed_kmh', max_size=40))
def test_what_is_no_json_object_is_refused_and_never_traps(
    compiled: NaiveEngine, text: str
) -> None:
    compiled.state.clear()
    outcome = compiled.handle("start", text.encode(), DEVICE, T0)
    assert outcome.error == "returned_error"  # 40 characters cannot hold all nine fields


@settings(max_examples=200, deadline=None)
@given(
    extra=st.dictionaries(
        st.text(max_size=8),
        st.none()
        | st.booleans()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.integers()
        | st.text(max_size=8),
        max_size=4,
    )
)
def test_any_flat_json_around_the_fields_is_accepted(
    compiled: NaiveEngine, extra: dict[str, Any]
) -> None:
    compiled.state.clear()
    payload = json.dumps({**extra, **SAMPLE}).encode()
    outcome = compiled.handle("start", payload, DEVICE, T0)
    assert outcome.code == 0, outcome.logs
