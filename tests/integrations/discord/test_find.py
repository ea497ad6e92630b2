"""Looking up what a request with an unknown outcome may have made."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bot.chat.events import MessagePosted
from bot.chat.messages import Button, Card, Line, Outgoing, Reply
from bot.chat.ports import Finds, Refused, SendError, Sought
from bot.domain.places import Channel
from bot.integrations.discord import DiscordConfig, DiscordPlatform, history
from bot.integrations.discord.history import _snowflake_at
from tests.integrations.discord.conftest import RecordingSink, Sandbox
from tests.integrations.discord.scripted import BOT, CHANNEL, GUILD, Said, Scripted, scripted, worker


def key() -> str:
    return uuid.uuid4().hex[:25]


@pytest.fixture
async def sender(sandbox: Sandbox) -> AsyncIterator[DiscordPlatform]:
    """A process without a gateway: it hears no echo of its own."""
    async with worker(sandbox.config(gateway_url="ws://127.0.0.1:9/")) as platform:
        yield platform


def sought(message: Outgoing, to: Channel, began: float, name: str = "") -> Sought:
    return Sought(message, to, name or key(), began)


async def test_a_reply_is_found_by_text_and_question(sandbox: Sandbox, sender: DiscordPlatform) -> None:
    assert isinstance(sender, Finds)
    community, began, name = sandbox.channel(), time.time(), uuid.uuid4().hex
    questions = [await sandbox("say", channel="community", member="ana", text=f"{n} {name}") for n in range(2)]
    first, second = (question["message_id"] for question in questions)
    reply = Reply(f"  **An answer** <@1> 茶 {name}\nwith lines ", first)
    assert await sender.find(sought(reply, community, began)) is None
    sent = await sender.send(reply, community, key())
    await sandbox("say", channel="community", member="ana", text=reply.text)  # others say the same
    assert await sender.find(sought(reply, community, began)) == sent
    for other in (replace(reply, reply_to=second), replace(reply, reply_to=None), replace(reply, text="An answer")):
        assert await sender.find(sought(other, community, began)) is None
    # Only what landed after the request began, less what clocks differ.
    assert await sender.find(sought(reply, community, began + history.EARLIER + 30)) is None
    assert await sender.find(sought(reply, sandbox.channel("review"), began)) is None


async def test_a_reply_whose_question_was_deleted_is_found(sandbox: Sandbox, sender: DiscordPlatform) -> None:
    community, began, name = sandbox.channel(), time.time(), uuid.uuid4().hex
    asked = await sandbox("say", channel="community", member="ana", text=f"soon gone {name}")
    kept = await sandbox("say", channel="community", member="ana", text=f"stays {name}")
    await sandbox("delete", channel="community", member="ana", message_id=asked["message_id"])
    sent = await sender.send(Reply(f"answer {name}", asked["message_id"]), community, key())
    assert await sender.find(sought(Reply(f"answer {name}", asked["message_id"]), community, began)) == sent
    # One that stands alone is no answer to a question that is still there.
    assert await sender.find(sought(Reply(f"answer {name}", kept["message_id"]), community, began)) is None


async def test_cards_and_lines_are_compared_as_they_are_made(sandbox: Sandbox, sender: DiscordPlatform) -> None:
    review, began, name = sandbox.channel("review"), time.time(), uuid.uuid4().hex
    card = Card(f"Question {name}", "How *much*?", ("draft 1",), "Five.", ("waiting",), (Button("Yes", "v1|a|yes|m"),))
    line = Line(f"_noted_ {name}")
    ids = [await sender.send(message, review, key()) for message in (card, line)]
    assert [await sender.find(sought(message, review, began)) for message in (card, line)] == ids
    for other in (
        replace(card, draft="Six."),
        replace(card, header="Question"),
        replace(card, buttons=(Button("Yes", "v1|b|yes|m"),)),
        replace(card, buttons=()),
    ):
        assert await sender.find(sought(other, review, began)) is None


async def test_a_lost_answer_is_found_behind_pages_of_others(
    sandbox: Sandbox, sender: DiscordPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 5)
    general, began, name = sandbox.channel("general"), time.time(), uuid.uuid4().hex
    for number in range(12):
        await sandbox("say", channel="general", member="ana", text=f"{number} {name}")
    await sandbox("fault", kind="swallow_reply", times=4, match="/messages")
    slow = DiscordPlatform(sandbox.config(request_timeout=1.5))
    try:
        with pytest.raises(SendError):
            await slow.send(Line(f"here {name}"), general, key())
    finally:
        await slow.close()
        await sandbox("fault", kind="swallow_reply", times=0)
    [seen] = [one["id"] for one in await sandbox.seen("general") if one["text"] == f"here {name}"]
    assert await sender.find(sought(Line(f"here {name}"), general, began)) == seen
    monkeypatch.setattr(history, "PAGES", 2)
    with pytest.raises(Refused) as refused:
        await sender.find(sought(Line(f"not here {name}"), general, began))
    assert refused.value.code == "too_many"


async def test_the_gateway_s_echo_answers_even_for_what_is_deleted(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    community, began, nonce = sandbox.channel(), time.time(), key()
    line = Line(f"short-lived {nonce}")
    sent = await platform.send(line, community, nonce)
    await sink.first(MessagePosted, lambda event: event.message_id == sent)
    await platform.delete(community, sent)
    assert await platform.find(Sought(line, community, nonce, began)) == sent
    assert await platform.find(Sought(line, community, key(), began)) is None


async def test_a_channel_that_is_gone_can_never_be_told(sandbox: Sandbox, sender: DiscordPlatform) -> None:
    elsewhere = replace(sandbox.channel(), channel_id="123456789012345678")
    with pytest.raises(Refused):
        await sender.find(sought(Line("x"), elsewhere, time.time()))


# ---- against a server that answers as it was told


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with scripted() as running:
        running.always["GET", "/users/@me"] = Said(200, BOT)
        yield running


def message(at: float, **changes: Any) -> dict[str, Any]:
    made = {"id": str(_snowflake_at(at) + 1), "channel_id": CHANNEL, "author": BOT, "content": "words", "embeds": []}
    return {**made, **changes}


HERE = Channel("discord", GUILD, CHANNEL)
HISTORY = "GET", f"/channels/{CHANNEL}/messages"


async def test_where_the_history_tells_nonces_they_decide(server: Scripted) -> None:
    now = time.time()
    first, mine = message(now, nonce="other"), message(now + 1, nonce="mine", content="in other words")
    server.always[HISTORY] = Said(200, [mine, first])
    async with worker(server.config()) as platform:
        assert await platform.find(Sought(Line("words"), HERE, "mine", now)) == mine["id"]
        assert await platform.find(Sought(Line("words"), HERE, "another", now)) is None


async def test_others_words_and_later_ones_are_not_ours(server: Scripted) -> None:
    now = time.time()
    stranger = message(now, author={"id": "1", "username": "x", "bot": True}, nonce="mine")
    late = message(now + history.LATER + 5)
    server.always[HISTORY] = Said(200, [late, stranger])
    async with worker(server.config()) as platform:
        assert await platform.find(Sought(Line("words"), HERE, "mine", now)) is None


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_history_that_is_closed_is_not_taken_for_an_empty_one(server: Scripted, allowed: bool) -> None:
    """Discord gives an empty list to who lacks Read Message History (reference, "Get Channel Messages")."""
    now = time.time()
    newest = str(_snowflake_at(now) + 1)
    overwrites = [] if allowed else [{"id": GUILD, "type": 0, "allow": "0", "deny": str(1 << 16)}]
    everyone = {"id": GUILD, "permissions": str((1 << 10) | (1 << 11) | (1 << 16))}
    server.always |= {
        HISTORY: Said(200, []),
        ("GET", f"/channels/{CHANNEL}"): Said(
            200,
            {"id": CHANNEL, "guild_id": GUILD, "last_message_id": newest, "permission_overwrites": overwrites},
        ),
        ("GET", f"/guilds/{GUILD}"): Said(200, {"id": GUILD, "roles": [everyone]}),
        ("GET", f"/guilds/{GUILD}/members/{BOT['id']}"): Said(200, {"roles": []}),
    }
    async with worker(server.config()) as platform:
        if allowed:
            assert await platform.find(Sought(Line("words"), HERE, "mine", now)) is None
        else:
            with pytest.raises(Refused) as refused:
                await platform.find(Sought(Line("words"), HERE, "mine", now))
            assert refused.value.code == history.NO_HISTORY


@pytest.mark.parametrize("said", [Said(429, {"retry_after": 30}), Said(500, {}), Said(200, "<html>"), Said(cut=True)])
async def test_what_cannot_be_told_now_is_an_error(server: Scripted, said: Said) -> None:
    server.always[HISTORY] = said
    async with worker(server.config(request_timeout=0.7)) as platform:
        with pytest.raises(SendError) as error:
            await platform.find(Sought(Line("words"), HERE, "mine", time.time()))
        assert not isinstance(error.value, Refused)


async def test_a_clock_that_is_off_is_allowed_for(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our clock is an hour ahead: the message was made an hour before, by Discord's."""
    real = time.time()
    monkeypatch.setattr(time, "time", lambda: real + 3600)
    made = message(real + 1)
    server.always[HISTORY] = Said(200, [made], {"Date": _date(real)})
    server.always["GET", "/users/@me"] = Said(200, BOT, {"Date": _date(real)})
    async with worker(server.config()) as platform:
        found = await platform.find(Sought(Line("words"), HERE, "mine", real + 3600))
    assert found == made["id"]
    assert json.dumps(server.bodies) == "[null, null]"


def _date(at: float) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(at))


def test_only_our_own_echo_counts() -> None:
    """Whoever guesses a nonce cannot pass off a message of theirs as our delivery."""
    platform = DiscordPlatform(DiscordConfig("a-token"))
    ear = platform._ears[0]
    ear.take(json.dumps({"t": "READY", "d": {"session_id": "s", "user": BOT}}))
    for author in ({"id": "5"}, BOT):
        ear.take(json.dumps({"t": "MESSAGE_CREATE", "d": message(time.time(), author=author, nonce=author["id"])}))
    assert list(platform._inbound.echoes) == [BOT["id"]]
