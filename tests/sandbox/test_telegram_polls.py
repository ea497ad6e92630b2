"""Native polls: what is hidden, what is final, what ends by itself; and points in time in texts."""

from __future__ import annotations

from typing import Any

import pytest

from .client import Client

PLACE = {"platform": "telegram", "channel": "community"}
AT = 1_647_531_900


async def send_poll(client: Client, **params: Any) -> Any:
    question = {"question": "Which?", "options": [{"text": "tea"}, {"text": "coffee"}], "is_anonymous": False}
    return await client.bot("sendPoll", chat_id=client.community, **(question | params))


async def vote(client: Client, sent: Any, member: str, *options: int) -> int:
    place = {**PLACE, "message_id": str(sent["message_id"]), "member": member}
    return (await client.try_control("vote", **place, options=list(options)))[0]


def counts(poll: Any) -> list[int]:
    return [option["voter_count"] for option in poll["options"]]


async def test_hidden_results_are_shown_to_nobody_until_the_end(client: Client) -> None:
    sent = await send_poll(client, hide_results_until_closes=True, allows_multiple_answers=True)
    assert await vote(client, sent, "ana", 0, 1) == 200
    assert await vote(client, sent, "bo", 0) == 200
    (shown,) = await client.seen(member="ana")
    assert [o["votes"] for o in shown["poll"]["options"]] == [None, None]
    updates = await client.updates()
    assert [u["poll_answer"]["option_ids"] for u in updates if "poll_answer" in u] == [[0, 1], [0]]
    assert [(counts(u["poll"]), u["poll"]["total_voter_count"]) for u in updates if "poll" in u] == [
        ([0, 0], 1),
        ([0, 0], 2),
    ]
    closed = await client.bot("stopPoll", chat_id=client.community, message_id=sent["message_id"])
    assert counts(closed) == [2, 1]
    assert [o["votes"] for o in (await client.seen())[0]["poll"]["options"]] == [2, 1]


async def test_an_answer_to_a_quiz_is_final(client: Client) -> None:
    sent = await send_poll(client, type="quiz", correct_option_ids=[1], explanation="Because.")
    assert sent["poll"]["allows_revoting"] is False
    assert [await vote(client, sent, "ana", *options) for options in ((0,), (1,), ())] == [200, 400, 400]
    (answer,) = [u["poll_answer"] for u in await client.updates() if "poll_answer" in u]
    assert (answer["option_ids"], answer["user"]["first_name"]) == ([0], "ana")


@pytest.mark.parametrize("revoting", [True, False])
async def test_whether_votes_change_is_the_bots_choice(client: Client, revoting: bool) -> None:
    sent = await send_poll(client, allows_revoting=revoting)
    assert sent["poll"]["allows_revoting"] is revoting
    assert await vote(client, sent, "ana", 0) == 200
    assert await vote(client, sent, "ana", 1) == (200 if revoting else 400)


async def test_a_poll_with_a_date_ends_by_the_clock_and_says_so(client: Client) -> None:
    now = int(client.sandbox.frame.clock.now())
    sent = await send_poll(client, close_date=now + 7200)
    assert (sent["poll"]["close_date"], "open_period" in sent["poll"]) == (now + 7200, False)
    await vote(client, sent, "ana", 1)
    await client.updates(offset=(await client.updates())[-1]["update_id"] + 1)
    await client.control("advance", seconds=7100)
    assert await client.updates() == []
    await client.control("advance", seconds=101)
    (told,) = await client.updates()
    assert (told["poll"]["id"], told["poll"]["is_closed"], counts(told["poll"])) == (sent["poll"]["id"], True, [0, 1])
    assert await vote(client, sent, "ana", 0) == 400


async def test_a_description_stands_in_the_message_only(client: Client) -> None:
    sent = await send_poll(client, description="<b>For</b> Friday", description_parse_mode="HTML", shuffle_options=True)
    assert sent["poll"]["description"] == "For Friday"
    await vote(client, sent, "ana", 1)
    assert all("description" not in u["poll"] for u in await client.updates() if "poll" in u)
    assert (await client.seen())[0]["text"] == "For Friday\nWhich?"


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"explanation": "a\nb\nc\nd", "type": "quiz", "correct_option_ids": [0]}, "explanation"),
        ({"description": "x" * 1025}, "description is too long"),
        ({"members_only": True}, "only in channel chats"),
        ({"country_codes": ["DE"]}, "only in channel chats"),
        ({"allow_adding_options": True}, "not available"),
        ({"close_date": 12}, "close_date"),
    ],
)
async def test_what_a_poll_cannot_be(client: Client, params: dict[str, Any], problem: str) -> None:
    base = {"question": "Which?", "options": [{"text": "tea"}], "is_anonymous": False}
    assert problem in await client.refused("sendPoll", chat_id=client.community, **(base | params))


@pytest.mark.parametrize("template", ["", "r", "w", "wDT", "dt", "T"])
async def test_points_in_time_are_kept(client: Client, template: str) -> None:
    entity = {"type": "date_time", "offset": 0, "length": 5, "unix_time": AT, "date_time_format": template}
    sent = await client.send("22:45 it is", entities=[entity])
    assert sent["entities"] == [entity]
    marked = await client.send(f'<tg-time unix="{AT}" format="{template}">22:45</tg-time> it is', parse_mode="HTML")
    assert (marked["text"], marked["entities"]) == ("22:45 it is", [entity])
    quick = await client.send(f"![22:45](tg://time?unix={AT}&format={template}) it is", parse_mode="MarkdownV2")
    assert (quick["text"], quick["entities"]) == ("22:45 it is", [entity])


@pytest.mark.parametrize(
    "wrong",
    [{}, {"unix_time": 0}, {"unix_time": 2**40}, {"unix_time": AT, "date_time_format": "rw"},
     {"unix_time": AT, "date_time_format": "Dw"}, {"unix_time": AT, "date_time_format": "x"}, {"unix_time": "soon"}],
)  # fmt: skip
async def test_points_in_time_that_telegram_refuses(client: Client, wrong: dict[str, Any]) -> None:
    entity = {"type": "date_time", "offset": 0, "length": 5, **wrong}
    said = await client.refused("sendMessage", chat_id=client.community, text="22:45", entities=[entity])
    assert "can't parse" in said


async def test_a_chinese_command_is_ordinary_text(client: Client) -> None:
    await client.control("command", **PLACE, member="ana", text="/投票 茶？ 绿茶 红茶")
    (update,) = await client.updates()
    assert update["message"]["text"] == "/投票 茶？ 绿茶 红茶"
    assert "entities" not in update["message"]


async def test_pictures_and_documents_are_seen(client: Client) -> None:
    await client.say("ana", "", attachment="shelf.png")
    await client.say("ana", "", attachment={"name": "votes.csv", "text": "a;b\n", "content_type": "text/csv"})
    photo, document = await client.seen()
    assert photo["files"][0]["name"] == "shelf.png"
    (shown,) = document["files"]
    assert shown == {"id": shown["id"], "name": "votes.csv", "type": "text/csv", "size": 4}
