"""What is not read of a typed giveaway, and why; and any text at all."""

from __future__ import annotations

import ast
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain import giveaway_flags, giveaway_words, offers, poll_quotes
from bot.domain.giveaway_words import REFUSALS, Asked, read
from bot.domain.giveaways import MAX_ABOUT, MAX_BONUSES, MAX_PRIZE, MAX_ROLES, MAX_SPONSOR, MAX_WINNERS, Refused
from bot.domain.poll_quotes import MAX_TEXT
from bot.locales import LANGUAGES, Catalogue

from .test_giveaway_words import FLAGS, HEADS, PRIZES

TEXTS = Catalogue()
KNOWN = dict(REFUSALS) | dict(offers.REFUSALS)


def refused(text: str) -> tuple[str, dict[str, Any]]:
    found = read(text)
    assert isinstance(found, Refused), (text, found)
    return found.why, dict(found.args)


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "boostd": ("word_near", {"word": "boostd", "near": "boosted"}),
    "every monday": ("word", {"word": "every monday"}),
    "十十名": ("word", {"word": "十十名"}),
    "x" * 50: ("word", {"word": "x" * 40 + "…"}),
    "member": ("flag_value", {"flag": "member"}),
    "member 7dd": ("span_unclear", {"text": "7dd"}),
    "member soon": ("span_unclear", {"text": "soon"}),
    "member 3": ("span_unclear", {"text": "3"}),
    "member 0": ("span_unclear", {"text": "0"}),
    "member in #tea": ("flag_value", {"flag": "member"}),
    "member 90000d": ("span_unclear", {"text": "90000d"}),
    "入群满三个月": ("span_unclear", {"text": "三个月"}),
    "claim 400d": ("claim_range", {"days": 366}),
    "alternates": ("flag_value", {"flag": "alternates"}),
    "alternates five": ("flag_value", {"flag": "alternates"}),
    "alternates 5x": ("flag_value", {"flag": "alternates"}),
    "alternates 10001": ("alternates_range", {"count": 10001, "limit": 10_000}),
    "cap 0.5": ("flag_value", {"flag": "cap"}),
    "cap 1001": ("cap_range", {"count": 1001, "limit": 1000}),
    "poll tea": ("flag_value", {"flag": "poll"}),
    "messages 5": ("messages_time", {}),
    "发言5条": ("messages_time", {}),
    "messages many": ("flag_value", {"flag": "messages"}),
    "messages 10001 in 7d": ("messages_range", {"count": 10001, "limit": 10_000}),
    "role": ("flag_value", {"flag": "role"}),
    "bonus": ("flag_value", {"flag": "bonus"}),
    "bonus @VIP": ("flag_value", {"flag": "bonus"}),
    "bonus @VIP many": ("flag_value", {"flag": "bonus"}),
    'bonus "VIP" "Tea"': ("flag_value", {"flag": "bonus"}),
    "bonus @VIP +0": ("bonus_range", {"role": "@VIP", "limit": 100}),
    "bonus @VIP +101": ("bonus_range", {"role": "@VIP", "limit": 100}),
    "bonus @VIP 1 bonus @VIP 2": ("bonus_twice", {"role": "@VIP"}),
    "allow": ("flag_value", {"flag": "allow"}),
    "block bob": ("flag_value", {"flag": "block"}),
    "block in @telegram": ("flag_value", {"flag": "block"}),
    "about tea": ("flag_value", {"flag": "about"}),
    'about ""': ("flag_value", {"flag": "about"}),
    "sponsor in #tea": ("flag_value", {"flag": "sponsor"}),
    "sponsor Acme Trading": ("word", {"word": "Trading"}),
    'sponsor "A" sponsor "B"': ("flag_twice", {"flag": "sponsor"}),
    "picture": ("flag_value", {"flag": "picture"}),
    "picture http://x.example/a.png": ("picture_address", {}),
    "picture x.png": ("picture_address", {}),
    "picture https://": ("picture_address", {}),
    "picture https://me@x.example/": ("picture_address", {}),
    "picture https://x.example:x/": ("picture_address", {}),
    "picture https://[::1": ("picture_address", {}),
    "picture https://茶.example/": ("picture_address", {}),
    f"picture https://x.example/{'a' * 500}": ("picture_long", {"length": 518, "limit": 500}),
    "ends 3d": ("flag_twice", {"flag": "ends"}),
    "3小时后截止": ("flag_twice", {"flag": "截止"}),
    "5w": ("flag_twice", {"flag": "5w"}),
    "starts": ("flag_value", {"flag": "starts"}),
    f"starts {'very ' * 20}late": ("word", {"word": "very very very very very very very very …"}),
    "starts in #tea": ("flag_value", {"flag": "starts"}),
    "starts 1h 明天9点开始": ("flag_twice", {"flag": "开始"}),
    "staff staff": ("flag_twice", {"flag": "staff"}),
    "member 7d 入群满8天": ("flag_twice", {"flag": "入群满"}),
    'keyword "x"': ("contest_alone", {"flag": "keyword"}),
    "from 2d": ("contest_alone", {"flag": "from"}),
    "comments keyword": ("flag_value", {"flag": "keyword"}),
    f'comments keyword "{"k" * 101}"': ("keyword_long", {"length": 101, "limit": 100}),
    '"Coffee"': ("prize_twice", {"one": "Tea", "other": "Coffee"}),
    "“": ("open_quote", {"text": "“"}),
    "tea\u202e": ("control", {}),
    " ".join(f"#r{number}" for number in range(51)): ("many_places", {"limit": 50}),
    " ".join(f"role @r{number}" for number in range(MAX_ROLES + 1)): ("many_roles", {"count": 11, "limit": 10}),
    " ".join(f"bonus @r{number} 1" for number in range(MAX_BONUSES + 1)): ("many_bonuses", {"count": 11, "limit": 10}),
}


@pytest.mark.parametrize("flags", WRONG)
def test_what_is_not_understood_is_named(flags: str) -> None:
    assert refused(f'2d 3w "Tea" {flags}') == WRONG[flags]


SURE = ["member 7dd", "claim 3 pieces", "cap 5x", "messages 5", "in #tea boostd", "ends 3d", "bonus @VIP",
        "block <@7> x", "picture http://x.example/", 'about "A" boostd', "候补5人 茶"]  # fmt: skip


@pytest.mark.parametrize("flags", SURE)
def test_what_is_surely_a_flag_never_becomes_part_of_the_prize(flags: str) -> None:
    assert refused(f"2d 3w Tea {flags}") == refused(f'2d 3w "Tea" {flags}')


@pytest.mark.parametrize("text", ["", " ", '""', "2d", "2d 3w", '2d 3w ""', '2d 3w "\u200b"', "in #tea", "2天 3名，"])
def test_a_giveaway_has_a_prize(text: str) -> None:
    assert refused(text) == ("no_prize", {})


@pytest.mark.parametrize("count", [0, MAX_WINNERS + 1, 10**15])
@pytest.mark.parametrize("how", ["2d {}w Tea", "2d {} Tea", '2d "Tea" {} winners', "2天 {}名 茶", '"Tea" winners {}'])
def test_how_many_can_win(count: int, how: str) -> None:
    why, args = refused(how.format(count))
    assert (why, args["limit"]) == ("winners_range", MAX_WINNERS)
    assert args["count"] == int(str(count)[:9])
    found = read(how.format(MAX_WINNERS))
    assert isinstance(found, Asked)
    assert found.winners == MAX_WINNERS


def test_a_number_that_is_none() -> None:
    assert refused("2天 十十名 茶") == ("word", {"word": "十十"})
    assert refused('"2天" 十十名 “茶”') == ("word", {"word": "十十"})


@pytest.mark.parametrize("text", ["tomorrow 18:00 Tea", "Monday mug", "明天18点 一箱茶", "12月1日 茶", "18:00 Tea"])
def test_where_a_time_ends_is_not_guessed(text: str) -> None:
    assert refused(text) == ("time_place", {"text": text})


def test_texts_as_long_as_they_may_be() -> None:
    found = read(f'2d 3w "{"p" * MAX_PRIZE}" about "{"a" * MAX_ABOUT}" sponsor "{"s" * MAX_SPONSOR}"')
    assert isinstance(found, Asked)
    for how in ("2d {}", '2d "{}"'):
        assert refused(how.format("p" * (MAX_PRIZE + 1))) == ("prize_long", {"length": 201, "limit": 200})
    assert refused(f'"Tea" about "{"a" * 1001}"') == ("about_long", {"length": 1001, "limit": 1000})
    assert refused(f'"Tea" sponsor "{"s" * 101}"') == ("sponsor_long", {"length": 101, "limit": 100})
    assert refused(f"2d 3w {'x' * 10_000}") == ("text_long", {"length": 10_006, "limit": 6000})
    assert refused(f"2d 3w {'word ' * 1000}")[0] == "prize_long"


def ways(text: str) -> None:
    asked = read(text)
    if isinstance(asked, Refused):
        assert set(asked.args) == set(KNOWN[asked.why])
        return
    assert asked.prize
    assert len(asked.prize) <= MAX_PRIZE
    assert 1 <= asked.winners <= MAX_WINNERS
    assert all(1 <= extra <= 100 for _, extra in asked.bonuses)
    assert not asked.picture or asked.picture.startswith("https://")
    assert asked.contest or not (asked.keyword or asked.since)


HEAVY = ['"', "'", "“", "a ", "member ", "7d", "7d ", "7d and ", "ends ", "截止", "#", "<#", "in ", " ", "9", "一",
         '" "', "<@", "@a ", "3w ", "发言", "7天内", "starts", "allow ", "bonus ", "picture <", "from ", "for ", "半",
         "half an ", "1 个 ", "staff x ", "staff ", "明天", "明天 ", "18点", "#a ", ", ", "role @a ",
         "boosted linked offline address staff comments ends 2 "]  # fmt: skip


@pytest.mark.parametrize("piece", HEAVY)
@pytest.mark.parametrize("before", ["", "2d 3w ", '2d 3w "Tea" ', "2d 3w Tea staff linked offline "])
@pytest.mark.parametrize("after", ["", " zzz"])
def test_nothing_is_read_for_ever(piece: str, before: str, after: str) -> None:
    """No pattern goes back and forth: one that did would not come to an end here."""
    ways(before + piece * ((poll_quotes.MAX_TEXT - len(before + after)) // len(piece)) + after)


def test_much_that_may_be_a_flag_is_not_tried_again_and_again() -> None:
    """The work grows with the text, not with its square: places behind words of which each may begin the flags."""
    many = " ".join(["staff", "linked", "offline", "address", "boosted", "comments"] * 5)
    ways(f"2d 3w {many} {'#a ' * 1900}zzz"[:MAX_TEXT])


PIECES = st.sampled_from(
    [
        *FLAGS,
        *WRONG,
        *HEADS,
        *PRIZES,
        *"\"“”‘’'「」,、:：=+#@<>|/ \n9十",
        "2d ",
        "3w ",
        "2天",
        "3名",
        " in ",
        "Tea",
        "“茶”",
    ]
)


@given(st.text(max_size=200))
@example('"')
def test_any_text_is_read_or_refused(text: str) -> None:
    ways(text)
    ways(f"2d 3w {text}")
    ways(f'2d 3w "Tea" {text}')


@given(st.lists(PIECES, max_size=10).map("".join))
def test_anything_made_of_words_we_know_is_read_or_refused(text: str) -> None:
    ways(text)


def whys() -> set[str]:
    """Every `Refused("...")` that reading makes."""
    found = set()
    for module in (giveaway_flags, giveaway_words, poll_quotes):
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refused"):
                continue
            if isinstance(node.args[0], ast.Constant):
                found.add(str(node.args[0].value))
    return found


def test_every_refusal_is_listed() -> None:
    assert whys() - dict(offers.REFUSALS).keys() == dict(REFUSALS).keys()
    assert len(dict(REFUSALS)) == len(REFUSALS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("why", sorted(KNOWN))
def test_every_refusal_has_words(language: str, why: str) -> None:
    text = TEXTS.keys(language)[f"giveaway.refused.{why}"]
    assert isinstance(text, str)
    assert {name for _, name, _, _ in Formatter().parse(text) if name} <= set(KNOWN[why])
