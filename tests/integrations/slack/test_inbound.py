"""What people do in the sandbox arrives as events, is acknowledged only when stored, and is answered at once."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from bot.chat.events import (
    ButtonPressed,
    CommandInvoked,
    Event,
    FormSubmitted,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
)
from bot.chat.messages import Accepted, Answer, Button, Card, Field, FieldErrors, Form, OpenForm
from bot.chat.ports import PlatformDown
from tests.integrations.slack.conftest import RecordingSink, Stage

FORM = Form(
    payload="v1|x|edit|m",
    title="Edit the draft",
    fields=(
        Field("text", "Text", "paragraph", "the draft", max_length=1500),
        Field("why", "Why", "choice", "", (("tone", "Tone"), ("fact", "Wrong fact")), required=False),
    ),
    submit="Save",
    cancel="Cancel",
    failed="The form could not be opened.",
)
CARD = Card("New comment", "when?", draft="soon", buttons=(Button("Edit", "v1|x|edit|m"),))


async def test_a_message_arrives_as_it_was_written(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink) as platform:
        said = await stage.say("a <b> & <!channel> 茶", member="ana")
        event = await sink.event(MessagePosted, message_id=said)
        (stored,) = (incoming for incoming in sink.stored if incoming.event == event)
    assert (event.channel, event.text, event.author_name) == (stage.community, "a <b> & <!channel> 茶", "ana")
    assert platform.parse(stored.raw) == event
    assert "verification" not in stored.raw
    assert stored.source == f"slack:{stage.community.tenant}"


async def test_what_we_log_is_as_loud_as_before(stage: Stage, sink: RecordingSink) -> None:
    """Bolt copies the level of the logger that it is given to the one that is called like the app."""
    async with stage.running(sink):
        said = await stage.say("hello")
        await sink.event(MessagePosted, message_id=said)
    assert logging.getLogger("herald").level == logging.NOTSET


async def test_an_edit_and_a_deletion_arrive(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink):
        said = await stage.say("first")
        await stage.control("edit", channel="community", message_id=said, member="ana", text="second")
        edited = await sink.event(MessageEdited, message_id=said)
        await stage.control("delete", channel="community", message_id=said, member="ana")
        await sink.event(MessageDeleted, message_id=said)
    assert edited.text == "second"


async def test_a_command_arrives(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink):
        await stage.control("command", channel="community", member="ana", text='/poll "Tea & cake?" a b')
        invoked = await sink.event(CommandInvoked)
    assert (invoked.name, invoked.text, invoked.channel) == ("poll", '"Tea & cake?" a b', stage.community)
    assert invoked.member_name == "ana"


async def _press_edit(stage: Stage, platform: Any) -> str:
    card = str(await platform.send(CARD, stage.review, "d1"))
    await stage.control("click", channel="review", message_id=card, member="ben", button="edit")
    return card


async def _form(stage: Stage) -> Any:
    seen = await stage.until_seen("ben", lambda message: bool(message.get("form")), "review")
    return seen["form"]


def _form_id(form: Any) -> str:
    return str(form["id"] if isinstance(form, dict) else form)


async def test_a_click_opens_a_form_whose_errors_are_shown_and_mended(stage: Stage, sink: RecordingSink) -> None:
    def answer(event: Event | None) -> Answer:
        if isinstance(event, ButtonPressed):
            return OpenForm(FORM)
        if isinstance(event, FormSubmitted) and event.values["text"] == "bad":
            return FieldErrors({"text": "Too short", "whole": "Not now"})
        return Accepted()

    sink.answer = answer
    async with stage.running(sink) as platform:
        after = await stage.mark()
        card = await _press_edit(stage, platform)
        pressed = await sink.event(ButtonPressed, message_id=card)
        form = _form_id(await _form(stage))
        await stage.control("submit", form_id=form, member="ben", values={"text": "bad"})
        await sink.until(lambda: len(sink.events(FormSubmitted)) == 1)
        await stage.control("submit", form_id=form, member="ben", values={"text": "a < b\n茶", "why": "tone"})
        await sink.until(lambda: len(sink.events(FormSubmitted)) == 2)
        acknowledged = [row["body"].get("payload") for row in await stage.journal(after) if row.get("method") == "WS"]
    assert (pressed.payload, pressed.member_name) == ("v1|x|edit|m", "ben")
    refused, taken = sink.events(FormSubmitted)
    assert refused.values["text"] == "bad"
    assert (taken.payload, taken.channel) == ("v1|x|edit|m", stage.review)
    assert dict(taken.values) == {"text": "a < b\n茶", "why": "tone"}
    assert {"response_action": "errors", "errors": {"text": "Too short\nNot now"}} in acknowledged


async def test_a_form_that_cannot_be_opened_is_said_privately(stage: Stage, sink: RecordingSink) -> None:
    sink.answer = lambda event: OpenForm(FORM) if isinstance(event, ButtonPressed) else Accepted()
    async with stage.running(sink) as platform:
        card = await platform.send(CARD, stage.review, "d1")
        await stage.control("fault", kind="500", times=1, match="views.open")
        await stage.control("click", channel="review", message_id=card, member="ben", button="edit")
        told = await stage.until_seen("ben", lambda message: FORM.failed in message["text"], "review")
    assert told["private_to"] == "ben"


async def test_what_cannot_be_stored_comes_again(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink):
        await sink.until(lambda: sink.positions)
        sink.refusals = 1
        said = await stage.say("not lost")
        await sink.event(MessagePosted, message_id=said)
    assert [incoming.event.message_id for incoming in sink.refused if isinstance(incoming.event, MessagePosted)] == [
        said
    ]


async def test_another_connection_follows_a_disconnect_without_loss(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink):
        said = []
        for number in range(12):
            if number % 4 == 1:
                await stage.control("fault", kind="disconnect", times=1)
            said.append(await stage.say(f"number {number}"))
        await sink.until(lambda: {event.message_id for event in sink.events(MessagePosted)} >= set(said))


async def test_garbage_is_stored_as_ignored_and_acknowledged(stage: Stage, sink: RecordingSink) -> None:
    garbage: list[Any] = [
        {"type": "event_callback", "team_id": "T0OTHER", "event_id": "EvX1", "event": {"type": "message", "text": "x"}},
        {"type": "event_callback", "team_id": 7, "event_id": "EvX2", "event": "text", "authorizations": "none"},
        {"type": "block_actions", "user": "U1", "actions": [None], "team": [], "trigger_id": "gX3"},
    ]
    async with stage.running(sink):
        after = await stage.mark()
        envelopes = [f"garbage-{number}" for number in range(len(garbage))]
        for envelope, payload in zip(envelopes, garbage, strict=True):
            kind = "interactive" if payload["type"] == "block_actions" else "events_api"
            await stage.control("raw", event={"envelope_id": envelope, "type": kind, "payload": payload})
        said = await stage.say("still listening")
        await sink.event(MessagePosted, message_id=said)
        await sink.until(lambda: {"EvX1", "EvX2", "block_actions:gX3"} <= {i.external_id for i in sink.stored})
        async with asyncio.timeout(10):
            while not set(envelopes) <= {
                (r.get("body") or {}).get("envelope_id") for r in await stage.journal(after) if r.get("method") == "WS"
            }:
                pass
    assert [i.event for i in sink.stored if i.external_id in ("EvX1", "EvX2", "block_actions:gX3")] == [None] * 3


async def test_a_redelivery_is_the_same_event(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink):
        after = await stage.mark()
        said = await stage.say("once")
        await sink.event(MessagePosted, message_id=said)
        pushes = [row["body"] for row in await stage.journal(after) if row.get("type") == "events_api"]
        (pushed,) = [body for body in pushes if body["payload"]["event"].get("ts") == said]
        await stage.control("raw", event=pushed | {"envelope_id": "again", "retry_attempt": 1})
        last = await stage.say("and on")
        await sink.event(MessagePosted, message_id=last)
    assert len(sink.events(MessagePosted, message_id=said)) == 1


@pytest.mark.parametrize("token", ["bot_token", "app_token"])
async def test_a_bad_token_ends_it_with_the_fix(stage: Stage, sink: RecordingSink, token: str) -> None:
    wrong = {"bot_token": "xoxb-wrong", "app_token": "xapp-wrong"}[token]
    with pytest.raises(PlatformDown, match=f"HERALD_SLACK__{token.upper()}"):
        async with stage.running(sink, **{token: wrong}):
            pass


async def test_what_was_said_while_nobody_listened_is_read_in_order(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink):
        root = await stage.say("before")
        await sink.event(MessagePosted, message_id=root)
        await sink.until(lambda: sink.positions)
    missed = [await stage.say("one"), await stage.say("two", reply_to=root), await stage.say("three")]
    async with stage.running(sink):
        await sink.until(lambda: len(sink.events(MessagePosted, backfilled=True)) >= 3)
        live = await stage.say("live")
        await sink.event(MessagePosted, message_id=live)
    found = sink.events(MessagePosted, backfilled=True)
    assert [event.message_id for event in found] == missed
    assert [event.text for event in found] == ["one", "two", "three"]
    assert found[1].channel.thread_id == root


async def test_the_first_start_reads_nothing_old(stage: Stage, sink: RecordingSink) -> None:
    await stage.say("long ago")
    async with stage.running(sink):
        await sink.until(lambda: sink.positions)
        said = await stage.say("now")
        await sink.event(MessagePosted, message_id=said)
    assert not sink.events(MessagePosted, backfilled=True)


async def test_a_failing_back_fill_does_not_hold_up_what_is_said_now(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink):
        await sink.until(lambda: sink.positions)
    cursor = dict(sink.positions)
    missed = await stage.say("missed")
    await stage.control("fault", kind="500", times=1, match="conversations.history")
    async with stage.running(sink):
        live = await stage.say("live")
        await sink.event(MessagePosted, message_id=live, backfilled=False)
        await sink.event(MessagePosted, message_id=missed, backfilled=True)
    assert [i.position for i in sink.stored if i.event == sink.events(MessagePosted, message_id=live)[0]] == [None]
    assert sink.positions != cursor
