"""docs/analysts.md: every question is asked of what a run has left, and answered."""

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.database.query import Format, ask
from streams.database.server import Server
from streams.records import Message
from tests.database.analysed import BEGIN_MS, Run, run_fleet

pytestmark = pytest.mark.services

PAGE = Path(__file__).resolve().parents[2] / "docs" / "analysts.md"
QUESTIONS = dict(re.findall(r"^## (\d+)\..*?^```sql\n(.*?)^```", PAGE.read_text(), re.M | re.S))
CARS = 30
SECONDS = 1_200


@pytest.fixture(scope="module")
def run(clickhouse_url: str) -> Iterator[Run]:
    server = Server(f"{clickhouse_url.rsplit('/', 1)[0]}/t_{uuid.uuid4().hex[:12]}")
    yield run_fleet(server, CARS, SECONDS)
    server.command(f"DROP DATABASE {server.database}")
    server.close()


def answer(run: Run, number: int) -> list[dict[str, Any]]:
    """A question's rows, as `w3b query --format json` gives them."""
    parameters = {
        "device": a_device(run)[0].device,
        "day": "2026-01-05",
        "since": "2026-01-05 08:00:00",
        "minutes": 1,
    }
    sql = QUESTIONS[str(number)]
    asked = {name: value for name, value in parameters.items() if f"{{{name}:" in sql}
    return [json.loads(line) for line in ask(run.server, sql, Format.JSON, asked).splitlines()]


def a_device(run: Run) -> list[Message]:
    """All that the first car sent."""
    return [one for one in run.sent if one.device == run.sent[0].device]


def kinds(run: Run, kind: str) -> list[dict[str, Any]]:
    """The results of a kind, as the program wrote them, with their device."""
    bodies = [orjson.loads(one.b) | {"device": one.device.decode()} for one in run.results]
    return [body for body in bodies if body["kind"] == kind]


def test_there_are_twelve() -> None:
    assert list(QUESTIONS) == [str(number) for number in range(1, 13)]
    assert datetime.fromtimestamp(BEGIN_MS / 1000, UTC) == datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.mark.parametrize("number", range(1, 13))
def test_a_question_has_an_answer(run: Run, number: int) -> None:
    assert answer(run, number)


def test_what_there_is(run: Run) -> None:
    (row,) = answer(run, 1)
    assert (row["dapp"], row["messages"]) == ("safe_driving", len(run.sent))


def test_the_last_value(run: Run) -> None:
    (row,) = answer(run, 2)
    assert row["payload"] == a_device(run)[-1].payload.decode()


def test_a_day_of_a_device(run: Run) -> None:
    rows = answer(run, 3)
    assert len(rows) == len(a_device(run))
    assert rows[0]["speed_kmh"] == orjson.loads(a_device(run)[0].payload)["speed_kmh"]


def test_the_fleet_by_minute(run: Run) -> None:
    rows = answer(run, 4)
    assert sum(row["messages"] for row in rows) == len(run.sent)
    first_ms = run.sent[0].time_ms // 60_000
    first = {one.device for one in run.sent if one.time_ms // 60_000 == first_ms}
    assert rows[0]["devices"] == len(first)


def test_who_brakes_hardest(run: Run) -> None:
    counted = Counter(body["device"] for body in kinds(run, "harsh_brake"))
    expected = sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    assert [(row["device"], row["brakes"]) for row in answer(run, 5)] == expected


def test_scores_are_of_all_trips(run: Run) -> None:
    driven = [body for body in kinds(run, "trip") if body["distance_m"] > 0]
    assert sum(row["trips"] for row in answer(run, 6)) == len(driven)


def test_what_went_wrong(run: Run) -> None:
    expected = Counter(one.label for one in run.dead)
    assert {row["reason"]: row["messages"] for row in answer(run, 11)} == expected


def test_what_is_proven(run: Run) -> None:
    rows = answer(run, 12)
    assert [row["device"] for row in rows] == [one.a.decode() for one in run.claims]
    assert {row["signers"] for row in rows} == {1}
