"""The pages about polls say what is so: verbs, flags, limits, examples that work, sums that come out, pictures."""

from __future__ import annotations

import html
import re
import runpy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.domain import poll_words, polls, tally
from bot.domain.places import Member
from bot.domain.polls import Kind, Option, Poll, Question, State
from bot.handlers.polls import manage, results
from bot.locales import LANGUAGES, Catalogue
from bot.locales.times import next_time, read_rule, read_time

ROOT = Path(__file__).parents[2]
PAGES = {language: (ROOT / f"docs/polls.{language}.md").read_text(encoding="utf-8") for language in LANGUAGES}
PICTURES: dict[str, Any] = runpy.run_path(str(ROOT / "scripts/pictures.py"))
NOW, ZONE = 1795255200.0, "Asia/Shanghai"
EXAMPLES = [
    (language, line.partition(" ")[2])
    for language, page in PAGES.items()
    for line in re.findall(r'^(?:/poll "|/投票 “).*$', page, re.MULTILINE)
]


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


def flags(page: str) -> list[str]:
    """What stands in the table of flags, in both columns."""
    table = page.partition("| flag |" if "| flag |" in page else "| 中文 | 英文 |")[2].partition("\n\n")[0]
    return [code for row in table.splitlines() for cell in row.split("|")[1:3] for code in codes(cell)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_verb_is_there(language: str) -> None:
    table = [code for row in PAGES[language].splitlines() if row.startswith("|") for code in codes(row)]
    told = {code.removeprefix("/poll ").split()[0] for code in table if code.startswith("/poll ")}
    assert told == {*manage.VERBS, "list", "draft"}
    assert {code.split()[0] for code in table} >= set(manage._WORDS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_flag_is_there_in_both_languages(language: str) -> None:
    told = [flag.casefold() for flag in flags(PAGES[language])]
    words = [*poll_words._PLAIN.values(), *poll_words._TIMES.values(), *poll_words._VALUED.values()]
    for group in words:
        known = group.split("|")
        for ascii_only in (True, False):
            names = [name for name in known if name.isascii() == ascii_only]
            assert any(name in flag for name in names for flag in told), names
    assert any(re.match(poll_words._EVERY, flag) for flag in told if flag.isascii())
    assert any(re.match(poll_words._EVERY, flag) for flag in told if not flag.isascii())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_flag_of_the_table_is_understood(language: str) -> None:
    found = flags(PAGES[language])
    assert len(found) > 40
    for flag in found:
        text = flag.replace("…", "why")
        if text in {'explain "why"', "解析“why”"}:
            text += " quiz 2"
        if text in {"approval", "审核"}:
            text += " open"
        own = text in {"rating", "评分", "consent", "表决"}
        asked = poll_words.read(f'"Q" {text}' if own else f'"Q" "A" "B" {text}')
        assert isinstance(asked, poll_words.Asked), (flag, asked)
        assert asked != poll_words.read('"Q" "A" "B"') or text in {"single", "单选"}, flag


@pytest.mark.parametrize(("language", "text"), EXAMPLES)
def test_every_example_works(language: str, text: str) -> None:
    asked = poll_words.read(text)
    assert isinstance(asked, poll_words.Asked), asked
    for time in (asked.starts, asked.ends):
        assert not time or read_time(time, NOW, ZONE, language), time
    if asked.every:
        rule = read_rule(asked.every, NOW, ZONE)
        assert rule, asked.every
        assert next_time(rule, ZONE, NOW)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_time_and_rule_of_the_text_is_understood(language: str) -> None:
    section = re.split(r"^### (?:Times|时间)$", PAGES[language], flags=re.MULTILINE)[1]
    times, again = re.split(r"^### (?:Again and again|定期重复)$", section, flags=re.MULTILINE)
    for time in codes(times.partition("```")[0]):
        assert time.startswith(("/timezone", "/时区")) or read_time(time, NOW, ZONE, language), time
    for rule in codes(again.partition("###")[0].rpartition("```")[2]):
        assert rule.startswith("/poll") or read_rule(rule, NOW, ZONE), rule


def test_the_examples_show_every_kind() -> None:
    for language in LANGUAGES:
        asked = [poll_words.read(text) for one, text in EXAMPLES if one == language]
        assert {one.kind for one in asked if isinstance(one, poll_words.Asked)} == set(Kind)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_limits_are_the_programs(language: str) -> None:
    limits = re.split(r"^## (?:Limits|上限)$", PAGES[language], flags=re.MULTILINE)[1].partition("##")[0]
    assert [int(number) for number in re.findall(r"\d+", limits)] == [
        polls.MAX_OPTIONS,
        polls.MAX_OPTION,
        polls.MAX_QUESTION,
        polls.MAX_EXPLANATION,
        round(polls.MAX_SECONDS / 86400),
        polls.MAX_EDITS,
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_fingerprint_can_be_computed_as_it_is_written(language: str, tmp_path: Path) -> None:
    command = PAGES[language].partition("```sh\n")[2].partition("\n```")[0]
    options = tuple(Option(number, text) for number, text in enumerate(("=A", "voter,choice", 'B "b", c'), 1))
    question = Question("Which?", options, Kind.RANKED)
    host = Member("slack", "T1", "ana")
    poll = Poll(3, "p.x", question, State.CLOSED, host, "Ana", "en", (), 0.0)
    ballots = [("telegram:1:2", (1,)), ("slack:T1:U10", (3, 1, 2)), ("-Xy_", (2, 3)), ("slack:T1:U1", (1, 2))]
    groups = [tally.Group(choice, "slack:C1", 1) for _, choice in ballots]
    (tmp_path / "poll-3.csv").write_bytes(results.table(poll, tally.count(question, groups), ballots))
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [tally.ballots_hash(ballots), "-"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_card_is_drawn_as_it_is(language: str) -> None:
    drawn: Callable[[str], str] = PICTURES["poll_card"]
    file = (ROOT / f"docs/poll-card.{language}.svg").read_text(encoding="utf-8")
    assert file == drawn(language), "the card looks different now: python -m scripts.pictures"
    shown = html.unescape("".join(re.findall(r"<text[^>]*>([^<]*)</text>", file))).replace(" ", "")
    texts = Catalogue()
    for key in ("poll.sees.anonymous", "poll.numbers.live", "poll.button.mine", "poll.how.single"):
        assert texts.say(language, key).replace(" ", "") in shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_chart_is_small_and_as_it_is(language: str) -> None:
    file = (ROOT / f"docs/poll-result.{language}.png").read_bytes()
    drawn: Callable[[str], bytes] = PICTURES["poll_result"]
    assert file[:24] == drawn(language)[:24]  # PNG, of the same size in pixels
    assert len(file) < 80_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pictures_are_shown_with_words_beside_them(language: str) -> None:
    shown = re.findall(r"!\[([^\]]*)\]\((poll-[^)]+)\)", PAGES[language])
    assert [name for _, name in shown] == [f"poll-card.{language}.svg", f"poll-result.{language}.png"]
    assert all(len(words) > 20 for words, _ in shown)
