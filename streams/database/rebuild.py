"""A Dapp's rows made anew from Kafka: they are removed, and the sink begins there again.

Rows are a function of the log, so they come out as they were. While the sink runs, its group's
offsets are its own; so this is for a node whose sink has stopped. Rows go before offsets are set
back: who is killed in between finds rows missing, not doubled, and does the same again.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from streams import limits
from streams.clock import Clock, SystemClock
from streams.database.resume import PATIENCE_S
from streams.database.server import Server
from streams.database.sources import Source, source_of
from streams.database.stored import Place
from streams.database.tables import COLUMNS, Table
from streams.delivery.replay import watermarks

_POLL_S: Final = 0.5
# A member that has stopped without a word counts until its session ends.
_PATIENCE_S: Final = limits.SESSION_TIMEOUT_MS / 1000 + PATIENCE_S


class RebuildError(RuntimeError):
    """Rows cannot be made anew now; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A partition that the sink stores again, from offset ``start`` to ``end`` and further."""

    topic: str
    partition: int
    start: int
    end: int


def rebuild(
    server: Server,
    kafka: Mapping[str, Any],
    group: str,
    topics: Sequence[str],
    start: int = 0,
    *,
    repeat_window_messages: int = limits.REPEAT_WINDOW_MESSAGES,
    patience_s: float = _PATIENCE_S,
    clock: Clock | None = None,
) -> list[Rebuilt]:
    """Remove the rows of some topics' records from offset ``start`` on; set the group back there.

    What Kafka has deleted is not there to be stored again, so its rows stay; and so do those of the
    messages behind it by which repeats of deleted ones are recognised.

    Raises:
        RebuildError: the sink runs.
        DatabaseError, KafkaException: ClickHouse or Kafka is away or refuses.
    """
    admin = AdminClient(dict(kafka))
    _wait_until_empty(admin, group, patience_s, clock or SystemClock())
    done = []
    for place in _stored(admin, group, topics):
        source = source_of(place.topic)
        low, _ = watermarks(kafka, place.topic, place.partition, PATIENCE_S)
        if low > 0 and Table.MESSAGES in source.tables:
            low += repeat_window_messages + repeat_window_messages // 8  # as `refill` reaches back
        begin = min(max(start, low), place.offset)
        _remove(server, source, place.partition, begin)
        back = ConsumerGroupTopicPartitions(
            group, [TopicPartition(place.topic, place.partition, begin)]
        )
        admin.alter_consumer_group_offsets([back], request_timeout=PATIENCE_S)[group].result()
        done.append(Rebuilt(place.topic, place.partition, begin, place.offset))
    return done


def _wait_until_empty(admin: AdminClient, group: str, patience_s: float, clock: Clock) -> None:
    deadline_s = clock.monotonic_s() + patience_s
    while True:
        asked = admin.describe_consumer_groups([group], request_timeout=PATIENCE_S)
        state = asked[group].result().state
        if state in (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD):
            return
        if clock.monotonic_s() > deadline_s:
            raise RebuildError(
                "the sink runs: stop the node, and start Kafka and ClickHouse alone with"
                " `w3b up --components-only`"
            )
        time.sleep(_POLL_S)


def _stored(admin: AdminClient, group: str, topics: Sequence[str]) -> Iterator[TopicPartition]:
    """The partitions of which the sink has stored something, with how far it got."""
    known = admin.list_topics(timeout=PATIENCE_S).topics
    asked = ConsumerGroupTopicPartitions(
        group, [TopicPartition(name, at) for name in topics for at in known[name].partitions]
    )
    answer = admin.list_consumer_group_offsets([asked], request_timeout=PATIENCE_S)
    for place in answer[group].result().topic_partitions:
        if place.offset >= 0:
            yield place


def _remove(server: Server, source: Source, partition: int, start: int) -> None:
    place = Place(source.topic, partition, source.dapp)
    for table in {*source.tables, Table.DEAD_LETTERS}:  # where the sink has set some aside, too
        condition, values = place.condition(table)
        server.command(
            f"ALTER TABLE {COLUMNS[table].table} DELETE WHERE {condition}"
            " AND `offset` >= {start:UInt64} SETTINGS mutations_sync = 1",
            values | {"start": start},
        )
