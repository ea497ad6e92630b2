"""Whether a message is there whose sending had no clear outcome: looked up by the delivery id in its metadata.

Slack has no key that makes a second request harmless, but it gives metadata back to the app that attached it
(docs.slack.dev, "Message metadata"; RELIABILITY section 3). A file carries it in its name.
"""

from __future__ import annotations

from typing import Any

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.chat.messages import Document
from bot.chat.ports import Refused, Sought, Unclear
from bot.integrations.slack import files, render
from bot.integrations.slack.api import Api
from bot.integrations.slack.parse import DELIVERY, at, items, string, timestamp
from bot.integrations.slack.signin import Identity
from bot.integrations.slack.text import decode

MARGIN = 300.0
"""Seconds before the request from which on we look. Slack numbers messages by its own clock, and ours may be as far off
as its signatures allow: a window that begins too late would call a message absent that is there."""
PAGE, PAGES = 200, 25
"""Messages at once, and how often we ask: 5,000 messages are looked through at most."""


_NOWHERE = frozenset({"channel_not_found", "invalid_channel", "not_in_channel", "thread_not_found"})
"""Refusals after which no other try will tell more; a missing scope, say, can be mended."""


async def find(api: Api, who: Identity, sought: Sought) -> str | None:
    """The `ts` of the message, or None: the whole time since was read, and it is not there.

    Raises NotSent and Unclear where that cannot be told now, Refused where it never can. Of a file it is never told
    that it is not there, since Slack may take its time to show one.
    """
    try:
        found = await _look(api, who, sought)
    except Refused as error:
        if error.code in _NOWHERE:
            raise
        raise Unclear(f"the history cannot be read at present: {error}") from error
    if found is None and isinstance(sought.message, Document):
        raise Unclear("the file is not there yet")
    return found


async def _look(api: Api, who: Identity, sought: Sought) -> str | None:
    cursor: str | None = None
    for _ in range(PAGES):
        page = (await _ask(api, sought, cursor)).data
        if not isinstance(at(page, "messages"), list):
            raise Unclear("Slack's history could not be read")
        for message in items(page, "messages"):
            if _is_ours(message, who) and _is_it(message, sought):
                return string(message, "ts")
        cursor = string(page, "response_metadata", "next_cursor")
        if not cursor:
            if at(page, "has_more") is True:
                raise Unclear("Slack's history ends before its end")
            return None
    raise Unclear("too much was said since to look through")


async def _ask(api: Api, sought: Sought, cursor: str | None) -> AsyncSlackResponse:
    thread = render.thread_of(sought.message, sought.to)
    since: dict[str, Any] = {
        "channel": sought.to.channel_id,
        "oldest": timestamp(max(0, int((sought.started_at - MARGIN) * 1_000_000))),
        "include_all_metadata": True,
        "limit": PAGE,
        "cursor": cursor,
    }

    def history(web: AsyncWebClient) -> Any:  # noqa: ANN401 - the SDK's coroutine
        return web.conversations_history(**since)

    def replies(web: AsyncWebClient) -> Any:  # noqa: ANN401 - the SDK's coroutine
        return web.conversations_replies(ts=thread or "", **since)

    if thread is None:
        return await api.call("conversations.history", history)
    return await api.call("conversations.replies", replies)


def _is_ours(message: object, who: Identity) -> bool:
    # Any app can attach metadata of our type; nobody else can write as our bot.
    bot, user = string(message, "bot_id"), string(message, "user")
    return bool((bot and bot == who.bot_id) or (user and user == who.user_id))


def _is_it(message: object, sought: Sought) -> bool:
    if isinstance(sought.message, Document):
        name = files.name_of(sought.message, sought.key)
        return any(string(file, "name") == name for file in items(message, "files"))
    if string(message, "metadata", "event_type") == DELIVERY:
        return string(message, "metadata", "event_payload", "id") == sought.key
    if not at(message, "metadata") and decode(string(message, "text")) == render.fallback(sought.message):
        # Something between Slack and us took the metadata away: it may be this message or another one like it.
        raise Unclear("a message with the same text has lost its metadata")
    return False
