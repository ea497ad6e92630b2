"""discord.py against the local Discord: its own polls, documents, moments, and buttons that only one person sees."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import replace
from typing import Any

import pytest

from bot.chat.events import ButtonPressed, CommandInvoked, MessagePosted, PollVoted
from bot.chat.messages import Button, Card, Document, Line, NativePoll, Notice, Outgoing
from bot.chat.moments import moment
from bot.chat.ports import EndsPolls, ReadsVotes, Refused, Sought
from bot.domain.places import Channel
from bot.integrations.discord import DiscordPlatform
from bot.integrations.discord.fields import seconds_of
from tests.integrations.discord.conftest import RecordingSink, Sandbox
from tests.integrations.discord.test_wire_interactions import SPECS, card, private

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


def key() -> str:
    return uuid.uuid4().hex[:25]


def poll(**changes: Any) -> NativePoll:
    made = NativePoll(f"Where *do* we meet? {uuid.uuid4().hex}", ("Hangzhou", "成都 <t:1:f>", "Online"), 5_400.0)
    return replace(made, **changes)


async def vote(sandbox: Sandbox, message_id: str, member: str, *options: int) -> None:
    await sandbox("vote", channel="community", message_id=message_id, member=member, options=list(options))


async def shown(sandbox: Sandbox, message_id: str, channel: str = "community", member: str = "ana") -> dict[str, Any]:
    [seen] = [one for one in await sandbox.seen(channel, member) if one["id"] == message_id]
    return seen


async def sent(sandbox: Sandbox, path: str, text: str) -> dict[str, Any]:
    """The one request that carried this text."""
    made = [one for one in await sandbox.requests("POST", path) if text in json.dumps(one["body"], ensure_ascii=False)]
    assert len(made) == 1, made
    return made[0]


# ---- polls


async def test_a_poll_is_sent_as_it_was_asked_and_is_the_bot_s_own_message(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    asked, nonce = poll(), key()
    poll_id = await platform.send(asked, sandbox.channel(), nonce)
    assert await platform.send(asked, sandbox.channel(), nonce) == poll_id
    echo = await sink.first(MessagePosted, lambda event: event.message_id == poll_id)
    assert echo.author_is_bot
    assert echo.nonce == nonce
    [request] = [one for one in await sandbox.requests("POST", "/messages$") if one["body"].get("nonce") == nonce][:1]
    assert request["body"]["poll"] == {
        "question": {"text": asked.question},
        "answers": [{"poll_media": {"text": option}} for option in asked.options],
        "duration": 2,
        "allow_multiselect": False,
        "layout_type": 1,
    }
    seen = await shown(sandbox, poll_id)
    assert all(word in json.dumps(seen["poll"], ensure_ascii=False) for word in (asked.question, *asked.options))


async def test_votes_come_changed_and_taken_back_and_can_be_read_again(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    assert isinstance(platform, ReadsVotes)
    poll_id = await platform.send(poll(), sandbox.channel(), key())

    def heard() -> list[PollVoted]:
        return [one.event for one in sink.kept if isinstance(one.event, PollVoted) and one.event.poll == poll_id]

    await vote(sandbox, poll_id, "ana", 0)
    await vote(sandbox, poll_id, "ana", 2)
    await vote(sandbox, poll_id, "ben", 1)
    await sink.until(lambda: len(heard()) == 4)
    ana, ben = heard()[0].member, heard()[-1].member
    assert ana.tenant == (await sink.first(MessagePosted, lambda e: e.message_id == poll_id)).channel.tenant
    assert heard() == [
        PollVoted(poll_id, ana, (0,), "add"),
        PollVoted(poll_id, ana, (0,), "remove"),
        PollVoted(poll_id, ana, (2,), "add"),
        PollVoted(poll_id, ben, (1,), "add"),
    ]
    assert await platform.votes(sandbox.channel(), poll_id, 3) == {ana.user_id: (2,), ben.user_id: (1,)}
    await vote(sandbox, poll_id, "ana")
    await sink.until(lambda: len(heard()) == 5)
    assert heard()[-1] == PollVoted(poll_id, ana, (2,), "remove")
    assert await platform.votes(sandbox.channel(), poll_id, 3) == {ben.user_id: (1,)}


async def test_several_votes_of_one_member_are_read_together(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    poll_id = await platform.send(poll(multiple=True), sandbox.channel(), key())
    await vote(sandbox, poll_id, "ana", 2, 0)
    first = await sink.first(PollVoted, lambda event: event.poll == poll_id)
    assert await platform.votes(sandbox.channel(), poll_id, 3) == {first.member.user_id: (0, 2)}


async def test_a_poll_is_ended_once_and_its_result_message_is_no_comment(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    assert isinstance(platform, EndsPolls)
    poll_id = await platform.send(poll(), sandbox.channel(), key())
    await vote(sandbox, poll_id, "ana", 1)
    await platform.end_poll(sandbox.channel(), poll_id)

    def results() -> list[object]:
        kept = [(json.loads(one.raw).get("d", {}), one.event) for one in sink.kept]
        return [event for d, event in kept if d.get("type") == 46 and poll_id in json.dumps(d.get("message_reference"))]

    await sink.until(lambda: bool(results()))
    assert results() == [None]
    await platform.end_poll(sandbox.channel(), poll_id)
    assert list((await platform.votes(sandbox.channel(), poll_id, 3)).values()) == [(1,)]
    await platform.delete(sandbox.channel(), poll_id)
    await platform.end_poll(sandbox.channel(), poll_id)
    with pytest.raises(Refused) as refused:
        await platform.votes(sandbox.channel(), poll_id, 3)
    assert refused.value.code == "gone"


async def test_what_is_said_beside_a_poll_stands_over_it_and_belongs_to_it(
    sandbox: Sandbox, platform: DiscordPlatform
) -> None:
    began = time.time()
    asked = poll(description=f"*Everyone* sees who voted, @everyone. Closes {moment(1795327200, 'Sun')}")
    poll_id = await platform.send(asked, sandbox.channel(), key())
    body = (await sent(sandbox, "/messages$", asked.question))["body"]
    assert body["content"] == ("\\*Everyone\\* sees who voted, \\@everyone. Closes <t:1795327200:f> (<t:1795327200:R>)")
    assert body["allowed_mentions"] == {"parse": [], "replied_user": False}
    assert body["poll"]["question"] == {"text": asked.question}
    assert await platform.find(Sought(asked, sandbox.channel(), key(), began)) == poll_id
    assert await platform.find(Sought(replace(asked, description="x"), sandbox.channel(), key(), began)) is None


async def test_a_poll_cannot_be_edited_and_nothing_is_asked(sandbox: Sandbox, platform: DiscordPlatform) -> None:
    asked = poll()
    poll_id = await platform.send(asked, sandbox.channel(), key())
    with pytest.raises(Refused):
        await platform.edit(asked, sandbox.channel(), poll_id)
    assert await sandbox.requests("PATCH", poll_id) == []


# ---- documents


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [("result.csv", "text/csv", "option,votes\n茶,3\n".encode()), ("c.png", "image/png", PNG)],
)
async def test_a_document_arrives_whole_once_and_is_found(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink, name: str, kind: str, content: bytes
) -> None:
    nonce, began = key(), time.time()
    document = Document(name, kind, content, f"*All* votes @everyone {nonce}")
    message_id = await platform.send(document, sandbox.channel(), nonce)
    assert await platform.send(document, sandbox.channel(), nonce) == message_id
    posted = await sink.first(MessagePosted, lambda event: event.message_id == message_id)
    assert posted.text == f"\\*All\\* votes \\@everyone {nonce}"
    [file] = posted.attachments
    assert (file.name, file.media_type.split(";")[0], file.size) == (name, kind, len(content))
    requests = [one for one in await sandbox.requests("POST", "/messages$") if one["body"].get("nonce") == nonce]
    assert requests[0]["body"]["allowed_mentions"] == {"parse": [], "replied_user": False}
    assert await platform.find(Sought(document, sandbox.channel(), nonce, began)) == message_id


async def test_a_document_is_replaced_by_another_and_by_words(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    first = Document("a.csv", "text/csv", b"1", "first")
    message_id = await platform.send(first, sandbox.channel(), key())
    await platform.edit(replace(first, name="b.csv", content=b"22"), sandbox.channel(), message_id)

    def files() -> list[list[str]]:
        updates = [json.loads(one.raw)["d"] for one in sink.kept if one.external_id.startswith(f"e:{message_id}")]
        return [[file["filename"] for file in update["attachments"]] for update in updates]

    await sink.until(lambda: len(files()) == 1)
    await platform.edit(Line("words"), sandbox.channel(), message_id)
    await sink.until(lambda: len(files()) == 2)
    assert files() == [["b.csv"], []]


async def test_polls_and_documents_are_looked_up_by_what_they_are(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    """Without the gateway's echo, and the history does not tell nonces."""
    began, name = time.time(), uuid.uuid4().hex
    asked, file = poll(), Document("a.csv", "text/csv", b"12", name)

    general = sandbox.channel("general")

    async def found(message: Outgoing, to: Channel = general) -> str | None:
        return await platform.find(Sought(message, to, key(), began))

    assert await found(asked) is None
    ids = [await platform.send(one, general, key()) for one in (asked, file, Line(f"no file {name}"))]
    assert [await found(asked), await found(file), await found(Line(f"no file {name}"))] == ids
    other: list[Outgoing] = [
        replace(asked, question="Where?"),
        replace(asked, options=asked.options[:2]),
        replace(file, content=b"123"),
        replace(file, text="other"),
        Line(name),
        Document("a.csv", "text/csv", b"12", f"no file {name}"),
    ]
    assert [await found(one) for one in other] == [None] * len(other)
    assert await found(asked, sandbox.channel("review")) is None


# ---- moments, rows, private buttons


async def test_moments_are_time_stamps_and_people_s_are_not(sandbox: Sandbox, platform: DiscordPlatform) -> None:
    name = uuid.uuid4().hex
    told = Card(name, details=(f"Closes {moment(1795327200, 'Sun')}", "Option <t:1:f>"), status=("<t:2:R>",))
    await platform.send(told, sandbox.channel(), key())
    [embed] = (await sent(sandbox, "/messages$", name))["body"]["embeds"]
    assert embed["description"] == ("Closes <t:1795327200:f> (<t:1795327200:R>)\nOption \\<t\\:1:f>\n\n\\<t\\:2:R>")


async def test_stacked_buttons_stand_below_each_other_and_can_be_pressed(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    name = uuid.uuid4().hex
    buttons = tuple(Button(f"{at} " + "长" * 90, f"v1|{name}|vote:{at}|m") for at in range(1, 4))
    card_id = await platform.send(Card(name, buttons=buttons, stacked=True), sandbox.channel(), key())
    rows = (await sent(sandbox, "/messages$", name))["body"]["components"]
    assert [[len(button["label"]) for button in row["components"]] for row in rows] == [[80], [80], [80]]
    await sandbox("click", channel="community", message_id=card_id, member="ana", button="vote:2")
    press = await sink.first(ButtonPressed, lambda event: event.message_id == card_id)
    assert press.payload == f"v1|{name}|vote:2|m"


@pytest.mark.parametrize("asked_by", ["command", "press"])
async def test_a_button_under_a_private_notice_is_pressed_and_answered_in_private(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink, asked_by: str
) -> None:
    name = uuid.uuid4().hex
    asked: ButtonPressed | CommandInvoked
    if asked_by == "command":
        await platform.register(SPECS)
        await sandbox("command", channel="review", member="ben", text=f"/approve {name}")
        asked = await sink.first(CommandInvoked, lambda event: event.text == name)
    else:
        card_id = await card(sandbox, platform)
        await sandbox("click", channel="review", message_id=card_id, member="ben", button="edit")
        asked = await sink.first(ButtonPressed, lambda event: event.message_id == card_id)
    buttons = (Button("Post it", f"v1|{name}|confirm|m", "primary"), Button("Discard", f"v1|{name}|discard|m"))
    await platform.notify(Notice(f"Preview {name}", asked.member, buttons=buttons), asked.channel, asked.reply)
    [preview] = await private(sandbox, "review", "ben", name)
    assert [one["label"] for one in (await shown(sandbox, preview, "review", "ben"))["buttons"]] == [
        "Post it",
        "Discard",
    ]
    assert not await private(sandbox, "review", "ana", name)
    await sandbox("click", channel="review", message_id=preview, member="ben", button="confirm")
    press = await sink.first(ButtonPressed, lambda event: event.payload == buttons[0].payload)
    assert (press.message_id, press.member, press.channel) == (preview, asked.member, asked.channel)
    await platform.notify(Notice(f"Posted, {name}", press.member), press.channel, press.reply)
    assert len(await private(sandbox, "review", "ben", f"Posted, {name}")) == 1
    assert not any(name in one["text"] for one in await sandbox.seen("review", "ana"))


async def test_a_press_says_since_when_its_member_is_there(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    await sandbox("member", member="newcomer", joined_at="2026-11-20T12:00:00+00:00")
    card_id = await card(sandbox, platform)
    await sandbox("click", channel="review", message_id=card_id, member="newcomer", button="edit")
    press = await sink.first(ButtonPressed, lambda event: event.message_id == card_id)
    assert press.joined_at == 1795176000.0
    assert press.created_at == seconds_of(press.member.user_id)


async def test_a_notice_whose_token_is_dead_takes_only_links_into_the_direct_conversation(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    """The payload of a button is bound to its channel, and nobody there is a member of the server."""
    card_id, name = await card(sandbox, platform), uuid.uuid4().hex
    await sandbox("click", channel="review", message_id=card_id, member="ben", button="edit")
    press = await sink.first(ButtonPressed, lambda event: event.message_id == card_id)
    buttons = (Button("Post it", f"v1|{name}|confirm|m"), Button("Open", url="https://discord.com/"))
    await platform.notify(Notice(f"{name}", press.member, buttons=buttons), press.channel, {**press.reply, "at": "1"})
    direct = (await sent(sandbox, "/channels/[0-9]+/messages$", name))["body"]
    assert [button["label"] for row in direct["components"] for button in row["components"]] == ["Open"]
