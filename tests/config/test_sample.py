"""The sample community is what a newcomer starts from: it must load, answer, and show every kind of comment."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from bot.drafting.entries import Entry, load
from bot.drafting.guards import Guarded, guard_knowledge
from bot.drafting.knowledge import Hit, Knowledge, answerable
from bot.drafting.triage import Triage, triage
from bot.settings import EXAMPLE_FILE, PLATFORMS, Settings, SettingsFault
from bot.settings import load as load_settings

FOLDER = EXAMPLE_FILE.parent
CAP = 1_500


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings({}, EXAMPLE_FILE)


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return Knowledge(FOLDER / "knowledge")


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return load(FOLDER / "knowledge")


@pytest.fixture(scope="module")
def comments() -> list[dict[str, str]]:
    lines = (FOLDER / "comments.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def judged(knowledge: Knowledge, text: str) -> tuple[Triage, list[Hit]]:
    hits = knowledge.search(text)
    return triage(text, hits=hits), hits


def test_settings_name_both_rooms_of_every_platform_and_hold_no_token(settings: Settings) -> None:
    assert settings.languages == ("en", "zh")
    assert set(settings.channels) == {f"{p}/{room}" for p in PLATFORMS for room in ("community", "review")}
    assert set(settings.watch.channels) == {f"{p}/community" for p in PLATFORMS}
    assert set(settings.review.channels) == {f"{p}/review" for p in PLATFORMS}
    assert len(set(settings.channels.values())) == len(settings.channels)
    assert settings.review.undo_seconds == 10
    assert settings.configured() == ()
    assert settings.roles.grants() == []  # nobody may decide until the owner says who


def test_settings_show_the_knowledge_that_lies_beside_them(settings: Settings) -> None:
    assert (FOLDER.parent / settings.knowledge.path).resolve() == (FOLDER / "knowledge").resolve()


def test_every_example_line_may_be_switched_on(tmp_path: Path) -> None:
    """An example is a comment with no space behind its `#`; all of them together are settings without a fault."""
    text, switched = re.subn(r"(?m)^(\s*)#(?=\S)", r"\1", EXAMPLE_FILE.read_text(encoding="utf-8"))
    file = tmp_path / "herald.toml"
    file.write_text(text, encoding="utf-8")
    settings = load_settings({}, file)
    assert switched >= 15
    assert settings.configured() == PLATFORMS
    assert {grant.platform for grant in settings.roles.grants()} == set(PLATFORMS)
    assert settings.tenants and settings.channel_languages and settings.openai.model


def test_every_section_of_the_settings_is_shown() -> None:
    shown = tomllib.loads(re.sub(r"(?m)^(\s*)#(?=\S)", r"\1", EXAMPLE_FILE.read_text(encoding="utf-8")))
    assert set(Settings.model_fields) - set(shown) <= {"clock_file"}  # for rehearsals only


def test_a_misspelt_setting_in_a_copy_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "herald.toml"
    text = EXAMPLE_FILE.read_text(encoding="utf-8").replace("undo_seconds", "undo_second")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsFault, match=r"review\.undo_second: there is no such setting"):
        load_settings({}, file)


def test_knowledge_is_large_enough_in_both_languages(entries: list[Entry]) -> None:
    languages = Counter(entry.language for entry in entries)
    assert set(languages) == {"en", "zh"}
    assert len(entries) >= 40
    assert min(languages.values()) >= 18
    assert len({entry.id for entry in entries}) == len(entries)


def test_every_topic_is_there_in_both_languages(entries: list[Entry]) -> None:
    topics = {
        language: {e.id.replace(f".{language}#", "#") for e in entries if e.language == language}
        for language in ("en", "zh")
    }
    assert topics["en"] == topics["zh"]


def test_answers_can_be_sent_as_they_stand(entries: list[Entry]) -> None:
    """One paragraph of plain text that the guard has nothing to take out of: what a card shows is what was written."""
    for entry in entries:
        assert guard_knowledge(entry.answer, CAP, "utf16") == Guarded(entry.answer), entry.id
        assert "\n" not in entry.answer, entry.id
        assert not re.search(r"[*_`<>\[\]]", entry.answer), entry.id


def test_every_entry_is_found_by_each_of_its_questions(knowledge: Knowledge) -> None:
    for entry in knowledge.entries:
        for question in (entry.question, *entry.also):
            hits = knowledge.search(question)
            assert answerable(hits) and hits[0].entry.id == entry.id, (entry.id, question)


def test_comments_are_sixty_of_valid_shape(comments: list[dict[str, str]]) -> None:
    assert len(comments) == 60
    for comment in comments:
        assert set(comment) == {"member", "text"}
        assert comment["text"].strip() and re.fullmatch(r"[a-z0-9_]+", comment["member"])
    assert len({comment["member"] for comment in comments}) >= 25
    assert len({comment["text"] for comment in comments}) == 60


def test_comments_are_of_every_kind(comments: list[dict[str, str]], knowledge: Knowledge) -> None:
    found = [judged(knowledge, comment["text"])[0] for comment in comments]
    languages = Counter(one.language for one in found)
    reasons = Counter(one.reason for one in found)
    flags = {flag for one in found for flag in one.flags}
    assert languages["en"] >= 20 and languages["zh"] >= 20
    assert 24 <= sum(one.needs_reply for one in found) <= 38
    assert {"question_mark", "problem", "request", "thanks", "small_talk", "no_words", "spam", "attack"} <= set(reasons)
    assert {"spam", "attack", "injection"} <= flags
    assert sum("@everyone" in comment["text"] for comment in comments) == 1


def test_many_comments_are_answered_and_some_are_left_to_people(
    comments: list[dict[str, str]], knowledge: Knowledge
) -> None:
    asked = [hits for told, hits in (judged(knowledge, c["text"]) for c in comments) if told.needs_reply]
    answered = sum(answerable(hits) for hits in asked)
    assert answered >= 15
    assert len(asked) - answered >= 5


@pytest.mark.parametrize(
    ("question", "entry"),
    [
        ("茶什么时候补货？", "orders.zh#restock"),
        ("When will the tea be restocked?", "orders.en#restock"),
        ("How long does shipping to Berlin take?", "shipping.en#time"),
        ("寄到加拿大运费多少钱呀？", "shipping.zh#cost"),
        ("My teapot arrived broken, the spout is in three pieces 😢", "returns.en#broken"),
    ],
)
def test_questions_find_their_entries(knowledge: Knowledge, question: str, entry: str) -> None:
    hits = knowledge.search(question)
    assert answerable(hits)
    assert hits[0].entry.id == entry


@pytest.mark.parametrize(
    "question",
    [
        "Can you host our wedding party of eighty guests in May?",
        "Would you ever consider a collab with a ceramics artist from Wales?",
        "你们和XX茶业是一家公司吗？",
    ],
)
def test_questions_that_nobody_wrote_about_are_left_to_people(knowledge: Knowledge, question: str) -> None:
    assert not answerable(knowledge.search(question))
