"""Token buckets: what they let in, what they refuse, what they keep."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import limits
from streams.clock import ManualClock
from streams.endpoint import rates
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.rates import Rates

BURST = limits.RATE_BURST_S


def refused(one: Rates, owner: str, device: str, messages: int = 1, **dapps: int | None):
    """The refusal's name and when to come again; None: it was let in."""
    try:
        one.take(owner, {device: messages}, dapps)
    except RefusedError as error:
        return error.refusal, error.retry_after_s
    return None


def test_without_a_limit_nothing_is_counted():
    one = Rates(ManualClock())
    assert refused(one, "ann", "car", 10**9, driving=None) is None
    assert one._full_at_s == {}


def test_a_burst_passes_then_the_rate_holds():
    clock = ManualClock()
    one = Rates(clock, device_per_s=10)
    assert refused(one, "ann", "car", 10 * BURST) is None
    assert refused(one, "ann", "car", 25) is None  # the bucket is empty, not in debt
    assert refused(one, "ann", "car") == (Refusal.DEVICE_RATE_EXCEEDED, 3)
    assert refused(one, "ann", "van") is None
    clock.advance_ms(2_499)
    assert refused(one, "ann", "car") == (Refusal.DEVICE_RATE_EXCEEDED, 1)
    clock.advance_ms(1)
    assert refused(one, "ann", "car") is None


def test_who_is_refused_by_one_bucket_is_charged_by_none():
    clock = ManualClock()
    one = Rates(clock, device_per_s=1_000, owner_per_s=1)
    assert refused(one, "ann", "car", 2 * BURST, driving=5) is None
    assert refused(one, "ann", "van", driving=5) == (Refusal.OWNER_RATE_EXCEEDED, BURST)
    assert refused(one, "bob", "bike", 5 * BURST, driving=5) is None
    late_s = 7 * BURST // 5 - BURST
    assert refused(one, "cid", "bus", driving=5) == (Refusal.DAPP_RATE_EXCEEDED, late_s)
    assert refused(one, "bob", "bike", weather=None, forest=1) == (
        Refusal.OWNER_RATE_EXCEEDED, 4 * BURST
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first", "neighbour", "stranger"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1"),
        ("fe80::1%eth0", "fe80::2", "::1"),
        (None, None, "192.0.2.1"),
    ],
)
def test_log_ins_are_counted_by_address(first, neighbour, stranger):
    clock = ManualClock()
    one = Rates(clock, address_per_s=2)
    for _ in range(2 * BURST + 1):
        one.attempt(first)
    with pytest.raises(RefusedError) as error:
        one.attempt(neighbour)
    assert (error.value.refusal, error.value.retry_after_s) == (Refusal.ADDRESS_RATE_EXCEEDED, 1)
    one.attempt(stranger)
    clock.advance_ms(500)
    one.attempt(neighbour)


def test_full_buckets_are_not_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rates, "_SWEEP_BUCKETS", 10)
    clock = ManualClock()
    one = Rates(clock, device_per_s=1)
    for number in range(1_000):
        assert refused(one, "ann", f"car {number}") is None
        clock.advance_ms(500)
    assert len(one._full_at_s) <= 11


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 50)), max_size=60))
def test_over_any_time_no_more_than_rate_burst_and_one_body_pass(arrivals):
    clock = ManualClock()
    one = Rates(clock, device_per_s=7)
    passed, began_s = 0, clock.monotonic_s()
    for wait_ms, messages in arrivals:
        clock.advance_ms(wait_ms)
        if refused(one, "ann", "car", messages) is None:
            passed += messages
        elapsed_s = clock.monotonic_s() - began_s
        assert passed <= 7 * (elapsed_s + BURST) + 50 + 1e-6
