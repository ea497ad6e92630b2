"""The guides name what Herald really has: its commands, their Chinese words, its buttons, its roles."""

from __future__ import annotations

import re

import pytest

from bot.app import make_registry
from bot.domain.roles import Role
from bot.locales import LANGUAGES, Catalogue
from bot.settings import EXAMPLE_FILE

DOCS = EXAMPLE_FILE.parent.parent / "docs"
NOT_ON_CARDS = {"button.view", "button.poll", "button.giveaway", "button.pause", "button.resume"}


def guide(name: str, language: str) -> str:
    return (DOCS / f"{name}.{language}.md").read_text(encoding="utf-8")


def commands_written(text: str) -> set[str]:
    """The words behind a slash that stand at the beginning of code."""
    return set(re.findall(r"`/([^\s`/]+)", text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_approvers_are_told_every_command_and_its_chinese_words(language: str) -> None:
    written = commands_written(guide("approver", language))
    for command in make_registry().commands.values():
        words = {command.name, *(alias for alias in command.aliases if not alias.isascii())}
        assert words <= written, command.name


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["approver", "community-manager"])
def test_no_guide_names_a_command_that_does_not_exist(name: str, language: str) -> None:
    registry = make_registry()
    elsewhere = {"newbot", "setprivacy", "invite", "herald"}  # other bots' and Slack's; ours for all
    unknown = {w for w in commands_written(guide(name, language)) - elsewhere if registry.find_command(w) is None}
    assert unknown == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_approvers_are_told_every_button_by_its_label(language: str) -> None:
    text = guide("approver", language)
    labels = {
        key: label
        for key, label in Catalogue().keys(language).items()
        if key.startswith("button.") and key not in NOT_ON_CARDS
    }
    assert len(labels) >= 13
    assert {key for key, label in labels.items() if f"| {label} |" not in text} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_managers_are_told_every_role(language: str) -> None:
    text = guide("community-manager", language)
    assert {role for role in Role if f"| `{role.value}` |" not in text} == set()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["approver", "community-manager"])
def test_links_between_guides_lead_somewhere(name: str, language: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", guide(name, language)):
        assert (DOCS / target).is_file(), target
