"""Event objects other than messages: docs.slack.dev/reference/events."""

from __future__ import annotations

from bot.sandbox.frame import Json
from bot.sandbox.slack.core import Place
from bot.sandbox.slack.state import Member, Message


def reaction_event(place: Place, message: Message, user: str, name: str, *, removed: bool) -> dict[str, Json]:
    """reaction_added or reaction_removed."""
    item = {"type": "message", "channel": place.channel.id, "ts": message.ts}
    kind = "reaction_removed" if removed else "reaction_added"
    about = {"user": user, "reaction": name, "item": item, "item_user": message.user}
    return {"type": kind, **about, "event_ts": place.workspace.next_ts()}


def membership_event(place: Place, member: Member, *, left: bool) -> dict[str, Json]:
    """member_joined_channel or member_left_channel."""
    kind = "member_left_channel" if left else "member_joined_channel"
    where = {"channel": place.channel.id, "channel_type": "C", "team": place.workspace.id}
    return {"type": kind, "user": member.id, **where, "event_ts": place.workspace.next_ts()}


def file_event(place: Place, file: dict[str, Json], user: str) -> dict[str, Json]:
    """file_shared."""
    about = {"channel_id": place.channel.id, "file_id": file["id"], "user_id": user, "file": {"id": file["id"]}}
    return {"type": "file_shared", **about, "event_ts": place.workspace.next_ts()}
