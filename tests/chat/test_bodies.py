"""Bodies that strangers send: what no platform would send is refused, everything else is read as it stands."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.bodies import BadBody, read_json

SOUND = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(SOUND)
def test_sound_json_is_read_as_it_stands(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    try:
        body = text.encode()
    except UnicodeEncodeError:
        with pytest.raises(BadBody):
            read_json(json.dumps(value).encode())
    else:
        assert read_json(body) == value


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 250 + b"]" * 250,
        b'{"a":1,"a":2}',
        b'{"a":[{"b":1,"b":1}]}',
        b'{"a":NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e400]",
        b'{"a":{"b":[-1E999]}}',
        b"[1" + b"0" * 400 + b"]",
        b"[" + b"9" * 100_000 + b"]",
        b'["\\ud800"]',
        b'["\\udc00 x"]',
        b'["\xed\xa0\x80"]',
        b'["\xff"]',
        b"\xef\xbb\xbf{}",
        b"",
        b"{} {}",
        b"{'a':1}",
        b"<html></html>",
        b"[" + b"[]," * 200_000 + b"[]]",
        b"[" + b"1," * 200_000 + b"1]",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_no_platform_sends_is_refused(body: bytes) -> None:
    with pytest.raises(BadBody):
        read_json(body)


def test_digits_in_a_text_are_a_text() -> None:
    value = {"text": "1" * 500, "exponent": "1e999", "near": 1e308, "id": 2**62}
    assert read_json(json.dumps(value).encode()) == value
