"""How members of a server stand (reference, "List Guild Members", "Get Guild Member")."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from discord.http import Route

from bot.chat.ports import Refused, SendError, Unclear
from bot.chat.standings import Standing, one_by_one, patiently, told
from bot.domain.places import Channel, Member
from bot.integrations.discord.api import Api
from bot.integrations.discord.errors import FORBIDDEN
from bot.integrations.discord.fields import Json, is_snowflake, mapping, seconds, seconds_of, snowflake, snowflakes
from bot.integrations.discord.parse import PLATFORM, boosting

log = logging.getLogger("herald.discord")

NO_MEMBER = frozenset({"10007", "10013"})
"""Unknown member, unknown user."""
NO_GUILD = "no_guild"
"""The code of Refused where a channel is in no server: nobody is a member of it."""
FEW = 5
"""So many members are read one by one: a page of the list is a megabyte."""
PAGE = 1_000
_AT_ONCE = 4
_WITHIN = 30.0
"""Seconds for one request: a rate limit may be slept through."""
_NO_LIST = frozenset({"50001", str(FORBIDDEN)})
"""Missing access: the list of members takes the privileged intent for them, a single member does not."""


async def standings(
    api: Api, members: Collection[Member], at: Channel, roles: Collection[str]
) -> Mapping[Member, Standing]:
    """As `ReadsStandings.standings`, in the server of the channel. Raises SendError."""
    if not is_snowflake(at.tenant):
        raise Refused("a direct conversation has no members to look up", NO_GUILD)
    asked = {
        member.user_id: member
        for member in members
        if (member.platform, member.tenant) == (PLATFORM, at.tenant) and is_snowflake(member.user_id)
    }
    if len(asked) > FEW:
        try:
            return await _listed(api, asked, frozenset(roles))
        except Refused as refused:
            if refused.code not in _NO_LIST:
                raise
            log.info("discord: the list of members is closed to the bot: %d are read one by one", len(asked))
    read = partial(_single, api, roles=frozenset(roles))
    return told(*await one_by_one(asked.values(), read, _AT_ONCE))


async def _listed(api: Api, asked: Mapping[str, Member], roles: frozenset[str]) -> Mapping[Member, Standing]:
    """From the list, which is ordered by id: each page begins right before the next who is asked for.

    So it takes hardly more requests than there are pages, and never more than there are members asked for. Whom a page
    skips is not there. A page that is not full ends nothing: nobody is called absent for it.
    """
    waiting = sorted(asked, key=int, reverse=True)
    guild = asked[waiting[0]].tenant
    found: dict[Member, Standing] = {}
    while waiting:
        try:
            page = await _page(api, guild, int(waiting[-1]) - 1)
        except SendError as error:
            return told(found, error)
        there = {snowflake(mapping(one, "user"), "id"): one for one in page}
        last = max((int(user) for user in there if user), default=0)
        while waiting and (not page or int(waiting[-1]) <= last):
            user = waiting.pop()
            found[asked[user]] = _standing(asked[user], there.get(user), roles)
    return found


async def _page(api: Api, guild: str, after: int) -> Sequence[Json]:
    """The members with the next higher ids, at most PAGE of them; none at the end. Raises SendError."""
    route = Route("GET", "/guilds/{guild_id}/members", guild_id=guild)

    async def ask() -> Sequence[Json]:
        params: dict[str, str | int] = {"limit": PAGE, "after": str(after)}
        answer = await api.rest.call(route, params=params, within=_WITHIN, repeat=False)
        members = [one for one in answer if isinstance(one, dict)] if isinstance(answer, list) else []
        ids = [snowflake(mapping(one, "user"), "id") for one in members]
        if not isinstance(answer, list) or not all(one and int(one) > after for one in ids):
            raise Unclear("a page of members that is none")
        return members

    return await patiently(ask)


async def _single(api: Api, member: Member, roles: frozenset[str]) -> Standing:
    path = "/guilds/{guild_id}/members/{user_id}"
    route = Route("GET", path, guild_id=member.tenant, user_id=member.user_id)

    async def ask() -> Json:
        answer = await api.rest.call(route, within=_WITHIN, repeat=False)
        if not isinstance(answer, dict):
            raise Unclear("a member that is none")
        return answer

    try:
        return _standing(member, await patiently(ask), roles)
    except Refused as refused:
        if refused.code not in NO_MEMBER:
            raise
        return _standing(member, None, roles)


def _standing(member: Member, found: Json | None, roles: frozenset[str]) -> Standing:
    """Of somebody who is in the server as `found`, or not there."""
    created_at = seconds_of(member.user_id)
    if found is None:
        return Standing(present=False, roles=frozenset(), created_at=created_at, boosting=False)
    return Standing(
        present=True,
        roles=roles & {member.tenant, *snowflakes(found, "roles")},
        joined_at=seconds(found, "joined_at"),
        created_at=created_at,
        boosting=boosting(found),
        is_bot=mapping(found, "user").get("bot") is True,
    )
