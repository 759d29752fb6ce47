"""Where items of a CBOR sequence end, against an encoder and a decoder of their own."""

import datetime
import io

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.endpoint.cbor import CborError, ends

few = settings(max_examples=30, deadline=None)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text()
    | st.binary(max_size=300) | st.datetimes(timezones=st.just(datetime.UTC)),
    lambda inner: st.lists(inner, max_size=26) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@few
@given(st.lists(VALUES, max_size=4))
def test_the_items_of_an_encoder(values):
    items = [cbor2.dumps(value) for value in values]
    found = ends(b"".join(items))
    assert found == [sum(map(len, items[: n + 1])) for n in range(len(items))]


@few
@given(st.lists(VALUES, min_size=1, max_size=3), st.integers(1, 10_000))
def test_a_sequence_that_is_cut_says_in_which_item(values, cut):
    items = [cbor2.dumps(value) for value in values]
    body = b"".join(items)[: -1 - cut % len(items[-1])]
    kept = len(b"".join(items[:-1]))
    if len(body) == kept or len(items[-1]) == 1:
        assert len(ends(body)) == len(items) - 1
        return
    with pytest.raises(CborError, match=f"item {len(items)}: is cut short: it .* byte {kept}$"):
        ends(body)


# RFC 8949, appendix A: strings, arrays and maps without a length, simple values.
@pytest.mark.parametrize(
    "item",
    [
        "5f42010243030405ff", "7f657374726561646d696e67ff", "9fff", "9f018202039f0405ffff",
        "83018202039f0405ff", "83019f0203ff820405", "bf61610161629f0203ffff", "bfff",
        "826161bf61626163ff", "bf6346756ef563416d7421ff", "f8ff", "f0", "f6", "fb3ff199999999999a",
        "c11a514b67b0", "d74401020304", "1bffffffffffffffff", "5f5801aaff", "5fff",
    ],
)  # fmt: skip
def test_items_of_the_standard(item):
    body = bytes.fromhex(item)
    cbor2.loads(body)
    assert ends(body * 2) == [len(body), 2 * len(body)]
    for cut in range(1, len(body)):
        with pytest.raises(CborError, match="cut short"):
            ends(body[:cut])


# RFC 8949, appendix F, section F.1: what is not well-formed.
@pytest.mark.parametrize(
    ("item", "why"),
    [
        ("1c", "no such head"), ("3d", "no such head"), ("7e", "no such head"), ("df", "no such"),
        ("f800", "simple value below 32"), ("f81f", "simple value below 32"), ("ff", "a break"),
        ("8200ff", "a break"), ("bf00ff", "ends after a key"), ("bf000000ff", "ends after a key"),
        ("a1ff", "a break"), ("5f00ff", "another kind"), ("5f6100ff", "another kind"),
        ("5f5f4100ffff", "another kind"), ("7f7f6100ffff", "another kind"), ("1f", "no such head"),
        ("9f829f819f9fffffffff", "a break"), ("bf9fff", "cut short"), ("9bffffffffffffffff", "cut"),
        ("5bffffffffffffffff010203", "cut short"), ("a2010203", "cut short"), ("c0", "cut short"),
    ],
)  # fmt: skip
def test_what_is_not_well_formed(item, why):
    with pytest.raises(CborError, match=why):
        ends(b"\x00" + bytes.fromhex(item))


def test_deep_nesting_costs_no_stack():
    assert ends(b"\x81" * 100_000 + b"\x00") == [100_001]
    assert ends(b"\x9f" * 100_000 + b"\xff" * 100_000) == [200_000]


@given(st.binary(max_size=60))
def test_any_bytes_are_a_sequence_or_refused(body):
    try:
        found = ends(body)
    except CborError:
        return
    assert found == sorted(set(found))
    assert (found or [0])[-1] == len(body)
    for start, end in zip([0, *found], found, strict=False):
        stream = io.BytesIO(body[start:end])
        try:
            cbor2.CBORDecoder(stream, read_size=1).decode()
        except Exception:  # well-formed need not be valid
            continue
        assert stream.tell() == end - start
