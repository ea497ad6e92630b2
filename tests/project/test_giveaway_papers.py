"""The pages about giveaways say what is so: verbs, flags, limits, clocks, examples that work, pictures."""

from __future__ import annotations

import html
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.domain import giveaway_flag_words as words
from bot.domain import giveaway_words, giveaways
from bot.handlers.giveaways import manage
from bot.locales import LANGUAGES, Catalogue
from bot.locales.times import read_time
from bot.settings_sections import Giveaways

ROOT = Path(__file__).parents[2]
PAGES = {language: (ROOT / f"docs/giveaways.{language}.md").read_text(encoding="utf-8") for language in LANGUAGES}
PICTURES: dict[str, Any] = runpy.run_path(str(ROOT / "scripts/pictures.py"))
NAMES = ("giveaway-card", "giveaway-ticket", "giveaway-result")
NOW, ZONE = 1795255200.0, "Asia/Shanghai"
EXAMPLES = [
    (language, re.sub(r"^/(?:giveaway(?: start)?|抽奖) ", "", line))
    for language, page in PAGES.items()
    for block in re.findall(r"```\n(.*?)```", page, re.DOTALL)
    for line in block.splitlines()
]
BEGINNING = {"en": "2d 3w A mug ", "zh": "2天 3名 马克杯 "}


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


def flags(language: str) -> list[str]:
    """What stands in the table of flags, in both columns."""
    begin = {"en": "| flag |", "zh": "| 中文 | 英文 |"}[language]
    table = PAGES[language].partition(begin)[2].partition("\n\n")[0]
    found = [code for row in table.splitlines() for cell in row.split("|")[1:3] for code in codes(cell)]
    return [*found, "claim none", "领奖无"]


def read(flag: str) -> giveaway_words.Asked | giveaways.Refused:
    """The flag behind a prize, as somebody would type it."""
    text = flag.replace("https://…", "https://tea.example/mug.png").replace("…", "why")
    if flag.startswith(("keyword", "from", "关键词", "从")):
        text += " comments"
    if flag.startswith(("cap", "最多")):
        text += " bonus @Regulars +9"
    return giveaway_words.read(("3w A mug " if flag.startswith(("ends", "截止")) else BEGINNING["en"]) + text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_verb_is_there(language: str) -> None:
    table = [code for row in PAGES[language].splitlines() if row.startswith("|") for code in codes(row)]
    told = {code.removeprefix("/giveaway ").split()[0] for code in table if code.startswith("/giveaway ")}
    assert told == {*manage.VERBS, *manage.OVERVIEWS, "template"}
    chinese = {part for code in table for part in code.removeprefix("/抽奖 ").split()}
    assert chinese >= {word for word in manage._WORDS if word not in {"开始", "新建"}}
    for short in manage._SHORT:
        assert f"`/{short}`" in PAGES[language]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_anybody_may_do_is_in_italics(language: str) -> None:
    free = {code.split()[1] for code in re.findall(r"^\| \*`(/giveaway [^`]+)`\* \|", PAGES[language], re.MULTILINE)}
    assert free == manage.FOR_ALL | set(manage.OVERVIEWS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_flag_is_there_in_both_languages(language: str) -> None:
    told = [flag.casefold() for flag in flags(language)]
    for kind, named in words._KINDS.items():
        for name, known in named.items():
            if (kind, name) == ("count", "winners"):  # stands in front
                continue
            for ascii_only in (True, False):
                group = [word for word in known.split("|") if word.isascii() == ascii_only]
                assert any(word in flag for word in group for flag in told), group


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_flag_of_the_table_is_understood(language: str) -> None:
    found, plain = flags(language), giveaway_words.read(BEGINNING["en"])
    assert len(found) > 50
    seen = set()
    for flag in found:
        asked = read(flag)
        assert isinstance(asked, giveaway_words.Asked), (flag, asked)
        assert asked.prize == "A mug", flag
        assert asked != plain, flag
        seen |= {name for name in asked.__slots__ if getattr(asked, name) != getattr(plain, name)}
    assert seen == set(giveaway_words.Asked.__slots__) - {"prize", "winners"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_columns_say_the_same(language: str) -> None:
    table = PAGES[language].partition("| flag |" if language == "en" else "| 中文 | 英文 |")[2].partition("\n\n")[0]
    for row in table.splitlines()[2:]:
        left, right = (codes(cell) for cell in row.split("|")[1:3])
        for one, other in zip(left, right, strict=False):
            first, second = read(one), read(other)
            assert isinstance(first, giveaway_words.Asked)
            assert isinstance(second, giveaway_words.Asked)
            times = {"en": (first, second), "zh": (second, first)}[language]
            for name in first.__slots__:
                if name in {"ends", "starts", "since"}:
                    assert bool(getattr(first, name)) == bool(getattr(second, name)), row
                    for asked, tongue in zip(times, ("en", "zh"), strict=True):
                        said = getattr(asked, name)
                        assert not said or name == "since" or said == "2d" or read_time(said, NOW, ZONE, tongue), said
                else:
                    assert getattr(first, name) == getattr(second, name), row


@pytest.mark.parametrize(("language", "text"), EXAMPLES)
def test_every_example_works(language: str, text: str) -> None:
    asked = giveaway_words.read(text)
    assert isinstance(asked, giveaway_words.Asked), asked
    assert not re.search(r"[\"“”#@]|\d", asked.prize)
    for time in (asked.starts, asked.ends):
        assert not time or read_time(time, NOW, ZONE, language), time


def test_both_languages_have_the_same_parts() -> None:
    assert len([1 for language, _ in EXAMPLES if language == "en"]) == 6
    assert len(EXAMPLES) == 12
    for mark in ("\n## ", "\n### ", "\n| ", "\n- ", "![", "\n1. ", "\n4. "):
        assert PAGES["en"].count(mark) == PAGES["zh"].count(mark), mark


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_limits_are_the_programs(language: str) -> None:
    limits = re.split(r"^## (?:Limits|上限)$", PAGES[language], flags=re.MULTILINE)[1]
    numbers = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", limits)]
    assert numbers == [
        giveaways.MAX_PRIZE,
        giveaways.MAX_ABOUT,
        giveaways.MAX_SPONSOR,
        giveaways.MAX_WINNERS,
        giveaways.MAX_ALTERNATES,
        giveaways.MAX_ROLES,
        giveaways.MAX_BONUSES,
        giveaways.MAX_EXTRA,
        giveaways.MAX_CAP,
        giveaways.MAX_LISTED,
        round(giveaways.MAX_SECONDS / 86400),
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_defaults_are_the_settings(language: str) -> None:
    rows = {code: row for row in PAGES[language].splitlines() if row.startswith("|") for code in codes(row)}
    said = Giveaways()
    assert f"{said.default_hours:g}" in rows["default_hours"]
    assert f"{said.alternates}" in rows["alternates 20"].split("|")[3]
    assert f"{said.claim_hours:g}" in rows["claim 24h"].split("|")[3]
    assert f"{said.retention_days:g}" in rows["retention_days"]
    assert f"{said.address_days:g}" in rows["address_days"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_buttons_are_called_so(language: str) -> None:
    texts = Catalogue()
    for word in ("enter", "leave", "ticket", "rules", "claim", "appeal", "confirm", "discard"):
        label = texts.say(language, f"giveaway.button.{word}").split(maxsplit=1)[-1]
        assert f"**{label}**" in PAGES[language], label


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_messages_are_drawn_as_they_are(language: str) -> None:
    drawn: Callable[[str], dict[str, str]] = PICTURES["giveaway_pictures"]
    pictures = drawn(language)
    assert tuple(pictures) == NAMES
    for name, picture in pictures.items():
        file = (ROOT / f"docs/{name}.{language}.svg").read_text(encoding="utf-8")
        assert file == picture, f"{name} looks different now: python -m scripts.pictures"
    shown = html.unescape("".join(re.findall(r"<text[^>]*>([^<]*)</text>", "".join(pictures.values()))))
    texts = Catalogue()
    for key in ("button.enter", "button.claim", "only.no_team", "level.public", "fair.card"):
        assert texts.say(language, f"giveaway.{key}").replace(" ", "") in shown.replace(" ", "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pictures_are_shown_with_words_beside_them(language: str) -> None:
    shown = re.findall(r"!\[([^\]]*)\]\((giveaway-[^)]+)\)", PAGES[language])
    assert [name for _, name in shown] == [f"{name}.{language}.svg" for name in NAMES]
    assert all(len(told) > 20 for told, _ in shown)
