"""Messages into parameters, without a network."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.messages import Button, Card, Line, Prompt, Reply
from bot.domain.places import Member
from bot.integrations.telegram.render import MAX_DRAFT, MAX_LABEL, change, create, mention
from bot.integrations.telegram.texts import MAX_TEXT, Unsendable, cut, units

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ue0f0\ue0f1"), max_size=300)
BUTTONS = tuple(Button(f"B{n}", f"p{n}") for n in range(7))


def marked(parameters: dict[str, Any], kind: str) -> list[str]:
    """The parts of the text that carry a mark, cut out as Telegram counts."""
    raw = parameters["text"].encode("utf-16-le")
    return [
        raw[2 * mark["offset"] : 2 * (mark["offset"] + mark["length"])].decode("utf-16-le")
        for mark in parameters["entities"]
        if mark["type"] == kind
    ]


@given(TEXTS)
def test_a_reply_is_its_text_and_nothing_else(text: str) -> None:
    if not text.strip():
        with pytest.raises(Unsendable):
            create(Reply(text))
        return
    assert create(Reply(text, "12")) == {
        "text": text,
        "link_preview_options": {"is_disabled": True},
        "reply_parameters": {"message_id": 12, "allow_sending_without_reply": True},
    }
    assert change(Reply(text)) == {"text": text, "link_preview_options": {"is_disabled": True}}


def test_a_reply_is_never_cut() -> None:
    assert create(Reply("🍵" * 2048))["text"] == "🍵" * 2048
    with pytest.raises(Unsendable, match="4098"):
        create(Reply("🍵" * 2049))


def test_a_reply_to_nowhere_is_refused() -> None:
    with pytest.raises(Unsendable):
        create(Reply("x", "1700.12"))


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_a_cards_parts_come_in_order_and_marks_fit_them(header: str, comment: str, detail: str, draft: str) -> None:
    card = Card(f"h{header}", f"c{comment}", (f"d{detail}",), f"D{draft}", ("s",))
    parameters = create(card)
    text = str(parameters["text"])
    assert text.startswith(card.header)
    assert marked(parameters, "bold") == [card.header]
    quotes = marked(parameters, "blockquote") + marked(parameters, "expandable_blockquote")
    assert quotes == [card.comment]
    order = [f"{card.comment}\n{card.details[0]}\n", f"\n{card.draft}\n"]
    assert text.find(order[0]) < text.rfind(order[1])
    assert text.endswith("\ns")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=900), st.integers(0, 6000))
def test_the_draft_is_whole_however_long_the_comment(draft: str, length: int) -> None:
    card = Card("header", "评🍵" * length, ("detail",), draft, ("status",), BUTTONS)
    parameters = create(card)
    text = str(parameters["text"])
    assert units(text) <= MAX_TEXT
    assert f"\n{draft}\n" in text
    comment = (marked(parameters, "blockquote") + marked(parameters, "expandable_blockquote") or [""])[0]
    assert card.comment == comment or (comment.endswith("…") and card.comment.startswith(comment[:-1]))
    unmarked = [mark for mark in parameters["entities"] if mark["offset"] >= units(text[: text.find(draft)])]  # type: ignore[attr-defined]
    assert unmarked == [] or draft in text[: text.find("──────────")]


def test_a_card_keeps_as_much_of_the_comment_as_fits() -> None:
    parameters = create(Card("h", "c" * 9000, (), "d" * MAX_DRAFT, ("s",)))
    assert units(str(parameters["text"])) == MAX_TEXT
    assert str(parameters["text"]).count("d") == MAX_DRAFT


def test_empty_parts_leave_no_trace() -> None:
    assert create(Card("only"))["text"] == "only"
    assert "reply_markup" not in create(Card("only"))


def test_a_card_too_long_without_its_comment_is_refused_whole() -> None:
    with pytest.raises(Unsendable, match="UTF-16"):
        create(Card("h", "c", (), "d" * MAX_TEXT))


def test_buttons_come_in_rows_of_three() -> None:
    links = (
        Button("go " + "🍵" * 60, url="https://example.org"),
        Button("no", "n", "danger"),
        Button("ok", "y", "primary"),
    )
    rows: Any = create(Card("h", buttons=BUTTONS + links))["reply_markup"]
    keys = rows["inline_keyboard"]
    assert [len(row) for row in keys] == [3, 3, 3, 1]
    assert keys[0][0] == {"text": "B0", "callback_data": "p0"}
    assert keys[2][1]["url"] == "https://example.org"
    assert "callback_data" not in keys[2][1]
    assert units(keys[2][1]["text"]) <= MAX_LABEL
    assert [keys[2][2].get("style"), keys[3][0].get("style")] == ["danger", "primary"]


@pytest.mark.parametrize(
    ("labels", "rows"),
    [
        (["Hangzhou", "Chengdu", "Online", "Why?"], [3, 1]),
        (
            ["杭州西湖吧", "成都", "1234567890", "🍵🍵🍵🍵🍵"],
            [3, 1],
        ),  # ten columns are the most
        (["Hangzhou", "杭州西湖边吧", "Online", "Why?"], [1, 1, 1, 1]),
        (["1", "12345678901"], [1, 1]),
        (["👩\u200d👩 e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301", "x"], [1, 1]),
        (["e\u0301" * 10, "x"], [2]),
    ],
)
def test_stacked_buttons_stand_alone_where_one_would_be_cut(labels: list[str], rows: list[int]) -> None:
    buttons = tuple(Button(label, "p") for label in labels)
    for make in (create, change):
        stacked: Any = make(Card("h", buttons=buttons, stacked=True))["reply_markup"]
        assert [len(row) for row in stacked["inline_keyboard"]] == rows
        assert [key["text"] for row in stacked["inline_keyboard"] for key in row] == labels
        usual: Any = make(Card("h", buttons=buttons))["reply_markup"]
        assert [len(row) for row in usual["inline_keyboard"]] == ([3, 1] if len(labels) == 4 else [len(labels)])


def test_a_long_option_stands_whole_on_its_button() -> None:
    keys: Any = create(Card("h", buttons=(Button("选" * 75, "p"),), stacked=True))["reply_markup"]
    assert keys["inline_keyboard"][0][0]["text"] == "选" * 75


@pytest.mark.parametrize("payload", ["", "x" * 65, "审" * 22])
def test_payloads_outside_of_telegrams_limits_are_refused(payload: str) -> None:
    with pytest.raises(Unsendable, match="payload"):
        create(Card("h", buttons=(Button("B", payload),)))
    assert create(Card("h", buttons=(Button("B", "审" * 21 + "x"),)))


def test_an_edit_takes_buttons_away() -> None:
    assert change(Card("h"))["reply_markup"] == {"inline_keyboard": []}


def test_a_line_is_short() -> None:
    text = str(create(Line("行" * 5000, "3"))["text"])
    assert (units(text), text[-1]) == (MAX_TEXT, "…")
    for make in (create, change):
        with pytest.raises(Unsendable):
            make(Line(" "))


def test_a_prompt_asks_one_person() -> None:
    ana = Member("telegram", "7", "501")
    parameters: Any = create(Prompt("Reply with the text", ana, "Ana 🍵", "8", "p" * 90))
    assert parameters["reply_markup"]["force_reply"] is True
    assert parameters["reply_markup"]["selective"] is True
    assert units(parameters["reply_markup"]["input_field_placeholder"]) == 64
    assert parameters["reply_parameters"]["message_id"] == 8
    assert marked(parameters, "text_mention") == ["Ana 🍵"]
    assert parameters["entities"][0]["user"]["id"] == 501
    assert "reply_markup" not in change(Prompt("Done", ana, "Ana"))


def test_a_name_in_the_text_is_linked_where_it_stands() -> None:
    parameters: Any = mention("🍵 for Ana, today", "501", "Ana")
    assert parameters["text"] == "🍵 for Ana, today"
    assert marked(parameters, "text_mention") == ["Ana"]


@given(TEXTS, st.integers(0, 400))
def test_a_cut_text_fits_and_begins_alike(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert units(short) <= limit
    assert short == text or (short == "" and limit == 0) or (short[-1] == "…" and text.startswith(short[:-1]))
