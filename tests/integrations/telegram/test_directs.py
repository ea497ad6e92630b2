"""A message to one person, pictures that must not lose a card, and addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from bot.chat.messages import Button, Card, Document, Notice
from bot.chat.moments import moment
from bot.chat.ports import Links, NotSent, Refused, Unclear
from bot.domain.places import Channel, Member
from bot.integrations.telegram import TelegramConfig, TelegramPlatform, render
from bot.integrations.telegram.texts import MAX_TEXT

from .conftest import Make, Stage
from .server import TOKEN, Server, refused, serving

HERE = Channel("telegram", "123456", "-1001000000055")
SEND, EDIT = "sendMessage", "editMessageText"
WON = "You have <b>won</b> *tea* & more"
PICTURE = "https://example.org/tea.png"
SHOWN = {"url": PICTURE, "prefer_large_media": True, "show_above_text": True}


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        running.answers[SEND] = lambda _: {"message_id": 8}
        yield running


@pytest.fixture
async def platform(server: Server) -> AsyncIterator[TelegramPlatform]:
    made = TelegramPlatform(TelegramConfig(TOKEN, server.url, watched=("-55",), request_timeout=2.0))
    yield made
    await made.close()


def notice(text: str = WON, user: str = "7", **more: Any) -> Notice:
    return Notice(text, Member("telegram", "123456", user), direct=True, **more)


async def test_it_goes_to_the_person_alone(server: Server, platform: TelegramPlatform) -> None:
    handle = {"callback_query_id": "1", "message_id": "5"}
    await platform.notify(notice(buttons=(Button("x", "y"),), toast=True, hint="look"), HERE, handle, "d1")
    assert server.calls == [
        (SEND, {"chat_id": 7, "text": WON, "link_preview_options": {"is_disabled": True}}),
    ]


async def test_a_moment_in_it_is_marked(server: Server, platform: TelegramPlatform) -> None:
    await platform.notify(notice(f"until {moment(1_800_000_000, 'Friday')}"), HERE, {}, "d1")
    (sent,) = server.called(SEND)
    assert (sent["text"], sent["entities"][0]["unix_time"]) == ("until Friday", 1_800_000_000)


@pytest.mark.parametrize(
    "answer",
    [
        refused(403, "Forbidden: bot can't initiate conversation with a user"),
        refused(403, "Forbidden: bot was blocked by the user"),
        refused(403, "Forbidden: user is deactivated"),
        refused(400, "Bad Request: chat not found"),
    ],
)
async def test_who_never_wrote_to_the_bot_is_unreachable_until_they_do(
    server: Server, platform: TelegramPlatform, answer: web.Response
) -> None:
    taken, server.answers[SEND] = server.answers[SEND], lambda _: answer
    with pytest.raises(Refused) as caught:
        await platform.notify(notice(hint="look"), HERE, {"message_id": "5"}, "d1")
    assert caught.value.code == "unreachable"
    assert len(server.calls) == 1
    server.answers[SEND] = taken
    await platform.notify(notice(), HERE, {}, "d2")  # perhaps another process has heard from them
    await platform.notify(Notice("an answer", notice().member), HERE, {})
    assert [call["text"] for call in server.called(SEND)] == [WON, WON, "an answer"]


@pytest.mark.parametrize("user", ["-1001", "", "ana"])
async def test_it_never_goes_to_a_group(server: Server, platform: TelegramPlatform, user: str) -> None:
    with pytest.raises(Refused) as caught:
        await platform.notify(notice(user=user), HERE, {}, "d1")
    assert caught.value.code == "unreachable"
    assert server.calls == []


async def test_it_arrives_whole_or_not_at_all(server: Server, platform: TelegramPlatform) -> None:
    await platform.notify(notice("🍵" * (MAX_TEXT // 2)), HERE, {}, "d1")
    for text, code in (("🍵" * (MAX_TEXT // 2) + "x", "too_long"), (" ", "unsendable")):
        with pytest.raises(Refused) as caught:
            await platform.notify(notice(text), HERE, {}, "d2")
        assert caught.value.code == code
    assert len(server.calls) == 1


async def test_what_went_wrong_is_told_apart(server: Server, platform: TelegramPlatform) -> None:
    server.answers[SEND] = lambda _: web.Response(status=502)
    with pytest.raises(Unclear):
        await platform.notify(notice(), HERE, {}, "d1")
    server.answers[SEND] = lambda _: refused(429, "Too Many Requests")
    with pytest.raises(NotSent):
        await platform.notify(notice(), HERE, {}, "d1")


async def test_in_a_real_chat(stage: Stage, make: Make) -> None:
    platform = make()
    user = (await stage.control("member", member="winner"))["member_id"]
    person = Member("telegram", stage.tenant, user)
    with pytest.raises(Refused) as caught:
        await platform.notify(Notice(WON, person, direct=True), stage.channel(), {}, "won-1")
    assert caught.value.code == "unreachable"
    await stage.say("winner", "/start", "dm")
    await platform.notify(Notice(WON, person, direct=True), stage.channel(), {}, "won-1")
    last = list((await stage.messages("dm", "winner")).values())[-1]
    assert (last["text"], last["private_to"]) == (WON, "winner")


# ---- pictures


def test_a_picture_is_the_preview_above_the_card() -> None:
    assert render.create(Card("Prize", picture=PICTURE))["link_preview_options"] == SHOWN
    assert render.change(Card("Prize", picture=PICTURE))["link_preview_options"] == SHOWN
    for picture in ("", "http://example.org/a.png", "https://example.org/" + "a" * 2_048):
        assert render.create(Card("Prize", picture=picture))["link_preview_options"] == {"is_disabled": True}


@pytest.mark.parametrize("words", ["Bad Request: WEBPAGE_URL_INVALID", "Bad Request: wrong web page URL specified"])
async def test_a_picture_that_telegram_refuses_does_not_lose_the_card(
    server: Server, platform: TelegramPlatform, words: str
) -> None:
    def answer(sent: dict[str, Any]) -> Any:
        return refused(400, words) if "url" in sent["link_preview_options"] else {"message_id": 8}

    server.answers |= {SEND: answer, EDIT: answer}
    card = Card("Prize", picture=PICTURE)
    assert await platform.send(card, HERE, "d1") == "8"
    await platform.edit(card, HERE, "8")
    assert [method for method, _ in server.calls] == [SEND, SEND, EDIT]


async def test_a_picture_on_a_card_is_taken(stage: Stage, make: Make) -> None:
    platform = make()
    sent = await platform.send(Card("Prize", picture=PICTURE), stage.channel(), "d1")
    await platform.edit(Card("Prize!", picture=PICTURE), stage.channel(), sent)
    assert (await stage.messages())[sent]["text"] == "Prize!"
    assert (await stage.calls(SEND))[-1]["body"]["link_preview_options"] == SHOWN


# ---- files and addresses


async def test_a_file_of_eight_megabytes_arrives(stage: Stage, make: Make) -> None:
    platform = make(request_timeout=20.0)
    content = bytes(range(256)) * 32_768
    await platform.send(Document("proof.json", "application/json", content), stage.channel(), "f1")
    file = (await stage.calls("sendDocument"))[-1]["response"]["result"]["document"]
    assert (file["file_name"], file["file_size"]) == ("proof.json", len(content))


@pytest.mark.parametrize(
    ("chat", "message", "address"),
    [
        ({"type": "supergroup", "username": "teahouse"}, "8", "https://t.me/teahouse/8"),
        ({"type": "channel"}, "8", "https://t.me/c/1000000055/8"),
        ({"type": "supergroup"}, "8:4711", "https://t.me/c/1000000055/8"),
        ({"type": "group"}, "8", None),
        ({"type": "supergroup"}, "", None),
    ],
)
async def test_a_message_has_the_address_of_its_chat(
    server: Server, platform: TelegramPlatform, chat: dict[str, Any], message: str, address: str | None
) -> None:
    assert isinstance(platform, Links)
    server.answers["getChat"] = lambda sent: {"id": sent["chat_id"], **chat}
    for _ in range(2):
        assert await platform.link(HERE, message) == address
    assert len(server.called("getChat")) == (1 if message else 0)


async def test_a_message_of_a_group_that_moved_is_in_the_supergroup(server: Server, platform: TelegramPlatform) -> None:
    server.answers["getChat"] = lambda sent: {"id": sent["chat_id"], "type": "supergroup"}
    assert (
        await platform.link(Channel("telegram", "123456", "-55"), "8@-1001000000055") == "https://t.me/c/1000000055/8"
    )


async def test_an_address_that_cannot_be_known_now_is_told(server: Server, platform: TelegramPlatform) -> None:
    server.answers["getChat"] = lambda _: web.Response(status=502)
    with pytest.raises(Unclear):
        await platform.link(HERE, "8")
    server.answers["getChat"] = lambda _: refused(400, "Bad Request: chat not found")
    assert await platform.link(HERE, "8") is None
