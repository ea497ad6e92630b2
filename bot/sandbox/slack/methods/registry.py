"""How a method is declared, what it is called with, and what methods share."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.sandbox.frame import Json
from bot.sandbox.slack.arguments import Arguments
from bot.sandbox.slack.core import Core, Place
from bot.sandbox.slack.errors import SlackError
from bot.sandbox.slack.limits import Tier
from bot.sandbox.slack.state import Channel, Member, Message, Workspace
from bot.sandbox.slack.views import Views

Item = TypeVar("Item")
_TS = re.compile(r"\d{1,12}(\.\d{1,6})?$")


@dataclass(frozen=True)
class Call:
    """One call: the workspace that its token belongs to, and its decoded and checked arguments."""

    core: Core
    views: Views
    checks: Arguments
    workspace: Workspace
    args: Mapping[str, Json]

    def channel(self, name: str = "channel", *, joined: bool = False) -> Place:
        """The conversation that an argument names by id. Raises channel_not_found or (`joined`) not_in_channel."""
        channel = self.workspace.channels.get(self.args[name])
        inside = channel is not None and self.workspace.bot.id in channel.members
        if not channel or (channel.is_private and not inside):
            raise SlackError("channel_not_found")
        if joined and not inside:
            raise SlackError("not_in_channel")
        return Place(self.workspace, channel)

    def message(self, place: Place, name: str, error: str = "message_not_found") -> Message:
        """The message that an argument names by its ts."""
        found = place.channel.find(str(self.args.get(name)))
        if not found:
            raise SlackError(error)
        return found

    def member(self, name: str = "user") -> Member:
        """The member that an argument names by id. Raises user_not_found."""
        found = self.workspace.members.get(self.args[name])
        if not found:
            raise SlackError("user_not_found")
        return found

    def wire(self, place: Place, message: Message, *, metadata: bool = False) -> dict[str, Json]:
        """A message as the API answers it."""
        return place.channel.wire(message, self.workspace.id, metadata=metadata)


Handler = Callable[[Call], dict[str, Json]]


@dataclass(frozen=True)
class Method:
    """A method: what does it, the scope that it needs, its rate limit, and whose token it takes (bot, app, anyone)."""

    handler: Handler
    scope: str | None
    tier: Tier
    caller: str = "bot"


METHODS: dict[str, Method] = {}


def method(name: str, *, tier: Tier, scope: str | None = None, caller: str = "bot") -> Callable[[Handler], Handler]:
    """Declare the method `name`; its handler answers without `ok`, or raises SlackError."""

    def declare(handler: Handler) -> Handler:
        METHODS[name] = Method(handler, scope, tier, caller)
        return handler

    return declare


def page(items: Sequence[Item], args: Mapping[str, Json], default: int, most: int = 1000) -> tuple[list[Item], str]:
    """One page by `limit` and `cursor`, and the cursor of the next one ("" after the last).

    Raises invalid_limit or invalid_cursor.
    """
    limit = args.get("limit") or default
    if not isinstance(limit, int) or not 1 <= limit <= most:
        raise SlackError("invalid_limit")
    start = _offset(args["cursor"]) if args.get("cursor") else 0
    if start > len(items):
        raise SlackError("invalid_cursor")
    more = start + limit < len(items)
    following = base64.b64encode(f"offset:{start + limit}".encode()).decode() if more else ""
    return list(items[start : start + limit]), following


def timestamp(args: Mapping[str, Json], name: str) -> float | None:
    """A time argument in seconds, None where it was not given. Raises invalid_ts_<name>."""
    text = args.get(name)
    if text in (None, ""):
        return None
    if not _TS.match(str(text)):
        raise SlackError(f"invalid_ts_{name}")
    return float(text)


def of_types(channels: Sequence[Channel], args: Mapping[str, Json]) -> list[Channel]:
    """The channels of the kinds that `types` asks for (public ones when it does not). Raises invalid_types."""
    kinds = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
    wanted = [kind.strip() for kind in (args.get("types") or "public_channel").split(",")]
    if any(kind not in kinds for kind in wanted):
        raise SlackError("invalid_types")
    shown = {kinds[kind] for kind in wanted}
    return [c for c in channels if c.kind in shown and not (args.get("exclude_archived") and c.is_archived)]


def _offset(cursor: str) -> int:
    try:
        name, _, offset = base64.b64decode(cursor, validate=True).decode().partition(":")
        if name == "offset":
            return int(offset)
    except (binascii.Error, ValueError):
        pass
    raise SlackError("invalid_cursor")
