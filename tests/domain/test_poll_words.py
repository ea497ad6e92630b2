"""What is typed behind `/poll`: quotes of all sorts, flags in both languages, and clear words for all that is wrong."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.poll_words import Asked, read
from bot.domain.polls import Kind, Refused, Restrictions

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
