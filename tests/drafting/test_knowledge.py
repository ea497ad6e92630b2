from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.drafting.knowledge import Knowledge, KnowledgeFault, answerable
from bot.drafting.tokens import tokens


def first(knowledge: Knowledge, text: str) -> str:
    return knowledge.search(text)[0].entry.id


@pytest.mark.parametrize(
    ("asked", "entry"),
    [
        ("when is oolong back in stock", "shop#restock"),
        ("Is oolong sold out for good now", "shop#restock"),
        ("returning my order", "shop#how-do-i-return-an-order"),
        ("how can I cross words out", "shop#how-do-i-cross-out-words-in-a-post"),
        ("请问乌龙茶什么时候能补货呢", "more/shop.zh#restock"),
        ("补货", "more/shop.zh#restock"),
        ("我想退货，如何申请", "more/shop.zh#怎么申请退货"),
    ],
)
def test_paraphrases_find_their_entry(knowledge: Knowledge, asked: str, entry: str) -> None:
    assert first(knowledge, asked) == entry


@pytest.mark.parametrize(
    "asked",
    [
        "when is the oolong tea back in stock?",
        "How do I return an order",
        "Is the oolong sold out for good?",
        "乌龙茶什么时候补货",
        "如何申请退货",
    ],
)
def test_it_knows_what_it_can_answer(knowledge: Knowledge, asked: str) -> None:
    assert answerable(knowledge.search(asked))


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "😀",
        "what is the capital of France",
        "how do I reset my password",
        "my card was charged twice",
        "今天天气怎么样",
        "怎么修改密码",
        "order",
        "I love this tea",
    ],
)
def test_it_knows_what_it_cannot_answer(knowledge: Knowledge, asked: str) -> None:
    assert not answerable(knowledge.search(asked))


def test_hits_are_best_first_limited_and_of_one_language_when_asked(knowledge: Knowledge) -> None:
    hits = knowledge.search("oolong order words in a post 退货", limit=3)
    assert len(hits) == 3
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len({hit.entry.id for hit in hits}) == 3
    assert {hit.entry.language for hit in knowledge.search("oolong order 退货", language="zh")} == {"zh"}
    assert knowledge.search("oolong order", language="ko") == []


def test_entries_by_id(knowledge: Knowledge) -> None:
    entry = knowledge.get("shop#restock")
    assert entry is not None
    assert entry in knowledge.entries
    assert knowledge.get("shop#nothing") is None


@given(text=st.text(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_text_can_be_searched(knowledge: Knowledge, text: str) -> None:
    hits = knowledge.search(text)
    assert len(hits) <= 5
    assert all(hit.score > 0 and hit.confidence >= 0 for hit in hits)
    for hit in hits:
        words = set(tokens(f"{hit.entry.question} {' '.join(hit.entry.also)} {hit.entry.answer}"))
        assert words & set(tokens(text))


def test_a_question_of_100_kb_is_read_in_part(knowledge: Knowledge) -> None:
    assert first(knowledge, "return my order " + "x " * 50_000) == "shop#how-do-i-return-an-order"
    assert knowledge.search("y " * 50_000 + "return my order") == []


def test_changed_files_are_taken_over(knowledge: Knowledge, folder: Path) -> None:
    assert knowledge.refresh() is None
    before = knowledge.entries
    assert knowledge.refresh() is None
    assert knowledge.entries is before
    (folder / "gifts.md").write_text("## Do you wrap gifts?\n\nYes, for free.\n", encoding="utf-8")
    assert knowledge.refresh() is None
    assert first(knowledge, "do you wrap gifts") == "gifts#do-you-wrap-gifts"
    (folder / "gifts.md").unlink()
    knowledge.refresh()
    assert knowledge.get("gifts#do-you-wrap-gifts") is None


def test_a_broken_change_keeps_the_last_good_state(knowledge: Knowledge, folder: Path) -> None:
    page = folder / "shop.md"
    good = page.read_text(encoding="utf-8")
    page.write_text("---\nlanguage: en\n" + good[8:], encoding="utf-8")
    page.write_text(good + "\n## Nothing below\n", encoding="utf-8")
    fault = knowledge.refresh()
    assert fault is not None
    assert fault.path == page
    assert "no answer" in fault.reason
    assert knowledge.refresh() is fault
    assert knowledge.fault is fault
    assert first(knowledge, "returning my order") == "shop#how-do-i-return-an-order"
    page.write_text(good, encoding="utf-8")
    os.utime(page, ns=(1, 1))
    assert knowledge.refresh() is None
    assert knowledge.fault is None


def test_a_folder_that_vanishes_keeps_the_last_good_state(knowledge: Knowledge, folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    fault = knowledge.refresh()
    assert fault is not None
    assert knowledge.search("returning my order")
    folder.with_name("elsewhere").rename(folder)
    assert knowledge.refresh() is None


def test_an_empty_knowledge_base_is_a_fault_at_start(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeFault, match="nothing in it"):
        Knowledge(tmp_path)


def test_searching_while_it_changes_sees_one_state_or_the_other(knowledge: Knowledge, folder: Path) -> None:
    faults: list[BaseException] = []
    done = threading.Event()

    def search() -> None:
        try:
            while not done.is_set():
                assert first(knowledge, "returning my order") == "shop#how-do-i-return-an-order"
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(10):
        (folder / "aaa.md").write_text(f"## Number {number}?\n\nYes {number}.\n", encoding="utf-8")
        assert knowledge.refresh() is None
    done.set()
    for thread in threads:
        thread.join()
    assert not faults
