"""How far an erasure has come, and its certificate: what went, what remains where until when."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from streams import topics
from streams.database.erasing import Erased, erased, unfinished
from streams.database.server import Server
from streams.delivery.admin import topic_terms
from streams.registry.entries import Erasure
from streams.registry.view import Registry

# The topics in which an erasure lies, each to be met by the sink.
_SAID_IN: Final = (
    topics.messages, topics.results, topics.claims, topics.effects, topics.dead,
)  # fmt: skip
# What does not end by itself, or not by a term that the node knows.
_REMAINS: Final[Mapping[str, str]] = {
    "table claims, topic claims.<dapp>": "claims that were made of the devices' messages: those of "
    "others in the same epoch are proven with them",
    "chain": "digests of epochs, of which no message can be had",
    "keyed state and SQL tables": "what programs keep under keys, or in rows, that do not have a "
    "device's name, such as sums over many",
    "file store": "files that no name is left for, until `w3b files collect` has run twice, a week "
    "apart",
    "topic sessions": "MQTT messages for the devices that they have not fetched yet",
    "registry": "the devices' names, whose they are, and credentials",
    "backups": "copies that were made of Kafka's, ClickHouse's or the node's files before",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """Of the partitions of topics that carry an erasure out, how many are done; the tables from
    which rows are still to go, each with what has failed, if it has."""

    done: int
    of: int
    going: tuple[tuple[str, str], ...]
    rows: tuple[Erased, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left to do."""
        return self.done == self.of and not self.going


def progress(server: Server, registry: Registry, erasure: Erasure) -> Progress:
    """How far an erasure that was ordered has come; Dapps that were removed since do not count.

    Raises:
        DatabaseError: ClickHouse does not answer.
    """
    served = {dapp: n for dapp, n in erasure.partitions.items() if registry.dapp(dapp) is not None}
    wanted = {
        (topic(dapp), partition)
        for dapp, partitions in served.items()
        for topic in _SAID_IN
        for partition in range(partitions)
    }
    rows = erased(server, erasure.name)
    done = {(row.topic, row.partition) for row in rows if not row.table}
    return Progress(
        len(wanted & done), len(wanted), tuple(unfinished(server, erasure.name)), tuple(rows)
    )


def certificate(
    kafka: Mapping[str, Any], registry: Registry, erasure: Erasure, done: Progress, now_ms: int
) -> dict[str, Any]:
    """What an erasure did, and what remains; times are in ms since 1970.

    Raises:
        TopicError: Kafka does not say how long it keeps what it has.
    """
    assert erasure.ordered_ms is not None
    rows: Counter[tuple[str, str]] = Counter()
    keys: Counter[str] = Counter()
    for one in done.rows:
        if one.table:
            rows[one.dapp, one.table] += one.rows
        elif one.topic == topics.results(one.dapp):  # the same number is in each topic
            keys[one.dapp] += one.rows
    served = sorted(dapp for dapp in erasure.partitions if registry.dapp(dapp) is not None)
    return {
        "devices": list(erasure.devices),
        "asked_ms": erasure.asked_ms,
        "ordered_ms": erasure.ordered_ms,
        "done_ms": now_ms,
        "erased": {
            "rows": [
                {"dapp": dapp, "table": table, "rows": count}
                for (dapp, table), count in sorted(rows.items())
            ],
            "keys": [{"dapp": dapp, "keys": count} for dapp, count in sorted(keys.items())],
        },
        "not_reached": sorted(erasure.partitions.keys() - set(served)),
        "remains": [*_on_kafka(kafka, served, erasure.ordered_ms, now_ms), *_elsewhere()],
    }


def _on_kafka(
    kafka: Mapping[str, Any], dapps: list[str], ordered_ms: int, now_ms: int
) -> list[dict[str, Any]]:
    aged = (topics.messages, topics.results, topics.state, topics.effects, topics.dead)
    names = [topic(dapp) for dapp in dapps for topic in (*aged, topics.answers)]
    return [
        {
            "where": f"topic {term.topic}",
            "what": "what was replaced by nothing, until Kafka compacts the log"
            if term.is_compacted
            else "records from before the erasure; a store made anew from them passes them over",
            # What programs wrote is from before execute met the erasure, which may be later.
            "until_ms": None if term.most_ms is None else max(ordered_ms, now_ms) + term.most_ms,
        }
        for term in (topic_terms(kafka, names) if names else ())
    ]


def _elsewhere() -> list[dict[str, Any]]:
    return [{"where": where, "what": what, "until_ms": None} for where, what in _REMAINS.items()]
