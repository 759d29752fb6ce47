"""The reader in a real consumer group: who has what, from where, and how much at a time."""

import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams import limits
from streams.delivery.batch import Position
from streams.delivery.membership import NotAMember
from streams.delivery.reader import RebalanceUnderWay, committed_offsets
from tests.delivery.kafka_topics import fill, new_topic
from tests.delivery.members import Member
from tests.local_components import LocalComponents
from tests.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow]

Join = Callable[..., Member]


@pytest.fixture
def group() -> str:
    return f"g{uuid.uuid4().hex[:12]}"


@pytest.fixture
def join(kafka: str, group: str) -> Iterator[Join]:
    """Makes members of one group; all have left in the end."""
    members: list[Member] = []

    def make(*topics: str, **options: object) -> Member:
        members.append(Member(kafka, group, topics, **options))  # type: ignore[arg-type]
        return members[-1].start()

    yield make
    for member in members:
        member.reader.stop()
        assert member.failures == []


def values(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def test_reads_from_the_beginning_and_goes_on_where_it_committed(kafka: str, join: Join) -> None:
    topic = new_topic(kafka)
    fill(kafka, topic, values(250))
    first = join(topic)
    wait_until(lambda: first.messages == 250)
    assert first.starts == [Position(topic, 0, -1)]
    assert all(piece.count <= 100 for one in first.batches for piece in one.slices)
    first.reader.commit([Position(topic, 0, 120, "a note")])
    first.reader.stop()
    second = join(topic)
    wait_until(lambda: second.messages == 130)
    assert second.starts == [Position(topic, 0, 120, "a note")]
    assert second.offsets[0] == (0, 120)


def test_two_members_share_and_a_revoked_slice_is_not_current(kafka: str, join: Join) -> None:
    topic = new_topic(kafka, partitions=4)
    for partition in range(4):
        fill(kafka, topic, values(10), partition)
    first = join(topic)
    wait_until(lambda: first.messages == 40)
    pieces = {piece.partition: piece for one in first.batches for piece in one.slices}
    assert all(map(first.reader.is_current, pieces.values()))
    second = join(topic)
    wait_until(lambda: len(second.assigned_now) == 2)
    wait_until(lambda: len(first.assigned_now) == 2)
    assert first.assigned_now | second.assigned_now == {(topic, at) for at in range(4)}
    for partition, piece in pieces.items():
        kept = (topic, partition) in first.assigned_now
        assert first.reader.is_current(piece) == kept
    assert len(first.revocations) == 2
    second.reader.stop()  # it leaves; nothing waits for its session to end
    wait_until(lambda: len(first.assigned_now) == 4, deadline_s=20)
    for partition, piece in pieces.items():
        assert first.reader.is_current(piece) == ((topic, partition) not in first.revocations)


def test_a_rewind_brings_the_same_again_and_what_came_before_is_not_current(
    kafka: str, join: Join
) -> None:
    topic = new_topic(kafka)
    fill(kafka, topic, values(20))
    member = join(topic)
    wait_until(lambda: member.messages == 20)
    before = [piece for one in member.batches for piece in one.slices]
    member.reader.rewind([Position(topic, 0, 5)])
    assert not any(map(member.reader.is_current, before))
    wait_until(lambda: member.messages == 35)
    again = [piece for one in member.batches for piece in one.slices][len(before) :]
    assert again[0].first_offset == 5
    assert all(map(member.reader.is_current, again))


def test_what_is_not_dealt_with_holds_up_the_reading_but_not_the_membership(
    kafka: str, join: Join
) -> None:
    topic = new_topic(kafka, partitions=2)
    fill(kafka, topic, values(1000))
    slow = join(topic, released=False)
    wait_until(lambda: len(slow.batches) == limits.BATCH_QUEUE_MAX)
    # Longer than it takes to pause, a rebalance comes and goes.
    other = join(topic)
    wait_until(lambda: len(other.assigned_now) == 1 == len(slow.assigned_now))
    other.reader.stop()
    wait_until(lambda: len(slow.assigned_now) == 2, deadline_s=20)
    assert len(slow.batches) == limits.BATCH_QUEUE_MAX
    for taken in range(2, 100):
        slow.reader.release()
        wait_until(lambda n=taken: len(slow.batches) > n or slow.messages >= 1000)
        if slow.messages >= 1000:
            break
    assert slow.messages >= 1000


def test_a_partition_that_left_while_reading_was_held_up_is_read_when_it_comes_back(
    kafka: str, join: Join
) -> None:
    topic = new_topic(kafka, partitions=2)
    for partition in range(2):
        fill(kafka, topic, values(1000), partition)
    slow = join(topic, released=False)
    wait_until(lambda: len(slow.batches) == limits.BATCH_QUEUE_MAX)
    other = join(topic)
    wait_until(lambda: len(other.assigned_now) == 1 == len(slow.assigned_now))
    for _ in range(100):  # one of its two partitions goes on; the other is not its own now
        slow.reader.release()
    (gone,) = other.assigned_now
    wait_until(lambda: other.messages >= 1000)
    other.reader.stop()
    wait_until(lambda: len(slow.assigned_now) == 2, deadline_s=20)
    fill(kafka, topic, [b"news"], gone[1])
    wait_until(lambda: slow.last_offset(gone[1]) == 1000)


def test_commits_from_several_threads(kafka: str, join: Join) -> None:
    topic = new_topic(kafka, partitions=4)
    for partition in range(4):
        fill(kafka, topic, values(5), partition)
    member = join(topic)
    wait_until(lambda: member.messages == 20)
    errors: list[BaseException] = []

    def commit(partition: int) -> None:
        try:
            for offset in range(1, 6):
                member.reader.commit([Position(topic, partition, offset)])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=commit, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    member.reader.stop()
    after = join(topic)
    wait_until(lambda: len(after.starts) == 4)
    assert {at.offset for at in after.starts} == {5}


def test_who_waits_for_a_commit_is_told_of_a_rebalance(kafka: str, join: Join) -> None:
    """The thread that commits is the one that a rebalance holds up."""
    topic = new_topic(kafka, partitions=2)
    fill(kafka, topic, values(5))
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        leave.wait(30)

    member = join(topic, on_revoked=hold)
    wait_until(lambda: member.messages == 5)
    join(topic)
    try:
        assert entered.wait(30)
        with pytest.raises(RebalanceUnderWay):
            member.reader.commit([Position(topic, 0, 5)])
    finally:
        leave.set()


def test_a_commit_for_a_partition_of_another_is_refused_or_harmless(kafka: str, join: Join) -> None:
    """A stopped reader commits nothing."""
    topic = new_topic(kafka)
    fill(kafka, topic, values(5))
    member = join(topic)
    wait_until(lambda: member.messages == 5)
    member.reader.stop()
    with pytest.raises((RuntimeError, KafkaException)):
        member.reader.commit([Position(topic, 0, 3)])


def test_topics_can_be_added(kafka: str, join: Join) -> None:
    first, second = new_topic(kafka), new_topic(kafka)
    fill(kafka, first, values(3))
    fill(kafka, second, values(4))
    member = join(first)
    wait_until(lambda: member.messages == 3)
    member.reader.subscribe([first, second])
    wait_until(lambda: member.messages == 7)


def test_a_static_member_that_comes_back_with_more_topics_reads_them(
    kafka: str, join: Join
) -> None:
    first, second = new_topic(kafka), new_topic(kafka)
    fill(kafka, first, values(3))
    fill(kafka, second, values(4))
    before = join(first, instance_id="static")
    wait_until(lambda: before.messages == 3)
    # The one before is still a member, as one is that was killed a moment ago.
    after = join(first, second, instance_id="static")
    wait_until(lambda: (second, 0) in after.assigned_now)
    wait_until(lambda: after.messages >= 4)


def test_an_assignment_that_fails_ends_the_reader_and_is_told(
    kafka: str, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's own error, raised in its own callback, is an exception like any other."""
    topic = new_topic(kafka)
    monkeypatch.setattr(
        "streams.delivery.reader.committed_offsets", partial(committed_offsets, timeout_s=0)
    )
    member = Member(kafka, group, [topic]).start()
    wait_until(lambda: member.failures, "the failure")
    (failure,) = member.failures
    assert isinstance(failure, KafkaException)
    assert failure.args[0].code() == KafkaError._TIMED_OUT
    member.reader.stop()


def test_a_reader_without_its_kafka_ends_and_gives_its_partitions_up(
    local_components: LocalComponents, group: str
) -> None:
    topic = new_topic(local_components.kafka)
    fill(local_components.kafka, topic, values(10))
    member = Member(local_components.kafka, group, (topic,)).start()
    wait_until(lambda: member.messages == 10)
    local_components.kill("kafka")
    wait_until(lambda: member.reader.is_cut_off)
    member.reader.stop()
    assert member.assigned_now == set()
    assert member.failures == []
    assert f"reader {group}" not in {thread.name for thread in threading.enumerate()}


def test_a_client_that_does_not_join_is_given_up(
    group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STATISTICS_MS", 100)
    monkeypatch.setattr(limits, "ABSENT_S_MAX", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # as a broker that is stopped
        host, port = silent.getsockname()
        member = Member(f"{host}:{port}", group, ("never",)).start()
        wait_until(lambda: member.failures)
        member.reader.stop()
    (failure,) = member.failures
    assert isinstance(failure, NotAMember)
    assert "not in its group" in str(failure)
