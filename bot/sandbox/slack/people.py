"""People at work in the local Slack: each control call does what the client does when a person does it."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from bot.sandbox.frame import ControlError, Json
from bot.sandbox.slack.core import Core, Place
from bot.sandbox.slack.events import membership_event, reaction_event
from bot.sandbox.slack.files import attach, shared, tell
from bot.sandbox.slack.state import APP_ID, Member, Message, Workspace, make_id
from bot.sandbox.slack.text import compose

_EMOJI_NAMES = {
    "👍": "+1", "👎": "-1", "❤": "heart", "🎉": "tada", "✅": "white_check_mark", "❌": "x", "👀": "eyes",
    "🙏": "pray", "😂": "joy", "🔥": "fire", "🚀": "rocket", "👏": "clap", "😢": "cry", "🤔": "thinking_face",
}  # fmt: skip
_NAME = re.compile(r"[a-z0-9_+'\-]+(::skin-tone-[2-6])?$")

Call = Mapping[str, Json]


class People:
    """What members do with messages and channels."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def member(self, member: str, fields: Call, tenant: str | None) -> dict[str, str]:
        """Add or change a member; joining and leaving are told to the app. Raises ControlError.

        Slack tells nobody when an account was made, and has no boosts; nobody there can block an app's bot.
        """
        if fields.get("blocked"):
            raise ControlError("on Slack nobody can block an app's bot")
        workspace = self._core.workspace(tenant)
        known = workspace.find_member(member)
        person = known or workspace.add_member(member)
        was_in = bool(known) and not person.left
        person.name = str(fields.get("name") or person.name)
        workspace.names += 1
        person.is_bot = bool(fields.get("is_bot", person.is_bot))
        person.left = bool(fields.get("left", person.left))
        if fields.get("joined_at") is not None:
            person.joined_at = _moment(fields["joined_at"])
        if fields.get("roles") is not None:
            workspace.set_roles(person, [str(role) for role in fields["roles"]])
        if was_in == person.left and not fields.get("quiet"):
            self._move(workspace, person)
        return {"member_id": person.id, "tenant": workspace.id}

    def acting(self, call: Call) -> tuple[Place, Member]:
        """Where a call happens, and who acts; an unknown name becomes a member. Raises ControlError."""
        workspace = self._core.workspace(call.get("tenant"))
        name = str(call["member"])
        person = workspace.find_member(name) or workspace.add_member(name)
        place = self._core.place(str(call["channel"]), call.get("tenant"), person.id)
        if person.left:
            raise ControlError(f"{person.name} has left workspace {workspace.id}")
        if place.channel.is_crowd:
            place.channel.members[person.id] = None
        if person.id not in place.channel.members:
            raise ControlError(f"{person.name} is not in channel {place.channel.name or place.channel.id}")
        return place, person

    async def say(self, call: Call) -> str:
        """Write a message; its ts."""
        place, person = self.acting(call)
        text, blocks = self._composed(place, str(call.get("text") or ""))
        message = Message(place.workspace.next_ts(), person.id, text, client_msg_id=str(uuid.uuid4()))
        message.thread_ts = self._thread(place, call.get("reply_to"))
        message.blocks = blocks
        if person.is_bot:
            other_app = make_id("A", place.workspace.id, person.key)
            message.bot_id, message.app_id = make_id("B", place.workspace.id, person.key), other_app
        if call.get("attachment"):
            message.files = [attach(self._core, place.workspace, call["attachment"], person.id)]
            message.subtype = "file_share"
            shared(place, message, message.files)
        self._core.post(place, message)
        tell(self._core, place, message, message.files or [])
        return message.ts

    async def edit(self, call: Call) -> Json:
        """Change one's own message."""
        place, message = self._own(call)
        text, blocks = self._composed(place, str(call["text"]))
        self._core.change(place, message, text=text, blocks=blocks)
        return {}

    async def delete(self, call: Call) -> Json:
        """Delete one's own message."""
        place, message = self._own(call)
        self._core.remove(place, message)
        return {}

    async def react(self, call: Call) -> Json:
        """Add or take back a reaction; the emoji itself or Slack's name for it."""
        place, person = self.acting(call)
        message = place.channel.find(str(call["message_id"]))
        if not message:
            raise ControlError(f"no message {call['message_id']} in {place.channel.name}")
        name, removed = emoji_name(str(call["emoji"])), bool(call.get("remove"))
        users = message.reactions.setdefault(name, [])
        if (person.id in users) is not removed:
            raise ControlError(f"{person.name} has {'not ' if removed else ''}reacted with {name} to this message")
        users.remove(person.id) if removed else users.append(person.id)
        message.reactions = {emoji: given for emoji, given in message.reactions.items() if given}
        event = reaction_event(place, message, person.id, name, removed=removed)
        self._core.emit(place.workspace, event)
        self._core.changed()
        return {}

    def user(self, place: Place, person: Member) -> dict[str, Json]:
        """The `user` object of an interaction."""
        name = person.key.lower()
        return {"id": person.id, "username": name, "name": name, "team_id": place.workspace.id}

    def _composed(self, place: Place, typed: str) -> tuple[str, list[Json] | None]:
        text, elements = compose(typed, lambda word: _identity(place.workspace, word))
        if not elements:
            return text, None
        section = {"type": "rich_text_section", "elements": elements}
        return text, [{"type": "rich_text", "elements": [section]}]

    def _thread(self, place: Place, reply_to: Json) -> str | None:
        if not reply_to:
            return None
        parent = place.channel.find(str(reply_to))
        if not parent:
            raise ControlError(f"no message {reply_to} to reply to in {place.channel.name}")
        return parent.thread_ts or parent.ts

    def _own(self, call: Call) -> tuple[Place, Message]:
        place, person = self.acting(call)
        message = place.channel.find(str(call["message_id"]))
        if not message:
            raise ControlError(f"no message {call['message_id']} in {place.channel.name}")
        if message.user != person.id:
            raise ControlError(f"{person.name} did not write message {message.ts}")
        return place, message

    def _move(self, workspace: Workspace, person: Member) -> None:
        for channel in workspace.open_to_all:
            place = Place(workspace, channel)
            if person.left:
                channel.members.pop(person.id, None)
            else:
                channel.members[person.id] = None
            self._core.emit(workspace, membership_event(place, person, left=person.left))
        self._core.changed()


def emoji_name(emoji: str) -> str:
    """Slack's name of an emoji given as a character or as `:name:`. Raises ControlError."""
    bare = emoji.strip(":").rstrip("\N{VARIATION SELECTOR-16}")
    if bare in _EMOJI_NAMES:
        return _EMOJI_NAMES[bare]
    if _NAME.match(bare):
        return bare
    name = "_".join(unicodedata.name(part, "") for part in bare).lower().replace(" ", "_")
    if not _NAME.match(name):
        raise ControlError(f"Slack has no emoji {emoji!r}; give its Slack name")
    return name


def common(place: Place) -> dict[str, Json]:
    """What every interaction's payload tells of app and workspace."""
    team = {"id": place.workspace.id, "domain": place.workspace.domain}
    token = make_id("verification", APP_ID)
    return {"team": team, "api_app_id": APP_ID, "token": token, "enterprise": None, "is_enterprise_install": False}


def _identity(workspace: Workspace, word: str) -> str | None:
    sign, name = word[0], word[1:]
    if sign == "#":
        channel = workspace.find_channel(name)
        return channel.id if channel and channel.kind != "im" else None
    member = workspace.find_member(name)
    return member.id if member else workspace.usergroups.get(name)


def _moment(value: Json) -> float:
    if isinstance(value, int | float):
        return float(value)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise ControlError(f"joined_at {value!r} is neither seconds since 1970 nor an ISO time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
