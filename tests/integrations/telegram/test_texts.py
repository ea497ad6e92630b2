"""Points in time in our texts: marked where they stand, counted as Telegram counts, and never in what people wrote."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat import moments
from bot.chat.events import MessagePosted
from bot.chat.messages import Button, Card, Document, Line, Notice, Prompt, Reply
from bot.chat.moments import Moment, moment
from bot.domain.places import Channel, Member
from bot.integrations.telegram import TelegramConfig, TelegramPlatform, outgoing
from bot.integrations.telegram.render import change, create
from bot.integrations.telegram.texts import AHEAD, Marked, cut, shortened, told, units

from .conftest import RecordingSink, Stage
from .server import TOKEN, serving

SUNDAY = 1_800_000_000
WHEN = "Fri 15 Jan 2027, 16:00 (UTC+8)"
ENDS = f"🍵👩‍👩‍👧 茶会结束于 {moment(SUNDAY, WHEN)}，别忘了"
ANA = Member("telegram", "123456", "7")
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ue0f0\ue0f1"), max_size=12)
MOMENTS = st.builds(Moment, st.integers(0, 10**11), WORDS)


def dated(text: object, entities: object) -> list[tuple[str, object, object]]:
    """What is marked as a point in time, cut out as Telegram counts."""
    assert isinstance(text, str)
    assert isinstance(entities, list)
    raw = text.encode("utf-16-le")
    return [
        (
            raw[2 * one["offset"] : 2 * (one["offset"] + one["length"])].decode("utf-16-le"),
            one["unix_time"],
            one["date_time_format"],
        )
        for one in entities
        if one["type"] == "date_time"
    ]


def marked(text: Marked) -> list[tuple[str, object]]:
    found = dated(text.text, [mark.entity() for mark in text.marks])
    return [(words, at) for words, at, _ in found]


@given(st.lists(WORDS | MOMENTS, max_size=6))
def test_every_moment_is_marked_where_it_stands(parts: list[str | Moment]) -> None:
    text = "".join(moment(part.at, part.shown) if isinstance(part, Moment) else part for part in parts)
    found = told(text)
    assert found.text == moments.plain(text)
    assert marked(found) == [(p.shown, p.at) for p in parts if isinstance(p, Moment) and p.shown]


@given(st.lists(WORDS | MOMENTS, max_size=6), st.integers(0, 60))
def test_a_shortened_text_keeps_whole_marks_only(parts: list[str | Moment], limit: int) -> None:
    before = told("".join(moment(part.at, part.shown) if isinstance(part, Moment) else part for part in parts))
    after = shortened(before, limit)
    assert after.text == cut(before.text, limit)
    shown = units(after.text) if after.text == before.text else units(after.text.removesuffix("…"))
    assert list(after.marks) == [mark for mark in before.marks if mark.offset + mark.length <= shown]


def test_what_telegram_would_not_take_stays_as_it_is_written() -> None:
    text = f"{moment(100, 'soon')} and {moment(101, 'later')}"
    assert marked(told(text, latest=100)) == [("soon", 100)]
    assert told(text, latest=100).text == "soon and later"


@pytest.mark.parametrize("make", [create, change])
def test_cards_and_lines_tell_the_time_in_the_readers_zone(make: Any) -> None:
    card = Card(f"🍵 {ENDS}", "什么时候？", ("投票", f"{ENDS}"), "草稿", (f"✅ {moment(SUNDAY + 60, '16:01')}",))
    parameters = make(card)
    assert dated(parameters["text"], parameters["entities"]) == [
        (WHEN, SUNDAY, "wDt"),
        (WHEN, SUNDAY, "wDt"),
        ("16:01", SUNDAY + 60, "wDt"),
    ]
    assert [one["type"] for one in parameters["entities"] if one["type"] != "date_time"] == ["bold", "blockquote"]
    parameters = make(Line(ENDS))
    assert parameters["text"] == moments.plain(ENDS)
    assert dated(parameters["text"], parameters["entities"]) == [(WHEN, SUNDAY, "wDt")]


def test_what_people_wrote_is_not_looked_at() -> None:
    assert create(Reply(ENDS))["text"] == ENDS
    card = create(Card("h", ENDS, (), ENDS))
    assert str(card["text"]).count(ENDS) == 2
    assert dated(card["text"], card["entities"]) == []
    assert "\ue0f0" in str(create(Prompt(ENDS, ANA, "Ana"))["text"])


def test_a_caption_is_marked_and_cut() -> None:
    _, parameters = outgoing.create(Document("r.csv", "text/csv", b"1", ENDS + "长" * 2000))
    assert units(str(parameters["caption"])) == 1024
    assert dated(parameters["caption"], parameters["caption_entities"]) == [(WHEN, SUNDAY, "wDt")]
    _, parameters = outgoing.create(Document("r.csv", "text/csv", b"1"))
    assert set(parameters) == {"document"}


async def test_a_notice_is_plain_in_an_answer_and_marked_in_a_message() -> None:
    place = Channel("telegram", "123456", "-100")
    async with serving() as server:
        platform = TelegramPlatform(TelegramConfig(TOKEN, server.url), lambda: float(SUNDAY))
        press = {"callback_query_id": "q", "received_at": str(SUNDAY)}
        await platform.notify(Notice(ENDS, ANA), place, press)
        await platform.notify(Notice(ENDS, ANA), place, {"message_id": "3"})
        beyond = moment(SUNDAY + AHEAD + 60, "much later")
        await platform.notify(Notice(beyond, ANA), place, {})
        server.answers["sendMessage"] = lambda sent: True
        await platform.notify(Notice(ENDS * 20, ANA, hint=ENDS), place, press)
        await platform.notify(Notice(ENDS, Member("telegram", "123456", "-100"), hint=ENDS), place, {})
        await platform.close()
    first, second = server.called("answerCallbackQuery")
    assert first["text"] == second["text"] == moments.plain(ENDS)
    private, late, long, public = server.called("sendMessage")
    assert (private["chat_id"], private["text"]) == (7, moments.plain(ENDS))
    assert dated(private["text"], private["entities"]) == [(WHEN, SUNDAY, "wDt")]
    assert (late["text"], "entities" in late) == ("much later", False)
    assert len(dated(long["text"], long["entities"])) == 20
    assert (public["chat_id"], public["text"]) == (-100, moments.plain(ENDS))


async def test_far_times_are_not_marked_and_buttons_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    place = Channel("telegram", "123456", "-100")
    far = moment(SUNDAY + AHEAD + 60, "much later")
    async with serving() as server:
        server.answers["sendMessage"] = lambda sent: {"message_id": 4}
        platform = TelegramPlatform(TelegramConfig(TOKEN, server.url), lambda: float(SUNDAY))
        await platform.send(Line(far), place, "k")
        await platform.send(Line(moment(SUNDAY + AHEAD, "soon")), place, "k")
        await platform.edit(Card(far), place, "4")
        with caplog.at_level("INFO", "herald.telegram"):
            await platform.notify(Notice("SECRET", ANA, buttons=(Button("SECRET", "SECRET"),)), place, {})
        await platform.close()
    late, soon, notice = server.called("sendMessage")
    (changed,) = server.called("editMessageText")
    assert "entities" not in late
    assert [one["type"] for one in changed["entities"]] == ["bold"]
    assert dated(soon["text"], soon["entities"]) == [("soon", SUNDAY + AHEAD, "wDt")]
    assert (notice["text"], "reply_markup" in notice) == ("SECRET", False)
    assert "buttons" in caplog.text
    assert "SECRET" not in caplog.text


async def test_dates_arrive_where_they_stand(stage: Stage, platform: TelegramPlatform) -> None:
    """Over the wire, and as the server gives it back."""
    card = Card(ENDS, "评🍵", (ENDS,), "", (ENDS,))
    sent = await platform.send(card, stage.channel("review"), "c")
    await platform.edit(Card(ENDS, "", ("新🍵", ENDS)), stage.channel("review"), sent)
    made, changed = (await stage.calls("sendMessage"))[-1], (await stage.calls("editMessageText"))[-1]
    for call, count in ((made, 3), (changed, 2)):
        kept = call["response"]["result"]
        assert dated(kept["text"], kept["entities"]) == [(WHEN, SUNDAY, "wDt")] * count
    assert "\ue0f0" not in (await stage.messages("review"))[sent]["text"]


async def test_a_poll_typed_into_a_prompt_comes_back_whole(
    stage: Stage, platform: TelegramPlatform, sink: RecordingSink
) -> None:
    typed = "Where do we meet? 在哪儿见？\nHangzhou 杭州 🍵\n\n  Chengdu \n- Online\n" + "\n".join("abcdefgh")
    asked = await stage.say("host", "a poll, please")
    host = (await sink.event(MessagePosted, message_id=asked)).author
    text = "Reply with your poll:\nthe question on the first line,\none option a line"
    prompt = await platform.send(Prompt(text, host, "host", asked), stage.channel(), "p")
    shown = (await stage.messages(member="host"))[prompt]
    assert shown["text"].endswith(text)
    answered = await stage.control("submit", form_id=shown["form"]["id"], member="host", values={"text": typed})
    event = await sink.event(MessagePosted, message_id=str(answered["message_id"]))
    assert (event.text, event.reply_to, event.author) == (typed, prompt, host)
