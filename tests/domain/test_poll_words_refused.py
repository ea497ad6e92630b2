"""What is not read of a typed poll, and why; and any text at all."""

from __future__ import annotations

import ast
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain import poll_quotes, poll_words, polling, polls
from bot.domain.poll_words import REFUSALS, Asked, read
from bot.domain.polls import MAX_OPTION, MAX_OPTIONS, MAX_QUESTION, Refused
from bot.locales import LANGUAGES, Catalogue

from .test_poll_words import ASKED, FLAGS, MARKS, found, refused

WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "limit": ("flag_value", {"flag": "limit"}),
    "limit two": ("flag_value", {"flag": "limit"}),
    "limit 十十": ("word_near", {"word": "limit 十十", "near": "limit"}),
    "最多三二项": ("word", {"word": "最多三二项"}),
    "limit 2h": ("flag_value", {"flag": "limit"}),
    "最多": ("flag_value", {"flag": "最多"}),
    "limit 0": ("limit_range", {"limit": 0, "count": 3}),
    "limit 4": ("limit_range", {"limit": 4, "count": 3}),
    "limit 999999999": ("flag_value", {"flag": "limit"}),
    "ends": ("flag_value", {"flag": "ends"}),
    "ends hidden": ("flag_value", {"flag": "ends"}),
    "ends in #tea": ("flag_value", {"flag": "ends"}),
    "截止": ("flag_value", {"flag": "截止"}),
    "截止 明天9点开始": ("flag_value", {"flag": "截止"}),
    'ends "2h"': ("flag_value", {"flag": "ends"}),
    "ends 2h ends 3h": ("flag_twice", {"flag": "ends"}),
    "ends 2h 3小时后截止": ("flag_twice", {"flag": "截止"}),
    "limit 2 最多3项": ("flag_twice", {"flag": "最多3项"}),
    "every monday daily": ("flag_twice", {"flag": "daily"}),
    "quiz": ("no_correct", {"count": 3}),
    "quiz 0": ("no_correct", {"count": 3}),
    "quiz 4": ("no_correct", {"count": 3}),
    "quiz 2 explain because": ("flag_value", {"flag": "explain"}),
    'quiz 2 explain ""': ("flag_value", {"flag": "explain"}),
    'explain "Because."': ("explanation_alone", {}),
    "approval": ("approval_alone", {}),
    "ranked quiz 2": ("kinds_clash", {"one": "ranked", "other": "quiz 2"}),
    "open limit 2": ("kinds_clash", {"one": "open", "other": "limit 2"}),
    "单选 多选": ("kinds_clash", {"one": "单选", "other": "多选"}),
    "rating": ("kind_options", {"count": 5}),
    "member": ("flag_value", {"flag": "member"}),
    "member soon": ("span_unclear", {"text": "soon"}),
    "账号 明天": ("span_unclear", {"text": "明天"}),
    "role Tea": ("role_unclear", {"text": "Tea"}),
    'role "Tea Friends"': ("role_unclear", {"text": "Tea Friends"}),
    "role slack:T1:U1": ("role_unclear", {"text": "slack:T1:U1"}),
    "anonimous": ("word_near", {"word": "anonimous", "near": "anonymous"}),
    "隐藏结 果": ("word", {"word": "结 果"}),
    "Beijing": ("word", {"word": "Beijing"}),
    "Beijing or Shanghai": ("word", {"word": "Beijing or Shanghai"}),
    "anonymousx": ("word_near", {"word": "anonymousx", "near": "anonymous"}),
    "openly": ("word_near", {"word": "openly", "near": "open"}),
    "明天18点": ("word", {"word": "明天18点"}),
    "=": ("word", {"word": "="}),
    "x" * 50: ("word", {"word": "x" * 40 + "…"}),
}


@pytest.mark.parametrize("flags", WRONG)
@pytest.mark.parametrize("form", ["{0} {1}", "{1} {0}"])
def test_what_is_not_understood_is_named(flags: str, form: str) -> None:
    assert refused(form.format(ASKED, flags)) == WRONG[flags]


def test_what_is_missing_at_the_end() -> None:
    assert refused(f"{ASKED} quiz 2 explain") == ("flag_value", {"flag": "explain"})
    assert refused(f"{ASKED} 角色") == ("flag_value", {"flag": "角色"})
    assert refused(f"role {ASKED}") == ("role_unclear", {"text": "Where do we meet?"})


def test_a_question_without_options() -> None:
    assert refused('"Where do we meet?"') == ("few_options", {"count": 0, "least": 2})
    assert refused('"Where do we meet?" "Hangzhou"') == ("few_options", {"count": 1, "least": 2})
    assert refused('"" "A" "B"') == ("no_question", {})
    assert refused('"Q" "A" ""') == ("empty_option", {"number": 2})
    assert refused('"Q" "A" "\u200b"') == ("empty_option", {"number": 2})


def test_as_many_options_as_there_may_be() -> None:
    texts = [f"option {number}" for number in range(MAX_OPTIONS + 1)]
    assert len(found('"Q" ' + " ".join(f'"{one}"' for one in texts[:-1])).options) == MAX_OPTIONS
    assert refused('"Q" ' + " ".join(f'"{one}"' for one in texts))[0] == "many_options"


def test_texts_as_long_as_they_may_be() -> None:
    longest, option = "q" * MAX_QUESTION, "o" * MAX_OPTION
    assert found(f'"{longest}" "{option}" "B"') == Asked(longest, (option, "B"))
    assert refused(f'"{longest}q" "A" "B"')[0] == "question_long"
    assert refused(f'"Q" "A" "{option}o"') == ("option_long", {"number": 2, "length": 76, "limit": 75})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tea", "tea"),
        ("Tea", "Ｔｅａ"),
        ("green tea", "green  tea "),
        ("Straße", "STRASSE"),
        ("杭州", "杭州\u200b"),
        ("ｶ", "カ"),
    ],
)
def test_the_same_option_twice(one: str, other: str) -> None:
    why, args = refused(f'"Q" "{one}" "B" "{other}"')
    assert (why, args["number"]) == ("duplicate", 1)


def test_what_is_far_too_much() -> None:
    assert refused('"Q" ' + '"A" ' * 500)[0] == "many_options"
    assert refused('"Q" "B" "' + "x" * 5000 + '"')[0] == "option_long"
    assert refused('"Q" "B" "' + "x" * 10_000 + '"') == ("text_long", {"length": 10_010, "limit": 6000})
    assert refused('"Q" ' + "\ufdfa" * 5000)[0] == "text_long"
    assert refused('"Q"' + '""' * 2000)[0] == "many_options"


def ways(text: str) -> None:
    asked = read(text)
    if isinstance(asked, Refused):
        known = dict(REFUSALS) | dict(polls.REFUSALS)
        assert set(asked.args) == set(known[asked.why])
        return
    assert asked.question
    assert len(asked.options) <= MAX_OPTIONS
    assert len({polling.alike(one) for one in asked.options}) == len(asked.options)
    assert all(len(one) <= MAX_OPTION for one in asked.options)


HEAVY = [
    '"',
    "'",
    "‘",
    "“",
    "a ",
    "limit ",
    "最多",
    "ends ",
    "截止",
    "每",
    "#",
    "<#",
    "in ",
    " ",
    "9",
    "一",
    '" "',
    "''",
    "’ ",
    "yes/",
]


@pytest.mark.parametrize("piece", HEAVY)
@pytest.mark.parametrize("before", ["", '"Q" "A" "B" ', "'"])
def test_nothing_is_read_for_ever(piece: str, before: str) -> None:
    """No pattern goes back and forth: one that did would not come to an end here."""
    ways(before + piece * ((poll_quotes.MAX_TEXT - len(before)) // len(piece)))


PIECES = st.sampled_from(
    [*FLAGS, *WRONG, *(pair for pair in MARKS), *"\"“”‘’'「」,、:：=+#@<>|/ \n9十", ASKED, '"A"', "“甲”"]
)


@given(st.text(max_size=200))
@example('"')
def test_any_text_is_read_or_refused(text: str) -> None:
    ways(text)
    ways(f'"Q" "A" {text}')


@given(st.lists(PIECES, max_size=14).map("".join))
def test_anything_made_of_words_we_know_is_read_or_refused(text: str) -> None:
    ways(text)


QUOTABLE = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters="".join(MARKS) + "'’\u200b"),
    min_size=1,
    max_size=40,
)


@given(st.lists(QUOTABLE, min_size=3, max_size=8, unique_by=polling.alike))
def test_what_is_quoted_is_what_is_asked(texts: list[str]) -> None:
    texts = [polling.tidy(text) for text in texts]
    if all(map(polling.alike, texts)):
        assert found(" ".join(f'"{text}"' for text in texts)) == Asked(texts[0], tuple(texts[1:]))


# --- its words -----------------------------------------------------------------------------------------------------


def whys() -> set[str]:
    """What these two modules refuse with, read from their sources."""
    calls = (
        node
        for module in (poll_words, poll_quotes)
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refused"
    )
    return {one.value for call in calls if isinstance(one := call.args[0], ast.Constant) and isinstance(one.value, str)}


def test_every_refusal_is_listed() -> None:
    assert whys() - dict(polls.REFUSALS).keys() == dict(REFUSALS).keys()


@pytest.mark.parametrize(("why", "args"), REFUSALS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_has_words_for_all_that_it_tells(why: str, args: tuple[str, ...], language: str) -> None:
    text = Catalogue().keys(language)[f"poll.refused.{why}"]
    assert isinstance(text, str)
    assert {name for _, name, _, _ in Formatter().parse(text) if name} == set(args)
