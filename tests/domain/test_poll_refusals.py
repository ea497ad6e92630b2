"""Whatever the rules of polls refuse has words, and gets all that the words need."""

from __future__ import annotations

import ast
from pathlib import Path
from string import Formatter

import pytest

from bot.domain import ballots, polling
from bot.domain.polls import REFUSALS
from bot.locales import LANGUAGES, Catalogue

TEXTS = Catalogue()
GIVEN = dict(REFUSALS)


def refusals() -> list[tuple[str, set[str] | None]]:
    """Every `Refused(...)` in the sources of the rules: its word, and its arguments where they stand beside it."""
    found = []
    for module in (ballots, polling):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refused"):
                continue
            word = node.args[0]
            assert isinstance(word, ast.Constant), ast.unparse(node)
            args = node.args[1] if len(node.args) > 1 else ast.Dict([], [])
            keys = (
                {str(key.value) for key in args.keys if isinstance(key, ast.Constant)}
                if isinstance(args, ast.Dict)
                else None
            )
            found.append((str(word.value), keys))
    return found


def test_every_refusal_stands_in_the_list_with_its_arguments() -> None:
    found = refusals()
    assert {word for word, _ in found} == GIVEN.keys()
    assert len(REFUSALS) == len(GIVEN)
    for word, keys in found:
        assert keys is None or keys == set(GIVEN[word]), word


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("word", sorted(GIVEN))
def test_every_refusal_has_words(language: str, word: str) -> None:
    text = TEXTS.keys(language)[f"poll.refused.{word}"]
    assert isinstance(text, str)
    assert {name for _, name, _, _ in Formatter().parse(text) if name} <= set(GIVEN[word])
