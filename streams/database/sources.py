"""Which topics the sink stores, and as what."""

from dataclasses import dataclass
from typing import Final

from streams import topics
from streams.database.encoder.host import Family
from streams.database.tables import Table

GROUP: Final = "store"  # the consumer group of the sink, whose offsets say what is stored

_FAMILIES: Final = {
    "messages": (Family.MESSAGES, (Table.MESSAGES,)),
    "results": (Family.RESULTS, (Table.RESULTS,)),
    "claims": (Family.CLAIMS, (Table.CLAIMS, Table.SUMMARIES)),
    "dead": (Family.DEAD, (Table.DEAD_LETTERS,)),
    "effects": (Family.EFFECTS, (Table.CUSTOMIZED_METRICS,)),
    "state": (Family.STATE, (Table.SQL_ROWS,)),
}
_SHARED: Final = {topics.PROOFS: Table.COMMITMENTS, topics.AUDIT: Table.AUDIT}
SHARED_TOPICS: Final = tuple(_SHARED)


@dataclass(frozen=True, slots=True)
class Source:
    """What a topic carries."""

    topic: str
    dapp: str  # empty for a topic that all share
    family: Family | None  # None: of a topic that all share (`shared_rows`)
    tables: tuple[Table, ...]  # where its rows go, dead letters of its own aside


def source_of(topic: str) -> Source:
    """A topic's source.

    Raises:
        ValueError: the sink does not store such a topic.
    """
    if topic in _SHARED:
        return Source(topic, "", None, (_SHARED[topic],))
    kind, _, dapp = topic.partition(".")
    if kind not in _FAMILIES or not dapp:
        raise ValueError(f"topic {topic} is none that the sink stores")
    family, tables = _FAMILIES[kind]
    return Source(topic, dapp, family, tables)


def dapp_sources(dapp: str, *, has_tables: bool = False) -> list[str]:
    """The topics of one Dapp that the sink stores; ``has_tables``: its program has SQL tables."""
    kinds = (topics.messages, topics.results, topics.claims, topics.dead, topics.effects)
    stored = [kind(dapp) for kind in kinds]
    return [*stored, topics.state(dapp)] if has_tables else stored
