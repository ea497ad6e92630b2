"""Reading a channel's history, and finding in it what a request with an unknown outcome may have made."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence

from discord.http import Route

from bot.chat.messages import Document
from bot.chat.ports import Refused, Sought, Unclear
from bot.integrations.discord import render
from bot.integrations.discord.api import Api
from bot.integrations.discord.errors import CLOSED_TO_US, GONE
from bot.integrations.discord.fields import (
    DISCORD_EPOCH_MS,
    Json,
    mapping,
    mappings,
    number,
    seconds_of,
    snowflake,
    text,
)
from bot.integrations.discord.parse import THREADS
from bot.integrations.discord.setup import NEEDED, permissions

log = logging.getLogger("herald.discord")

PAGE = 100
"""The most messages that Discord gives at once."""
EARLIER = 10.0
"""Seconds before its start from which on a message is looked for: clocks differ."""
LATER = 600.0
"""Seconds after its start in which it must have landed: far beyond any request's time."""
PAGES = 20
"""Pages that are looked through; a channel with more in so short a time cannot be searched."""
SKEWED = 3.0
"""From so many seconds on the clocks of this machine and Discord's differ: one of them has whole seconds only."""
NO_HISTORY = "no_history"
"""The code of Refused when the bot may not read a channel's history."""
_HISTORY = NEEDED["Read Message History"]


async def page(api: Api, channel: str, after: int, within: float | None = None) -> list[Json]:
    """The next messages after this id, oldest first, at most PAGE. Raises SendError.

    Discord gives nothing at all to who may not read the history: that is Refused, not an empty page.
    """
    route = Route("GET", "/channels/{channel_id}/messages", channel_id=channel)
    answer = await api.rest.call(route, params={"limit": PAGE, "after": str(after)}, within=within)
    if not isinstance(answer, list):
        raise Unclear("a history that is no list")
    messages: list[Json] = sorted((item for item in answer if isinstance(item, dict) and _id(item) > after), key=_id)
    if not messages:
        await _readable(api, channel, after)
    return messages


async def _readable(api: Api, channel: str, after: int) -> None:
    """Raise Refused where a channel looks empty because its history is closed to the bot."""
    data = await api.get(Route("GET", "/channels/{channel_id}", channel_id=channel))
    if int(snowflake(data, "last_message_id") or 0) <= after:
        return
    guild_id = snowflake(data, "guild_id")
    if guild_id is None:
        return  # a direct conversation: always readable
    if number(data, "type") in THREADS:
        data = await api.get(Route("GET", "/channels/{channel_id}", channel_id=snowflake(data, "parent_id") or channel))
    me = await api.me()
    guild = await api.get(Route("GET", "/guilds/{guild_id}", guild_id=guild_id))
    member = await api.get(Route("GET", "/guilds/{guild_id}/members/{user_id}", guild_id=guild_id, user_id=me))
    roles = member.get("roles")
    mine = [role for role in roles if isinstance(role, str)] if isinstance(roles, list) else []
    if not permissions(guild, data, me, mine) & _HISTORY:
        raise Refused("the bot may not read the channel's history", NO_HISTORY)


async def find(api: Api, sought: Sought) -> str | None:
    """As `Finds.find`: by the nonce where the history tells it, else by what the message says and answers."""
    me = await api.me()
    made = render.message(sought.message, sought.to, sought.key)
    files = [len(sought.message.content)] if isinstance(sought.message, Document) else []
    try:
        alone: list[Json] = []
        async for message in _around(api, sought):
            if snowflake(mapping(message, "author"), "id") != me:
                continue
            nonce = _nonce(message)
            if nonce == sought.key:
                return snowflake(message, "id")
            if nonce is not None or not _says(message, made) or _sizes(message) != files:
                continue
            if _answers(message) == _wanted(made):
                return snowflake(message, "id")
            if _answers(message) is None:
                alone.append(message)
        if alone and await _is_gone(api, sought.to.channel_id, _wanted(made)):
            return snowflake(alone[0], "id")
    except Refused as refused:
        if refused.code in CLOSED_TO_US:
            raise Refused(f"the channel cannot be read: {refused}", refused.code) from refused
        raise
    return None


async def _around(api: Api, sought: Sought) -> AsyncIterator[Json]:
    """The channel's messages from the time in which it must have landed, oldest first."""
    skew = api.ahead if abs(api.ahead) >= SKEWED else 0.0
    begun = sought.started_at + skew
    after, until = _snowflake_at(begun - EARLIER), begun + LATER
    for _ in range(PAGES):
        messages = await page(api, sought.to.channel_id, after)
        for message in messages:
            if seconds_of(str(_id(message))) > until:
                return
            yield message
        if len(messages) < PAGE:
            return
        after = _id(messages[-1])
    raise Refused("too many messages were written at that time to look for it", "too_many")


async def _is_gone(api: Api, channel: str, message: str | None) -> bool:
    """Whether the message that ours should answer was deleted, so that ours stands without it."""
    if message is None:
        return False
    path = "/channels/{channel_id}/messages/{message_id}"
    try:
        await api.get(Route("GET", path, channel_id=channel, message_id=message))
    except Refused as refused:
        if refused.code == GONE:
            return True
        raise
    return False


def _says(message: Json, made: Mapping[str, object]) -> bool:
    """Whether a message shows exactly this. Discord cuts white space off both ends of a text."""
    content = made.get("content")
    if text(message, "content") != (content.strip() if isinstance(content, str) else ""):
        return False
    shown, wanted = [_embed(one) for one in mappings(message, "embeds")], made.get("embeds") or []
    if wanted and shown != [_embed(one) for one in mappings({"embeds": wanted}, "embeds")]:
        return False
    if _asked(mapping(message, "poll")) != _asked(mapping(made, "poll")):
        return False
    return _buttons(mappings(message, "components")) == _buttons(mappings(made, "components"))


def _asked(poll: Json) -> tuple[str, list[str]]:
    answers = [mapping(answer, "poll_media") for answer in mappings(poll, "answers")]
    return text(mapping(poll, "question"), "text").strip(), [text(answer, "text").strip() for answer in answers]


def _sizes(message: Json) -> list[int | None]:
    """How many bytes its files have; their names may have been changed on the way."""
    return [number(file, "size") for file in mappings(message, "attachments")]


def _embed(embed: Json) -> tuple[str, str]:
    return text(embed, "title"), text(embed, "description").strip()


def _buttons(rows: Sequence[Json]) -> list[str]:
    buttons = [button for row in rows for button in mappings(row, "components")]
    return [text(button, "custom_id") or text(button, "url") for button in buttons]


def _answers(message: Json) -> str | None:
    return snowflake(mapping(message, "message_reference"), "message_id")


def _wanted(made: Mapping[str, object]) -> str | None:
    return snowflake(mapping(made, "message_reference"), "message_id")


def _nonce(message: Json) -> str | None:
    nonce = message.get("nonce")
    return str(nonce) if isinstance(nonce, str | int) and not isinstance(nonce, bool) else None


def _snowflake_at(at: float) -> int:
    return max(0, int(at * 1000) - DISCORD_EPOCH_MS) << 22


def _id(message: Json) -> int:
    return int(snowflake(message, "id") or 0)
