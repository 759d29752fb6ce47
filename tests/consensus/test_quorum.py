"""Quorums: any two share an honest member, and the honest can always form one."""

from itertools import combinations

import pytest

from streams.consensus.quorum import quorum


@pytest.mark.parametrize("members", range(1, 14))
def test_two_quorums_share_an_honest_member(members: int) -> None:
    for faulty in range((members - 1) // 3 + 1):
        size = quorum(members, faulty)
        assert size <= members - faulty  # the honest alone are enough
        assert 2 * size - members > faulty  # and two quorums overlap in more than the faulty
        assert 2 * (size - 1) - members <= faulty  # no smaller one would do


def test_two_f_plus_one_is_not_always_enough() -> None:
    members, faulty = 5, 1
    groups = list(combinations(range(members), 2 * faulty + 1))
    assert any(len(set(a) & set(b)) <= faulty for a in groups for b in groups)
    assert quorum(members, faulty) == 4


@pytest.mark.parametrize(("members", "faulty"), [(0, 0), (-1, 0), (3, 1), (4, 2), (1, -1)])
def test_refuses_what_is_no_group(members: int, faulty: int) -> None:
    with pytest.raises(ValueError, match="members"):
        quorum(members, faulty)
