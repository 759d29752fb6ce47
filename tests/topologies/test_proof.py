"""`w3b proof` over a real ClickHouse and a real chain."""

import asyncio
import dataclasses
import secrets
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from web3 import Web3

from streams.chain.deployment import Deployment, resolve
from streams.chain.rpc import ChainRpc, http_provider
from streams.chain.running import RunningSender
from streams.chain.sender import ChainSettings
from streams.chain.submit import Submit
from streams.clock import SystemClock
from streams.commitments import Commitment, address_of, sign
from streams.consensus import merkle
from streams.consensus.combine import root_over
from streams.consensus.merkle import Claim
from streams.database.migrations import migrate
from streams.database.server import Server
from tests.chain.conftest import AUTHORITY, checkpoint_of, proofs
from topologies.__main__ import main
from topologies.proving import Place, contract_of, make_proof, newest_claim

pytestmark = pytest.mark.services

COUNTS = (5, 0, 3)
EPOCH = 7


@pytest.fixture
def server(clickhouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    url = f"{clickhouse_url.rsplit('/', 1)[0]}/proof_{secrets.token_hex(6)}"
    monkeypatch.setenv("W3B_CLICKHOUSE_URL", url)
    made = Server(url)
    made.create_database()
    migrate(made)
    yield made
    made.command(f"DROP DATABASE {made.database}")
    made.close()


@pytest.fixture
def dapp() -> str:
    return f"dapp_{secrets.token_hex(8)}"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("W3B_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def claims(dapp: str) -> list[list[Claim]]:
    return [
        [
            Claim(
                dapp=dapp,
                epoch=EPOCH,
                partition=partition,
                index=index,
                salt=sha256(b"%d %d" % (partition, index)).digest()[:16],
                subject=b"did:key:z%d" % (partition * 10 + index),
                statement=b'{"score":97}' if index else b"\xff'\\\x00",
            )
            for index in range(count)
        ]
        for partition, count in enumerate(COUNTS)
    ]


@pytest.fixture
def certified(
    server: Server, chain_rpc_url: str, data: Path, dapp: str, claims: list[list[Claim]],
    monkeypatch: pytest.MonkeyPatch,
) -> Commitment:  # fmt: skip
    """The claims' epoch: stored in ClickHouse and certified on the chain."""
    monkeypatch.setenv("W3B_CHAIN_RPC_URL", chain_rpc_url)
    operator = secrets.token_bytes(32)
    deployment = resolve(
        data / "contract.json",
        ChainRpc(http_provider(chain_rpc_url)).chain_id(),
        owner=address_of(operator),
        authorities=[address_of(AUTHORITY)],
        threshold=1,
    )
    roots = [merkle.root([one.leaf() for one in part]) for part in claims]
    checkpoint = dataclasses.replace(
        checkpoint_of(dapp),
        epoch=EPOCH,
        partitions=len(COUNTS),
        claims_root=root_over(roots),
        claims=sum(COUNTS),
    )
    domain = deployment.domain()
    made = Commitment(checkpoint, domain, (sign(checkpoint.digest(domain), AUTHORITY),))
    _store(server, made, claims, roots)
    asyncio.run(_submit(chain_rpc_url, deployment, data, operator, made))
    return made


def _store(server: Server, made: Commitment, claims: list[list[Claim]], roots: list[bytes]) -> None:
    dapp = made.checkpoint.dapp
    for claim in (one for part in claims for one in part):
        server.command(
            "INSERT INTO claims (dapp, epoch, partition, index, salt, subject, statement, received)"
            f" VALUES ('{dapp}', {claim.epoch}, {claim.partition}, {claim.index}, "
            f"unhex('{claim.salt.hex()}'), unhex('{claim.subject.hex()}'), "
            f"unhex('{claim.statement.hex()}'), now())"
        )
    for partition, root in enumerate(roots):
        server.command(
            "INSERT INTO summaries (dapp, epoch, epoch_partition, claims_root) "
            f"VALUES ('{dapp}', {EPOCH}, {partition}, '{root.hex()}')"
        )
    server.command(
        "INSERT INTO commitments (dapp, epoch, body) "
        f"VALUES ('{dapp}', {EPOCH}, unhex('{made.encode().hex()}'))"
    )


async def _submit(
    rpc_url: str, deployment: Deployment, data: Path, operator: bytes, made: Commitment
) -> None:
    settings = ChainSettings(rpc_url, deployment.chain_id, local=True, confirmations=1)
    journal = data / "submit.sqlite"
    sender = RunningSender(settings, journal, operator, SystemClock(), deployment)
    await Submit(sender).take([proofs([made], 0)])
    async with asyncio.timeout(30):
        while not sender.progress().certified:  # noqa: ASYNC110, it is on another thread
            await asyncio.sleep(0.02)
    sender.close()


def test_a_claims_proof_is_accepted_and_a_changed_one_refused(
    certified: Commitment, data: Path, dapp: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = data / "proof.json"
    assert main(["proof", "get", dapp, "--subject", "did:key:z3", "-o", str(file)]) == 0
    assert main(["proof", "verify", str(file)]) == 0
    shown = capfd.readouterr().out
    assert "accepted by contract 0x" in shown
    assert '{"score":97}' in shown
    assert "one of 8 claims" in shown

    good = file.read_bytes()
    for old, new, why in (
        (b'"score\\":97', b'"score\\":98', "do not lead to the certified claims root"),
        (b'"messages": 1', b'"messages": 2', "is not the one that was certified"),
        (b'"epoch": 7', b'"epoch": 8', "epoch 8 of"),
        (b'"chain_id": ', b'"chain_id": 1', "it is for contract"),
        (b'"index": 3', b'"index": x', "is not a proof"),
    ):
        assert good.count(old) == 1
        file.write_bytes(good.replace(old, new))
        assert main(["proof", "verify", str(file)]) == 1
        shown = capfd.readouterr().out
        assert "refused" in shown
        assert why in shown
        assert "accepted" not in shown


def test_the_contract_that_counts_is_not_the_files_own(
    certified: Commitment, data: Path, dapp: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = data / "proof.json"
    main(
        ["proof", "get", dapp, "--epoch", "7", "--partition", "2", "--index", "0", "-o", str(file)]
    )
    own = f"0x{certified.domain.contract.hex()}"
    assert main(["proof", "verify", str(file), "--contract", own]) == 0
    assert main(["proof", "verify", str(file), "--contract", "0x" + "11" * 20]) == 1
    assert "it is for contract" in capfd.readouterr().out


def test_every_claim_has_a_proof(
    certified: Commitment, server: Server, data: Path, dapp: str, claims: list[list[Claim]]
) -> None:
    assert contract_of(data) == certified.domain.contract
    for claim in (one for part in claims for one in part):
        made = make_proof(server, dapp, Place(EPOCH, claim.partition, claim.index))
        assert made.proof.claim == claim
        assert made.leads_to_checkpoint()
    assert newest_claim(server, dapp, "did:key:z21") == Place(EPOCH, 2, 1)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--subject", "did:key:nobody"], "has made no claim about did:key:nobody"),
        (["--epoch", "7", "--partition", "0", "--index", "5"], "there is no claim 5"),
        (["--epoch", "7", "--partition", "9", "--index", "0"], "there is no claim 0"),
        (["--epoch", "8", "--partition", "0", "--index", "0"], "epoch 8 of"),
        (["--epoch", "7", "--partition", "0"], "name the claim by"),
        (["--subject", "x", "--epoch", "7"], "name the claim by"),
        ([], "name the claim by"),
    ],
)
def test_says_why_there_is_no_proof(
    certified: Commitment, dapp: str, arguments: list[str], why: str,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert main(["proof", "get", dapp, *arguments]) == 1
    assert why in capfd.readouterr().err


def test_rows_on_their_way_make_no_proof(
    certified: Commitment, server: Server, dapp: str, capfd: pytest.CaptureFixture[str]
) -> None:
    server.command(f"DELETE FROM claims WHERE dapp = '{dapp}' AND index = 4")
    assert main(["proof", "get", dapp, "--subject", "did:key:z3"]) == 1
    assert "is not complete" in capfd.readouterr().err
    server.command(f"DELETE FROM commitments WHERE dapp = '{dapp}'")
    assert main(["proof", "get", dapp, "--subject", "did:key:z3"]) == 1
    assert "not certified yet" in capfd.readouterr().err


def test_says_what_does_not_answer(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    contract = Web3.to_checksum_address(bytes(20))
    missing = str(data / "absent.json")
    assert main(["proof", "verify", missing]) == 1
    assert "no node has run" in capfd.readouterr().err
    assert main(["proof", "verify", missing, "--contract", contract]) == 1
    assert "cannot be read" in capfd.readouterr().err
    monkeypatch.setenv("W3B_CLICKHOUSE_URL", "http://127.0.0.1:1/w3b")
    assert main(["proof", "get", "dapp", "--subject", "s"]) == 1
    assert "does not answer" in capfd.readouterr().err
