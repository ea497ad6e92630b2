"""How members of a workspace stand: by pages of its list of users, and one by one (docs.slack.dev, users.list)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.chat.ports import Refused, SendError
from bot.chat.standings import Standing, one_by_one, patiently, told
from bot.domain.places import Channel, Member
from bot.integrations.slack.api import Api, Call
from bot.integrations.slack.parse import PLATFORM, at, items, string

log = logging.getLogger("herald.slack")

PAGE = 500
"""Users of one page: Slack gives up to a thousand, and half of that is read in some milliseconds."""
PAGE_COSTS = 5
"""So many single users are read in the time that a page takes: 20 pages a minute, 100 users (tiers 2 and 4)."""
BURST, PACE = 20, 0.6
"""Single users that are read at once, and the seconds between any more of them: others need the method, too."""
NO_GROUP = frozenset({"no_such_subteam", "subteam_not_found"})
_NOBODY = frozenset({"user_not_found", "user_not_visible"})
_SLACKBOT = "USLACKBOT"


async def standings(
    api: Api, team: str, members: Collection[Member], place: Channel, roles: Collection[str]
) -> Mapping[Member, Standing]:
    """As `ReadsStandings.standings`, in the workspace with this id. Raises SendError.

    Somebody is present until they are deactivated; guests and members of connected workspaces are.
    """
    if place.tenant != team:
        raise Refused(f"{place.tenant} is not the workspace of this bot", "team_not_found")
    asked = {one.user_id: one for one in members if (one.platform, one.tenant) == (PLATFORM, team)}
    if not asked:
        return {}
    holders = await _holders(api, roles)
    users = await _listed(api, asked.keys())
    found = {asked[user]: _standing(user, users[user], holders) for user in users}
    read = 0

    async def single(member: Member) -> Standing:
        nonlocal read
        read += 1
        if read > BURST:
            await asyncio.sleep(PACE)
        return _standing(member.user_id, await _user(api, member.user_id), holders)

    more, ended = await one_by_one((one for user, one in asked.items() if user not in users), single)
    return told(found | more, ended)


async def _holders(api: Api, roles: Iterable[str]) -> Mapping[str, frozenset[str]] | None:
    """Who is in each of these user groups; None where one of them cannot be read: then nothing is said of any."""
    found = {}
    for role in dict.fromkeys(roles):
        try:
            found[role] = await group(api, role)
        except SendError as error:
            log.warning("slack: user group %s cannot be read: %s", role, error)
            return None
    return found


async def group(api: Api, role: str) -> frozenset[str]:
    """The ids of who is in a user group; nobody is in one that does not exist. Raises SendError, after some tries."""
    method = "usergroups.users.list"
    try:
        answer = await _ask(api, method, lambda web: web.usergroups_users_list(usergroup=role))
    except Refused as error:
        if error.code in NO_GROUP:
            return frozenset()
        raise
    return frozenset(user for user in items(answer.data, "users") if isinstance(user, str))


async def _listed(api: Api, asked: Collection[str]) -> dict[str, object]:
    """Those of the users that pages of the list bring, as long as pages are worth their time.

    How many users there are is not known beforehand, so that pages never cost more than reading everybody singly.
    """
    found: dict[str, object] = {}
    cursor = ""
    for _ in range(len(asked) // PAGE_COSTS):
        if len(asked) - len(found) <= PAGE_COSTS:
            break
        try:
            answer = await _ask(api, "users.list", _page(cursor))
        except SendError as error:
            log.info("slack: the list of users ends early: %s", error)
            break
        found |= {user: one for one in items(answer.data, "members") if (user := string(one, "id")) in asked}
        cursor = string(answer.data, "response_metadata", "next_cursor")
        if not cursor:
            break
    return found


def _page(cursor: str) -> Call:
    return lambda web: web.users_list(limit=PAGE, cursor=cursor or None)


async def _user(api: Api, user: str) -> object:
    """What Slack says about somebody; nothing for who it does not know. Raises SendError."""
    try:
        answer = await _ask(api, "users.info", lambda web: web.users_info(user=user))
    except Refused as error:
        if error.code in _NOBODY:
            return None
        raise
    return at(answer.data, "user")


def _standing(user: str, said: object, holders: Mapping[str, frozenset[str]] | None) -> Standing:
    known: Any = said if isinstance(said, dict) else {"deleted": True}
    present = known.get("deleted") is not True
    held = frozenset(role for role, users in (holders or {}).items() if present and user in users)
    return Standing(
        present=present,
        roles=None if holders is None else held,
        is_bot=known.get("is_bot") is True or user == _SLACKBOT,
    )


async def _ask(api: Api, method: str, call: Call) -> AsyncSlackResponse:
    return await patiently(partial(api.call, method, call))
