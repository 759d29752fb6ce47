"""What a run leaves in ClickHouse, without the run's processes: simulated cars, their program on
the node's engine, its records through the sink's encoder, an epoch signed by an authority."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from streams import records
from streams.commitments import Commitment, Domain, sign
from streams.consensus.combine import combine
from streams.database.encoder.host import Encoded, Encoder, Family
from streams.database.migrations import migrate
from streams.database.server import Server
from streams.database.shared_rows import encode_shared
from streams.database.views import ensure_views
from streams.delivery.batch import pack_records
from streams.execution.instance import Instance
from streams.execution.program import load
from streams.records import Message, Output, decode_output, decode_summary
from streams.registry.manifest import load_manifest
from topologies.fleet.simulator import fleet
from topologies.programs import specification_of
from wasm_programs import build

DAPP = "safe_driving"
BEGIN_MS = 1_767_600_000_000  # 2026-01-05 08:00 UTC
ARRIVES_MS = 120  # after the device has sent
_PROGRAM = Path(build.__file__).parent / DAPP
_AUTHORITY = b"\1" * 32


@dataclass(frozen=True, slots=True)
class Run:
    """What went in and came out; ``server`` has it in tables."""

    server: Server
    sent: Sequence[Message]
    results: Sequence[Output]
    claims: Sequence[Output]
    dead: Sequence[Output]


def run_fleet(server: Server, cars: int, seconds: int) -> Run:
    """Drive, store, sign."""
    manifest, _ = load_manifest(_PROGRAM)
    migrate(server)
    ensure_views(server, DAPP, manifest.results.columns)
    sent = _drive(cars, seconds)
    end_ms = sent[-1].time_ms
    values = [*(one.encode() for one in sent), records.barrier(1, end_ms)]
    keys: list[bytes | None] = [*(one.device.encode() for one in sent), b""]
    log = pack_records(
        keys, values, range(len(values)), [*(one.time_ms + ARRIVES_MS for one in sent), end_ms]
    )
    outputs = _execute(log, len(values))
    encoder = Encoder()
    _store(server, encoder, Family.MESSAGES, log, len(values))
    for family, stream in (
        (Family.RESULTS, "results"), (Family.CLAIMS, "claims"), (Family.DEAD, "dead"),
    ):  # fmt: skip
        packed = pack_records(
            [one.device for one in outputs[stream]],
            [one.encode() for one in outputs[stream]],
            range(len(outputs[stream])),
            [one.time_ms + ARRIVES_MS for one in outputs[stream]],
        )
        _store(server, encoder, family, packed, len(outputs[stream]))
    _sign(server, [one for one in outputs["claims"] if one.kind is records.Kind.SUMMARY], end_ms)
    claims = [one for one in outputs["claims"] if one.kind is records.Kind.CLAIM]
    return Run(server, sent, outputs["results"], claims, outputs["dead"])


def _drive(cars: int, seconds: int) -> list[Message]:
    found = [
        Message(
            f"did:key:{car.name}",
            payload,
            (number * 1_000_000 + stretch.offsets_ms[at]).to_bytes(16, "big"),
            BEGIN_MS + stretch.offsets_ms[at],
        )
        for number, car in enumerate(fleet(cars, seconds, seed=3, bad_share=0.002), 1)
        for stretch in car.stretches()
        for at, payload in enumerate(stretch.payloads)
    ]
    return sorted(found, key=lambda message: message.time_ms)


def _execute(log: bytes, count: int) -> dict[str, list[Output]]:
    manifest, _ = load_manifest(_PROGRAM)
    build.build_if_stale(_PROGRAM)
    program = load(build.output_of(_PROGRAM).read_bytes(), specification_of(manifest))
    instance = Instance(program, DAPP, 0)
    outputs: dict[str, list[Output]] = {"results": [], "claims": [], "dead": []}
    done = 0
    while done < count:
        outcome = instance.run(log, done)
        for stream, found in outputs.items():
            found += [decode_output(one["value"]) for one in outcome.records[stream]]
        instance.commit()
        done += outcome.consumed
    return outputs


def _store(server: Server, encoder: Encoder, family: Family, packed: bytes, count: int) -> None:
    window = encoder.open_window(1) if family is Family.MESSAGES else 0
    done = 0
    while done < count:
        encoded = encoder.encode(family, DAPP, 0, packed, window=window, start=done)
        _insert(server, encoded)
        done += encoded.consumed


def _sign(server: Server, summaries: Sequence[Output], end_ms: int) -> None:
    checkpoint = combine(DAPP, [decode_summary(one) for one in summaries])
    domain = Domain(31337, b"\2" * 20)
    signed = sign(checkpoint.digest(domain), _AUTHORITY)
    commitment = Commitment(checkpoint, domain, (signed,))
    packed = pack_records([commitment.key()], [commitment.encode()], [0], [end_ms])
    _insert(server, encode_shared("proofs", 0, packed, 0, 1, None))


def _insert(server: Server, encoded: Encoded) -> None:
    if encoded.rows is not None:
        server.insert(encoded.rows.table, encoded.rows.data, uuid4().hex)
