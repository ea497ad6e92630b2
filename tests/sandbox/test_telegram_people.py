from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .client import Client

KEYBOARD = {
    "inline_keyboard": [
        [
            {"text": "✅ Approve", "callback_data": "v1|7|approve|mac"},
            {"text": "No", "callback_data": "v1|7|reject|mac"},
        ],
        [{"text": "Read", "url": "https://a.example/"}],
    ]
}
PLACE = {"platform": "telegram", "channel": "community"}


async def answering(client: Client, **answer: Any) -> dict[str, Any]:
    """Wait for the next pressed button as the bot would, and answer it."""
    while True:
        for update in await client.updates(timeout=10):
            await client.updates(offset=update["update_id"] + 1)
            if "callback_query" in update:
                query: dict[str, Any] = update["callback_query"]
                await client.bot("answerCallbackQuery", callback_query_id=query["id"], **answer)
                return query


@pytest.mark.parametrize("button", ["✅ Approve", "approve", "v1|7|approve|mac"])
async def test_a_click_shows_the_answer_to_who_pressed(client: Client, button: str) -> None:
    card = await client.send("Draft?", reply_markup=KEYBOARD)
    bot = asyncio.create_task(answering(client, text="Approved.", show_alert=True))
    seen = await client.control("click", **PLACE, member="ana", message_id=card["message_id"], button=button)
    query = await bot
    assert seen == {"toast": "Approved.", "alert": True}
    assert query["data"] == "v1|7|approve|mac"
    assert query["from"]["first_name"] == "ana"
    assert query["message"]["message_id"] == card["message_id"]
    notice = (await client.seen(member="ana"))[-1]
    assert (notice["text"], notice["private_to"]) == ("Approved.", "ana")
    assert len(await client.seen(member="bo")) == len(await client.seen()) == 1
    again = await client.refused("answerCallbackQuery", callback_query_id=query["id"])
    assert again.startswith("Bad Request: query is too old")


async def test_a_button_pressed_too_long_ago_cannot_be_answered(client: Client) -> None:
    card = await client.send("Draft?", reply_markup=KEYBOARD)
    click = asyncio.create_task(
        client.control("click", **PLACE, member="ana", message_id=card["message_id"], button="No")
    )
    query = (await client.updates(timeout=10))[0]["callback_query"]
    await client.control("advance", seconds=16)
    refusal = await client.refused("answerCallbackQuery", callback_query_id=query["id"], text="late")
    assert refusal == "Bad Request: query is too old and response timeout expired or query ID is invalid"
    assert await click == {}


async def test_buttons_that_are_not_there_cannot_be_pressed(client: Client) -> None:
    card = await client.send("Draft?", reply_markup=KEYBOARD)
    press = {**PLACE, "member": "ana", "message_id": card["message_id"]}
    status, answer = await client.try_control("click", **press, button="escalate")
    assert status == 400
    assert "'✅ Approve', 'No', 'Read'" in answer["error"]
    assert await client.control("click", **press, button="Read") == {"url": "https://a.example/"}
    await client.bot("editMessageReplyMarkup", chat_id=client.community, message_id=card["message_id"])
    assert (await client.try_control("click", **press, button="No"))[0] == 400


async def test_a_selective_prompt_is_a_form_of_whom_it_asks(client: Client) -> None:
    asked = await client.say("ana", "/edit")
    markup = {"force_reply": True, "selective": True, "input_field_placeholder": "New text"}
    prompt = await client.send("Your text?", reply_markup=markup, reply_parameters={"message_id": asked})
    assert "form" not in (await client.seen(member="bo"))[-1]
    form = (await client.seen(member="ana"))[-1]["form"]
    assert [field["label"] for field in form["fields"]] == ["New text"]
    answered = await client.control(
        "submit", platform="telegram", member="ana", form_id=form["id"], values={"text": "better"}
    )
    reply = (await client.updates())[-1]["message"]
    assert str(reply["message_id"]) == answered["message_id"]
    assert (reply["text"], reply["reply_to_message"]["message_id"]) == ("better", prompt["message_id"])
    assert "form" not in (await client.seen(member="ana"))[-2]
    status, _ = await client.try_control(
        "submit", platform="telegram", member="ana", form_id=form["id"], values={"text": "again"}
    )
    assert status == 400


async def test_a_prompt_asks_those_it_mentions(client: Client) -> None:
    ids = {}
    for name in ("maria", "bo"):
        ids[name] = int((await client.control("member", platform="telegram", member=name))["member_id"])
    markup = {"force_reply": True, "selective": True}
    await client.send(f'@maria and <a href="tg://user?id={ids["bo"]}">Bo</a>?', parse_mode="HTML", reply_markup=markup)
    asked = [name for name in ("maria", "bo", "carl") if "form" in (await client.seen(member=name))[-1]]
    assert asked == ["maria", "bo"]
    form_id = (await client.seen(member="bo"))[-1]["form"]["id"]
    await client.control(
        "submit", platform="telegram", member="bo", form_id=form_id.partition("/")[2], values={"reason": "I think so"}
    )
    assert (await client.seen())[-1]["text"] == "I think so"


async def test_a_click_that_opens_a_prompt_answers_the_form(client: Client) -> None:
    card = await client.send("Draft?", reply_markup=KEYBOARD)

    async def bot() -> None:
        query = (await client.updates(timeout=10))[0]["callback_query"]
        await client.bot("sendMessage", chat_id=client.community, text="Why?", reply_markup={"force_reply": True})
        await client.bot("answerCallbackQuery", callback_query_id=query["id"])

    running = asyncio.create_task(bot())
    seen = await client.control("click", **PLACE, member="ana", message_id=card["message_id"], button="reject")
    await running
    assert seen["form"]["title"] == "Why?"


async def test_only_own_messages_can_be_changed(client: Client) -> None:
    mine = await client.say("ana", "mine")
    for call in ("edit", "delete"):
        fields = {"text": "changed"} if call == "edit" else {}
        status, answer = await client.try_control(call, **PLACE, member="bo", message_id=mine, **fields)
        assert status == 400
        assert "bo" in answer["error"]
    await client.control("member", platform="telegram", member="bo", roles=["administrator"])
    await client.control("delete", **PLACE, member="bo", message_id=mine)
    assert await client.seen() == []


async def test_who_left_is_not_there(client: Client) -> None:
    user = int((await client.control("member", platform="telegram", member="ana"))["member_id"])
    await client.control("member", platform="telegram", member="ana", left=True)
    status, answer = await client.try_control("say", **PLACE, member="ana", text="still here?")
    assert status == 400
    assert "not in" in answer["error"]
    member = await client.bot("getChatMember", chat_id=client.community, user_id=user)
    assert member["status"] == "left"
    await client.control("member", platform="telegram", member="ana", left=False, roles=["creator"])
    admins = await client.bot("getChatAdministrators", chat_id=client.community)
    assert {m["user"]["first_name"]: m["status"] for m in admins} == {"Herald": "administrator"}
    await client.control("member", platform="telegram", member="ana", roles=["creator"])
    admins = await client.bot("getChatAdministrators", chat_id=client.community)
    assert {m["status"] for m in admins} == {"administrator", "creator"}


async def test_attachments(client: Client) -> None:
    await client.say("ana", "see this", attachment="shelf.png")
    await client.say("ana", "", attachment={"name": "list.txt", "text": "tea\n"})
    photo, document = [u["message"] for u in await client.updates()]
    assert photo["caption"] == "see this"
    assert photo["photo"][0]["width"] == 1
    assert document["document"]["file_name"] == "list.txt"
    path = (await client.bot("getFile", file_id=document["document"]["file_id"]))["file_path"]
    async with client.session.get(f"/file/bot{client.token}/{path}") as response:
        assert await response.text() == "tea\n"
    status, _ = await client.try_control(
        "say", **PLACE, member="ana", text="", attachment={"name": "x.png", "base64": "!"}
    )
    assert status == 400


async def test_commands_begin_with_a_slash(client: Client) -> None:
    await client.control("command", **PLACE, member="ana", text="/status now")
    assert (await client.updates())[0]["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 7}]
    assert (await client.try_control("command", **PLACE, member="ana", text="status"))[0] == 400


async def send_poll(client: Client, **params: Any) -> Any:
    question = {"question": "Which?", "options": [{"text": "tea"}, {"text": "coffee"}], "is_anonymous": False}
    return await client.bot("sendPoll", chat_id=client.community, **(question | params))


async def test_votes_can_be_changed_and_taken_back(client: Client) -> None:
    sent = await send_poll(client)
    vote = {**PLACE, "member": "ana", "message_id": sent["message_id"]}
    for options in ([1], [0], []):
        await client.control("vote", **vote, options=options)
    updates = await client.updates()
    answers = [u["poll_answer"] for u in updates if "poll_answer" in u]
    assert [a["option_ids"] for a in answers] == [[1], [0], []]
    assert answers[0]["option_persistent_ids"] == [sent["poll"]["options"][1]["persistent_id"]]
    counts = [[o["voter_count"] for o in u["poll"]["options"]] for u in updates if "poll" in u]
    assert counts == [[0, 1], [1, 0], [0, 0]]
    status, answer = await client.try_control("vote", **vote, options=[0, 1])
    assert (status, answer["error"]) == (400, "the poll takes one answer")
    assert (await client.try_control("vote", **vote, options=[2]))[0] == 400


async def test_anonymous_polls_do_not_say_who_voted(client: Client) -> None:
    sent = await send_poll(client, is_anonymous=True, allows_multiple_answers=True)
    await client.control("vote", **PLACE, member="ana", message_id=sent["message_id"], options=["tea", "coffee"])
    updates = await client.updates()
    assert [u.keys() - {"update_id"} for u in updates] == [{"poll"}]
    assert (await client.seen())[0]["poll"]["options"] == [{"text": "tea", "votes": 1}, {"text": "coffee", "votes": 1}]


async def test_polls_close_when_stopped_or_due(client: Client) -> None:
    stopped, due = await send_poll(client), await send_poll(client, open_period=600)
    assert due["poll"]["close_date"] == due["date"] + 600
    result = await client.bot("stopPoll", chat_id=client.community, message_id=stopped["message_id"])
    assert result["is_closed"]
    again = await client.refused("stopPoll", chat_id=client.community, message_id=stopped["message_id"])
    assert again == "Bad Request: poll has already been closed"
    await client.control("advance", seconds=601)
    closed = [u["poll"]["id"] for u in await client.updates() if u["poll"]["is_closed"]]
    assert closed == [stopped["poll"]["id"], due["poll"]["id"]]
    status, _ = await client.try_control("vote", **PLACE, member="ana", message_id=due["message_id"], options=[0])
    assert status == 400


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"question": ""}, "question must be non-empty"),
        ({"question": "x" * 301}, "question length"),
        ({"options": []}, "at least 1"),
        ({"options": [{"text": "a"}] * 13}, "more than 12"),
        ({"options": [{"text": "x" * 101}]}, "too long"),
        ({"options": ["a", "b"]}, "can't parse options"),
        ({"open_period": 4}, "open_period"),
        ({"open_period": 10, "close_date": 99}, "together"),
        ({"type": "quiz"}, "correct"),
    ],
)
async def test_polls_that_telegram_refuses(client: Client, params: dict[str, Any], problem: str) -> None:
    base = {"question": "Which?", "options": [{"text": "tea"}]}
    assert problem in await client.refused("sendPoll", chat_id=client.community, **(base | params))


async def test_command_menus_by_scope_and_language(client: Client) -> None:
    menu = [{"command": "poll", "description": "Ask everybody"}]
    groups = {"type": "all_group_chats"}
    await client.bot("setMyCommands", commands=menu, scope=groups, language_code="zh")
    assert await client.bot("getMyCommands", scope=groups, language_code="zh") == menu
    assert await client.bot("getMyCommands", scope=groups) == []
    assert await client.bot("getMyCommands") == []
    await client.bot("deleteMyCommands", scope=groups, language_code="zh")
    assert await client.bot("getMyCommands", scope=groups, language_code="zh") == []


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"commands": [{"command": "Poll", "description": "x"}]}, "BOT_COMMAND_INVALID"),
        ({"commands": [{"command": "x" * 33, "description": "x"}]}, "BOT_COMMAND_INVALID"),
        ({"commands": [{"command": "poll", "description": ""}]}, "BOT_COMMAND_DESCRIPTION_INVALID"),
        ({"commands": [{"command": f"c{n}", "description": "x"} for n in range(101)]}, "BOT_COMMANDS_TOO_MUCH"),
        ({"commands": [], "scope": {"type": "everywhere"}}, "can't parse scope"),
        ({"commands": [], "scope": {"type": "chat", "chat_id": -3}}, "chat not found"),
        ({"commands": [], "language_code": "english"}, "BOT_LANG_CODE_INVALID"),
    ],
)
async def test_menus_that_telegram_refuses(client: Client, params: dict[str, Any], problem: str) -> None:
    assert problem in await client.refused("setMyCommands", **params)


async def test_the_bots_profile(client: Client) -> None:
    assert (await client.bot("getMyName"))["name"] == "Herald"
    await client.bot("setMyDescription", description="Says hello", language_code="en")
    assert (await client.bot("getMyDescription", language_code="en"))["description"] == "Says hello"
    assert (await client.bot("getMyDescription"))["description"] == ""
    assert (await client.bot("getMe"))["can_read_all_group_messages"] is True
    await client.bot("logOut")
    assert await client.refused("getMe") == "Bad Request: Logged out"


async def test_reading_chats(client: Client) -> None:
    await client.say("ana", "hello")
    assert await client.bot("getChatMemberCount", chat_id="@herald_community") == 2
    chat = await client.bot("getChat", chat_id=client.community)
    assert (chat["type"], chat["title"]) == ("supergroup", "Herald community")
    assert await client.bot("sendChatAction", chat_id=client.community, action="typing")
    assert "action" in await client.refused("sendChatAction", chat_id=client.community, action="dancing")
    reaction = {"chat_id": client.community, "message_id": 2}
    assert await client.bot("setMessageReaction", **reaction, reaction=[{"type": "emoji", "emoji": "👍"}])
    refusal = await client.refused("setMessageReaction", **reaction, reaction=[{"type": "emoji", "emoji": "🍵"}])
    assert refusal == "Bad Request: REACTION_INVALID"
