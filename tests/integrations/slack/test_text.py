import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.integrations.slack.text import chunks, decode, escape, shorten, units


@given(st.text())
def test_escaped_text_comes_back_as_it_was(text: str) -> None:
    assert decode(escape(text)) == text


@given(st.text())
def test_escaped_text_holds_no_token(text: str) -> None:
    wire = escape(text)
    assert "<" not in wire
    assert ">" not in wire


@pytest.mark.parametrize(
    ("wire", "seen"),
    [
        ("a &amp; b &lt;c&gt;", "a & b <c>"),
        ("&amp;lt;", "&lt;"),
        ("<@U1>", "@U1"),
        ("<@U1|ana>", "@ana"),
        ("<#C1|general> <#C2>", "#general #C2"),
        ("<!channel> <!here>", "@channel @here"),
        ("<!subteam^S1|@team>", "@team"),
        ("<!subteam^S1>", "@S1"),
        ("<!date^1^{date}|yesterday>", "yesterday"),
        ("<https://a.org|our page>", "our page (https://a.org)"),
        ("<https://a.org/?a=1&amp;b=2>", "https://a.org/?a=1&b=2"),
        ("<http://a.org|a.org>", "a.org"),
        ("<mailto:a@b.org|a@b.org>", "a@b.org"),
        ("&lt;@U1&gt;", "<@U1>"),
        ("1 < 2", "1 < 2"),
        ("", ""),
    ],
)
def test_wire_form_is_shown_as_members_see_it(wire: str, seen: str) -> None:
    assert decode(wire) == seen


def test_half_a_surrogate_can_be_stored_afterwards() -> None:
    assert decode("a\ud800b").encode() == "a\ufffdb".encode()


@given(st.text(), st.integers(2, 20))
def test_chunks_are_short_and_join_to_the_text(text: str, limit: int) -> None:
    pieces = chunks(text, limit)
    assert "".join(pieces) == text
    assert all(0 < units(piece) <= limit for piece in pieces)


@given(st.text(), st.integers(3, 20))
def test_shortened_text_fits_and_says_so(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert units(short) <= limit
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))
