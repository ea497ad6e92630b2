"""Pictures are ornaments: what cannot be shown is left out, and the card stays."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.messages import Card, Line, Outgoing
from bot.chat.pictures import Pictures, usable
from bot.chat.ports import NotSent, Refused

ADDRESS = "https://example.org/a.png"
CARD = Card("Prize", picture=ADDRESS)


@pytest.mark.parametrize(
    ("picture", "address"),
    [
        (ADDRESS, ADDRESS),
        ("https://example.org/a%20b.png?x=1&y=[2]#z", "https://example.org/a%20b.png?x=1&y=[2]#z"),
        ("https://example.org/茶.png", "https://example.org/%E8%8C%B6.png"),
        ('https://example.org/"<x>.png', "https://example.org/%22%3Cx%3E.png"),
        ("http://example.org/a.png", ""),
        ("https://localhost/a.png", ""),
        ("https://例子.cn/a.png", ""),
        ("https://example.org/a b.png", ""),
        ("https://example.org/a\n.png", ""),
        ("https://example.org:99999/a.png", ""),
        ("https://[broken/a.png", ""),
        ("javascript:alert(1)", ""),
        ("", ""),
    ],
)
def test_only_an_address_that_a_platform_can_fetch_is_used(picture: str, address: str) -> None:
    assert usable(picture, 2048) == address


def test_an_address_that_is_too_long_is_left_out() -> None:
    assert usable(ADDRESS, len(ADDRESS)) == ADDRESS
    assert usable(ADDRESS, len(ADDRESS) - 1) == ""
    assert usable("https://example.org/" + "茶" * 10, 100) == ""


@given(st.text(max_size=60))
def test_no_address_breaks_a_line_or_leaves_ascii(tail: str) -> None:
    address = usable(f"https://example.org/{tail}", 2048)
    assert address.isascii()
    assert not set(address) & set(' \n\r\t"<>\\')


class Shop:
    """Refuses pictures with this code."""

    def __init__(self, code: str = "bad", plain: Exception | None = None, takes: float = 0.0) -> None:
        self.code, self.plain, self.takes, self.seen = code, plain, takes, list[str]()

    async def take(self, message: Outgoing, within: float) -> str:
        picture = message.picture if isinstance(message, Card) else "-"
        self.seen.append(picture)
        await asyncio.sleep(self.takes)
        if picture not in ("", "-"):
            raise Refused("no such picture", self.code)
        if self.plain is not None:
            raise self.plain
        return f"taken in {within:.0f}"


async def test_a_card_goes_without_the_picture_that_was_refused_and_so_do_its_edits() -> None:
    pictures, shop = Pictures({"bad"}), Shop()
    assert await pictures.shown(CARD, 10.0, shop.take) == "taken in 10"
    assert await pictures.shown(CARD, 10.0, shop.take) == "taken in 10"
    assert shop.seen == [ADDRESS, "", ""]
    await pictures.shown(Card("x", picture="https://example.org/b.png"), 10.0, shop.take)
    assert shop.seen[3:] == ["https://example.org/b.png", ""]


async def test_other_refusals_are_not_about_the_picture() -> None:
    pictures, shop = Pictures({"bad"}), Shop("gone")
    with pytest.raises(Refused):
        await pictures.shown(CARD, 10.0, shop.take)
    assert shop.seen == [ADDRESS]


async def test_what_has_no_picture_is_tried_once() -> None:
    pictures, shop = Pictures({"bad"}), Shop(plain=Refused("no", "bad"))
    for message in (Card("x"), Line("x")):
        with pytest.raises(Refused):
            await pictures.shown(message, 10.0, shop.take)
    assert shop.seen == ["", "-"]


async def test_without_time_for_another_request_it_is_surely_not_sent() -> None:
    pictures, shop = Pictures({"bad"}), Shop(takes=0.01)
    with pytest.raises(NotSent):
        await pictures.shown(CARD, 0.4, shop.take)
    assert await pictures.shown(CARD, 0.4, shop.take) == "taken in 0"
    assert shop.seen == [ADDRESS, ""]
