"""From an envelope to the store and back: hand over, then acknowledge, with the immediate answer where there is one."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiohttp import ClientError
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.chat.events import ButtonPressed, CommandInvoked, Event, FormSubmitted, MessagePosted
from bot.chat.messages import Answer, FieldErrors, Form, Notice, OpenForm
from bot.chat.ports import Incoming, SendError, Sink
from bot.domain.failpoints import Point, reach
from bot.integrations.slack import render
from bot.integrations.slack.api import Api, sdk_log
from bot.integrations.slack.backfill import Backfill
from bot.integrations.slack.parse import STAMP, external_id, items, string
from bot.integrations.slack.people import People
from bot.integrations.slack.socket import Socket
from bot.integrations.slack.tasks import Tasks

log = logging.getLogger("herald.slack")

Asked = CommandInvoked | ButtonPressed | FormSubmitted
"""Events that somebody waits for an answer to."""
NAME_SECONDS = 0.4
"""How long an answer waits for a name: a form must open within three seconds of the click."""


TRIGGERS = 1000
"""How many forms that were opened are remembered: Slack opens only one for each click, also when it tells it twice."""


class Inbound:
    """What happens to every payload of one workspace, whatever its kind."""

    def __init__(self, api: Api, source: str, sink: Sink, backfill: Backfill, people: People) -> None:
        self._api, self._source, self._sink, self._backfill = api, source, sink, backfill
        self._people = people
        self._tasks = Tasks()
        self._used: OrderedDict[str, None] = OrderedDict()
        # The middleware stands before authorization and calls nothing after it: no listener, no auth.test of Bolt's
        # own, and no acknowledgement before `accept` has returned.
        self._bolt = AsyncApp(
            client=api.web,
            logger=sdk_log,
            name="herald-slack",  # Bolt sets the level of the logger of this name: it must be none of ours
            before_authorize=self.receive,
            ssl_check_enabled=False,
            request_verification_enabled=False,
        )

    async def handle(self, socket: Socket, request: SocketModeRequest) -> None:
        """Store what an envelope holds and acknowledge it, or drop the connection so that Slack sends it again."""
        try:
            answer = await run_async_bolt_app(self._bolt, request)
        except Exception as error:  # Bolt reads more of a payload than we do and stumbles over forged ones
            log.warning("Bolt cannot read a payload (%s); it is stored as it is", type(error).__name__)
            answer = await self.receive(request.payload)
        if answer.status != 200:
            await socket.drop()
            return
        try:
            reach(Point.SLACK_ACKNOWLEDGING)
            await send_async_response(socket, request, answer, time.time())
            reach(Point.SLACK_ACKNOWLEDGED)
        except (ConnectionError, ClientError) as error:
            log.info("an acknowledgement found no connection (%s): Slack sends again", type(error).__name__)

    async def close(self, grace: float) -> None:
        """Wait for forms that are being opened, at most so many seconds."""
        await self._tasks.close(grace)

    async def receive(self, body: dict[str, Any]) -> BoltResponse:
        """Store a payload and say how it is answered (also Bolt's global middleware); 503 where nothing was stored."""
        body.pop(STAMP, None)  # ours to write
        event = await self._read(body)
        try:
            (answer,) = await self._sink.accept([self._incoming(body, event)])
        except Exception as error:  # StoreUnavailable; the sink's own fault must not cost the event either
            # Without the traceback: a database's errors quote what could not be stored.
            log.error("an event could not be stored, so Slack keeps it: %s", type(error).__name__)  # noqa: TRY400
            self._missed(event)
            return BoltResponse(status=503)
        if string(body, "type") == "app_rate_limited":
            self._backfill.limited()
        return self._respond(body, event, answer)

    async def _read(self, body: dict[str, Any]) -> Event | None:
        """The event, with the name that people see where it can be had in time."""
        event = self._people.read(body)
        if isinstance(event, MessagePosted):
            if event.author_is_bot or event.author_name != event.author.user_id:
                return event
            await self._people.learn(event.author.user_id)
        elif isinstance(event, Asked):
            with suppress(TimeoutError):
                async with asyncio.timeout(NAME_SECONDS):
                    await self._people.learn(event.member.user_id)
        else:
            return event
        return self._people.read(body)

    def _incoming(self, body: dict[str, Any], event: Event | None) -> Incoming:
        key = external_id(body, _dump(body))
        position = None
        if isinstance(event, MessagePosted):
            position = self._backfill.position(event.channel.channel_id, event.message_id)
        if _is_whispered(body):
            return Incoming(self._source, key, json.dumps({"type": "whispered"}), event, position)
        return Incoming(self._source, key, _dump(body if event is None else self._people.stamp(body)), event, position)

    def _missed(self, event: Event | None) -> None:
        if isinstance(event, MessagePosted):
            self._backfill.missed(event.channel.channel_id, event.message_id)

    def _respond(self, body: dict[str, Any], event: Event | None, answer: Answer) -> BoltResponse:
        if isinstance(event, FormSubmitted):
            return BoltResponse(status=200, body=_form_answer(body, event, answer))
        if isinstance(event, CommandInvoked | ButtonPressed) and self._is_first(string(body, "trigger_id")):
            if isinstance(answer, OpenForm):
                self._tasks.start(self._open(string(body, "trigger_id"), event, answer.form))
            elif isinstance(answer, FieldErrors):
                self._tasks.start(self._tell(event, "\n".join(answer.errors.values())))
        return BoltResponse(status=200)

    def _is_first(self, trigger: str) -> bool:
        if trigger in self._used:
            return False
        self._used[trigger] = None
        while len(self._used) > TRIGGERS:
            self._used.popitem(last=False)
        return True

    async def _open(self, trigger: str, event: Asked, form: Form) -> None:
        # A trigger lives for three seconds: the acknowledgement goes out first, this call right behind it.
        try:
            view = render.modal(form, event.channel)
            await self._api.call("views.open", lambda web: web.views_open(trigger_id=trigger, view=view))
        except (SendError, ValueError) as error:
            log.warning("a form could not be opened: %s", error)
            await self._tell(event, form.failed)

    async def _tell(self, event: Asked, text: str) -> None:
        try:
            await self._people.notify(Notice(text, event.member), event.channel, event.reply)
        except SendError as error:
            log.warning("somebody could not be told that a form did not open: %s", error)


def _is_whispered(body: dict[str, Any]) -> bool:
    """Whether it is the bot's own word to one person alone, which may answer a secret vote: nothing of it is kept."""
    spoken = [string(body, "event", *where) for where in (["bot_id"], ["message", "bot_id"])]
    return string(body, "event", "channel").startswith("D") and any(spoken)


def _dump(body: dict[str, Any]) -> str:
    # The verification token is a secret of the app and says nothing about the event.
    kept = {key: value for key, value in body.items() if key != "token"}
    try:
        return json.dumps(kept)
    except (ValueError, RecursionError):
        return json.dumps({"type": "unreadable"})


def _form_answer(body: dict[str, Any], event: FormSubmitted, answer: Answer) -> dict[str, Any] | str:
    match answer:
        case OpenForm(form):
            return {"response_action": "update", "view": render.modal(form, event.channel)}
        case FieldErrors(errors):
            return {"response_action": "errors", "errors": _by_block(body, event, errors)}
    return ""


def _by_block(body: dict[str, Any], event: FormSubmitted, errors: Mapping[str, str]) -> dict[str, str]:
    """The errors by block id. Slack refuses unknown ones, so the others are shown at the first field."""
    known = [string(block, "block_id") for block in items(body, "view", "blocks")] or list(event.values)
    first = next((key for key in known if key), "")
    out: dict[str, str] = {}
    for key, text in errors.items():
        place = key if key in known else first
        out[place] = f"{out[place]}\n{text}" if place in out else text
    return out
