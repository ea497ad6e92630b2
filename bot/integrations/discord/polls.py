"""Discord's own polls (reference, "Poll Resource"): what ends them, and who has voted."""

from __future__ import annotations

from collections.abc import Mapping

from discord.http import Route

from bot.chat.ports import Refused, Unclear
from bot.integrations.discord.api import Api
from bot.integrations.discord.errors import GONE
from bot.integrations.discord.fields import mapping, mappings, snowflake
from bot.integrations.discord.parse import ANSWERS

_ENDED = "520001"
"""The code for a poll that has ended."""
_PAGE = 100
_PATIENCE = 60.0
"""Seconds for one page of voters: a rate limit may be slept through."""


async def end(api: Api, channel: str, message: str) -> None:
    """End a poll; one that has ended or is gone is a success. Raises SendError.

    It is looked at first: one that is to end with its hour has mostly done so, and what would be refused is not asked.
    """
    known = {"channel_id": channel, "message_id": message}
    look = Route("GET", "/channels/{channel_id}/messages/{message_id}", **known)
    expire = Route("POST", "/channels/{channel_id}/polls/{message_id}/expire", **known)
    try:
        results = mapping(mapping(await api.get(look, api.rest.timeout / 2), "poll"), "results")
        if results.get("is_finalized") is not True:
            await api.rest.call(expire, within=api.rest.timeout / 2)
    except Refused as refused:
        if refused.code not in (_ENDED, GONE):
            raise


async def votes(api: Api, channel: str, message: str, options: int) -> Mapping[str, tuple[int, ...]]:
    """The chosen positions of everybody who has voted, by user id; other bots do not count. Raises SendError."""
    chosen: dict[str, tuple[int, ...]] = {}
    for answer in range(1, min(options, ANSWERS) + 1):
        for user in await _voters(api, channel, message, answer):
            chosen[user] = (*chosen.get(user, ()), answer - 1)
    return chosen


async def _voters(api: Api, channel: str, message: str, answer: int) -> list[str]:
    """Who has chosen this answer, by rising id as Discord gives them."""
    path = "/channels/{channel_id}/polls/{message_id}/answers/{answer_id}"
    route = Route("GET", path, channel_id=channel, message_id=message, answer_id=answer)
    found: list[str] = []
    after = 0
    while True:
        said = await api.rest.call(route, params={"limit": _PAGE, "after": str(after)}, within=_PATIENCE)
        users = mappings(said, "users") if isinstance(said, dict) else []
        found += [user for one in users if one.get("bot") is not True and (user := snowflake(one, "id"))]
        if len(users) < _PAGE:
            return found
        last = max(int(snowflake(one, "id") or 0) for one in users)
        if last <= after:
            raise Unclear("the pages of a poll's voters do not come to an end")
        after = last
