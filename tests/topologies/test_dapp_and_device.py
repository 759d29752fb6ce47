"""`w3b dapp` and `w3b device` against a real Kafka, as a user types them."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import wasmtime

from streams.filesystem.store import FileStore
from streams.wallet.did import KeyKind
from streams.wallet.keys import generate, load_or_create
from tests.waiting import wait_until
from topologies.__main__ import main

pytestmark = [pytest.mark.services, pytest.mark.slow]

PROGRAM = """
(module
  (memory (export "memory") 1)
  (func (export "start") (param i32) (result i32) i32.const {}))
"""

W3b = Callable[..., tuple[int, str, str]]


@pytest.fixture
def w3b(
    kafka: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> W3b:
    monkeypatch.setenv("W3B_KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        status = main([*words, "--data", str(tmp_path / "data")])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def _write_dapp(folder: Path, name: str, code: int = 0, **dapp: Any) -> Path:
    folder.mkdir(exist_ok=True)
    more = "".join(f"{key} = {json.dumps(value)}\n" for key, value in dapp.items())
    (folder / "program.toml").write_text(
        f'[dapp]\nname = "{name}"\n{more}[program]\nfile = "program.wasm"\n'
    )
    (folder / "program.wasm").write_bytes(wasmtime.wat2wasm(PROGRAM.format(code)))
    return folder


def test_a_dapp_is_added_upgraded_shown_and_removed(w3b: W3b, tmp_path: Path) -> None:
    name = f"d_{uuid4().hex[:20]}"
    folder = _write_dapp(tmp_path / "dapp", name, partitions=2)
    status, out, _ = w3b("dapp", "add", str(folder))
    assert (status, out.split(":")[0]) == (0, f"Dapp {name} 0.1.0 added")
    assert "unchanged" in w3b("dapp", "add", str(folder / "program.toml"))[1]
    _write_dapp(folder, name, code=1, partitions=2, version="0.2.0")
    assert "there is no Dapp" in w3b("dapp", "upgrade", str(_write_dapp(tmp_path / "no", "no")))[2]
    done = f"Dapp {name} 0.2.0 upgraded from 0.1.0 at its next barrier"
    assert done in w3b("dapp", "upgrade", str(folder))[1]

    _, out, _ = w3b("dapp", "show", name, "--json")
    shown = json.loads(out)
    assert shown["manifest"]["dapp"]["version"] == "0.2.0"
    stored = FileStore(str(tmp_path / "data" / "files")).get(shown["program_sha256"])
    assert stored == (folder / "program.wasm").read_bytes()
    assert 'version = "0.2.0"' in w3b("dapp", "show", name)[1]
    assert name in w3b("dapp", "ls")[1]
    assert shown in json.loads(w3b("dapp", "ls", "--json")[1])

    assert "may pay with    no key" in w3b("dapp", "show", name)[1]
    status, out, _ = w3b("dapp", "allow-key", name, "buyer")
    assert (status, "put a secp256k1 key into" in out) == (0, True)
    w3b("dapp", "add", str(folder), "--allow-key", "default")
    assert "may pay with    buyer, default" in w3b("dapp", "show", name)[1]
    assert w3b("dapp", "deny-key", name, "buyer")[0] == 0
    assert "it may with default" in w3b("dapp", "deny-key", name, "buyer")[2]
    assert "key '../a': its name" in w3b("dapp", "allow-key", name, "../a")[2]

    assert f"{name} paused" in w3b("dapp", "pause", name)[1]
    assert "goes back to 0.1.0" in w3b("dapp", "rollback", name)[1]
    back = json.loads(w3b("dapp", "show", name, "--json")[1])
    assert [one["version"] for one in back["history"]] == ["0.1.0", "0.2.0", "0.1.0"]
    assert back["keys"] == ["default"]  # a version changes nothing about whose money it spends
    assert back["history"][0]["sha256"] == back["history"][2]["sha256"]
    assert (back["program_sha256"], back["status"]) == (
        back["history"][0]["program_sha256"],
        "paused",
    )
    FileStore(str(tmp_path / "data" / "files")).get(back["history"][1]["sha256"])
    assert "goes on" in w3b("dapp", "resume", name)[1]

    status, out, _ = w3b("dapp", "remove", name)
    assert (status, "removed" in out) == (0, True)
    status, _, err = w3b("dapp", "show", name)
    assert (status, f"there is no Dapp {name!r}" in err) == (1, True)


def test_what_cannot_be_served_is_refused_and_said(w3b: W3b, tmp_path: Path) -> None:
    def refused(path: Path) -> str:
        status, _, err = w3b("dapp", "add", str(path))
        assert status == 1
        assert "Traceback" not in err
        return err

    name = f"d_{uuid4().hex[:20]}"
    assert "no such file; give a program.toml" in refused(tmp_path / "nothing")
    assert "dapp.name: string should match" in refused(_write_dapp(tmp_path / "a", "Wrong Name"))
    folder = _write_dapp(tmp_path / "b", name)
    (folder / "program.wasm").write_bytes(wasmtime.wat2wasm('(module (import "env" "nix" (func)))'))
    err = refused(folder)
    assert "cannot be served" in err
    assert "nix" in err
    (folder / "program.wasm").unlink()
    assert "program.wasm: No such file or directory; build it first" in refused(folder)
    assert w3b("dapp", "add", str(_write_dapp(tmp_path / "c", name, partitions=2)))[0] == 0
    assert "dapp.partitions was 2 and cannot become 3" in refused(
        _write_dapp(tmp_path / "c", name, partitions=3)
    )


def test_a_device_is_added_granted_listed_and_revoked(w3b: W3b, tmp_path: Path) -> None:
    owner, name = f"o-{uuid4().hex}", f"d_{uuid4().hex[:20]}"
    key_file = tmp_path / "car.pem"
    add = ("device", "add", "--key-file", str(key_file), "--owner", owner)
    status, _, err = w3b(*add, "--grant", name)
    assert (status, f"there is no Dapp {name!r}" in err) == (1, True)
    assert not key_file.exists()
    w3b("dapp", "add", str(_write_dapp(tmp_path / "dapp", name)))

    status, out, _ = w3b(*add, "--grant", name)
    did = out.split()[0]
    assert (status, did[:12]) == (0, "did:key:z6Mk")
    assert f"who has granted: {name}" in out
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert w3b(*add)[:2] == (0, out)  # again: nothing changes
    other = generate(KeyKind.SECP256K1).did
    assert w3b("device", "add", "--did", other, "--owner", owner)[0] == 0
    assert "belongs to" in w3b("device", "add", "--did", did, "--owner", "another")[2]

    assert did in w3b("device", "ls")[1]
    w3b("device", "revoke", did)
    listed = json.loads(w3b("device", "ls", "--owner", owner, "--json")[1])
    assert {one["did"]: one["status"] for one in listed} == {did: "revoked", other: "active"}
    assert "was revoked, which is for good" in w3b(*add)[2]
    assert "there is no device 'x'" in w3b("device", "revoke", "x")[2]
    assert "device 'x': not a did:key" in w3b("device", "add", "--did", "x", "--owner", owner)[2]
    another = generate(KeyKind.SECP256K1).did
    assert "owner 'a b'" in w3b("device", "add", "--did", another, "--owner", "a b")[2]


def test_a_device_is_added_by_what_its_owner_signed(w3b: W3b, tmp_path: Path) -> None:
    owner = load_or_create(tmp_path / "owner.pem", KeyKind.ED25519).did
    device = generate(KeyKind.ED25519).did
    issue = ("wallet", "issue", "--key-file", "owner.pem", "--subject", device, "-o", "device.vc")
    w3b(*issue)
    add = ("device", "add", "--credential", "device.vc")
    assert "type_missing: its type is not DeviceOwnership" in w3b(*add)[2]
    w3b(*issue, "--type", "DeviceOwnership")
    assert "makes the device did:key:" in w3b(*add, "--owner", "somebody")[2]
    status, out, _ = w3b(*add)
    assert (status, out) == (0, f"{device}\n  of {owner}, who has granted: no Dapp yet\n")
    shown = json.loads(w3b("device", "show", device)[1])
    assert (shown["owner"], shown["held"]) == (owner, None)
    assert shown["credential"]["credentialSubject"] == {"id": device}
    w3b("device", "revoke", device)
    assert json.loads(w3b("device", "show", device)[1])["credential"]["issuer"] == owner
    assert "was revoked" in w3b(*add)[2]
    assert "say whose it is" in w3b("device", "add", "--did", device)[2]

    assert "there is no Dapp 'no'" in w3b("owner", "add", "did:web:a.example", "--grant", "no")[2]
    assert w3b("owner", "add", "did:web:a.example%3A8443")[0] == 0
    owners = {one["owner"]: one["devices"] for one in json.loads(w3b("owner", "ls", "--json")[1])}
    assert (owners[owner], owners["did:web:a.example%3A8443"]) == (1, 0)
    assert owner in w3b("owner", "ls")[1]


def test_an_import_that_was_killed_is_gone_on_with(w3b: W3b, tmp_path: Path) -> None:
    owner = f"o-{uuid4().hex}"
    dids = [generate(KeyKind.ED25519).did for _ in range(1500)]
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    command = ["device", "import", str(pipe), "--owner", owner, "--data", str(tmp_path / "data")]
    process = subprocess.Popen(
        [sys.executable, "-m", "topologies", *command], cwd=tmp_path, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    with process, pipe.open("w") as file:
        file.write("did\n" + "\n".join(dids[:1200]))  # a chunk, and some of the next
        file.flush()

        def devices() -> int:
            owners = json.loads(w3b("owner", "ls", "--json")[1])
            return next((one["devices"] for one in owners if one["owner"] == owner), 0)

        wait_until(lambda: devices() == 1000, "the first chunk")
        process.kill()
        process.communicate()
    whole, errors = tmp_path / "devices.csv", tmp_path / "errors.csv"
    whole.write_text("did\n" + "\n".join([*dids[:700], "did:key:no", *dids[700:]]))
    status, out, err = w3b(
        "device", "import", str(whole), "--owner", owner, "--errors", str(errors)
    )
    assert (status, out.partition(", in ")[0]) == (
        1, "500 devices added, 1,000 were there, 1 lines refused"
    )  # fmt: skip
    assert f"{whole}:702: device 'did:key:no': not a did:key" in err
    assert errors.read_text().splitlines()[1].startswith("702,device 'did:key:no'")
    assert devices() == 1500
    assert "No such file" in w3b("device", "import", str(tmp_path / "no"))[2]
    assert "the first line has to be did,owner" in w3b("device", "import", str(whole))[2]


def test_without_kafka_one_line_says_so(w3b: W3b, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topologies.registering._ANSWER_S", 0.3)
    monkeypatch.setenv("W3B_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    status, _, err = w3b("dapp", "ls")
    assert status == 1
    assert "Kafka does not answer" in err
    assert "`w3b up` starts a node" in err
    assert len(err.splitlines()) == 1


def test_a_publisher_gets_its_token_once(w3b: W3b, tmp_path: Path) -> None:
    name = f"d_{uuid4().hex[:20]}"
    assert w3b("publisher", "add", name, "imei-1")[0] == 1  # no such Dapp yet
    w3b("dapp", "add", str(_write_dapp(tmp_path / "dapp", name)))
    status, token, _ = w3b("publisher", "add", name, "imei-1", "--gateway")
    assert (status, token[:4], len(token)) == (0, "w3b_", 48)
    assert w3b("publisher", "add", name, "imei-1")[1] != token
    assert w3b("publisher", "add", name, "did:key:z1")[0] == 1
    status, out, _ = w3b("publisher", "ls", "--json")
    assert token.strip() not in out
    (one,) = [one for one in json.loads(out) if one["dapp"] == name]
    wanted = {"key": "imei-1", "kind": "device", "owner": name, "status": "active"}
    assert one == {"dapp": name} | wanted
    assert w3b("publisher", "revoke", name, "imei-1")[0] == 0
    assert w3b("publisher", "revoke", name, "imei-2")[0] == 1
    (line,) = [line for line in w3b("publisher", "ls")[1].splitlines() if name in line]
    assert line.split() == [name, "imei-1", "device", name, "revoked"]
