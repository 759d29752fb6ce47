"""What execute says of a message whose sender waits for it."""

from streams.execution.instance import Instance
from streams.records import PROCESSED, REPEAT, WANTS_ANSWER, Answer, Message, decode_answer
from tests.execution.feeding import TIME_MS, message, outputs, packed
from tests.execution.guests import program
from tests.execution.test_handlers import NOTING


def waiting(payload: bytes, number: int, event_type: str = "DEFAULT") -> Message:
    id_ = number.to_bytes(16, "big")
    return Message("did:x", payload, id_, TIME_MS, event_type, WANTS_ANSWER)


def answers(routes: dict[str, list[str]], *messages: Message | bytes) -> dict[int, Answer]:
    """By the number of each message."""
    outcome = Instance(program(NOTING, "fresh", routes=routes), "d", 0).run(packed(messages))
    found = outputs(outcome, "answers")
    assert all(one.device == b"did:x" for one in found)
    return {int.from_bytes(one.message_id, "big"): decode_answer(one) for one in found}


def test_only_who_waits_is_answered_with_the_codes_of_the_handlers():
    given = answers({"DEFAULT": ["b", "a"]}, waiting(b"x", 1), message(b"y", 2), b"raw")
    assert given == {1: Answer(PROCESSED, "", (2, 1))}


def test_what_failed_says_why_and_how_far_it_came():
    given = answers(
        {"DEFAULT": ["a", "minus"], "BOOM": ["a", "trap"]},
        waiting(b"x", 1), waiting(b"x", 2, "BOOM"), waiting(b"x", 3),
    )  # fmt: skip
    assert given[1] == given[3] == Answer("returned_error", "the handler returned -4", (1, -4))
    assert (given[2].outcome, given[2].codes) == ("trap", (1,))
    assert "unreachable" in given[2].why


def test_a_repeat_and_what_nobody_handles():
    given = answers({"A": ["a"]}, waiting(b"x", 1, "A"), waiting(b"x", 2, "B"))
    assert given[1].outcome == PROCESSED
    assert (given[2].outcome, given[2].codes) == ("no_handler", ())
    twice = Instance(program(NOTING, "fresh", routes={"DEFAULT": ["a"]}), "d", 0)
    outcome = twice.run(packed([message(b"x", 1), waiting(b"x", 1)]))
    (answer,) = outputs(outcome, "answers")
    assert decode_answer(answer) == Answer(REPEAT, "", ())
