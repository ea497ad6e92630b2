"""Direct conversations with one person each."""

from __future__ import annotations

import logging
import secrets
from collections import OrderedDict

from discord.http import Route

from bot.chat.messages import Notice
from bot.chat.ports import UNREACHABLE, NotSent, Refused, Unclear
from bot.integrations.discord import render
from bot.integrations.discord.fields import is_snowflake, snowflake
from bot.integrations.discord.rest import Rest

log = logging.getLogger("herald.discord")

REMEMBERED = 5_000
"""Conversations that are kept in mind."""
OPENING = 0.4
"""The part of a request's time in which a conversation must be open."""
_UNKNOWN_CHANNEL = "10003"
_SHUT = frozenset({"10013", "50007", "50033", "50278"})
"""Unknown user; no messages to this user; no recipient; no server in common: they cannot be written to."""
_TOO_FAST = "40003"
"""Opening direct messages too fast."""
_SLOWER = 60.0


class Directs:
    """Opens them, keeps their ids, and writes into them."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._known: OrderedDict[str, str] = OrderedDict()

    async def tell(self, notice: Notice, key: str) -> None:
        """Send a direct notice, whole and without buttons; with the same `key` it comes once. Raises SendError."""
        user = notice.member.user_id
        body = render.letter(notice.text, key or secrets.token_hex(12))
        if not is_snowflake(user):
            raise Refused("nobody of Discord has this id", UNREACHABLE)
        known = user in self._known
        try:
            try:
                await self._write(await self.channel(user), body)
            except Refused as refused:
                if refused.code != _UNKNOWN_CHANNEL or not known:
                    raise
                self._known.pop(user, None)
                await self._write(await self.channel(user), body)
        except Refused as refused:
            if refused.code in _SHUT:
                raise Refused(f"somebody takes no direct messages ({refused})", UNREACHABLE) from refused
            raise

    async def channel(self, user: str) -> str:
        """The conversation with somebody. Raises SendError."""
        if user in self._known:
            self._known.move_to_end(user)
            return self._known[user]
        route, within = Route("POST", "/users/@me/channels"), self._rest.timeout * OPENING
        try:
            opened = await self._rest.call(route, json={"recipient_id": user}, repeat=True, within=within)
        except Unclear as unclear:
            raise NotSent(f"no conversation was opened: {unclear}") from unclear
        except Refused as refused:
            if refused.code == _TOO_FAST:
                raise NotSent("conversations are opened too fast", _SLOWER) from refused
            raise
        found = snowflake(opened, "id") if isinstance(opened, dict) else None
        if found is None:
            raise NotSent("Discord names no conversation")
        self._known[user] = found
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _write(self, channel: str, body: render.Json) -> None:
        route = Route("POST", "/channels/{channel_id}/messages", channel_id=channel)
        await self._rest.create(route, body, within=self._rest.timeout * (1 - OPENING))
