"""Telegram's own polls: sent, voted in, changed, taken back and ended over the wire."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from bot.chat.events import PollVoted
from bot.chat.messages import Card, NativePoll, Reply
from bot.chat.ports import EndsPolls, NotSent, Refused, Unclear
from bot.domain.places import Channel, Member
from bot.integrations.telegram import TelegramConfig, TelegramPlatform, outgoing
from bot.integrations.telegram.parse import UpdateReader
from bot.integrations.telegram.places import name_of, split
from bot.integrations.telegram.texts import Unsendable

from .conftest import Make, RecordingSink, Stage
from .server import TOKEN, refused, serving

POLL = NativePoll("去哪儿？ Where do we meet? 🍵", ("Hangzhou 杭州", "Chengdu 成都", "🍵 Online"), 3600.0)
QUIZ = replace(POLL, correct=1, explanation="Hotpot.")
HERE = Channel("telegram", "123456", "-55")
MOVED = "-1001000000055"


def parameters(poll: NativePoll) -> dict[str, Any]:
    method, found = outgoing.create(poll)
    assert method == "sendPoll"
    return found


# ---- over the wire


async def voted(stage: Stage, sink: RecordingSink, sent: str, member: str, *options: int) -> PollVoted:
    """What we hear of a vote that a member gives."""
    number, _, poll = sent.partition(":")
    before = len(sink.incoming)
    vote = {"channel": "community", "message_id": number, "member": member, "options": list(options)}
    await stage.control("vote", **vote)
    event = await sink.until(lambda s: next((i.event for i in s.incoming[before:] if _votes_in(i.event, poll)), None))
    assert isinstance(event, PollVoted)
    return event


def _votes_in(event: object, poll: str) -> bool:
    return isinstance(event, PollVoted) and event.poll == poll


async def test_a_poll_is_voted_in_and_ended(stage: Stage, platform: TelegramPlatform, sink: RecordingSink) -> None:
    assert isinstance(platform, EndsPolls)
    sent = await platform.send(replace(POLL, multiple=True), stage.channel(), "p1")
    number, _, poll = sent.partition(":")
    assert number.isdigit()
    assert poll
    shown = (await stage.messages())[number]["poll"]
    assert (shown["question"], shown["multiple"], shown["closed"]) == (POLL.question, True, False)
    assert [option["text"] for option in shown["options"]] == list(POLL.options)

    first = await voted(stage, sink, sent, "ana", 0)
    assert first == PollVoted(poll, Member("telegram", stage.tenant, first.member.user_id), (0,), "set")
    assert (await voted(stage, sink, sent, "bo", 2)).member != first.member
    assert await voted(stage, sink, sent, "ana", 1, 2) == replace(first, options=(1, 2))
    assert await voted(stage, sink, sent, "ana") == replace(first, options=())
    assert [option["votes"] for option in (await stage.messages())[number]["poll"]["options"]] == [0, 0, 1]

    await platform.end_poll(stage.channel(), sent)
    assert (await stage.messages())[number]["poll"]["closed"] is True
    await platform.end_poll(stage.channel(), sent)
    answers = [call["status"] for call in await stage.calls("stopPoll")]
    assert answers[-2:] == [200, 400]  # it has ended already, and that is fine


async def test_a_hidden_poll_shows_no_counts_and_tells_us_votes(
    stage: Stage, platform: TelegramPlatform, sink: RecordingSink
) -> None:
    sent = await platform.send(replace(POLL, hidden=True), stage.channel(), "p8")
    assert (await voted(stage, sink, sent, "ana", 0)).options == (0,)
    assert not any(option.get("votes") for option in (await stage.messages())[split(sent)[0]]["poll"]["options"])
    await platform.end_poll(stage.channel(), sent)
    options = (await stage.messages())[split(sent)[0]]["poll"]["options"]
    assert [option["votes"] for option in options] == [1, 0, 0]


async def test_a_quiz_has_one_right_answer_and_no_second_try(
    stage: Stage, platform: TelegramPlatform, sink: RecordingSink
) -> None:
    sent = await platform.send(QUIZ, stage.channel(), "p2")
    made = (await stage.calls("sendPoll"))[-1]["response"]["result"]["poll"]
    assert (made["type"], made["correct_option_ids"], made["explanation"]) == ("quiz", [1], "Hotpot.")
    assert (made["is_anonymous"], made["allows_revoting"]) == (False, False)
    assert (await voted(stage, sink, sent, "cy", 1)).options == (1,)


async def test_a_poll_can_be_deleted_but_not_changed(stage: Stage, platform: TelegramPlatform) -> None:
    sent = await platform.send(POLL, stage.channel(), "p3")
    edits = len(await stage.calls("editMessageText"))
    for message in (replace(POLL, question="Corrected?"), Card("closed"), Reply("closed")):
        with pytest.raises(Refused) as caught:
            await platform.edit(message, stage.channel(), sent)
        assert caught.value.code == "unsendable"
    assert len(await stage.calls("editMessageText")) == edits
    await platform.delete(stage.channel(), sent)
    assert split(sent)[0] not in await stage.messages()
    await platform.delete(stage.channel(), sent)
    await platform.end_poll(stage.channel(), sent)


async def test_a_reply_can_answer_a_poll(stage: Stage, platform: TelegramPlatform) -> None:
    poll = await platform.send(POLL, stage.channel(), "p4")
    reply = await platform.send(Reply("It is over", poll), stage.channel(), "p5")
    assert (await stage.messages())[reply]["reply_to"] == split(poll)[0]


async def test_it_says_what_its_polls_can_hold(stage: Stage, platform: TelegramPlatform) -> None:
    limits = platform.capabilities.polls
    assert limits is not None
    longest = "问" * limits.question
    widest = tuple(f"{number:02}" + "选" * (limits.option - 2) for number in range(limits.options))
    for seconds in (limits.shortest, limits.longest):
        sent = await platform.send(NativePoll(longest, widest, seconds), stage.channel(), "p6")
        assert split(sent)[0] in await stage.messages()
    assert limits.hides
    assert limits.quiz
    assert limits.fixes


@pytest.mark.parametrize(
    ("kind", "failure"), [("429", NotSent), ("500", Unclear), ("swallow_reply", Unclear), ("reset", Unclear)]
)
async def test_faults_are_told_apart(stage: Stage, make: Make, kind: str, failure: type[Exception]) -> None:
    platform = make(request_timeout=1.0)
    await stage.control("fault", kind=kind, times=1, match="sendPoll")
    with pytest.raises(failure):
        await platform.send(POLL, stage.channel(), "p7")


# ---- what it is told, and what comes back


def test_everything_that_a_poll_says_is_asked_for() -> None:
    assert parameters(POLL) == {
        "question": POLL.question,
        "options": [{"text": text} for text in POLL.options],
        "is_anonymous": False,
        "type": "regular",
        "allows_multiple_answers": False,
        "allows_revoting": True,
        "hide_results_until_closes": False,
        "open_period": 3600,
    }
    changed = parameters(replace(POLL, multiple=True, hidden=True, revoting=False, closes_in=4.6))
    assert {name: changed[name] for name in changed if changed[name] != parameters(POLL)[name]} == {
        "allows_multiple_answers": True,
        "allows_revoting": False,
        "hide_results_until_closes": True,
        "open_period": 5,
    }
    quiz = parameters(replace(QUIZ, revoting=True))
    assert (quiz["type"], quiz["correct_option_ids"], quiz["allows_revoting"]) == ("quiz", [1], False)
    assert "explanation" not in parameters(replace(QUIZ, explanation=" "))


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({"question": "q" * 301}, "300"),
        ({"question": " \n"}, "question"),
        ({"options": ("a", "o" * 101)}, "100"),
        ({"options": ("a", " ")}, "option"),
        ({"options": ()}, "12"),
        ({"options": tuple("abcdefghijklm")}, "12"),
        ({"closes_in": 4.4}, "5"),
        ({"closes_in": 2_628_001.0}, "2628000"),
        ({"correct": 3}, "3 of 3"),
        ({"correct": -1}, "right option"),
    ],
)
def test_what_telegram_does_not_take_is_refused_unsent(changes: dict[str, Any], limit: str) -> None:
    with pytest.raises(Unsendable, match=limit):
        parameters(replace(POLL, **changes))


def test_an_explanation_keeps_to_its_lines_and_length() -> None:
    found = parameters(replace(QUIZ, explanation="one\ntwo\nthree\nfour\n\nfive"))["explanation"]
    assert found == "one\ntwo\nthree four  five"
    assert parameters(replace(QUIZ, explanation="解" * 300))["explanation"] == "解" * 199 + "…"


@pytest.mark.parametrize("answer", [{"message_id": 5}, {"message_id": 5, "poll": {}}, {"poll": {"id": "9"}}])
async def test_a_poll_whose_name_is_not_told_is_unclear(answer: dict[str, Any]) -> None:
    async with serving() as server:
        server.answers["sendPoll"] = lambda sent: answer
        platform = TelegramPlatform(TelegramConfig(TOKEN, server.url))
        with pytest.raises(Unclear):
            await platform.send(POLL, HERE, "k")
        await platform.close()


@pytest.mark.parametrize(
    ("text", "is_fine"),
    [
        ("Bad Request: poll has already been closed", True),
        ("Bad Request: message with poll to stop not found", True),
        ("Bad Request: MESSAGE_ID_INVALID", True),
        ("Bad Request: poll can't be stopped", False),
        ("Bad Request: message is not a poll", False),
        ("Bad Request: chat not found", False),
    ],
)
async def test_only_what_is_over_counts_as_ended(text: str, is_fine: bool) -> None:
    async with serving() as server:
        server.answers["stopPoll"] = lambda sent: refused(400, text)
        platform = TelegramPlatform(TelegramConfig(TOKEN, server.url))
        if is_fine:
            await platform.end_poll(HERE, "5:77")
        else:
            with pytest.raises(Refused):
                await platform.end_poll(HERE, "5:77")
        await platform.close()
    assert server.called("stopPoll") == [{"chat_id": -55, "message_id": 5}]


# ---- groups that have moved


def test_a_polls_name_says_where_it_is() -> None:
    assert name_of("5", "-55", "-55", "77") == "5:77"
    assert name_of("5", MOVED, "-55", "77") == f"5@{MOVED}:77"
    assert split("5:77") == ("5", None)
    assert split(f"5@{MOVED}:77") == ("5", MOVED)


def _moving(sent: dict[str, Any]) -> Any:
    if sent["chat_id"] == int(MOVED):
        return {"message_id": 5, "poll": {"id": "77"}}
    response = refused(400, "")
    response.text = (
        '{"ok": false, "error_code": 400, "description": "Bad Request: group chat was upgraded to a supergroup chat", '
        f'"parameters": {{"migrate_to_chat_id": {MOVED}}}}}'
    )
    return response


async def test_polls_follow_a_group_that_moves() -> None:
    async with serving() as server:
        server.answers |= {"sendPoll": _moving, "stopPoll": _moving, "deleteMessage": _moving}
        platform = TelegramPlatform(TelegramConfig(TOKEN, server.url, watched=("-55",)))
        await platform.end_poll(HERE, "3:70")  # it stayed behind, where nobody can vote any more
        sent = await platform.send(POLL, HERE, "k")
        await platform.end_poll(HERE, "3:70")
        await platform.end_poll(HERE, sent)
        await platform.delete(HERE, sent)
        await platform.close()
    assert sent == f"5@{MOVED}:77"
    assert [call["chat_id"] for call in server.called("stopPoll")] == [-55, int(MOVED)]
    assert server.called("deleteMessage") == [{"chat_id": int(MOVED), "message_id": 5}]


# ---- votes as updates


ANSWER = {
    "poll_id": "77",
    "user": {"id": 7, "is_bot": False, "first_name": "Ana"},
    "option_ids": [2, 0],
    "option_persistent_ids": ["x", "y"],
}


def read(**changes: Any) -> Any:
    answer = {name: value for name, value in (ANSWER | changes).items() if value is not None}
    return UpdateReader("123456").event({"update_id": 1, "poll_answer": answer})


def test_a_vote_is_all_that_is_chosen_now() -> None:
    assert read() == PollVoted("77", Member("telegram", "123456", "7"), (2, 0), "set")
    assert read(option_ids=[], option_persistent_ids=[]).options == ()
    assert read(option_persistent_ids=None).options == (2, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"option_ids": [-1]},
        {"option_ids": ["0"]},
        {"option_ids": [True]},
        {"option_ids": {"0": 1}},
        {"option_ids": None},
        {"poll_id": 7},
        {"user": None},
    ],
)
def test_a_broken_vote_is_ignored(changes: dict[str, Any]) -> None:
    assert read(**changes) is None


async def test_votes_in_the_name_of_a_chat_are_ignored_and_told(
    stage: Stage, sink: RecordingSink, caplog: pytest.LogCaptureFixture
) -> None:
    chat = {"id": -100123, "type": "channel", "title": "Secret channel"}
    fake = {"id": 136817688, "is_bot": True, "first_name": "Channel"}  # given beside the chat for old bots
    assert read(voter_chat=chat, user=fake) is None
    assert read(voter_chat=chat, user=None) is None
    answer = ANSWER | {"voter_chat": chat, "user": fake}
    with caplog.at_level(logging.INFO, "herald.telegram"):
        await stage.control("raw", event={"update_id": 900_000_001, "poll_answer": answer})
        stored = await sink.until(lambda s: next((i for i in s.incoming if "Secret channel" in i.raw), None))
    assert stored.event is None
    (line,) = [line for line in caplog.messages if "in the name of a chat" in line]
    assert "Secret" not in line


async def test_votes_are_asked_for(stage: Stage, sink: RecordingSink) -> None:
    said = await stage.say("ana", "hello")
    await sink.until(lambda s: [one for one in s.incoming if said in one.raw])
    asked = (await stage.calls("getUpdates"))[-1]["body"]["allowed_updates"]
    assert "poll_answer" in asked
    assert "poll" not in asked  # the counts, with every vote
