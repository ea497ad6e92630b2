"""The table of law notes is whole, and a table that is not is refused."""

from __future__ import annotations

from datetime import date

import pytest

from bot.locales import LANGUAGES
from bot.locales.law import FILE, law_notes, read_notes

TEXT = FILE.read_text(encoding="utf-8")


def test_every_note_says_all_in_both_languages_and_when_it_was_checked() -> None:
    for name, note in law_notes().items():
        assert note.id == name
        assert set(note.place) == set(note.note) == set(note.source) == set(LANGUAGES)
        assert note.in_force <= note.checked <= date(2100, 1, 1)
        assert all("a" <= letter <= "z" for letter in name)


def test_the_cap_of_mainland_china() -> None:
    note = law_notes()["cn"]
    assert (note.cap, note.currency, note.article, note.in_force) == (50_000, "CNY", "17", date(2020, 12, 1))
    assert "50,000" in note.note["en"]
    assert "五万元" in note.note["zh"]
    assert "第32号" in note.source["zh"]


@pytest.mark.parametrize(
    ("fact", "instead", "told"),
    [
        ("cap = 50000", "cap = 0", "cn.cap"),
        ("cap = 50000", "cap = true", "cn.cap"),
        ("cap = 50000", "", "exactly"),
        ("cap = 50000", "cap = 50000\nmore = 1", "exactly"),
        ('currency = "CNY"', 'currency = "yuan"', "cn.currency"),
        ('article = "17"', 'article = ""', "cn.article"),
        ("checked = 2026-11-22", 'checked = "2026-11-22"', "cn.checked"),
        ("in_force = 2020-12-01", "in_force = 2020-12-01T00:00:00Z", "cn.in_force"),
        ("https://", "http://", "cn.address"),
        ('zh = "中国大陆"', "", "cn.place"),
        ('zh = "中国大陆"', 'zh = " "', "cn.place.zh"),
    ],
)
def test_a_table_that_is_not_whole_is_refused(fact: str, instead: str, told: str) -> None:
    assert TEXT.count(fact) >= 1
    with pytest.raises(ValueError, match=told):
        read_notes(TEXT.replace(fact, instead, 1))


def test_a_place_is_a_table() -> None:
    with pytest.raises(ValueError, match="cn: needs"):
        read_notes("cn = 1")
