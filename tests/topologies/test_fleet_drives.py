"""The two sources of messages: simulated cars, and recordings with real data's blemishes."""

import gzip
import itertools
import os
from pathlib import Path

import orjson
import pytest

from tests.benchmarks.naive import NaiveEngine
from topologies.fleet.carobd import COLUMNS, Recording, RecordingError, recordings
from topologies.fleet.drives import Drive, Stretch
from topologies.fleet.simulator import fleet
from wasm_programs import build

PROGRAM = Path(build.__file__).parent / "safe_driving"
T0 = 1_700_000_000_000
HEADER = (
    "ENGINE_RUN_TINE (),ENGINE_RPM (),VEHICLE_SPEED (),THROTTLE (),ENGINE_LOAD (),"
    "COOLANT_TEMPERATURE (),LONG_TERM_FUEL_TRIM_BANK_1 (),SHORT_TERM_FUEL_TRIM_BANK_1 (),"
    "INTAKE_MANIFOLD_PRESSURE (),FUEL_TANK ()"
)


@pytest.fixture(scope="module")
def compiled() -> NaiveEngine:
    if not build.is_fresh(PROGRAM):
        build.build(PROGRAM)
    return NaiveEngine(build.output_of(PROGRAM).read_bytes())


@pytest.fixture
def engine(compiled: NaiveEngine) -> NaiveEngine:
    compiled.state.clear()
    return compiled


def whole(drive: Drive) -> list[Stretch]:
    return list(drive.stretches())


def messages(stretches: list[Stretch]) -> list[tuple[int, bytes, bool]]:
    """Offset, payload and whether it is raw, of every message."""
    return [
        (offset, payload, place in stretch.raw)
        for stretch in stretches
        for place, (offset, payload) in enumerate(
            zip(stretch.offsets_ms, stretch.payloads, strict=True)
        )
    ]


def trips(engine: NaiveEngine, drive: Drive) -> tuple[list[dict[str, object]], int]:
    """Claims of a drive, and how many of its messages the program refused."""
    claims: list[dict[str, object]] = []
    refused = 0
    for offset, payload, _ in messages(whole(drive)):
        outcome = engine.handle("start", payload, drive.name, T0 + offset)
        claims += [orjson.loads(statement) for _, statement in outcome.claims]
        refused += outcome.code < 0
    return claims, refused


# --- the simulator ----------------------------------------------------------------------------


def test_a_seed_makes_the_same_fleet() -> None:
    first, again, other = (
        [messages(whole(car)) for car in fleet(3, 600, seed, 0.01)] for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other
    assert first[0] != first[1]


@pytest.mark.parametrize("duration_s", [1, 2, 20, 61, 400, 3600])
def test_every_drive_comes_to_rest_within_its_time(duration_s: int) -> None:
    for car in fleet(8, duration_s, 1):
        sent = messages(whole(car))
        if not sent:
            continue  # a car may start later than so short a drive lasts
        offsets = [offset for offset, _, _ in sent]
        assert offsets == sorted(set(offsets))
        assert offsets[-1] < car.duration_ms
        last = orjson.loads(sent[-1][1])
        assert (last["speed_kmh"], last["ignition"]) == (0, False)


def test_samples_are_plausible() -> None:
    for car in fleet(20, 900, 2):
        for stretch in whole(car):
            samples = [orjson.loads(payload) for payload in stretch.payloads]
            speeds = [sample["speed_kmh"] for sample in samples]
            assert max(abs(b - a) for a, b in itertools.pairwise(speeds)) <= 22
            assert max(speeds) <= 160
            assert all(sample["rpm"] >= 780 for sample in samples)
            assert all(0 <= sample["load_pct"] <= 100 for sample in samples)


def test_the_program_scores_simulated_trips(engine: NaiveEngine) -> None:
    cars = fleet(4, 360, 3)
    for car in cars:
        (claim,), refused = trips(engine, car)
        assert refused == 0
        assert claim["trip"] == 1
        assert isinstance(claim["distance_m"], int)
        assert claim["distance_m"] > 1000


def test_bad_rows_are_counted_and_refused(engine: NaiveEngine) -> None:
    (car,) = fleet(1, 600, 4, bad_share=0.1)
    sent = messages(whole(car))
    assert 30 <= car.faulty <= 90
    for _, payload, is_raw in sent:
        try:
            orjson.loads(payload)
        except orjson.JSONDecodeError:
            assert is_raw
        else:
            assert not is_raw
    (car,) = fleet(1, 600, 4, bad_share=0.1)
    _, refused = trips(engine, car)
    assert refused == car.faulty


@pytest.mark.parametrize(("devices", "seconds", "share"), [(0, 60, 0), (1, 0, 0), (1, 60, 1)])
def test_a_fleet_that_cannot_be(devices: int, seconds: int, share: float) -> None:
    with pytest.raises(ValueError, match="a fleet needs"):
        fleet(devices, seconds, 1, share)


# --- recordings -------------------------------------------------------------------------------


def row(run_time: int, speed: float, rpm: str = "1500.000000") -> str:
    return (
        f"{run_time}.000000, {rpm}, {speed:.6f}, 17.647058, 30.000000, 80.000000, -4.687500, "
        "0.000000, 101.000000, 34.117645,"
    )


def record(folder: Path, *rows: str, header: str = HEADER) -> Path:
    file = folder / "drive9.csv"
    file.write_bytes("".join(line + "\r\n" for line in (header, *rows)).encode())
    return file


def test_a_recording_is_read_with_its_blemishes(tmp_path: Path, engine: NaiveEngine) -> None:
    rows = [row(i // 2, 40) for i in range(200)]
    rows[50] = "25.000000, 1500.000000, 40.0000"  # cut short
    rows[60] = row(30, 40, rpm="1500.0.0")
    rows[70] = row(35, 40, rpm="nan")
    rows[80] = row(40, 40, rpm="99999.000000")  # a number, but no engine's
    recording = Recording(record(tmp_path, *rows, ""))
    assert (recording.name, recording.rows) == ("drive9", 200)

    sent = messages(whole(recording))
    assert len(sent) == 201  # and the ignition off
    assert sent[0][1] == (
        b'{"speed_kmh":40.000000,"rpm":1500.000000,"throttle_pct":17.647058,'
        b'"load_pct":30.000000,"coolant_c":80.000000,"ltft_pct":-4.687500,"stft_pct":0.000000,'
        b'"fuel_pct":34.117645,"run_time_s":0.000000}'
    )
    assert sent[50][1:] == (rows[50].encode(), True)
    assert [unreadable.line for unreadable in recording.unreadable] == [52, 62, 72]
    assert [unreadable.reason for unreadable in recording.unreadable] == [
        "cut short after 3 columns",
        "rpm is '1500.0.0', no number",
        "rpm is 'nan', no number",
    ]

    (claim,), refused = trips(engine, recording)
    assert refused == 4
    assert isinstance(claim["distance_m"], int)
    assert claim["distance_m"] == pytest.approx(99 * 40 / 3.6, rel=0.02)


def test_time_follows_the_engines_clock(tmp_path: Path) -> None:
    # Two rows a second, as the engine counts: the file says nothing else of time.
    recording = Recording(record(tmp_path, *(row(i // 2, 40) for i in range(1, 402))))
    assert recording.duration_ms == pytest.approx(200_500, rel=0.01)


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    header = ",".join(["EXTRA", *reversed(COLUMNS)])
    recording = Recording(record(tmp_path, "x,1,2,3,4,5,6,7,800,9", header=header))
    sent = messages(whole(recording))
    assert sent[0][1].startswith(b'{"speed_kmh":9,"rpm":800,')


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "it is empty"),
        (b"a,b\n1,2\n", "no column VEHICLE_SPEED"),
        (f"{HEADER}\r\n\r\n".encode(), "no rows"),
        (f"{HEADER}\n1\n".replace(",", ";").encode(), "separated by ';'"),
        (f"{HEADER},VEHICLE_SPEED\n1\n".encode(), "VEHICLE_SPEED is there more than once"),
        (f"{HEADER}\n1\n".encode("utf-16"), "UTF-16"),
        (f"{HEADER}\n1\n".encode("utf-16-le"), "no text"),
        (gzip.compress(f"{HEADER}\n1\n".encode()), "gzip"),
    ],
)
def test_what_is_no_recording_is_named(tmp_path: Path, content: bytes, wrong: str) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(content)
    with pytest.raises(RecordingError, match=wrong):
        Recording(file)


def test_a_spreadsheets_marks_are_no_part_of_a_recording(tmp_path: Path) -> None:
    header, values = HEADER.split(","), row(30, 40).split(",")[: HEADER.count(",") + 1]
    quoted = [",".join(f'"{cell.strip()}"' for cell in cells) for cells in (header, values)]
    file = tmp_path / "quoted.csv"
    file.write_text("\ufeff\n" + "\n".join(quoted))
    plain = messages(whole(Recording(record(tmp_path, row(30, 40)))))
    assert messages(whole(Recording(file))) == plain


def test_a_number_is_a_message_whatever_its_length(tmp_path: Path) -> None:
    long, endless = f"40.{'0' * 400_000}", f"1{'0' * 400}"
    sent = messages(
        whole(Recording(record(tmp_path, row(1, 40, rpm=long), row(2, 40, rpm=endless))))
    )
    assert b'"rpm":40.0,' in sent[0][1]
    assert [raw for _, _, raw in sent] == [False, True, False]


def test_one_name_is_one_device(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    files = [record(tmp_path, row(1, 40)), record(tmp_path / "other", row(1, 40))]
    with pytest.raises(RecordingError, match="rename one"):
        recordings(files)
    files[1] = files[1].rename(tmp_path / os.fsdecode(b"caf\xe9.csv"))
    assert [one.name for one in recordings(files)] == ["drive9", "caf\ufffd"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        Recording(tmp_path / "none.csv")
