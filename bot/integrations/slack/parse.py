"""From Slack's raw payloads to events. Pure, and total: what cannot be read is None, whatever its shape.

Payload shapes are those of the Events API, of interactivity and of slash commands as Socket Mode delivers them
(`payload` of the envelope), and one of our own, `BACKFILL`, for messages read from a channel's history.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.chat.events import (
    Attachment,
    ButtonPressed,
    CommandInvoked,
    Event,
    FormSubmitted,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReplyHandle,
)
from bot.domain.places import Channel, Member
from bot.integrations.slack.text import decode, whole

PLATFORM = "slack"
BACKFILL = "herald_backfill"
"""`type` of the raw form in which back-filled messages are stored: `{type, team_id, channel, event}`."""
DELIVERY = "herald_delivery"
"""The `event_type` of the metadata that carries the delivery id of our own messages."""
STAMP = "herald"
"""The key under which a stored payload says what Slack did not: `{name, team_url}`, so that any process reads the same
from it, also one that has never asked Slack."""
LINK = "link:"
"""Prefix of the action ids of buttons that only open a page: Slack reports clicks on them, we have no use for them."""

_SPOKEN = frozenset({"", "bot_message", "file_share", "thread_broadcast", "me_message"})
"""Message subtypes that somebody wrote; the others are Slack's own announcements."""
_TS = re.compile(r"[0-9]{1,12}\.[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Context:
    """What the payloads do not say: whose they should be, and what people are called.

    Empty ids are unknown and match everything. `team_url` ends in a slash; `names` is by user id.
    """

    team_id: str = ""
    app_id: str = ""
    team_url: str = ""
    names: Mapping[str, str] = field(default_factory=dict)


def parse(payload: object, context: Context) -> Event | None:
    """The event in a payload, or None where we have no use for it or it is not ours. Never raises."""
    team = team_of(payload)
    if not team or is_foreign(payload, context):
        return None
    if fields(payload, STAMP):
        context = _stamped(payload, context)
    kind = string(payload, "type")
    if kind == "event_callback" and string(payload, "event", "type") == "message":
        return _message(payload, team, context)
    if kind == BACKFILL:
        return _posted(payload, string(payload, "channel"), team, context)
    asked = {"block_actions": _pressed, "view_submission": _submitted, "": _command}.get(kind)
    event = asked(payload, team) if asked else None
    known = context.names.get(event.member.user_id) if event else None
    # A name that nobody knows is kept as the id: then the handle that the payload has says more.
    return replace(event, member_name=whole(known)) if event and known not in (None, event.member.user_id) else event


def stamped(payload: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The payload as it is stored, with what is known about it besides: its author's name, and where links lead."""
    told = {"name": context.names.get(author_of(payload), ""), "team_url": context.team_url}
    kept = {key: value for key, value in told.items() if value}
    return {key: value for key, value in payload.items() if key != STAMP} | ({STAMP: kept} if kept else {})


def _stamped(payload: object, context: Context) -> Context:
    name, url = string(payload, STAMP, "name"), string(payload, STAMP, "team_url")
    names = {author_of(payload): name} if name else context.names
    return replace(context, names=names, team_url=url or context.team_url)


def is_foreign(payload: object, context: Context) -> bool:
    """Whether the payload names another workspace or another app than ours."""
    team, app = team_of(payload), string(payload, "api_app_id")
    return bool(
        (context.team_id and team and team != context.team_id) or (context.app_id and app not in ("", context.app_id))
    )


def team_of(payload: object) -> str:
    """The id of the workspace that a payload speaks of, or an empty string."""
    return string(payload, "team_id") or string(payload, "team", "id")


def author_of(payload: object) -> str:
    """The id of the user who caused it, or an empty string."""
    return string(payload, "event", "user") or string(payload, "user_id") or string(payload, "user", "id")


def external_id(payload: object, raw: str) -> str:
    """What is the same on every redelivery of this payload and differs between any two others.

    Sources: `event_id` of the Events API; `trigger_id` of interactions and commands, with the values of a form,
    since a form refused with field errors is submitted again.
    """
    if event_id := string(payload, "event_id"):
        return event_id
    kind = string(payload, "type") or ("command" if string(payload, "command") else "unknown")
    trigger = string(payload, "trigger_id")
    if not trigger:
        return f"{kind}:{_digest(raw)}"
    if kind == "view_submission":
        return f"{kind}:{trigger}:{_digest(json.dumps(at(payload, 'view', 'state'), sort_keys=True, default=str))}"
    return f"{kind}:{trigger}"


def microseconds(ts: str) -> int | None:
    """A message's `ts` as integer microseconds: what cursors are made of. None where it is not one."""
    if not _TS.fullmatch(ts):
        return None
    seconds, _, fraction = ts.partition(".")
    return int(seconds) * 1_000_000 + int(fraction.ljust(6, "0"))


def timestamp(micros: int) -> str:
    """The `ts` of these microseconds."""
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def at(value: object, *path: str) -> Any:  # noqa: ANN401 - JSON is anything
    """What lies at this path of nested objects, or None."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def string(value: object, *path: str) -> str:
    """The text at this path, or an empty one."""
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def items(value: object, *path: str) -> list[Any]:
    """The list at this path, or an empty one."""
    found = at(value, *path)
    return found if isinstance(found, list) else []


def fields(value: object, *path: str) -> dict[str, Any]:
    """The object at this path, or an empty one."""
    found = at(value, *path)
    return found if isinstance(found, dict) else {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _channel(team: str, channel_id: str, ts: str = "", thread: str = "") -> Channel:
    # Slack gives `thread_ts` to the root of a thread too: the root itself stands in the channel, not in its thread.
    return Channel(PLATFORM, team, channel_id, thread if thread and thread != ts else None)


def _seconds(ts: str) -> float | None:
    micros = microseconds(ts)
    return None if micros is None else micros / 1_000_000


def _message(payload: object, team: str, context: Context) -> Event | None:
    event = fields(payload, "event")
    channel = string(event, "channel")
    match string(event, "subtype"):
        case "message_changed":
            return _changed(event, channel, team)
        case "message_deleted":
            return _deleted(channel, team, string(event, "deleted_ts"), string(event, "previous_message", "thread_ts"))
    return _posted(payload, channel, team, context)


def _posted(payload: object, channel_id: str, team: str, context: Context) -> MessagePosted | None:
    event = fields(payload, "event")
    ts, thread, bot = string(event, "ts"), string(event, "thread_ts"), string(event, "bot_id")
    sent_at, author = _seconds(ts), string(event, "user") or bot
    if string(event, "subtype") not in _SPOKEN or not channel_id or not author or sent_at is None:
        return None
    channel = _channel(team, channel_id, ts, thread)
    return MessagePosted(
        channel=channel,
        message_id=ts,
        author=Member(PLATFORM, team, author),
        author_name=_name(event, author, context),
        text=decode(string(event, "text")),
        sent_at=sent_at,
        author_is_bot=bool(bot) or string(event, "subtype") == "bot_message",
        reply_to=channel.thread_id,
        attachments=tuple(map(_attachment, filter(None, items(event, "files")))),
        url=permalink(context.team_url, channel, ts),
        backfilled=string(payload, "type") == BACKFILL,
        nonce=_nonce(payload, event),
    )


def _name(event: object, user: str, context: Context) -> str:
    profile = fields(event, "user_profile")
    known = string(profile, "display_name") or string(profile, "real_name") or context.names.get(user, "")
    return whole(known or string(event, "username") or string(event, "bot_profile", "name") or user)


def _attachment(file: object) -> Attachment:
    size = at(file, "size")
    return Attachment(
        name=whole(string(file, "name") or string(file, "title") or string(file, "id")),
        media_type=string(file, "mimetype"),
        size=size if isinstance(size, int) and not isinstance(size, bool) else None,
    )


def permalink(team_url: str, channel: Channel, ts: str) -> str | None:
    """Where people can open a message, as chat.getPermalink says it; None while the address or the `ts` is unknown."""
    if not team_url or not ts:
        return None
    thread = f"?thread_ts={channel.thread_id}&cid={channel.channel_id}" if channel.thread_id else ""
    return f"{team_url}archives/{channel.channel_id}/p{ts.replace('.', '')}{thread}"


def _nonce(payload: object, event: object) -> str | None:
    # Any app can attach metadata of our type: only our own message may confirm a delivery.
    ours = string(event, "app_id") or string(event, "bot_profile", "app_id")
    if string(event, "metadata", "event_type") != DELIVERY or not ours or ours != string(payload, "api_app_id"):
        return None
    return string(event, "metadata", "event_payload", "id") or None


def _changed(event: object, channel_id: str, team: str) -> MessageEdited | MessageDeleted | None:
    message = fields(event, "message")
    ts, thread, user = string(message, "ts"), string(message, "thread_ts"), string(message, "user")
    if string(message, "subtype") == "tombstone":  # the deleted root of a thread that still has replies
        return _deleted(channel_id, team, ts, thread)
    edited_at = _seconds(string(message, "edited", "ts") or string(event, "event_ts") or string(event, "ts"))
    before = at(event, "previous_message", "text")
    if string(message, "bot_id") or before == string(message, "text"):  # our own card, or a link preview came
        return None
    if not channel_id or microseconds(ts) is None or edited_at is None:
        return None
    author = Member(PLATFORM, team, user) if user else None
    channel = _channel(team, channel_id, ts, thread)
    return MessageEdited(channel, ts, decode(string(message, "text")), edited_at, author)


def _deleted(channel_id: str, team: str, ts: str, thread: str) -> MessageDeleted | None:
    if not channel_id or microseconds(ts) is None:
        return None
    return MessageDeleted(_channel(team, channel_id, ts, thread), ts)


def _reply(payload: object) -> ReplyHandle:
    url = string(payload, "response_url")
    return {"response_url": url} if url else {}


def _person(payload: object) -> str:
    return whole(
        string(payload, "user", "name") or string(payload, "user", "username") or string(payload, "user", "id")
    )


def _command(payload: object, team: str) -> CommandInvoked | None:
    channel, user = string(payload, "channel_id"), string(payload, "user_id")
    if not channel or not user or not string(payload, "command"):
        return None
    return CommandInvoked(
        channel=_channel(team, channel),
        member=Member(PLATFORM, team, user),
        member_name=whole(string(payload, "user_name") or user),
        name=whole(string(payload, "command")).removeprefix("/").lower(),
        text=decode(string(payload, "text")),
        reply=_reply(payload),
        private=channel.startswith("D"),
    )


def _pressed(payload: object, team: str) -> ButtonPressed | None:
    action = next(iter(items(payload, "actions")), None)
    payload_text = string(action, "value") or string(action, "action_id")
    channel = string(payload, "channel", "id") or string(payload, "container", "channel_id")
    ts = string(payload, "container", "message_ts") or string(payload, "message", "ts")
    thread = string(payload, "message", "thread_ts") or string(payload, "container", "thread_ts")
    user = string(payload, "user", "id")
    if string(action, "type") != "button" or string(action, "action_id").startswith(LINK):
        return None
    # What only one person sees is no message that could be named again: it may come without its `ts`.
    if not (payload_text and channel and user and (ts or at(payload, "container", "is_ephemeral") is True)):
        return None
    place = _channel(team, channel, ts, thread)
    return ButtonPressed(place, Member(PLATFORM, team, user), _person(payload), ts, payload_text, _reply(payload))


def _submitted(payload: object, team: str) -> FormSubmitted | None:
    opened = read_metadata(string(payload, "view", "private_metadata"))
    user = string(payload, "user", "id")
    if opened is None or not user:
        return None
    channel = _channel(team, opened.channel_id, thread=opened.thread_id or "")
    values = {key: _value(block) for key, block in fields(payload, "view", "state", "values").items()}
    member = Member(PLATFORM, team, user)
    return FormSubmitted(channel, member, _person(payload), opened.payload, values, _reply(payload))


def _value(block: object) -> str:
    element = next(iter(block.values()), None) if isinstance(block, dict) else None
    return whole(string(element, "value") or string(element, "selected_option", "value"))


@dataclass(frozen=True, slots=True)
class Opened:
    """What a modal remembers of where it was opened, in its `private_metadata`."""

    payload: str
    channel_id: str
    thread_id: str | None = None

    def write(self) -> str:
        """As `private_metadata`."""
        return json.dumps({"p": self.payload, "c": self.channel_id, "t": self.thread_id}, separators=(",", ":"))


def read_metadata(text: str) -> Opened | None:
    """What `Opened.write` wrote, or None: then the modal is not ours."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    payload, channel = at(data, "p"), string(data, "c")
    return Opened(payload, channel, string(data, "t") or None) if isinstance(payload, str) and channel else None
