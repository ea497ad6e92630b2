"""Direct conversations with one person each."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace

from bot.chat import moments
from bot.chat.messages import Notice
from bot.chat.ports import TOO_LONG, UNREACHABLE, NotSent, Refused, Unclear
from bot.integrations.slack import render
from bot.integrations.slack.api import POST, Api
from bot.integrations.slack.parse import string
from bot.integrations.slack.text import units

REMEMBERED = 5_000
"""Conversations that are kept in mind."""
OPENING = 0.4
"""The part of a request's time in which a conversation must be open."""
_SHUT = frozenset({"cannot_dm_bot", "user_disabled", "user_not_found", "user_not_visible", "invalid_user_combination"})
_STALE = "channel_not_found"


class Directs:
    """Opens them, keeps their ids, and writes into them."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: OrderedDict[str, str] = OrderedDict()

    async def tell(self, notice: Notice, key: str) -> None:
        """Send a direct notice, whole and without buttons; `key` travels in its metadata. Raises SendError."""
        if (length := units(moments.plain(notice.text))) > render.MAX_REPLY:
            raise Refused(f"the text has {length} UTF-16 units, a Slack message holds {render.MAX_REPLY}", TOO_LONG)
        user, content = notice.member.user_id, render.private(replace(notice, buttons=()))
        if key:
            content |= {"metadata": render.marked(key)}
        known = user in self._known
        end = asyncio.get_running_loop().time() + self._api.timeout
        try:
            try:
                await self._post(user, content, end)
            except Refused as refused:
                if refused.code != _STALE or not known:
                    raise
                self._known.pop(user, None)
                await self._post(user, content, end)
        except Refused as refused:
            if refused.code in _SHUT:
                raise Refused(f"somebody takes no direct messages ({refused})", UNREACHABLE) from refused
            raise

    async def channel(self, user: str) -> str:
        """The conversation with somebody. Raises SendError."""
        if user in self._known:
            self._known.move_to_end(user)
            return self._known[user]
        opened = await self._api.call("conversations.open", lambda web: web.conversations_open(users=user))
        found = string(opened.data, "channel", "id")
        if not found:
            raise NotSent("Slack names no conversation")
        self._known[user] = found
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _post(self, user: str, content: render.Block, end: float) -> None:
        """All of it until `end`, by the loop's clock. Unclear is only the last call."""
        try:
            async with asyncio.timeout_at(end - self._api.timeout * (1 - OPENING)):
                channel = await self.channel(user)
        except (Unclear, TimeoutError) as error:
            raise NotSent(f"no conversation was opened ({str(error) or 'no answer in time'})") from error
        try:
            async with asyncio.timeout_at(end):
                await write(self._api, channel, content)
        except TimeoutError as error:
            raise Unclear("Slack did not answer in time") from error


async def write(api: Api, channel: str, content: render.Block, thread: str | None = None) -> None:
    """Post this there, nothing of it as markup. Raises SendError."""
    await api.call(
        POST,
        lambda web: web.chat_postMessage(
            channel=channel,
            thread_ts=thread,
            mrkdwn=False,
            parse="none",
            link_names=False,
            unfurl_links=False,
            unfurl_media=False,
            **content,
        ),
    )
