"""JSON with one reading, by RFC 8785's published vectors."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.wallet.credentials.faults import CredentialError, Fault
from streams.wallet.credentials.strict_json import canonical, read_object

VECTORS = Path(__file__).parents[2] / "vectors" / "jcs"


@pytest.mark.parametrize("path", sorted((VECTORS / "input").iterdir()), ids=lambda path: path.stem)
def test_published_vectors(path: Path) -> None:
    text = path.read_text()
    # A credential is an object; the vector that is a list is canonicalised inside of one.
    shown = text if text.lstrip().startswith("{") else f'{{"list":{text}}}'
    expected = bytes.fromhex((VECTORS / "outhex" / f"{path.stem}.txt").read_text())
    if shown is not text:
        expected = b'{"list":' + expected + b"}"
    assert canonical(read_object(shown)) == expected
    assert canonical(read_object(expected)) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b'{"a":1,"a":1}', Fault.MALFORMED_JSON),
        (b'{"a":{"b":1,"b":2}}', Fault.MALFORMED_JSON),
        (b'{"a":9007199254740993}', Fault.MALFORMED_JSON),
        (b'{"a":1e400}', Fault.MALFORMED_JSON),
        (b'{"a":NaN}', Fault.MALFORMED_JSON),
        (b'{"a":"\\ud800"}', Fault.MALFORMED_JSON),
        (b'{"a":"\xff"}', Fault.MALFORMED_JSON),
        (b'{"a":' + b"9" * 5000 + b"}", Fault.MALFORMED_JSON),
        (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", Fault.MALFORMED_JSON),
        (b'{"a":' + b"[" * 100_000, Fault.MALFORMED_JSON),
        (b"[]", Fault.MALFORMED_JSON),
        (b"", Fault.MALFORMED_JSON),
        (b" " * 300_000, Fault.TOO_LARGE),
    ],
)
def test_what_has_two_readings_or_none_is_refused(text: bytes, fault: Fault) -> None:
    with pytest.raises(CredentialError) as refused:
        read_object(text)
    assert refused.value.fault is fault


def test_deep_nesting_is_refused_however_deep_python_would_go() -> None:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)  # as some libraries do when they are imported
    try:
        for text in (b'{"a":' + b"[" * 100_000, b'{"a":' * 40_000):
            with pytest.raises(CredentialError) as refused:
                read_object(text)
            assert refused.value.fault is Fault.MALFORMED_JSON
    finally:
        sys.setrecursionlimit(before)


@given(st.binary(max_size=100) | st.text(max_size=100))
def test_nothing_else_is_raised(text: bytes | str) -> None:
    try:
        value = read_object(text)
    except CredentialError:
        return
    assert read_object(canonical(value)) == value
