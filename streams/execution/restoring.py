"""A partition's instance as it was after its last committed batch."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from streams import limits, topics
from streams.delivery.batch import Position, pack
from streams.delivery.replay import refill, replay
from streams.execution.instance import Deployments, Instance
from streams.execution.outside import Outside
from streams.execution.program import Program

log = logging.getLogger(__name__)

_STATE: Final = b"k"  # begins the keys of keyed state in ``state.<dapp>`` (driver/exports.zig)


def restored(
    kafka: Mapping[str, Any],
    dapp: str,
    program: Program | Deployments,
    committed: Position,
    outside: Outside,
) -> Instance:
    """An instance with keyed state and progress from the changelog, and the ids of messages
    that came before; its ``next_offset`` is where the partition goes on.

    The changelog's own offset decides: it was written in the transactions that committed the
    group's, and it does not expire when a node is away for long.

    Raises:
        TimeoutError, KafkaException: Kafka cannot be read.
        Exception: what the `Deployments` raise for one that cannot be had.
    """
    instance = Instance(program, dapp, committed.partition, outside=outside)
    for messages in replay(kafka, topics.state(dapp), committed.partition):
        instance.restore(pack(messages))
    start = instance.next_offset
    if committed.offset >= 0 and start != committed.offset:
        log.warning(
            "%s/%d: the group's offset is %d, the state's is %d; going on from the state's",
            committed.topic, committed.partition, committed.offset, start,
        )  # fmt: skip
    if start > 0:
        place = Position(committed.topic, committed.partition, start)
        refill(kafka, place, instance, limits.REPEAT_WINDOW_MESSAGES)
    instance.prepare()
    log.info(
        "%s/%d: restored %d keys, going on from offset %d in epoch %d",
        committed.topic, committed.partition, instance.state_keys, start, instance.epoch,
    )  # fmt: skip
    return instance


def committed_values(
    kafka: Mapping[str, Any], dapp: str, partitions: int, key: bytes
) -> dict[int, bytes]:
    """What a Dapp's program last committed under a key, by partition; reads the changelogs.

    Raises:
        TimeoutError, KafkaException: Kafka cannot be read.
    """
    found: dict[int, bytes] = {}
    for partition in range(partitions):
        for messages in replay(kafka, topics.state(dapp), partition):
            for value in [one.value() for one in messages if one.key() == _STATE + key][-1:]:
                if value is None:
                    found.pop(partition, None)
                else:
                    found[partition] = value
    return found
