"""The account after faults: what devices were told, what Kafka has, what the database has.

The log of messages decides. From it follows what state, results, claims and summaries have to be:
an instance of the program, in this process and undisturbed, runs the log from its start.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from confluent_kafka import Message

from streams import records, topics
from streams.chain.contract import CertifiedEpoch
from streams.database.server import DatabaseError, Server
from streams.delivery.batch import pack
from streams.delivery.replay import replay
from streams.execution.instance import Instance
from streams.execution.program import Program, load
from streams.filesystem.store import FileStore
from streams.records import DeadReason, Kind, Summary, decode_message, decode_output, decode_summary
from streams.registry.entries import Dapp
from streams.registry.view import Registry
from topologies.config import Settings
from topologies.programs import specification_of
from topologies.proving import certified_epochs, contract_of

_SETTLE_S_MAX = 150.0
_POLL_S = 0.5
# What is no message of anybody's: a dead letter, but no row among the messages.
_NO_MESSAGE = (DeadReason.MALFORMED_RECORD, DeadReason.KEY_NOT_UTF8, DeadReason.NO_VALUE)

Outputs = Counter[tuple[int, bytes, bytes]]  # partition, key, value


@dataclass(slots=True)
class Log:
    """What `messages.<dapp>` holds, and what it should have led to."""

    ids: Counter[bytes] = field(default_factory=Counter)  # of endpoint messages, with repeats
    raw: int = 0
    counted: Counter[str] = field(default_factory=Counter)  # distinct messages of each device
    state: dict[tuple[int, bytes], bytes] = field(default_factory=dict)
    results: Outputs = field(default_factory=Counter)
    claims: Outputs = field(default_factory=Counter)
    dead: Outputs = field(default_factory=Counter)

    @property
    def messages(self) -> int:
        """How many count: repeats aside."""
        return len(self.ids) + self.raw

    @property
    def rows(self) -> int:
        """How many of them have a row: those that are messages of a device."""
        letters = [decode_output(value) for _, _, value in self.dead.elements()]
        keys = [key for _, key, _ in self.dead.elements()]
        no_rows = sum(
            letter.label in _NO_MESSAGE or (letter.label == DeadReason.NO_DEVICE and not key)
            for letter, key in zip(letters, keys, strict=True)
        )
        return self.messages - no_rows


@dataclass(slots=True)
class Account:
    """A Dapp's figures: what was found wrong, and the counts for whoever wants to print them."""

    dapp: str
    counts: dict[str, int]
    problems: list[str]


class Auditor:
    """Audits one Dapp of a node."""

    def __init__(self, settings: Settings, dapp: str) -> None:
        self.settings, self.dapp = settings, dapp
        self.kafka: dict[str, Any] = dict(settings.kafka_config())
        registry = Registry(self.kafka)
        registry.start()
        entry = registry.dapp(dapp)
        registry.close()
        assert entry is not None
        self.partitions = entry.manifest.dapp.partitions
        self._program = _program(settings, entry)
        assert settings.clickhouse_url is not None
        self.server = Server(settings.clickhouse_url)

    def close(self) -> None:
        """Let go of the database."""
        self.server.close()

    def wait_until_settled(self, deadline_s: float = _SETTLE_S_MAX) -> None:
        """Until all messages are in closed epochs, these in the database and on the chain."""
        log = self._read_log(run=True)
        end_s = time.monotonic() + deadline_s
        while (open_ := self._unsettled(log)) is not None:
            assert time.monotonic() < end_s, f"{self.dapp} did not settle: {open_}"
            time.sleep(_POLL_S)

    def audit(self, acknowledged: Iterable[str], messages: int | None = None) -> Account:
        """Every figure against what the log says.

        ``acknowledged``: ids as the door gave them; ``messages``: how many there have to be.
        """
        log = self._read_log(run=True)
        summaries = [
            decode_summary(decode_output(value))
            for (_, _, value) in log.claims
            if _is_summary(value)
        ]
        problems = [
            *self._of_acknowledgements(set(acknowledged), messages, log),
            *self._of_topics(log),
            *self._of_state(log),
            *self._of_database(log, summaries),
            *self._of_chain(summaries),
        ]
        counts = {
            "messages": log.messages,
            "repeats": log.ids.total() - len(log.ids),
            "results": log.results.total(),
            "dead": log.dead.total(),
            "claims": log.claims.total() - len(summaries),
            "state keys": len(log.state),
            "epochs": len({summary.epoch for summary in summaries}),
        }
        return Account(self.dapp, counts, [f"{self.dapp}: {problem}" for problem in problems])

    def device_states(self) -> tuple[dict[str, bytes], dict[str, int]]:
        """The program's state under each device's DID, and how many distinct messages of each
        device the log has."""
        state = {
            key[1:].decode(): value for (_, key), value in self._state().items() if key[:1] == b"k"
        }
        return state, dict(self._read_log(run=False).counted)

    # --- the log ---------------------------------------------------------------------------------

    def _read_log(self, run: bool) -> Log:
        log = Log()
        for partition in range(self.partitions):
            instance = Instance(self._program, self.dapp, partition) if run else None
            for batch in replay(self.kafka, topics.messages(self.dapp), partition):
                _note(log, batch)
                if instance is not None:
                    _run(log, instance, partition, pack(batch))
        return log

    # --- figures ---------------------------------------------------------------------------------

    @staticmethod
    def _of_acknowledgements(ids: set[str], messages: int | None, log: Log) -> list[str]:
        problems = []
        lost = {UUID(one).bytes for one in ids} - log.ids.keys()
        if lost:
            problems.append(f"{len(lost)} acknowledged messages are not in the log")
        if messages not in (None, log.messages):
            problems.append(f"{messages} messages acknowledged, {log.messages} in the log")
        return problems

    def _of_topics(self, log: Log) -> list[str]:
        return [
            *_compare("results", log.results, self._outputs(topics.results(self.dapp))),
            *_compare("claims", log.claims, self._outputs(topics.claims(self.dapp))),
            *_compare("dead letters", log.dead, self._outputs(topics.dead(self.dapp))),
        ]

    def _outputs(self, topic: str) -> Outputs:
        return Counter(
            (partition, one.key() or b"", one.value() or b"")
            for partition in range(self.partitions)
            for batch in replay(self.kafka, topic, partition)
            for one in batch
        )

    def _of_state(self, log: Log) -> list[str]:
        found = self._state()
        wrong = [
            key for key in found.keys() | log.state.keys() if found.get(key) != log.state.get(key)
        ]
        return [f"state differs in {len(wrong)} keys, as {wrong[:3]}"] if wrong else []

    def _state(self) -> dict[tuple[int, bytes], bytes]:
        return {
            (partition, one.key() or b""): one.value() or b""
            for partition in range(self.partitions)
            for batch in replay(self.kafka, topics.state(self.dapp), partition)
            for one in batch
        }

    def _of_database(self, log: Log, summaries: list[Summary]) -> list[str]:
        stored = "count(), uniqExact(`partition`, `offset`)"
        figures = {
            "message rows": (f"SELECT {stored} FROM messages", log.rows),
            "message ids": (
                f"SELECT uniqExactIf(message_id, message_id != toUUID('{UUID(int=0)}')) "
                "FROM messages",
                len(log.ids),
            ),
            "result rows": (f"SELECT {stored} FROM results", log.results.total()),
            "claim rows": (f"SELECT {stored} FROM claims", log.claims.total() - len(summaries)),
            "dead letter rows": (f"SELECT {stored} FROM dead_letters", log.dead.total()),
            "summary rows": ("SELECT count() FROM summaries", len(summaries)),
        }
        problems = [
            f"{name}: {found}, not {expected}"
            for name, (sql, expected) in figures.items()
            if set(found := self._row(sql)) != {expected}
        ]
        roots = Counter((one.epoch, one.partition, *_roots(one), *_sums(one)) for one in summaries)
        sql = (
            "SELECT epoch, epoch_partition, toString(input_root), toString(claims_root), "
            "toString(state_root), messages, repeats, dead, results, claims FROM summaries"
        )
        kept = Counter(tuple(row) for row in self._rows(sql))
        problems += _compare("summaries in the database", roots, kept)
        summed = sum(one.messages for one in summaries)
        if summed != log.messages:
            problems.append(f"closed epochs hold {summed} messages, the log {log.messages}")
        return problems

    def _of_chain(self, summaries: list[Summary]) -> list[str]:
        certified = self._certified()
        epochs = {one.epoch for one in summaries}
        problems = []
        if Counter(one.epoch for one in certified) != Counter(epochs):
            problems.append(f"{len(epochs)} epochs closed, {len(certified)} certified on chain")
        claims = sum(one.claims for one in summaries)
        if sum(one.claims for one in certified) != claims:
            problems.append(f"{claims} claims, {sum(one.claims for one in certified)} on chain")
        return problems

    # --- questions -------------------------------------------------------------------------------

    def _unsettled(self, log: Log) -> str | None:
        """What is still to come, or None."""
        try:
            (stored,) = self._row("SELECT count() FROM messages")
            closed, epochs = self._row("SELECT sum(messages), uniqExact(epoch) FROM summaries")
            certified = len(self._certified())
        except (DatabaseError, OSError) as error:
            return str(error)
        if (stored, closed, certified) == (log.rows, log.messages, epochs):
            return None
        return (
            f"of {log.messages} messages {stored} are stored and {closed} in closed epochs; "
            f"of {epochs} epochs {certified} are certified"
        )

    def _certified(self) -> list[CertifiedEpoch]:
        assert self.settings.chain_rpc_url is not None
        contract = contract_of(self.settings.data)
        return list(certified_epochs(self.settings.chain_rpc_url, contract, self.dapp))

    def _row(self, select: str) -> tuple[Any, ...]:
        return tuple(int(value or 0) for value in self._rows(select)[0])

    def _rows(self, select: str) -> list[tuple[Any, ...]]:
        sql = f"{select} WHERE dapp = {{dapp:String}}"
        return [tuple(row) for row in self.server.rows(sql, {"dapp": self.dapp})]


def _program(settings: Settings, dapp: Dapp) -> Program:
    binary = FileStore(settings.files_url).get(dapp.program_sha256)
    return load(binary, specification_of(dapp.manifest))


def _note(log: Log, batch: list[Message]) -> None:
    for one in batch:
        value = one.value() or b""
        try:
            kind = records.kind_of(value)
        except records.RecordError:
            kind = None
        if kind is Kind.BARRIER and one.key() is None:  # the closer's; those by hand have keys
            continue
        if kind is Kind.MESSAGE and value[:1] == bytes([records.MAGIC]):
            try:
                message = decode_message(value)
            except (records.RecordError, UnicodeDecodeError):
                log.raw += 1
                continue
            if message.message_id not in log.ids:
                log.counted[message.device] += 1
            log.ids[message.message_id] += 1
        else:
            log.raw += 1


def _run(log: Log, instance: Instance, partition: int, packed: bytes) -> None:
    first, count = 0, int.from_bytes(packed[:4], "little")
    while first < count:
        outcome = instance.run(packed, first)
        instance.commit()
        first = outcome.consumed
        for one in outcome.records["state"]:
            log.state[partition, one["key"]] = one["value"]
        outputs: Mapping[str, Outputs] = {
            "results": log.results,
            "claims": log.claims,
            "dead": log.dead,
        }
        for stream, kept in outputs.items():
            kept.update((partition, one["key"], one["value"]) for one in outcome.records[stream])


def _is_summary(value: bytes) -> bool:
    return records.kind_of(value) is Kind.SUMMARY


def _compare(what: str, expected: Counter[Any], found: Counter[Any]) -> list[str]:
    missing, more = expected - found, found - expected
    if not missing and not more:
        return []
    return [f"{what}: {missing.total()} missing, {more.total()} too many of {expected.total()}"]


def _roots(one: Summary) -> tuple[str, str, str]:
    return one.input_root.hex(), one.claims_root.hex(), one.state_root.hex()


def _sums(one: Summary) -> tuple[int, int, int, int, int]:
    return one.messages, one.repeats, one.dead, one.results, one.claims
