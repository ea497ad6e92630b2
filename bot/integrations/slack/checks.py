"""What is wrong with the set-up: tokens, scopes, and the bot's place in its channels."""

from __future__ import annotations

from collections.abc import Sequence

from bot.chat.ports import Refused, SendError, SetupFault
from bot.domain.places import Channel
from bot.integrations.slack.api import Api
from bot.integrations.slack.config import SlackConfig
from bot.integrations.slack.errors import UNAUTHORIZED
from bot.integrations.slack.manifest import SCOPES
from bot.integrations.slack.parse import at, string

_OPTIONAL = frozenset({"groups:history", "groups:read", "im:history"})
"""Scopes that only private channels and direct messages need: where those are configured, reading them fails below."""

MOST_CONNECTIONS = 10
"""Socket Mode connections of one app (docs.slack.dev, "Using Socket Mode"). One is replaced before it is closed."""

_MISSING = frozenset({"channel_not_found", "invalid_channel"})


async def check(api: Api, config: SlackConfig, channels: Sequence[Channel]) -> list[SetupFault]:
    """All faults that can be seen from here; nothing is sent to any channel."""
    try:
        who = await api.call("auth.test", lambda web: web.auth_test())
    except SendError as error:
        return [_token(error, "slack.token"), *await _delivery(api, config)]
    team = string(who.data, "team_id")
    faults = _scopes(who.headers.get("x-oauth-scopes") or who.headers.get("X-OAuth-Scopes"))
    faults += await _delivery(api, config)
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


async def _delivery(api: Api, config: SlackConfig) -> list[SetupFault]:
    """Whether events can come: by as many connections as are wanted, or as signed requests."""
    if config.mode == "http":
        return [] if config.signing_secret else [SetupFault("slack.signing_secret", {})]
    wanted = {"wanted": str(config.connections)}
    for allowed in range(config.connections):
        try:
            await api.call("apps.connections.open", lambda web: web.apps_connections_open(app_token=config.app_token))
        except SendError as error:
            if allowed == 0:
                return [_token(error, "slack.app_token")]
            if isinstance(error, Refused):
                return [SetupFault("slack.connections", wanted | {"allowed": str(allowed), "reason": str(error)})]
            return []  # asked to wait: nothing is known about the others
    if config.connections >= MOST_CONNECTIONS:
        return [SetupFault("slack.no_spare", wanted | {"most": str(MOST_CONNECTIONS)})]
    return []


async def _channel(api: Api, channel: Channel, team: str) -> list[SetupFault]:
    args = {"channel": channel.channel_id}
    if channel.tenant and channel.tenant != team:
        return [SetupFault("slack.tenant", args | {"tenant": channel.tenant, "team": team})]
    try:
        answer = await api.call("conversations.info", lambda web: web.conversations_info(channel=channel.channel_id))
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
