from __future__ import annotations

from dataclasses import replace

import pytest

from bot.drafting.drafter import Drafted, EmbeddedDrafter, NeedsHuman, Request, choose
from bot.drafting.entries import Entry
from bot.drafting.knowledge import CONFIDENT, Hit, Knowledge


def asked(knowledge: Knowledge, text: str, language: str = "en", cap: int = 1_500) -> Request:
    return Request(text, language, knowledge.search(text), cap)


async def drafted(request: Request) -> Drafted:
    answer = await EmbeddedDrafter().draft(request)
    assert isinstance(answer, Drafted)
    return answer


async def test_the_answer_comes_from_the_best_entry(knowledge: Knowledge) -> None:
    draft = await drafted(asked(knowledge, "When is the oolong tea back in stock?"))
    assert draft == Drafted(
        "The oolong is back on Friday. See https://tea.example/stock for the count.",
        "en",
        (("shop#restock", "When will the oolong tea be back in stock?"),),
        "knowledge",
        (),
        "embedded",
    )


async def test_chinese_gets_chinese(knowledge: Knowledge) -> None:
    draft = await drafted(asked(knowledge, "乌龙茶什么时候能补货？", "zh"))
    assert draft.text == "乌龙茶本周五补货。每人限购两罐。"
    assert not draft.flags


async def test_the_teams_characters_stay(knowledge: Knowledge) -> None:
    draft = await drafted(asked(knowledge, "How do I cross out words in a post?"))
    assert "~~tildes~~" in draft.text


async def test_what_is_not_known_needs_a_person(knowledge: Knowledge) -> None:
    answer = await EmbeddedDrafter().draft(asked(knowledge, "Where is my parcel 1234?"))
    assert answer == NeedsHuman("not_in_knowledge")


async def test_an_entry_without_an_answer_needs_a_person() -> None:
    hit = Hit(Entry("z0", "花呗怎么还款", "", "zh", "kb.jsonl"), 50.0, CONFIDENT)
    assert await EmbeddedDrafter().draft(Request("花呗怎么还款", "zh", [hit], 500)) == NeedsHuman("no_answer_text")


async def test_a_long_answer_is_shortened_to_the_cap(knowledge: Knowledge) -> None:
    draft = await drafted(asked(knowledge, "How do I return an order?", cap=60))
    assert draft.text == "Write to us within 30 days. We send a label. You pack it. …"
    assert draft.flags == ("shortened",)


async def test_another_language_is_flagged(knowledge: Knowledge) -> None:
    request = asked(knowledge, "How do I return an order?")
    assert (await drafted(replace(request, language="es"))).flags == ("other_language",)
    assert (await drafted(replace(request, language="und"))).flags == ()


def test_among_near_equals_the_comments_language_decides() -> None:
    english, chinese = (Hit(Entry(x, "Q", "A", x, "f"), score, 99.0) for x, score in (("en", 10.0), ("zh", 9.0)))
    assert choose([english, chinese], "zh") is chinese
    assert choose([english, chinese], "ko") is english
    assert choose([english, replace(chinese, score=5.0)], "zh") is english


@pytest.mark.parametrize("instruction", ["shorter please", "make it more concise", "更短一些", "太长了"])
async def test_a_redo_can_shorten(knowledge: Knowledge, instruction: str) -> None:
    request = asked(knowledge, "How do I return an order?")
    previous = "Write to us within 30 days. We send a label. You pack it. We refund it."
    draft = await drafted(replace(request, instruction=instruction, previous=previous))
    assert draft.text == "Write to us within 30 days. We send a label."
    assert (draft.why, draft.flags) == ("instruction", ())
    assert draft.sources[0][0] == "shop#how-do-i-return-an-order"


async def test_shortening_chinese_and_numbers(knowledge: Knowledge) -> None:
    request = Request("?", "zh", [], 500, instruction="更短", previous="茶到了。每人限购两罐。")
    assert (await drafted(request)).text == "茶到了。"
    request = Request("?", "en", [], 500, instruction="shorter", previous="It costs 3.50 euros. Shipping is free.")
    assert (await drafted(request)).text == "It costs 3.50 euros."


@pytest.mark.parametrize("instruction", ["make it rhyme", "更热情一点", "shorter"])
async def test_what_needs_a_model_is_said(instruction: str) -> None:
    request = Request("?", "en", [], 500, instruction=instruction, previous="One sentence only.")
    draft = await drafted(request)
    assert draft.text == "One sentence only."
    assert draft.flags == ("instruction_needs_model",)
    assert draft.sources == ()
