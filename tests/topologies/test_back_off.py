"""Pauses between attempts."""

from topologies.back_off import BackOff


def test_pauses_double_up_to_their_longest() -> None:
    back_off = BackOff(pause_s_max=1.0)
    assert [back_off.pause_s(well_s=0.0) for _ in range(5)] == [0.2, 0.4, 0.8, 1.0, 1.0]


def test_what_was_well_for_a_while_begins_anew() -> None:
    back_off = BackOff(pause_s_max=10.0)
    assert [back_off.pause_s(well_s=5.0) for _ in range(10)] == [0.2] * 10


def test_a_crash_soon_after_the_start_is_a_failure_like_any() -> None:
    back_off = BackOff(pause_s_max=10.0)
    assert [back_off.pause_s(well_s=1.0) for _ in range(3)] == [0.2, 0.4, 0.8]
