"""Topic filters [5 section 4.7]."""

_WILDCARDS = frozenset("+#")


class FilterError(ValueError):
    """No topic filter; says why."""


def check_filter(pattern: str) -> None:
    """See that a text is a topic filter.

    Raises:
        FilterError: it is not.
    """
    if not pattern or "\0" in pattern:
        raise FilterError("a topic filter has a character at least, and no NUL")
    levels = pattern.split("/")
    if any(len(level) > 1 and _WILDCARDS & set(level) for level in levels):
        raise FilterError("+ and # are levels of their own")
    if "#" in levels[:-1]:
        raise FilterError("# is the last level")


def matches(pattern: str, topic: str) -> bool:
    """Whether a filter, which was checked, matches a topic's name."""
    if topic.startswith("$") and pattern[0] in _WILDCARDS:  # [5 section 4.7.2]
        return False
    levels = topic.split("/")
    wanted = pattern.split("/")
    for number, level in enumerate(wanted):
        if level == "#":  # the parent too
            return True
        if number >= len(levels) or level not in ("+", levels[number]):
            return False
    return len(wanted) == len(levels)
