"""A partition's state after a restart: one million keys, read back from Kafka."""

import time
import uuid
from typing import Final

from streams import limits, topics
from streams.delivery.batch import Position, pack_records
from streams.execution.instance import Instance
from streams.execution.program import Specification, load
from streams.execution.restoring import restored
from streams.records import Message, barrier
from tests.benchmarks.figures import RUNS, Row, Spread
from tests.benchmarks.load import fill
from tests.integration.tally_program import BINARY
from tests.local_components import LocalComponents

KEYS: Final = 1_000_000
KEY_BYTES: Final = 20
VALUE_BYTES: Final = 80
SECONDS_MAX: Final = 8.0
_MESSAGES: Final = limits.REPEAT_WINDOW_MESSAGES  # before the restart: a whole window of repeats


def run(components: LocalComponents) -> list[Row]:
    """Restores a partition as a worker does, to the first result and over the first barrier."""
    kafka = {"bootstrap.servers": components.kafka}
    dapp = f"b{uuid.uuid4().hex[:12]}"
    messages, _, state, *_ = topics.dapp_topics(dapp, 1)
    program = load(BINARY, Specification({"DEFAULT": "start"}))
    log = [(b"did:x", _message(number)) for number in range(_MESSAGES)]
    fill(kafka, messages, log)
    before = Instance(program, dapp, 0)
    last = before.run(_packed([_message(_MESSAGES - 1)], _MESSAGES - 1))
    value = b"v" * VALUE_BYTES
    keys = [(b"k%0*d" % (KEY_BYTES, number), value) for number in range(KEYS)]
    fill(kafka, state, keys + [(one["key"], one["value"]) for one in last.records["state"]])
    until_result, until_root = [], []
    for _ in range(RUNS):
        began_s = time.perf_counter()
        position = Position(messages.name, 0, _MESSAGES)
        instance = restored(kafka, dapp, program, position, {})
        assert instance.run(_packed([_message(_MESSAGES)], _MESSAGES)).results == 1
        assert instance.state_keys == KEYS + 1
        until_result.append(time.perf_counter() - began_s)
        instance.run(_packed([barrier(1, 0)], _MESSAGES + 1))
        until_root.append(time.perf_counter() - began_s - until_result[-1])
        del instance
    note = f"then {Spread.of(until_root).median:.1f} s for the first barrier's state root"
    return [
        Row(
            "one million keys of 100 B back after a restart",
            "s",
            Spread.of(until_result),
            figure_max=SECONDS_MAX,
            note=note,
        )
    ]


def _message(number: int) -> bytes:
    return Message("did:x", b'{"speed": 50}', number.to_bytes(16, "big"), number).encode()


def _packed(values: list[bytes], first: int) -> bytes:
    offsets = range(first, first + len(values))
    return pack_records([b"did:x"] * len(values), values, offsets, [0] * len(values))
