"""Following what execute writes, from outside and as it comes."""

import threading
import time
from types import TracebackType

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.records import Output, decode_output
from tests.waiting import wait_until
from topologies.config import Settings


class Following:
    """Records of one of execute's topics by message id, read on a thread of its own.

    A context manager. Reads committed records only, like everybody; from where the topic ended
    when it was made.
    """

    def __init__(self, settings: Settings, topic: str, partitions: int) -> None:
        self._consumer = Consumer(
            {
                **settings.kafka_config(),
                "group.id": "follower",  # demanded by the client; no group is joined
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 50,
                "log_level": 0,  # Kafka's being away is what is tested
                "reconnect.backoff.max.ms": 250,
            }
        )
        places = [TopicPartition(topic, at) for at in range(partitions)]
        for place in places:  # here and now: a symbolic end is looked up when it may be too late
            wait_until(lambda place=place: self._find_end(place), f"the end of {topic}", 60)
        self._consumer.assign(places)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.outputs: dict[bytes, Output] = {}
        self.keys: dict[bytes, bytes | None] = {}
        self.seen_s: dict[bytes, float] = {}  # by `time.monotonic`

    def _find_end(self, place: TopicPartition) -> bool:
        """Set a place to its log's end; ``False``: a topic made just now has no leader yet."""
        try:
            place.offset = self._consumer.get_watermark_offsets(place, timeout=30)[1]
        except KafkaException:
            return False
        return True

    def __enter__(self) -> "Following":
        self._thread.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            for message in self._consumer.consume(1000, 0.05):
                if message.error() is None:
                    output = decode_output(message.value() or b"")
                    self.keys[output.message_id] = message.key()
                    self.outputs[output.message_id] = output
                    self.seen_s.setdefault(output.message_id, time.monotonic())
