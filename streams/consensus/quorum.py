"""How many of n must say the same, so that two such groups share an honest member."""


def quorum(members: int, faulty_max: int = 0) -> int:
    """The smallest quorum among ``members`` of whom ``faulty_max`` may lie: (n + f) // 2 + 1.

    Two quorums of q share at least 2q - n members, and one of them is honest when 2q - n > f.
    With f = 0 (crashes only) that is a plain majority. The familiar 2f + 1 is the same number only
    for n = 3f + 1: for n = 5, 6, 8, 9, 11 or 12 two groups of 2f + 1 may share liars alone.

    Raises:
        ValueError: no members, or too many faulty ones for any quorum to be reached without them.
    """
    if members < 1 or faulty_max < 0:
        raise ValueError(f"{members} members with {faulty_max} faulty ones are no group")
    size = (members + faulty_max) // 2 + 1
    if faulty_max and size > members - faulty_max:
        raise ValueError(f"{faulty_max} faulty of {members} members: at most (n - 1) // 3 may be")
    return size
