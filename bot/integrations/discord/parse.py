"""From what the gateway says to events. Pure: never raises, whatever it is given.

A frame is the gateway's own JSON (`t`, `d`); where we know more than the frame does we add it beside: `parent` (the
channel that a message's thread belongs to) and `backfilled`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from bot.chat.events import (
    Attachment,
    ButtonPressed,
    CommandInvoked,
    Event,
    FormSubmitted,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    PollVoted,
)
from bot.domain.places import Channel, Member
from bot.integrations.discord.fields import (
    Json,
    mapping,
    mappings,
    number,
    seconds,
    seconds_of,
    snowflake,
    snowflakes,
    storable,
    text,
)
from bot.integrations.discord.links import DIRECT, link

PLATFORM = "discord"

THREADS = frozenset({10, 11, 12})
"""Channel types that are threads: announcement, public, private."""
ANSWERS = 10
"""The most answers that a poll of Discord's has."""

_SPOKEN = frozenset({0, 19, 20, 23})
"""Message types that somebody wrote: plain, reply, answers to commands. All others are the platform's announcements."""
_COMMAND, _COMPONENT, _SUBMIT = 2, 3, 5
_CHAT_INPUT = 1
_SUBCOMMANDS = frozenset({1, 2})
_BUTTON = 2
_REPLY_REFERENCE = 0


def parse(raw: str) -> Event | None:
    """The event of a stored frame; None for what is of no use or cannot be read."""
    return read(decode(raw))


def decode(raw: str) -> Json:
    """The frame in this text; empty when it is not a JSON object."""
    try:
        frame = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return frame if isinstance(frame, dict) else {}


def read(frame: Json) -> Event | None:
    """The event of a frame; None for what is of no use or cannot be read."""
    reader = _READERS.get(text(frame, "t"))
    return reader(frame, mapping(frame, "d")) if reader else None


def _posted(frame: Json, d: Json) -> MessagePosted | None:
    message, author = snowflake(d, "id"), mapping(d, "author")
    user = snowflake(author, "id")
    channel = user and _channel(frame, d, user)
    if not (message and user and channel) or number(d, "type") not in _SPOKEN:
        return None
    member = mapping(d, "member")
    reference = mapping(d, "message_reference")
    answers = (number(reference, "type") or _REPLY_REFERENCE) == _REPLY_REFERENCE
    return MessagePosted(
        channel=channel,
        message_id=message,
        author=Member(PLATFORM, channel.tenant, user),
        author_name=_name(member, author),
        text=text(d, "content"),
        sent_at=seconds_of(message),
        author_is_bot=author.get("bot") is True or "webhook_id" in d,
        author_roles=snowflakes(member, "roles"),
        reply_to=snowflake(reference, "message_id") if answers else None,
        attachments=tuple(_attachment(item) for item in mappings(d, "attachments")),
        url=link(channel, message),
        backfilled=frame.get("backfilled") is True,
        nonce=text(d, "nonce") or None,
    )


def _edited(frame: Json, d: Json) -> MessageEdited | None:
    message, edited_at = snowflake(d, "id"), seconds(d, "edited_timestamp")
    user = snowflake(mapping(d, "author"), "id")
    channel = _channel(frame, d, user)
    # Without a time of edit only the previews of links were added; without a text there is nothing to compare.
    if not (message and channel) or edited_at is None or not isinstance(d.get("content"), str):
        return None
    author = Member(PLATFORM, channel.tenant, user) if user else None
    return MessageEdited(channel, message, text(d, "content"), edited_at, author)


def _deleted(frame: Json, d: Json) -> MessageDeleted | None:
    message, channel = snowflake(d, "id"), _channel(frame, d, None)
    return MessageDeleted(channel, message) if message and channel else None


def _vote_added(frame: Json, d: Json) -> PollVoted | None:
    return _voted(d, "add")


def _vote_removed(frame: Json, d: Json) -> PollVoted | None:
    return _voted(d, "remove")


def _voted(d: Json, change: Literal["add", "remove"]) -> PollVoted | None:
    """A vote in anybody's poll: whether it is ours is not said. Answers are numbered from 1 in the order of asking."""
    message, user, answer = snowflake(d, "message_id"), snowflake(d, "user_id"), number(d, "answer_id")
    if not (message and user) or answer is None or not 1 <= answer <= ANSWERS:
        return None
    tenant = snowflake(d, "guild_id") or f"{DIRECT}{user}"
    return PollVoted(message, Member(PLATFORM, tenant, user), (answer - 1,), change)


def _interaction(frame: Json, d: Json) -> CommandInvoked | ButtonPressed | FormSubmitted | None:
    member = mapping(d, "member")
    user = mapping(member, "user") or mapping(d, "user")
    user_id = snowflake(user, "id")
    channel = user_id and _channel(frame, d, user_id)
    reader = _INTERACTIONS.get(number(d, "type") or 0)
    if not (user_id and channel and reader and snowflake(d, "id")):
        return None
    return reader(d, channel, Member(PLATFORM, channel.tenant, user_id), _name(member, user))


def _command(d: Json, channel: Channel, member: Member, name: str) -> CommandInvoked | None:
    data = mapping(d, "data")
    command = text(data, "name").lower()
    if not command or number(data, "type") != _CHAT_INPUT:
        return None
    return CommandInvoked(
        channel=channel,
        member=member,
        member_name=name,
        name=command,
        text=_typed(data.get("options")),
        reply=_handle(d),
        member_roles=snowflakes(mapping(d, "member"), "roles"),
        locale=text(d, "locale") or None,
        private=snowflake(d, "guild_id") is None,
    )


def _typed(options: object, depth: int = 0) -> str:
    """What was typed after the command: one text as it stands, several as `name:value`, sub-commands first."""
    found = [item for item in options if isinstance(item, dict)] if isinstance(options, list) else []
    words = []
    for option in found:
        if number(option, "type") in _SUBCOMMANDS:
            inner = _typed(option.get("options"), depth + 1) if depth < 3 else ""
            words.append(f"{text(option, 'name')} {inner}".rstrip())
        elif len(found) == 1 and text(option, "name") in {"text", "args"}:
            words.append(_value(option))
        else:
            words.append(f"{text(option, 'name')}:{_value(option)}")
    return " ".join(words)


def _value(option: Json) -> str:
    value = option.get("value")
    if isinstance(value, bool):
        return str(value).lower()
    return storable(str(value)) if isinstance(value, str | int | float) else ""


def _button(d: Json, channel: Channel, member: Member, name: str) -> ButtonPressed | None:
    data = mapping(d, "data")
    message = snowflake(mapping(d, "message"), "id")
    if not message or number(data, "component_type") != _BUTTON:
        return None
    return ButtonPressed(
        channel=channel,
        member=member,
        member_name=name,
        message_id=message,
        payload=text(data, "custom_id"),
        reply=_handle(d),
        member_roles=snowflakes(mapping(d, "member"), "roles"),
        locale=text(d, "locale") or None,
        joined_at=seconds(mapping(d, "member"), "joined_at"),
        created_at=seconds_of(member.user_id),
        boosting=boosting(mapping(d, "member")),
    )


def _form(d: Json, channel: Channel, member: Member, name: str) -> FormSubmitted | None:
    data = mapping(d, "data")
    return FormSubmitted(
        channel=channel,
        member=member,
        member_name=name,
        payload=text(data, "custom_id"),
        values={text(field, "custom_id"): _filled(field) for field in _inputs(data)},
        reply=_handle(d),
        member_roles=snowflakes(mapping(d, "member"), "roles"),
        locale=text(d, "locale") or None,
        joined_at=seconds(mapping(d, "member"), "joined_at"),
        created_at=seconds_of(member.user_id),
    )


def _inputs(data: Json) -> Iterator[Json]:
    """The fields of a submitted form: in rows (`components`) or under labels (`component`)."""
    for holder in mappings(data, "components"):
        yield from (field for field in mappings(holder, "components") if "custom_id" in field)
        if field := mapping(holder, "component"):
            yield field


def _filled(field: Json) -> str:
    chosen = field.get("values")
    if isinstance(chosen, list):
        return storable(chosen[0]) if chosen and isinstance(chosen[0], str) else ""
    return text(field, "value")


def _handle(d: Json) -> Mapping[str, str]:
    """What is needed to answer this interaction later. `kind` is how it was put off: `message` or `update`."""
    interaction = snowflake(d, "id") or ""
    from_message = number(d, "type") == _COMPONENT or bool(mapping(d, "message"))
    return {
        "application_id": snowflake(d, "application_id") or "",
        "token": text(d, "token"),
        "at": f"{seconds_of(interaction):.3f}",
        "kind": "update" if from_message else "message",
    }


def _channel(frame: Json, d: Json, user: str | None) -> Channel | None:
    """Where it happened: in a guild, or in the direct conversation with `user`."""
    place, guild = snowflake(d, "channel_id"), snowflake(d, "guild_id")
    tenant = guild or (user and "guild_id" not in d and f"{DIRECT}{user}")
    if not (place and tenant):
        return None
    inside = mapping(d, "channel")
    parent = snowflake(inside, "parent_id") if number(inside, "type") in THREADS else snowflake(frame, "parent")
    return Channel(PLATFORM, tenant, place, parent_id=parent)


def boosting(member: Json) -> bool | None:
    """Whether a member of a guild boosts it; None where it is not said."""
    return member["premium_since"] is not None if "premium_since" in member else None


def _name(member: Json, user: Json) -> str:
    return text(member, "nick") or text(user, "global_name") or text(user, "username")


def _attachment(item: Json) -> Attachment:
    return Attachment(text(item, "filename"), text(item, "content_type"), number(item, "size"))


def external_id(frame: Json, session: str) -> str | None:
    """What tells this frame from all others of its guild; None for a frame that is not kept.

    Reactions and votes have no id of their own: they are numbered by session and sequence, which a resumed
    connection repeats.
    """
    kind, d = text(frame, "t"), mapping(frame, "d")
    own = snowflake(d, "id")
    match kind:
        case "MESSAGE_CREATE" if own:
            return f"m:{own}"
        case "MESSAGE_UPDATE" if own:
            edited = text(d, "edited_timestamp")
            return f"e:{own}:{edited}" if edited else None
        case "MESSAGE_DELETE" if own:
            return f"d:{own}"
        case "INTERACTION_CREATE" if own:
            return f"i:{own}"
        case _ if kind in KEPT:
            return f"s:{session}:{number(frame, 's')}"
    return None


def source(frame: Json) -> str:
    """Who numbers this frame's id."""
    return f"{PLATFORM}:{snowflake(mapping(frame, 'd'), 'guild_id') or 'dm'}"


def each(frame: Json) -> Iterator[Json]:
    """The frames in this one: a bulk deletion is many, everything else is itself."""
    if text(frame, "t") != "MESSAGE_DELETE_BULK":
        yield frame
        return
    d = mapping(frame, "d")
    for message in snowflakes(d, "ids"):
        yield {**frame, "t": "MESSAGE_DELETE", "d": {**{k: v for k, v in d.items() if k != "ids"}, "id": message}}


KEPT = frozenset(
    {
        "MESSAGE_CREATE",
        "MESSAGE_UPDATE",
        "MESSAGE_DELETE",
        "MESSAGE_DELETE_BULK",
        "MESSAGE_REACTION_ADD",
        "MESSAGE_REACTION_REMOVE",
        "MESSAGE_REACTION_REMOVE_ALL",
        "MESSAGE_REACTION_REMOVE_EMOJI",
        "MESSAGE_POLL_VOTE_ADD",
        "MESSAGE_POLL_VOTE_REMOVE",
        "INTERACTION_CREATE",
    }
)
"""The gateway's events that are stored."""

_READERS: Mapping[str, Callable[[Json, Json], Event | None]] = {
    "MESSAGE_CREATE": _posted,
    "MESSAGE_UPDATE": _edited,
    "MESSAGE_DELETE": _deleted,
    "MESSAGE_POLL_VOTE_ADD": _vote_added,
    "MESSAGE_POLL_VOTE_REMOVE": _vote_removed,
    "INTERACTION_CREATE": _interaction,
}

_Interaction = CommandInvoked | ButtonPressed | FormSubmitted
_INTERACTIONS: Mapping[int, Callable[[Json, Channel, Member, str], _Interaction | None]] = {
    _COMMAND: _command,
    _COMPONENT: _button,
    _SUBMIT: _form,
}
