"""Lengths as platforms count them, fingerprints, and cutting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.text import cut, fingerprint, length

texts = st.text(st.characters(), max_size=40)


@pytest.mark.parametrize(
    ("text", "codepoints", "utf16"),
    [("", 0, 0), ("abc", 3, 3), ("茶什么", 3, 3), ("🍵", 1, 2), ("👨‍👩‍👧", 5, 8), ("\ud800", 1, 1)],
)
def test_lengths(text: str, codepoints: int, utf16: int) -> None:
    assert (length(text, "codepoints"), length(text, "utf16")) == (codepoints, utf16)


@given(texts, texts)
def test_different_texts_have_different_fingerprints(one: str, other: str) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


@given(texts, texts)
def test_where_one_text_ends_counts(one: str, other: str) -> None:
    whole = fingerprint(one + other)
    assert (fingerprint(one, other) == whole) is False
    if one:
        assert fingerprint(one, other) != fingerprint("", one + other)


def test_a_fingerprint_is_the_known_hash() -> None:
    assert fingerprint("") == "af5570f5a1810b7af78caf4bc70a660f"
    assert len(fingerprint("x" * 100_000)) == 32


@given(texts, st.integers(1, 50))
def test_cut_fits_and_keeps_the_beginning(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert len(short) <= limit
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]) and len(text) > limit)
