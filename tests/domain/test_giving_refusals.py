"""Whatever the rules of giveaways refuse has words, and gets all that the words need."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from bot.domain import eligibility, giving, offers, signals
from bot.domain.giveaways import RULES
from bot.locales import LANGUAGES, Catalogue

TEXTS = Catalogue()
GIVEN = dict(giving.REFUSALS) | dict(eligibility.REFUSALS)


def refusals(*modules: object) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Word and arguments of every `Refused(...)` in the sources of these rules."""
    for module in modules:
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):  # type: ignore[attr-defined]
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refused":
                yield node.args[0], node.args[1] if len(node.args) > 1 else None


TABLES = {"why"}
"""Where a word comes from a table beside it: all its words are literals in the same module."""


@pytest.mark.parametrize(
    ("modules", "listed"),
    [((giving, offers), giving.REFUSALS), ((eligibility,), eligibility.REFUSALS)],
)
def test_every_refusal_stands_in_the_list_with_its_arguments(
    modules: tuple[object, ...], listed: tuple[tuple[str, tuple[str, ...]], ...]
) -> None:
    known, found = dict(listed), set()
    assert len(known) == len(listed)
    for word, args in refusals(*modules):
        if isinstance(word, ast.Name):
            assert word.id in TABLES
            continue
        assert isinstance(word, ast.Constant), ast.unparse(word)
        found.add(str(word.value))
        if isinstance(args, ast.Dict):
            assert {str(key.value) for key in args.keys if isinstance(key, ast.Constant)} == set(known[str(word.value)])
    literals = {
        node.value
        for module in modules
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")))  # type: ignore[attr-defined]
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert found <= known.keys() <= literals


def test_every_rule_has_a_word_and_they_stand_in_the_order_in_which_they_are_asked() -> None:
    assert tuple(word for word, _ in eligibility.REFUSALS[: len(RULES)]) == RULES
    assert not dict(giving.REFUSALS).keys() & dict(eligibility.REFUSALS).keys()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("word", sorted(GIVEN))
def test_every_refusal_has_words(language: str, word: str) -> None:
    text = TEXTS.keys(language)[f"giveaway.refused.{word}"]
    assert isinstance(text, str)
    assert {name for _, name, _, _ in Formatter().parse(text) if name} == set(GIVEN[word])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("word", "args"), signals.REASONS)
def test_every_sign_has_words(language: str, word: str, args: tuple[str, ...]) -> None:
    given = dict.fromkeys(args, 2) | {"time": "12:00"}
    said = TEXTS.say(language, f"giveaway.signal.{word}", **given)
    assert "{" not in said
