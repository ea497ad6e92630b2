"""What is wrong with the set-up: tokens, scopes, and the bot's place in its channels."""

from __future__ import annotations

from collections.abc import Sequence

from bot.chat.ports import Refused, SendError, SetupFault
from bot.domain.places import Channel
from bot.integrations.slack.api import Api
from bot.integrations.slack.errors import UNAUTHORIZED
from bot.integrations.slack.manifest import SCOPES
from bot.integrations.slack.parse import at, string

_OPTIONAL = frozenset({"groups:history", "groups:read", "im:history"})
"""Scopes that only private channels and direct messages need: where those are configured, reading them fails below."""

_MISSING = frozenset({"channel_not_found", "invalid_channel"})


async def check(api: Api, app_token: str, channels: Sequence[Channel]) -> list[SetupFault]:
    """All faults that can be seen from here; nothing is sent to any channel."""
    try:
        who = await api.call(lambda web: web.auth_test())
    except SendError as error:
        return [_token(error, "slack.token"), *await _app_token(api, app_token)]
    team = string(who.data, "team_id")
    faults = _scopes(who.headers.get("x-oauth-scopes") or who.headers.get("X-OAuth-Scopes"))
    faults += await _app_token(api, app_token)
    for channel in dict.fromkeys(channel.home for channel in channels):
        faults += await _channel(api, channel, team)
    return faults


def _token(error: SendError, key: str) -> SetupFault:
    if isinstance(error, Refused):
        return SetupFault(key, {"reason": str(error)})
    return SetupFault("slack.unreachable", {"reason": str(error)})


def _scopes(granted: object) -> list[SetupFault]:
    # Slack names the scopes in a header; a proxy may drop it, and then there is nothing to compare.
    if not isinstance(granted, str):
        return []
    missing = sorted(set(SCOPES) - _OPTIONAL - {scope.strip() for scope in granted.split(",")})
    return [SetupFault("slack.scope", {"missing": ", ".join(missing)})] if missing else []


async def _app_token(api: Api, app_token: str) -> list[SetupFault]:
    try:
        await api.call(lambda web: web.apps_connections_open(app_token=app_token))
    except SendError as error:
        return [_token(error, "slack.app_token")]
    return []


async def _channel(api: Api, channel: Channel, team: str) -> list[SetupFault]:
    args = {"channel": channel.channel_id}
    if channel.tenant and channel.tenant != team:
        return [SetupFault("slack.tenant", args | {"tenant": channel.tenant, "team": team})]
    try:
        answer = await api.call(lambda web: web.conversations_info(channel=channel.channel_id))
    except Refused as error:
        if error.code in _MISSING:
            return [SetupFault("slack.channel", args)]
        key = "slack.token" if error.code == UNAUTHORIZED else "slack.channel_unreadable"
        return [SetupFault(key, args | {"reason": str(error)})]
    except SendError as error:
        return [SetupFault("slack.unreachable", {"reason": str(error)})]
    return _standing(at(answer.data, "channel"), args)


def _standing(info: object, args: dict[str, str]) -> list[SetupFault]:
    if at(info, "is_archived") is True:
        return [SetupFault("slack.archived", args)]
    # Direct conversations have no membership of their own.
    if at(info, "is_member") is not True and at(info, "is_im") is not True:
        return [SetupFault("slack.not_member", args)]
    return []
