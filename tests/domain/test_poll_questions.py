"""What can be asked, and which texts are the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import polling
from bot.domain.polls import (
    MAX_EXPLANATION,
    MAX_OPTION,
    MAX_OPTIONS,
    MAX_QUESTION,
    Kind,
    Option,
    Question,
    Refused,
)


def options(*texts: str) -> tuple[Option, ...]:
    return tuple(Option(number, text) for number, text in enumerate(texts, 1))


MANY = options(*(f"option {number}" for number in range(MAX_OPTIONS + 1)))


@pytest.mark.parametrize(
    ("asked", "wrong", "args"),
    [
        (Question(" \u200b\n", options("a", "b")), "no_question", {}),
        (
            Question("q" * (MAX_QUESTION + 1), options("a", "b")),
            "question_long",
            {"length": MAX_QUESTION + 1, "limit": MAX_QUESTION},
        ),
        (Question("?", ()), "few_options", {"count": 0, "least": 2}),
        (Question("?", options("a")), "few_options", {"count": 1, "least": 2}),
        (Question("?", MANY), "many_options", {"count": MAX_OPTIONS + 1, "limit": MAX_OPTIONS}),
        (Question("?", MANY * 25), "many_options", {"count": 25 * len(MANY), "limit": MAX_OPTIONS}),
        (Question("?", options("a", "\u200d ")), "empty_option", {"number": 2}),
        (
            Question("?", options("a", "x" * 10_000)),
            "option_long",
            {"number": 2, "length": 10_000, "limit": MAX_OPTION},
        ),
        (Question("?", options("Tee", "b", "ＴＥＥ ")), "duplicate", {"option": "ＴＥＥ ", "number": 1}),
        (
            Question("?", options("green tea", "green \u200b TEA")),
            "duplicate",
            {"option": "green \u200b TEA", "number": 1},
        ),
        (Question("?", options("a", "b"), Kind.MULTIPLE, 3), "limit_range", {"limit": 3, "count": 2}),
        (Question("?", options("a", "b"), Kind.MULTIPLE, 0), "limit_range", {"limit": 0, "count": 2}),
        (Question("?", options("a", "b"), Kind.QUIZ), "no_correct", {"count": 2}),
        (Question("?", options("a", "b"), Kind.QUIZ, correct=3), "no_correct", {"count": 2}),
        (
            Question("?", options("a", "b"), explanation="e" * (MAX_EXPLANATION + 1)),
            "explanation_long",
            {"length": MAX_EXPLANATION + 1, "limit": MAX_EXPLANATION},
        ),
        (Question("?", options("a", "b"), Kind.RATING), "kind_options", {"count": 5}),
        (Question("?", options("a", "b"), Kind.CONSENT), "kind_options", {"count": 3}),
    ],
)
def test_what_cannot_be_asked(asked: Question, wrong: str, args: dict[str, str | int | float]) -> None:
    assert polling.check(asked) == Refused(wrong, args)


@pytest.mark.parametrize(
    "asked",
    [
        Question("q" * MAX_QUESTION, options("x" * MAX_OPTION, "y")),
        Question("?", MANY[:MAX_OPTIONS], Kind.RANKED),
        Question("?", options("a", "b"), Kind.MULTIPLE, 1),
        Question("?", options("a", "b"), Kind.MULTIPLE, 2),
        Question("?", options("a", "b"), Kind.QUIZ, correct=2, explanation="e" * MAX_EXPLANATION),
        Question("?", options("1", "2", "3", "4", "5"), Kind.RATING),
        Question("?", options("yes", "no", "abstain"), Kind.CONSENT),
        Question("?", (), Kind.OPEN),
        Question("茶？", options("👍", "👍🏽")),
    ],
)
def test_what_can_be_asked(asked: Question) -> None:
    assert polling.check(asked) is None


@given(st.text())
def test_texts_are_tidied_and_compared_without_surprises(text: str) -> None:
    assert polling.tidy(polling.tidy(text)) == polling.tidy(text)
    assert "\n" not in polling.tidy(text)
    assert polling.alike(f"  {text}\t") == polling.alike(text) == polling.alike(polling.tidy(text))


def test_what_reads_the_same_is_alike() -> None:
    assert polling.tidy("cafe\u0301 \n au  lait") == "caf\u00e9 au lait"
    for one, two in [
        ("\u2268", "\u2268\ufe00"),
        ("❤", "❤\ufe0f"),
        ("a\u200bb", "AB"),
        ("é", "e\u0301"),
        ("straße", "STRASSE"),
        ("茶 1", "茶\u3000１"),
    ]:
        assert polling.alike(one) == polling.alike(two)
    assert polling.alike("👍") != polling.alike("👍🏽")
