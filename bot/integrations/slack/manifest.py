"""The Slack app manifest: what to paste at api.slack.com/apps, made from the command registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.chat.ports import CommandSpec

SCOPES = (
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:write",
    "usergroups:read",
    "users:read",
)
"""What the bot token must be allowed: each is needed by a method that this integration calls."""

EVENTS = ("message.channels", "message.groups", "message.im")
"""What Slack is asked to tell us."""

ADDRESS = "https://YOUR.ADDRESS.HERE/slack/events"
"""What to write over in a manifest for HTTP mode: where requests to `/slack/events` on `http.bind` come in."""

_NAME, _COMMAND, _DESCRIPTION = 35, 32, 2000


def manifest(commands: Sequence[CommandSpec], name: str, *, http: bool = False) -> dict[str, Any]:
    """The app manifest as JSON-ready data.

    For Socket Mode the app-level token (`connections:write`) is made by hand afterwards; with `http` the address has to
    be filled in, and the signing secret taken from the app.
    """
    url = {"url": ADDRESS} if http else {}
    request_url = {"request_url": ADDRESS} if http else {}
    return {
        "display_information": {"name": name[:_NAME]},
        "features": {
            "bot_user": {"display_name": name[:_NAME], "always_online": True},
            "slash_commands": [_command(command) | url for command in commands],
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": request_url | {"bot_events": list(EVENTS)},
            "interactivity": {"is_enabled": True} | request_url,
            "org_deploy_enabled": False,
            "socket_mode_enabled": not http,
            "token_rotation_enabled": False,
        },
    }


def _command(command: CommandSpec) -> dict[str, Any]:
    # Slack has one description for everybody: English first, the other language after it.
    described = " · ".join(dict.fromkeys(filter(None, (command.descriptions.get(key) for key in ("en", "zh")))))
    out: dict[str, Any] = {
        "command": f"/{command.name}"[:_COMMAND],
        "description": (described or command.name)[:_DESCRIPTION],
        "should_escape": False,
    }
    return out | {"usage_hint": command.usage} if command.usage else out
