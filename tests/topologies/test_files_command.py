"""`w3b files collect` on what a program's committed state names."""

import json
import secrets
from pathlib import Path

import pytest
from confluent_kafka import Producer

from streams import topics
from streams.delivery.admin import ensure_topics
from streams.execution.files import file_answers, files_of
from streams.execution.instance import ALL_LOGS, Instance
from streams.execution.program import Specification, load
from streams.filesystem.store import FileStore
from tests.execution.feeding import numbered
from tests.execution.guests import PRELUDE, wasm
from tests.execution.test_files import BODY, IMPORTS
from topologies.__main__ import main

pytestmark = pytest.mark.services


def test_files_that_were_replaced_go_and_those_with_a_name_stay(
    kafka: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("W3B_KAFKA_BOOTSTRAP_SERVERS", kafka)
    config = {"bootstrap.servers": kafka}
    dapp, lost = (f"d{secrets.token_hex(6)}" for _ in range(2))
    ensure_topics(config, topics.dapp_topics(dapp, 2))
    store = FileStore(str(tmp_path / "files"))
    program = store.put(b"a program is no file of a Dapp")
    files_of(store, lost).put(b"of a Dapp that this Kafka does not know")
    keeping = load(wasm(IMPORTS + PRELUDE + BODY, ""), Specification({"DEFAULT": "start"}))
    producer = Producer(config)
    for partition in range(2):
        instance = Instance(keeping, dapp, partition, ALL_LOGS, file_answers(files_of(store, dapp)))
        name = b"ab"[partition : partition + 1]
        for i, payload in enumerate([b"p" + name + b"old", b"p" + name + b"new" + name]):
            for record in instance.run(numbered([payload], i)).records["state"]:
                producer.produce(topics.state(dapp), record["value"], record["key"], partition)
    assert producer.flush(30) == 0

    def collect(*words: str) -> dict[str, dict[str, int]]:
        words = ("files", "collect", "--data", str(tmp_path), *words)
        assert main(words) == 0
        assert f"{lost}: this Kafka has no topic" in capsys.readouterr().out
        assert main([*words, "--json"]) == 0
        said = capsys.readouterr().out
        found: dict[str, dict[str, int]] = json.loads(said[said.index("{") :])
        return found

    tried = collect("--dry-run")
    assert tried == {
        dapp: {
            "named": 2, "put_aside": 1, "put_aside_bytes": 3, "removed": 0, "removed_bytes": 0
        }
    }  # fmt: skip
    done = collect()[dapp]
    assert (done["named"], done["put_aside"]) == (2, 0)  # by the first of the two calls
    left = {path.name for path in (tmp_path / "files" / "kept" / dapp).glob("??/*")}
    assert len(left) == 2
    for digest in left:
        assert files_of(store, dapp).get(digest) in (b"newa", b"newb")
    assert store.get(program)
    assert main(["files", "collect", "--data", str(tmp_path), "--aside-hours", "0"]) == 1
    assert "1 or more" in capsys.readouterr().err
