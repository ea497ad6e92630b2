"""What is typed behind `/poll`: quotes of all sorts, flags in both languages, and clear words for all that is wrong."""

from __future__ import annotations

import ast
import random
from dataclasses import replace
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain import poll_quotes, poll_words, polling, polls
from bot.domain.poll_words import REFUSALS, Asked, read
from bot.domain.polls import MAX_OPTION, MAX_OPTIONS, MAX_QUESTION, Kind, Refused, Restrictions
from bot.locales import LANGUAGES, Catalogue

ASKED = '"Where do we meet?" "Hangzhou" "Chengdu" "Online"'
PLAIN = Asked("Where do we meet?", ("Hangzhou", "Chengdu", "Online"))


def found(text: str) -> Asked:
    asked = read(text)
    assert isinstance(asked, Asked), asked
    return asked


def refused(text: str) -> tuple[str, dict[str, str | int | float]]:
    why = read(text)
    assert isinstance(why, Refused), why
    return why.why, why.args


# --- quotes --------------------------------------------------------------------------------------------------------

MARKS = ['""', "＂＂", "“”", "””", "„“", "„”", "「」", "『』", "«»", "»«", "‹›", "‘’", "’’", "‚‘", "''"]


@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("between", [" ", "  ", "\n", ", ", "，", "、", ""])
def test_any_quotation_marks_do(marks: str, between: str) -> None:
    texts = ["Where do we meet?", "Hangzhou", "Chengdu", "Online"]
    if marks[0] == marks[1] and not between:
        between = " "  # equal marks side by side are told apart only where they cannot be an empty text
    assert found(between.join(f"{marks[0]}{text}{marks[1]}" for text in texts)) == PLAIN


def test_marks_may_differ_and_hold_others() -> None:
    asked = found('“Which "one"?” 「“A”」 『「B」』 «\'C\'» "’D"')
    assert asked.options == ("“A”", "「B」", "'C'", "’D")
    assert asked.question == 'Which "one"?'


def test_an_apostrophe_is_no_quotation_mark() -> None:
    asked = found("‘What’s Ben’s?’ 'Ana's' 'it isn't' \"Dan's\"")
    assert asked == Asked("What’s Ben’s?", ("Ana's", "it isn't", "Dan's"))


def test_equal_marks_side_by_side() -> None:
    assert found('"Q""A""B"') == Asked("Q", ("A", "B"))


def test_texts_are_put_in_one_line() -> None:
    assert found('"Where \t\n do\r\nwe meet?" " Hangzhou" "Cheng  du"') == Asked(
        "Where do we meet?", ("Hangzhou", "Cheng du")
    )


def test_a_composed_sign_is_one_however_it_was_typed() -> None:
    assert found('"Q" "Cafe\u0301" "B"').options[0] == "Café"


@pytest.mark.parametrize(
    "text", ["", " ", "anonymous", "Where do we meet? Hangzhou Chengdu", "don't you", "匿名 去哪儿"]
)
def test_without_quotes_nothing_is_asked(text: str) -> None:
    assert refused(text) == ("no_quotes", {})


@pytest.mark.parametrize("mark", "\"“„「『«‘'")
def test_a_mark_that_stays_open(mark: str) -> None:
    assert refused(f'"Q" "A" {mark}Beijing {"x" * 50}') == ("open_quote", {"text": f"{mark}Beijing {'x' * 31}"})


SIGNS = "\x00\x07\x1b\x7f\x85\u202a\u202e\u2066\u2069\u2028\u2029\ud800"


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("text", ['"Q{}" "A" "B"', '"Q" "A{}" "B"', '"Q" "A" "B" {} hidden'])
def test_signs_that_nobody_can_see(sign: str, text: str) -> None:
    assert refused(text.format(sign)) == ("control", {})


@pytest.mark.parametrize("emoji", ["👩‍🍳", "🏳️‍🌈", "❤️", "🇨🇳", "👍🏽"])
def test_emoji_stay_as_they_are(emoji: str) -> None:
    assert found(f'"Q" "{emoji}" "B"').options[0] == emoji


# --- flags ---------------------------------------------------------------------------------------------------------

FLAGS: dict[str, dict[str, Any]] = {
    "anonymous": {"anonymous": True},
    "ANONYMOUS": {"anonymous": True},
    "匿名": {"anonymous": True},
    "limit 2": {"kind": Kind.MULTIPLE, "limit": 2},
    "limit:2": {"kind": Kind.MULTIPLE, "limit": 2},
    "max 2": {"kind": Kind.MULTIPLE, "limit": 2},
    "最多2项": {"kind": Kind.MULTIPLE, "limit": 2},
    "最多 2 项": {"kind": Kind.MULTIPLE, "limit": 2},
    "最多选２个": {"kind": Kind.MULTIPLE, "limit": 2},
    "最多两项": {"kind": Kind.MULTIPLE, "limit": 2},
    "限选2项": {"kind": Kind.MULTIPLE, "limit": 2},
    "多选2项": {"kind": Kind.MULTIPLE, "limit": 2},
    "limit 1": {},
    "multiple": {"kind": Kind.MULTIPLE, "limit": 3},
    "multiple limit 2": {"kind": Kind.MULTIPLE, "limit": 2},
    "多选": {"kind": Kind.MULTIPLE, "limit": 3},
    "多选 最多2项": {"kind": Kind.MULTIPLE, "limit": 2},
    "single": {},
    "单选": {},
    "ends 2h": {"ends": "2h"},
    "ends tomorrow 9am": {"ends": "tomorrow 9am"},
    "ends in 2 hours": {"ends": "in 2 hours"},
    "ends: Dec 1, 9am": {"ends": "Dec 1 9am"},
    "until 2026-12-01T09:00+08:00": {"ends": "2026-12-01T09:00+08:00"},
    "ends 明天18点": {"ends": "明天18点"},
    "明天18点截止": {"ends": "明天18点"},
    "明天 18点截止": {"ends": "明天 18点"},
    "明天 18点 截止": {"ends": "明天 18点"},
    "2小时后截止": {"ends": "2小时后"},
    "截止 明天18点": {"ends": "明天18点"},
    "截止明天18点": {"ends": "明天18点"},
    "截止时间：明天 18：00": {"ends": "明天 18:00"},
    "starts friday 18:00": {"starts": "friday 18:00"},
    "明天9点开始": {"starts": "明天9点"},
    "开始 明天9点": {"starts": "明天9点"},
    "明天9点开始 明天18点截止": {"starts": "明天9点", "ends": "明天18点"},
    "开始 明天9点 18点截止": {"starts": "明天9点", "ends": "18点"},
    "截止 18点 开始 9点": {"starts": "9点", "ends": "18点"},
    "in #general @telegram": {"places": ("#general", "@telegram")},
    "in #General, @Telegram and #tea": {"places": ("#general", "@telegram", "#tea")},
    "in telegram/Community": {"places": ("telegram/community",)},
    "in <#C012AB|general> <#123>": {"places": ("#general", "#123")},
    "#general": {"places": ("#general",)},
    "in #general #general": {"places": ("#general",)},
    "在 #general": {"places": ("#general",)},
    "在＃general、＠telegram": {"places": ("#general", "@telegram")},
    "在#茶友和@slack": {"places": ("#茶友和@slack",)},
    "hidden": {"hidden": True},
    "隐藏结果": {"hidden": True},
    "ranked": {"kind": Kind.RANKED},
    "排序": {"kind": Kind.RANKED},
    "quiz 2": {"kind": Kind.QUIZ, "correct": 2},
    "quiz right 2": {"kind": Kind.QUIZ, "correct": 2},
    "测验 2": {"kind": Kind.QUIZ, "correct": 2},
    "测验2": {"kind": Kind.QUIZ, "correct": 2},
    "open": {"kind": Kind.OPEN},
    "开放": {"kind": Kind.OPEN},
    "open approval": {"kind": Kind.OPEN, "approval": True},
    "开放 需审核": {"kind": Kind.OPEN, "approval": True},
    "fixed": {"fixed": True},
    "不可更改": {"fixed": True},
    "native": {"native": True},
    "原生": {"native": True},
    "role Approver": {"restrictions": Restrictions(role="approver")},
    "角色 admin": {"restrictions": Restrictions(role="admin")},
    "role discord:G1:role:R1": {"restrictions": Restrictions(role="discord:G1:role:R1")},
    "member 7d": {"restrictions": Restrictions(member_seconds=7 * 86400)},
    "member 2 weeks": {"restrictions": Restrictions(member_seconds=14 * 86400)},
    "入群7天": {"restrictions": Restrictions(member_seconds=7 * 86400)},
    "入群满七天": {"restrictions": Restrictions(member_seconds=7 * 86400)},
    "account 30d": {"restrictions": Restrictions(account_seconds=30 * 86400)},
    "账号30天": {"restrictions": Restrictions(account_seconds=30 * 86400)},
    "every monday 9:00": {"every": "every monday 9:00"},
    "every mon, wed 9:00": {"every": "every mon wed 9:00"},
    "daily 18:00": {"every": "daily 18:00"},
    "每周一9点": {"every": "每 周一9点"},
    "每周一、三 9点开始": {"every": "每 周一 三 9点"},
    "noremind": {"remind": False},
    "不提醒": {"remind": False},
}


def with_flags(**values: Any) -> Asked:
    return replace(PLAIN, **values)


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("form", ["{0} {1}", "{1} {0}", "{1}{0}", "{0}、{1}。"])
def test_each_flag_before_and_behind_what_is_asked(flags: str, form: str) -> None:
    assert found(form.format(ASKED, flags)) == with_flags(**FLAGS[flags])


def test_flags_between_the_options() -> None:
    asked = found('anonymous "Where do we meet?" hidden "Hangzhou" ends 2h "Chengdu" in #tea "Online" fixed')
    assert asked == with_flags(anonymous=True, hidden=True, ends="2h", places=("#tea",), fixed=True)


TOGETHER: list[tuple[str, str, str, Any]] = [
    ("anonymous", "匿名", "anonymous", True),
    ("hidden", "隐藏结果", "hidden", True),
    ("limit 2", "最多2项", "limit", 2),
    ("ends 9:30", "9:30截止", "ends", "9:30"),
    ("starts 8:15", "开始8:15", "starts", "8:15"),
    ("in #tea @slack", "在 #tea、@slack", "places", ("#tea", "@slack")),
    ("native", "原生", "native", True),
    ("fixed", "不可更改", "fixed", True),
    ("member 7d", "入群7天", "restrictions", Restrictions(member_seconds=7 * 86400)),
    ("noremind", "不提醒", "remind", False),
]


@given(st.permutations(TOGETHER), st.integers(1, len(TOGETHER)), st.randoms(use_true_random=False), st.booleans())
def test_flags_in_any_order_and_either_language(
    flags: list[tuple[str, str, str, Any]], count: int, chance: random.Random, before: bool
) -> None:
    words = " ".join(one[chance.randrange(2)] for one in flags[:count])
    values = {name: value for _, _, name, value in flags[:count]}
    if "limit" in values:
        values["kind"] = Kind.MULTIPLE
    assert found(f"{words} {ASKED}" if before else f"{ASKED} {words}") == with_flags(**values)


def test_chinese_flags_need_no_spaces() -> None:
    glued = "匿名多选隐藏结果不提醒明天18点截止最多2项"
    assert found(f"{glued}“Where do we meet?”“Hangzhou”“Chengdu”“Online”") == with_flags(
        kind=Kind.MULTIPLE, limit=2, anonymous=True, hidden=True, remind=False, ends="明天18点"
    )


@pytest.mark.parametrize("words", ["rating", "评分", "打分"])
def test_a_rating_brings_its_options(words: str) -> None:
    assert found(f'{words} "How was the oolong?"') == Asked("How was the oolong?", (), Kind.RATING)
    assert refused(f'{words} "How?" "1" "2" "3" "4" "5"') == ("kind_options", {"count": 5})


@pytest.mark.parametrize("words", ["yesno", "yes/no", "consent", "表决"])
def test_so_does_a_vote_for_or_against(words: str) -> None:
    assert found(f'"Do we close at six?" {words}') == Asked("Do we close at six?", (), Kind.CONSENT)
    assert refused(f'"Q" "Yes" "No" {words}') == ("kind_options", {"count": 3})


@pytest.mark.parametrize("options", range(4))
def test_an_open_question_may_begin_with_no_option(options: int) -> None:
    texts = tuple("ABC"[:options])
    assert found('open "Which tea?" ' + " ".join(f'"{one}"' for one in texts)).options == texts


@pytest.mark.parametrize("flag", ["explain", "explanation:", "解释", "解析："])
@pytest.mark.parametrize("form", ["{1} quiz 2 {0}", "quiz 2 {0} {1}", "{0} quiz 2 {1}", '"Q" {0} "A" "B" quiz 2'])
def test_a_quiz_with_its_explanation(flag: str, form: str) -> None:
    asked = found(form.format(f"{flag} “It is so.”", '"Q" "A" "B"'))
    assert asked == Asked("Q", ("A", "B"), Kind.QUIZ, correct=2, explanation="It is so.")


# --- what is refused -----------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "limit": ("flag_value", {"flag": "limit"}),
    "limit two": ("flag_value", {"flag": "limit"}),
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


# --- everything else -----------------------------------------------------------------------------------------------


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
