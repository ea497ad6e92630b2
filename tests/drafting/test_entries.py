from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.drafting.entries import MAX_FILE_BYTES, Entry, KnowledgeFault, load


def entries(folder: Path) -> dict[str, Entry]:
    return {entry.id: entry for entry in load(folder)}


def test_sections_become_entries_with_ids_that_last(folder: Path) -> None:
    found = entries(folder)
    assert sorted(found) == [
        "more/shop.zh#restock",
        "more/shop.zh#怎么申请退货",
        "shop#how-do-i-cross-out-words-in-a-post",
        "shop#how-do-i-return-an-order",
        "shop#restock",
    ]
    restock = found["shop#restock"]
    assert restock.question == "When will the oolong tea be back in stock?"
    assert restock.answer == "The oolong is back on Friday. See https://tea.example/stock for the count."
    assert restock.also == ("Is the oolong sold out for good?",)
    assert (restock.language, restock.source, restock.tags) == ("en", "shop.md", ("orders",))
    assert found["more/shop.zh#restock"].language == "zh"


def test_deeper_headings_and_fences_belong_to_the_answer(folder: Path) -> None:
    found = entries(folder)
    assert "### Opened tins" in found["shop#how-do-i-return-an-order"].answer
    assert "## not a heading\n~~old~~" in found["shop#how-do-i-cross-out-words-in-a-post"].answer


def test_a_page_without_sections_is_one_entry(tmp_path: Path) -> None:
    page = tmp_path / "house.md"
    page.write_text("# House rules\r\n\r\nBe kind to each other, please.\r\n", encoding="utf-8")
    (entry,) = load(page)
    assert (entry.id, entry.question) == ("house#house-rules", "House rules")
    assert (entry.answer, entry.language) == ("Be kind to each other, please.", "en")


def test_the_same_question_twice_gets_two_ids(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("## Why?\n\nOne.\n\n## Why?\n\nTwo.\n", encoding="utf-8")
    assert [entry.id for entry in load(tmp_path)] == ["a#why", "a#why-2"]


def test_json_lines(tmp_path: Path) -> None:
    rows = [
        {"id": "f0", "question": "Q?", "answer": "A."},
        {"id": 7, "lang": "zh", "text": "一段文字"},
        {"id": "f2", "question": "只有问题吗", "answer": ""},
    ]
    file = tmp_path / "kb.jsonl"
    file.write_text("\ufeff" + "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    found = entries(file)
    assert found["f0"].answer == "A."
    assert (found["7"].question, found["7"].answer, found["7"].language) == ("", "一段文字", "zh")
    assert found["7"].title == "一段文字"
    assert found["f2"].language == "zh"


def test_titles_are_short(tmp_path: Path) -> None:
    entry = Entry("x", "", "word " * 40, "en", "x.jsonl")
    assert len(entry.title) == 80
    assert entry.title.endswith("…")


@pytest.mark.parametrize(
    ("name", "text", "line", "told"),
    [
        ("a.md", "---\nlanguage: en\n## Q\n", 1, "no closing"),
        ("a.md", "---\ntags: [a\nlanguage: en\n---\n## Q\n\nA", 3, "YAML"),
        ("a.md", "---\n- a\n---\n## Q\n\nA", 1, "key: value"),
        ("a.md", "---\nlanguage: no\n---\n## Q\n\nA", 1, "quotes"),
        ("a.md", "---\ntags: a\n---\n## Q\n\nA", 1, "list"),
        ("a.md", "## Q\n\nA\n\n## Empty\n\n## Next\n\nA", 5, "no answer"),
        ("a.md", "---\nlanguage: en\n---\n\n## Q {#x}\n\nA\n\n## R {#x}\n\nA", 9, "already taken"),
        ("a.md", "only words", 0, "nothing in it"),
        ("a.jsonl", '{"id": "a", "text": "t"}\n{"id"', 2, "JSON"),
        ("a.jsonl", "[" * 100_000, 1, "JSON"),
        ("a.jsonl", "[]", 1, "JSON object"),
        ("a.jsonl", '{"text": "t"}', 1, "`id`"),
        ("a.jsonl", '{"id": "a", "text": " "}', 1, "`question`"),
        ("a.jsonl", '{"id": "a", "text": "t", "lang": 3}', 1, "`lang`"),
        ("a.jsonl", "", 0, "nothing in it"),
    ],
)
def test_faults_say_where_and_what(tmp_path: Path, name: str, text: str, line: int, told: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(KnowledgeFault) as caught:
        load(tmp_path)
    assert caught.value.line == line
    assert told in caught.value.reason
    assert str(caught.value.path) in str(caught.value)


def test_other_encodings_are_told_by_line(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes("## Q\n\n茶\n".encode("gb18030"))
    with pytest.raises(KnowledgeFault, match="line 3: not UTF-8"):
        load(tmp_path)


def test_what_is_missing_or_far_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeFault, match="no such file"):
        load(tmp_path / "nowhere")
    with (tmp_path / "a.md").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(KnowledgeFault, match="larger than"):
        load(tmp_path)
