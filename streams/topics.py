"""Every Kafka topic of a node, in one list.

A Dapp is isolated: it has topics, consumer groups and partitions of its own, so that a slow or
hostile one holds up nobody. All readers use ``read_committed``; all producers acks=all.

===================  =============================  ======================  =====================
topic                key                            written by              read by
===================  =============================  ======================  =====================
``messages.<dapp>``  device                         endpoint, closer,       execute, store
                                                    watch, act, erasing
``results.<dapp>``   device                         execute                 store, Dapps' servers
``state.<dapp>``     namespace ‖ key                execute                 execute (on assignment);
                                                                            store, for SQL tables
``claims.<dapp>``    device; empty for a summary    execute                 agree, store
``effects.<dapp>``   device                         execute                 act, publish, store,
                                                                            endpoint
``dead.<dapp>``      the original key               execute                 store
``answers.<dapp>``   device                         execute                 endpoint
``epochs.<dapp>``    ``epoch``                      the closer              the closer
``proofs``           dapp                           agree                   submit, store
``registry``         kind ``:`` name                operators (`w3b`)       every node process
``sources``          dapp, source                   watch                   watch (on its start)
``sessions``         sender, client id, message      endpoint                endpoint (on its start)
``audit``            kind ``:`` name                whoever changes or      store
                                                    refuses something
===================  =============================  ======================  =====================
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from streams import limits

_HOUR_MS: Final = 3600 * 1000
_DAY_MS: Final = 24 * _HOUR_MS

PROOFS: Final = "proofs"
REGISTRY: Final = "registry"
SOURCES: Final = "sources"  # how far schedules and monitors have come
SESSIONS: Final = "sessions"  # of MQTT clients that want theirs kept
AUDIT: Final = "audit"  # who changed what, and who was refused


def messages(dapp: str) -> str:
    """What devices sent to a Dapp, and the barriers between its epochs."""
    return f"messages.{dapp}"


def results(dapp: str) -> str:
    """What a Dapp's program said with ``w3b.result``."""
    return f"results.{dapp}"


def state(dapp: str) -> str:
    """A Dapp's keyed state, compacted: partition p holds what partition p of messages made."""
    return f"state.{dapp}"


def claims(dapp: str) -> str:
    """Claims, and a summary per partition and epoch."""
    return f"claims.{dapp}"


def effects(dapp: str) -> str:
    """What a program asked the world to do: transactions, MQTT messages, calls."""
    return f"effects.{dapp}"


def dead(dapp: str) -> str:
    """Messages that failed: why, and their bytes."""
    return f"dead.{dapp}"


def answers(dapp: str) -> str:
    """What became of messages whose senders wait for it."""
    return f"answers.{dapp}"


def epochs(dapp: str) -> str:
    """The closer's memory: which epoch it ended last."""
    return f"epochs.{dapp}"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic is created."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


_COMPACTED: Final = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"}


# The segment at work is never compacted: small ones keep short what a restart reads again.
# What was replaced or removed is gone for good in a stated time, however little is written.
_CHANGELOG: Final = _COMPACTED | {
    "segment.bytes": str(64 * limits.MIB),
    "max.compaction.lag.ms": str(limits.MESSAGES_KEPT_DAYS * _DAY_MS),
}


def _aged(days: int) -> dict[str, str]:
    """Kafka deletes whole segments; with one a day, a record is kept a day longer at most."""
    return {"retention.ms": str(days * _DAY_MS), "segment.ms": str(_DAY_MS)}


def node_topics() -> list[TopicSpec]:
    """The topics that every node has, whatever it serves."""
    return [
        TopicSpec(PROOFS, 1, {"retention.ms": "-1"}),
        TopicSpec(REGISTRY, 1, _COMPACTED),
        TopicSpec(SOURCES, 1, _COMPACTED),
        TopicSpec(SESSIONS, 1, _COMPACTED),
        TopicSpec(AUDIT, 1, {"retention.ms": str(limits.AUDIT_KEPT_DAYS * _DAY_MS)}),
    ]


def dapp_topics(dapp: str, partitions: int) -> list[TopicSpec]:
    """The topics of one Dapp; what execute reads and writes is partitioned alike."""
    week = _aged(limits.MESSAGES_KEPT_DAYS)
    large = {"max.message.bytes": str(limits.OUTPUT_RECORD_BYTES_MAX)}
    kept = {"retention.ms": "-1"}
    return [
        TopicSpec(messages(dapp), partitions, week),
        TopicSpec(results(dapp), partitions, week | large),
        TopicSpec(state(dapp), partitions, _CHANGELOG),
        TopicSpec(claims(dapp), partitions, kept),
        TopicSpec(effects(dapp), partitions, week | large),
        TopicSpec(dead(dapp), partitions, _aged(limits.DEAD_LETTERS_KEPT_DAYS) | large),
        answers_topic(dapp, partitions),
        TopicSpec(epochs(dapp), 1, _COMPACTED),
    ]


def answers_topic(dapp: str, partitions: int) -> TopicSpec:
    """Of ``answers.<dapp>``: whoever waits has long gone when they are deleted."""
    return TopicSpec(answers(dapp), partitions, {"retention.ms": str(_HOUR_MS)})
