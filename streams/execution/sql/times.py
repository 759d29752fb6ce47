"""Times, dates and intervals of statements, in UTC, as texts in PostgreSQL's writing."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

KINDS: Final = frozenset({"timestamptz", "timestamp", "date", "time", "interval"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT: Final = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?"
    r"\s*(Z|[+-]\d{2}(?::?\d{2})?)?",
    re.IGNORECASE,
)
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?")
_AMOUNT: Final = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*([a-z]+)", re.IGNORECASE)
_SPAN_CLOCK: Final = re.compile(r"([+-]?)(\d+):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?")
_MONTH_NAMES: Final = ("January", "February", "March", "April", "May", "June", "July", "August",
                       "September", "October", "November", "December")  # fmt: skip
_DAY_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_CHAR_PATTERNS: Final[dict[str, Callable[[datetime], object]]] = {
    "YYYY": lambda at: f"{at.year:04}", "YY": lambda at: f"{at.year % 100:02}",
    "MM": lambda at: f"{at.month:02}", "DDD": lambda at: f"{at.timetuple().tm_yday:03}",
    "DD": lambda at: f"{at.day:02}", "HH24": lambda at: f"{at.hour:02}",
    "HH12": lambda at: f"{at.hour % 12 or 12:02}", "HH": lambda at: f"{at.hour % 12 or 12:02}",
    "MI": lambda at: f"{at.minute:02}", "SS": lambda at: f"{at.second:02}",
    "MS": lambda at: f"{at.microsecond // 1000:03}", "US": lambda at: f"{at.microsecond:06}",
    "AM": lambda at: "AM" if at.hour < 12 else "PM",
    "PM": lambda at: "AM" if at.hour < 12 else "PM",
    "IYYY": lambda at: f"{at.isocalendar().year:04}",
    "IW": lambda at: f"{at.isocalendar().week:02}",
    "ID": lambda at: at.isoweekday(), "D": lambda at: at.isoweekday() % 7 + 1,
    "Q": lambda at: (at.month + 2) // 3, "TZ": lambda at: "UTC",
}  # fmt: skip
_CHAR_WORDS: Final[dict[str, Callable[[datetime], str]]] = {
    "Month": lambda at: f"{_MONTH_NAMES[at.month - 1]:<9}",
    "Mon": lambda at: _MONTH_NAMES[at.month - 1][:3],
    "Day": lambda at: f"{_DAY_NAMES[at.weekday()]:<9}",
    "Dy": lambda at: _DAY_NAMES[at.weekday()][:3],
}  # fmt: skip
_CHAR: Final = re.compile(
    r'"[^"]*"|Month|Mon|Day|Dy|(?i:HH24|HH12|HH|IYYY|YYYY|YY|MM|DDD|DD|MI|SS|MS|US|AM|PM|IW|ID|TZ|D|Q)'
)
_SPAN_CHARACTERS_MAX: Final = 256  # patterns look for their like from each digit on
_SECONDS: Final = {"second": 1, "sec": 1, "s": 1, "minute": 60, "min": 60, "m": 60, "hour": 3600,
                   "hr": 3600, "h": 3600, "millisecond": 0.001, "ms": 0.001}  # fmt: skip
_DAYS: Final = {"day": 1, "d": 1, "week": 7, "w": 7}
_MONTHS: Final = {"month": 1, "mon": 1, "year": 12, "y": 12, "yr": 12}
_ALIASES: Final = {"minutes": "minute", "hours": "hour", "days": "day", "seconds": "second"}


class TimeError(ValueError):
    """A text that is no time, or an operation that times do not have."""


def from_ms(ms: int) -> datetime:
    """The instant so many milliseconds after 1970.

    Raises:
        TimeError: past the year 9999.
    """
    return _from_seconds(ms / 1000) if ms % 1000 else _EPOCH + timedelta(seconds=ms // 1000)


def cast(text: str, target: str, source: str) -> str:
    """A text, or a value of type ``source``, as ``target``.

    Raises:
        TimeError: it is none.
    """
    if target == "interval":
        return _write_span(*_read_span(text))
    if target == "time":
        return write(parse(text), "time") if "-" in text else _read_clock(text).isoformat()
    return write(parse(text), target)


def parse(text: str) -> datetime:
    """An instant; what has no zone is UTC.

    Raises:
        TimeError: not a time.
    """
    stripped = text.strip()
    found = _MOMENT.fullmatch(stripped)
    if found is None:
        if stripped.lower() == "epoch":
            return _EPOCH
        raise TimeError(f'invalid input syntax for type timestamp: "{text[:80]}"')
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0),
            micros, UTC,
        )  # fmt: skip
        return moment - _offset(zone)
    except (ValueError, OverflowError):
        raise TimeError(f'date/time field value out of range: "{text[:80]}"') from None


def parse_rfc3339(text: str) -> datetime:
    """An instant with its zone.

    Raises:
        TimeError: not RFC 3339.
    """
    if not _RFC3339.fullmatch(text):
        raise TimeError(f"not a time of RFC 3339: {text[:80]!r}")
    return parse(text)


def write(moment: datetime, kind: str) -> str:
    """As PostgreSQL prints it."""
    clock = moment.strftime("%H:%M:%S")
    if moment.microsecond:
        clock += f".{moment.microsecond:06}".rstrip("0")
    day = f"{moment.year:04}-{moment.month:02}-{moment.day:02}"
    if kind == "date":
        return day
    if kind == "time":
        return clock
    return f"{day} {clock}" if kind == "timestamp" else f"{day} {clock}+00"


def rfc3339(text: str) -> str:
    """A timestamp's or date's text as RFC 3339, as Go prints a time in UTC."""
    moment = parse(text)
    fraction = f".{moment.microsecond:06}".rstrip("0") if moment.microsecond else ""
    day = f"{moment.year:04}-{moment.month:02}-{moment.day:02}"
    return f"{day}T{moment:%H:%M:%S}{fraction}Z"


def to_char(moment: datetime, form: str) -> str:
    """``to_char(time, form)``, with PostgreSQL's patterns; a text in double quotes stays."""

    def replace(found: re.Match[str]) -> str:
        pattern = found[0]
        if pattern.startswith('"'):
            return pattern[1:-1]
        if pattern in _CHAR_WORDS:
            return _CHAR_WORDS[pattern](moment)
        return str(_CHAR_PATTERNS[pattern.upper()](moment))

    return _CHAR.sub(replace, form)


def from_epoch(seconds: float) -> str:
    """``to_timestamp(seconds)``."""
    return write(_from_seconds(seconds), "timestamptz")


def extract(field: str, text: str, kind: str) -> float:
    """``extract(field from …)``.

    Raises:
        TimeError: there is no such field.
    """
    name = _unit(field)
    if kind == "interval":
        return _extract_span(name, text)
    clock_only = kind == "time"
    moment = (
        datetime.combine(date(1970, 1, 1), _read_clock(text), UTC) if clock_only else parse(text)
    )
    seconds = moment.second + moment.microsecond / 1e6
    iso = moment.isocalendar()
    fields: dict[str, float] = {
        "epoch": _micros(moment - _EPOCH) / 1e6, "year": moment.year, "month": moment.month,
        "day": moment.day, "hour": moment.hour, "minute": moment.minute, "second": seconds,
        "milliseconds": seconds * 1e3, "millisecond": seconds * 1e3,
        "microseconds": seconds * 1e6, "microsecond": seconds * 1e6,
        "dow": moment.isoweekday() % 7, "dayofweek": moment.isoweekday() % 7,
        "isodow": moment.isoweekday(), "doy": moment.timetuple().tm_yday,
        "dayofyear": moment.timetuple().tm_yday, "week": iso.week, "isoyear": iso.year,
        "quarter": (moment.month + 2) // 3, "century": (moment.year + 99) // 100,
        "decade": moment.year // 10, "timezone": 0,
    }  # fmt: skip
    if name not in fields:
        raise TimeError(f'timestamp units "{field}" not recognized')
    return float(fields[name])


def truncate(unit: str, text: str, kind: str) -> str:
    """``date_trunc(unit, …)``.

    Raises:
        TimeError: there is no such unit.
    """
    moment, name = parse(text), _unit(unit)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    cut = {
        "microsecond": moment, "millisecond": moment.replace(
            microsecond=moment.microsecond // 1000 * 1000),
        "second": moment.replace(microsecond=0),
        "minute": moment.replace(second=0, microsecond=0),
        "hour": moment.replace(minute=0, second=0, microsecond=0), "day": day,
        "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1),
        "quarter": day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
        "year": day.replace(month=1, day=1),
    }  # fmt: skip
    if name not in cut:
        raise TimeError(f'timestamp units "{unit}" not recognized')
    return write(cut[name], kind)


def add(text: str, span: str, sign: int, kind: str) -> str:
    """A time plus (minus) an interval, as ``kind``.

    Raises:
        TimeError: out of range.
    """
    months, days, micros = _read_span(span)
    moment = parse(text)
    if months:
        count = moment.year * 12 + moment.month - 1 + sign * months
        year, month = count // 12, count % 12 + 1
        moment = _day_within(moment, year, month)
    try:
        moment += sign * timedelta(days=days, microseconds=micros)
    except OverflowError:
        raise TimeError("timestamp out of range") from None
    return write(moment, kind)


def add_spans(a: str, b: str, sign: int) -> str:
    """An interval plus (minus) another."""
    pairs = zip(_read_span(a), _read_span(b), strict=True)
    months, days, micros = (one + sign * other for one, other in pairs)
    return _write_span(months, days, micros)


def scale_span(span: str, factor: float) -> str:
    """An interval times a number."""
    months, days, micros = _read_span(span)
    whole = days * factor
    rest = round((whole - int(whole)) * 86_400_000_000)
    return _write_span(int(months * factor), int(whole), round(micros * factor) + rest)


def between(later: str, earlier: str) -> str:
    """The interval from one time to another, in days and a clock."""
    micros = _micros(parse(later) - parse(earlier))
    days = abs(micros) // 86_400_000_000 * (1 if micros >= 0 else -1)
    return _write_span(0, days, micros - days * 86_400_000_000)


def days_between(later: str, earlier: str) -> int:
    """A date minus a date."""
    return (parse(later).date() - parse(earlier).date()).days


def add_days(text: str, days: int) -> str:
    """A date plus days."""
    try:
        return write(parse(text) + timedelta(days=days), "date")
    except OverflowError:
        raise TimeError("date out of range") from None


def _from_seconds(seconds: float) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=round(seconds * 1e6))
    except OverflowError:
        raise TimeError("timestamp out of range") from None


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone in "Zz":
        return timedelta()
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return offset if zone[0] == "+" else -offset


def _read_clock(text: str) -> time:
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        raise TimeError(f'invalid input syntax for type time: "{text[:80]}"')
    hour, minute, second, fraction = found.groups()
    try:
        return time(int(hour), int(minute), int(second or 0),
                    int((fraction or "0")[:6].ljust(6, "0")))  # fmt: skip
    except ValueError:
        raise TimeError(f'date/time field value out of range: "{text[:80]}"') from None


def _read_span(text: str) -> tuple[int, int, int]:
    """Months, days and microseconds."""
    if len(text) > _SPAN_CHARACTERS_MAX:
        raise TimeError(f'invalid input syntax for type interval: "{text[:80]}"')
    rest = text.strip().lower()
    months = days = 0
    micros = 0.0
    ago = rest.endswith(" ago")
    rest = rest.removesuffix(" ago")
    clock = _SPAN_CLOCK.search(rest)
    if clock is not None:
        sign, hour, minute, second, fraction = clock.groups()
        whole = int(hour) * 3600 + int(minute) * 60 + int(second or 0)
        size = whole * 1_000_000 + int((fraction or "0").ljust(6, "0"))
        micros += -size if sign == "-" else size
        rest = rest[: clock.start()] + rest[clock.end() :]
    for amount, unit in _AMOUNT.findall(rest):
        name, number = _unit(unit).removesuffix("s") or unit, float(amount)
        name = "s" if unit == "s" else name
        if name in _MONTHS:
            months += round(number * _MONTHS[name])
        elif name in _DAYS:
            whole_days = number * _DAYS[name]
            days += int(whole_days)
            micros += (whole_days - int(whole_days)) * 86_400_000_000
        elif name in _SECONDS:
            micros += number * _SECONDS[name] * 1_000_000
        else:
            raise TimeError(f'invalid input syntax for type interval: "{text[:80]}"')
    if _AMOUNT.sub("", rest).strip(" +@") or not text.strip():
        raise TimeError(f'invalid input syntax for type interval: "{text[:80]}"')
    sign_of_all = -1 if ago else 1
    return sign_of_all * months, sign_of_all * days, sign_of_all * round(micros)


def _write_span(months: int, days: int, micros: int) -> str:
    parts = []
    years, rest = divmod(abs(months), 12)
    sign = -1 if months < 0 else 1
    for count, name in ((sign * years, "year"), (sign * rest, "mon"), (days, "day")):
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    if micros or not parts:
        seconds, fraction = divmod(abs(micros), 1_000_000)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        if fraction:
            clock += f".{fraction:06}".rstrip("0")
        parts.append(f"{'-' if micros < 0 else ''}{clock}")
    return " ".join(parts)


def _extract_span(name: str, text: str) -> float:
    months, days, micros = _read_span(text)
    fields: dict[str, float] = {
        "epoch": (months // 12 * 365.25 + months % 12 * 30 + days) * 86_400 + micros / 1e6,
        "year": months // 12, "month": months % 12, "day": days,
        "hour": int(micros / 3_600_000_000), "minute": int(micros / 60_000_000) % 60,
        "second": micros % 60_000_000 / 1e6,
    }  # fmt: skip
    if name not in fields:
        raise TimeError(f'interval units "{name}" not recognized')
    return float(fields[name])


def _day_within(moment: datetime, year: int, month: int) -> datetime:
    for day in (moment.day, 30, 29, 28):
        try:
            return moment.replace(year=year, month=month, day=min(day, moment.day))
        except ValueError:
            continue
    raise TimeError("timestamp out of range")


def _unit(name: str) -> str:
    lower = name.strip().lower()
    return _ALIASES.get(lower, lower)


def _micros(span: timedelta) -> int:
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds
