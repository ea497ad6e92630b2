"""HTTP mode end to end: the sandbox signs and delivers, our server takes it, the Web API answers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from faults.world import until

from bot.chat.events import ButtonPressed, CommandInvoked, Event, FormSubmitted, MessagePosted
from bot.chat.messages import Accepted, Answer, FieldErrors, OpenForm
from bot.integrations.slack import SlackPlatform
from bot.operations.web import Web
from bot.settings import Http
from tests.integrations.slack.conftest import RecordingSink, Stage
from tests.integrations.slack.test_inbound import CARD, FORM


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A sandbox of its own: it delivers over HTTP from the first test on."""
    command = [sys.executable, "-m", "bot.sandbox", "--port", "0", "--limits", "none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


@asynccontextmanager
async def serving(stage: Stage, sink: RecordingSink) -> AsyncIterator[SlackPlatform]:
    """A platform in HTTP mode behind our own server, known to the sandbox as the app's Request URL."""
    async with stage.session.get(f"{stage.url}/control/info") as answer:
        secret = (await answer.json())["env"]["HERALD_SLACK__SIGNING_SECRET"]
    platform = SlackPlatform(replace(stage.config, mode="http", signing_secret=secret, app_token=""))
    server, ready = Web(Http(bind="127.0.0.1:0"), {}, platform.hooks(sink)), asyncio.Event()
    tasks = [asyncio.create_task(server.run()), asyncio.create_task(platform.run(sink, ready.set))]
    try:
        async with asyncio.timeout(10):
            await ready.wait()
        await until("it listens", lambda: server.port)
        await stage.control("endpoint", url=f"http://127.0.0.1:{server.port}/slack/events")
        yield platform
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await platform.close()


async def test_what_people_do_arrives_and_is_answered(stage: Stage, sink: RecordingSink) -> None:
    def answer(event: Event | None) -> Answer:
        if isinstance(event, ButtonPressed):
            return OpenForm(FORM)
        if isinstance(event, FormSubmitted) and event.values["text"] == "bad":
            return FieldErrors({"text": "Too short"})
        return Accepted()

    sink.answer = answer
    async with serving(stage, sink) as platform:
        said = await stage.say("a <b> & 茶")
        heard = await sink.event(MessagePosted, message_id=said)
        await stage.control("command", channel="community", member="ana", text="/status now")
        typed = await sink.event(CommandInvoked)
        card = await platform.send(CARD, stage.review, "d1")
        await stage.control("click", channel="review", message_id=card, member="ben", button="edit")
        seen = await stage.until_seen("ben", lambda message: bool(message.get("form")), "review")
        form = str(seen["form"]["id"] if isinstance(seen["form"], dict) else seen["form"])
        await stage.control("submit", form_id=form, member="ben", values={"text": "bad"})
        await sink.until(lambda: len(sink.events(FormSubmitted)) == 1)
        await stage.control("submit", form_id=form, member="ben", values={"text": "better"})
        await sink.until(lambda: len(sink.events(FormSubmitted)) == 2)
    assert (heard.text, heard.channel, heard.author_name) == ("a <b> & 茶", stage.community, "ana")
    assert (typed.name, typed.text) == ("status", "now")
    assert [event.values["text"] for event in sink.events(FormSubmitted)] == ["bad", "better"]


async def test_what_could_not_be_stored_comes_again(stage: Stage, sink: RecordingSink) -> None:
    async with serving(stage, sink):
        await sink.until(lambda: sink.positions)
        sink.refusals = 1
        said = await stage.say("not lost")
        await sink.event(MessagePosted, message_id=said)
    assert len(sink.events(MessagePosted, message_id=said)) == 1
    assert [one.event.message_id for one in sink.refused if isinstance(one.event, MessagePosted)] == [said]


async def test_what_was_said_while_we_were_away_is_read_back(stage: Stage, sink: RecordingSink) -> None:
    async with serving(stage, sink):
        first = await stage.say("before")
        await sink.event(MessagePosted, message_id=first)
        await sink.until(lambda: sink.positions)
    missed = await stage.say("while nobody listened")
    async with serving(stage, sink):
        found = await sink.event(MessagePosted, message_id=missed)
    assert found.text == "while nobody listened"
