"""discord.py against the local Discord: commands, buttons, forms, and what only one person is told."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace

from bot.chat.events import ButtonPressed, CommandInvoked, Event, FormSubmitted
from bot.chat.messages import Accepted, Answer, Button, Card, Field, FieldErrors, Form, Notice, OpenForm
from bot.chat.ports import CommandSpec
from bot.domain.places import Member
from bot.integrations.discord import DiscordPlatform
from tests.integrations.discord.conftest import RecordingSink, Sandbox

SPECS = (
    CommandSpec("help", {"en": "What this bot can do", "zh": "机器人能做什么"}, "", staff=False),
    CommandSpec("approve", {"en": "Approve a draft", "zh": "批准草稿"}, "<id>", staff=True),
)
FORM = Form(
    payload="v1|form|edit|mac",
    title="Edit the draft",
    fields=(
        Field("text", "Text", "paragraph", value="Five *euros*.", max_length=1800),
        Field("why", "Reason", "choice", choices=(("tone", "The tone"), ("fact", "A wrong fact")), required=False),
    ),
    submit="Save",
    cancel="Cancel",
    failed="The form could not be opened.",
)


async def card(sandbox: Sandbox, platform: DiscordPlatform, payload: str = "v1|abc|edit|mac") -> str:
    shown = Card("A question", "How much?", (), "Five.", (), (Button("Edit", payload),))
    return await platform.send(shown, sandbox.channel("review"), uuid.uuid4().hex[:25])


async def private(sandbox: Sandbox, channel: str, member: str, text: str) -> list[str]:
    """What is told to this member only, with this text in it."""
    return [one["id"] for one in await sandbox.seen(channel, member) if one["private_to"] and text in one["text"]]


async def test_commands_are_registered_once(sandbox: Sandbox, platform: DiscordPlatform) -> None:
    await platform.register(SPECS)
    before = len(await sandbox.requests("PUT", "/commands$"))
    await platform.register(SPECS)
    assert len(await sandbox.requests("PUT", "/commands$")) == before
    await platform.register(SPECS[:1])
    assert len(await sandbox.requests("PUT", "/commands$")) == before + 1


async def test_a_command_is_an_event_and_its_answer_is_for_one_person(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    await platform.register(SPECS)
    typed = f"{uuid.uuid4().hex} with  two  spaces *and stars*"
    await sandbox("command", channel="review", member="ben", text=f"/approve {typed}")
    event = await sink.first(CommandInvoked, lambda e: e.text == typed)
    assert event.name == "approve"
    assert event.reply["kind"] == "message"
    text = f"**You** may not: {uuid.uuid4().hex}"
    await platform.notify(Notice(text, event.member), event.channel, event.reply)
    seen = [one for one in await sandbox.seen("review", "ben") if text[-32:] in one["text"]]
    assert len(seen) == 1
    assert seen[0]["private_to"]
    assert not await private(sandbox, "review", "ana", text[-32:])


async def test_a_command_is_always_told_something_even_by_a_toast(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    await platform.register(SPECS)
    typed = uuid.uuid4().hex
    await sandbox("command", channel="review", member="ben", text=f"/approve {typed}")
    event = await sink.first(CommandInvoked, lambda e: e.text == typed)
    await platform.notify(Notice(f"ok {typed}", event.member, toast=True), event.channel, event.reply)
    assert await private(sandbox, "review", "ben", typed)


async def test_a_toast_on_a_button_says_nothing(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    card_id = await card(sandbox, platform)
    await sandbox("click", channel="review", message_id=card_id, member="ben", button="edit")
    press = await sink.first(ButtonPressed, lambda e: e.message_id == card_id)
    assert press.reply["kind"] == "update"
    text = uuid.uuid4().hex
    await platform.notify(Notice(text, press.member, toast=True), press.channel, press.reply)
    assert not await private(sandbox, "review", "ben", text)
    await platform.notify(Notice(text, press.member), press.channel, press.reply)
    assert len(await private(sandbox, "review", "ben", text)) == 1


async def test_what_only_passes_is_not_said_elsewhere(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    card_id = await card(sandbox, platform)
    await sandbox("click", channel="review", message_id=card_id, member="ben", button="edit")
    press = await sink.first(ButtonPressed, lambda e: e.message_id == card_id)
    text = uuid.uuid4().hex
    dead = dict(press.reply) | {"at": "0"}
    await platform.notify(Notice(text, press.member, hint=text, passing=True), press.channel, dead)
    assert not [one for one in await sandbox.seen("review", "ben") if text in one["text"]]
    await platform.notify(Notice(text, press.member, passing=True), press.channel, press.reply)
    assert len(await private(sandbox, "review", "ben", text)) == 1


async def test_a_press_opens_a_form_whose_values_come_back(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    def answer(event: Event | None) -> Answer:
        return OpenForm(FORM) if isinstance(event, ButtonPressed) else Accepted()

    sink.answer = answer
    card_id = await card(sandbox, platform)
    opened = await sandbox("click", channel="review", message_id=card_id, member="ben", button="edit")
    text = f"Six *euros*, {uuid.uuid4().hex}\nand more"
    await sandbox("submit", form_id=opened["form"]["id"], member="ben", values={"text": text, "why": "tone"})
    event = await sink.first(FormSubmitted, lambda e: e.values.get("text") == text)
    assert event.payload == FORM.payload
    assert event.values["why"] == "tone"
    assert event.reply["kind"] == "update"


async def test_a_refused_form_says_what_is_wrong(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    wrong = f"Too long: {uuid.uuid4().hex}"

    def answer(event: Event | None) -> Answer:
        return OpenForm(FORM) if isinstance(event, ButtonPressed) else FieldErrors({"text": wrong})

    sink.answer = answer
    card_id = await card(sandbox, platform)
    opened = await sandbox("click", channel="review", message_id=card_id, member="ben", button="edit")
    await sandbox("submit", form_id=opened["form"]["id"], member="ben", values={"text": "x"})
    await sink.first(FormSubmitted)
    assert await private(sandbox, "review", "ben", wrong[-32:])


async def test_a_form_that_discord_refuses_is_told_privately(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    failed = f"no form {uuid.uuid4().hex}"
    broken = replace(FORM, fields=(), failed=failed)
    sink.answer = lambda _: OpenForm(broken)
    card_id = await card(sandbox, platform)
    await sandbox("click", channel="review", message_id=card_id, member="ben", button="edit")
    assert await private(sandbox, "review", "ben", failed[-32:])


async def test_after_the_token_s_life_a_notice_goes_into_the_direct_conversation(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    card_id = await card(sandbox, platform)
    await sandbox("click", channel="review", message_id=card_id, member="ben", button="edit")
    press = await sink.first(ButtonPressed, lambda e: e.message_id == card_id)
    text, old = uuid.uuid4().hex, {**press.reply, "at": "1"}
    await platform.notify(Notice(text, press.member, hint="see your messages"), press.channel, old)
    sent = await sandbox.requests("POST", "/channels/[0-9]+/messages$")
    [direct] = [one for one in sent if text in str(one["body"])]
    assert press.channel.channel_id not in direct["path"]


async def test_who_takes_no_direct_messages_is_called_without_the_content(
    sandbox: Sandbox, platform: DiscordPlatform
) -> None:
    nobody = Member("discord", "1", "223456789012345678")
    secret, hint = uuid.uuid4().hex, f"look at /help {uuid.uuid4().hex}"
    await platform.notify(Notice(secret, nobody, hint=hint), sandbox.channel(), {})
    seen = [one["text"] for one in await sandbox.seen("community")]
    assert any(hint in text for text in seen)
    assert not any(secret in text for text in seen)


async def test_a_role_is_read_freshly(sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink) -> None:
    card_id = await card(sandbox, platform)
    await sandbox("click", channel="review", message_id=card_id, member="ben", button="edit")
    press = await sink.first(ButtonPressed, lambda e: e.message_id == card_id)
    assert not await platform.holds(press.member, "123456789012345678")
    assert await platform.holds(press.member, press.member.tenant)
    stranger = Member("discord", press.member.tenant, "223456789012345678")
    assert not await platform.holds(stranger, press.member.tenant)


async def test_the_set_up_of_the_sample_community_is_sound(sandbox: Sandbox, platform: DiscordPlatform) -> None:
    assert await platform.check([sandbox.channel(), sandbox.channel("review")]) == []
    nowhere = replace(sandbox.channel(), channel_id="123456789012345678")
    assert [fault.key for fault in await platform.check([nowhere])] == ["discord.channel"]


async def test_a_wrong_token_is_a_fault_of_the_set_up(sandbox: Sandbox) -> None:
    stranger = DiscordPlatform(sandbox.config(token="not-a-token"))
    try:
        assert [fault.key for fault in await stranger.check([])] == ["discord.token"]
    finally:
        await stranger.close()


async def test_what_is_told_waits_for_the_answer_to_the_press(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    """Both are requests, and a follow-up that comes first is refused."""
    card_id = await card(sandbox, platform)
    text = uuid.uuid4().hex
    telling: list[asyncio.Task[None]] = []

    def answer(event: Event | None) -> Answer:
        if isinstance(event, ButtonPressed):
            telling.append(
                asyncio.ensure_future(platform.notify(Notice(text, event.member), event.channel, event.reply))
            )
        return Accepted()

    sink.answer = answer
    await sandbox("fault", kind="slow", seconds=0.5, times=1, match="/callback")
    await sandbox("click", channel="review", message_id=card_id, member="ben", button="edit")
    await sink.first(ButtonPressed, lambda e: e.message_id == card_id)
    await asyncio.gather(*telling)
    assert len(await private(sandbox, "review", "ben", text)) == 1
    told = [one for one in await sandbox.requests("POST", "/webhooks/") if text in str(one["body"])]
    assert [one["status"] for one in told] == [200]
