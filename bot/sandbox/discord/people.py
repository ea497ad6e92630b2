"""What people do in the local Discord: the acts of the control interface, held to what Discord's client allows."""

from __future__ import annotations

import asyncio
import base64
import binascii
import mimetypes
from collections.abc import Mapping
from datetime import datetime

from bot.sandbox.discord import components as parts
from bot.sandbox.discord import content, forms, interactions
from bot.sandbox.discord.backend import Backend, reference_to
from bot.sandbox.discord.content import Upload
from bot.sandbox.discord.model import POLL_RESULT, Channel, Flag, Guild, Interaction, Member, Message, User
from bot.sandbox.frame import ControlError, Json
from bot.sandbox.payloads import actions, by_word

FAILED = "This interaction failed"
FORM_FAILED = "Something went wrong. Try again."
_LONGEST_TYPED = 4000
Said = Mapping[str, Json]


class People:
    """Acts of members."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._world = backend.world

    def channel(self, name: Json, guild: Guild, member: str | None = None) -> Channel:
        """A channel by its short name or id; `dm` is the member's conversation with the bot."""
        wanted = str(name).removeprefix("#")
        if wanted == "dm" and member is not None:
            return self._world.direct(self._world.user(member))
        found = self._world.channels.get(guild.channels.get(wanted, wanted))
        if found is None:
            raise ControlError(f"there is no channel {name!r}; there are: {', '.join(guild.channels)}")
        return found

    def _where(self, call: Said) -> tuple[User, Channel]:
        """Who acts in which channel; the member is made if need be."""
        guild = self._backend.guild(call.get("tenant"))
        channel = self.channel(call["channel"], guild, str(call["member"]))
        guild = channel.guild or guild
        member = self._world.member(guild, str(call["member"]))
        if member.left:
            raise ControlError(f"{member.user.name} has left {guild.name}")
        return member.user, channel

    def _message(self, call: Said, user: User, channel: Channel) -> Message:
        """A message that the user sees in the channel or one of its threads."""
        wanted = str(call["message_id"])
        for place in self.places(channel):
            message = place.messages.get(wanted)
            if message and message.private_to in (None, user):
                return message
        raise ControlError(f"{user.name} sees no message {wanted} in {channel.name}")

    def places(self, channel: Channel) -> list[Channel]:
        """A channel and its threads."""
        return [channel, *(c for c in self._world.channels.values() if c.parent is channel)]

    def change_member(self, name: str, fields: Said, tenant: str | None) -> dict[str, Json]:
        """Add or change a member: `name`, `roles` (names), `joined_at` and `created` (seconds or ISO), `is_bot`,
        `left`, `boosting`, `blocked`, `locale`. When an account was made stands in its id, and so cannot change later.
        """
        guild = self._backend.guild(tenant)
        if fields.get("created") is not None:
            if self._world.known(name) is not None:
                raise ControlError(f"{name} has an account already, and its id says since when")
            self._world.user(name, _seconds(fields["created"]))
        new = self._world.user(name).id not in guild.members
        member = self._world.member(guild, name)
        rejoined = member.left and fields.get("left") is False
        if rejoined:
            member.left, member.joined_at = False, self._backend.now()
        self._set_fields(guild, member, fields)
        if fields.get("left"):
            self._backend.remove_member(guild, member)
        elif not fields.get("quiet"):
            self._backend.update_member(guild, member, new=new or rejoined)
        roles = {guild.roles[i].name: i for i in member.roles}
        return {"member_id": member.user.id, "tenant": guild.id, "roles": roles}

    def _set_fields(self, guild: Guild, member: Member, fields: Said) -> None:
        user = member.user
        user.display = fields.get("name") or user.display
        user.bot = bool(fields.get("is_bot", user.bot))
        user.locale = fields.get("locale") or user.locale
        if fields.get("joined_at") is not None:
            member.joined_at = _seconds(fields["joined_at"])
        user.blocks_bot = bool(fields.get("blocked", user.blocks_bot))
        if fields.get("boosting") is not None:
            member.premium_since = (member.premium_since or self._backend.now()) if fields["boosting"] else None
        if fields.get("roles") is not None:
            member.roles = [self._backend.role(guild, str(role)).id for role in fields["roles"]]

    def say(self, call: Said) -> str:
        """A member writes; the message's id."""
        user, channel = self._where(call)
        message = self._backend.new_message(channel, user)
        message.content = str(call.get("text") or "").strip()
        if call.get("attachment"):
            upload = _upload(call["attachment"])
            message.attachments = content.attach(self._world, self._backend.frame.base, channel, [upload], None)
        _check_typed(message)
        if call.get("reply_to"):
            quoted = channel.messages.get(str(call["reply_to"]))
            if quoted is None:
                raise ControlError(f"there is no message {call['reply_to']} in {channel.name} to reply to")
            message.kind, message.reference = 19, reference_to(quoted)
        self._backend.resolve_mentions(message, None)
        self._backend.publish(message)
        return message.id

    async def command(self, call: Said) -> Json:
        """A member types a slash command."""
        user, channel = self._where(call)
        member = channel.guild.members[user.id] if channel.guild else None
        data = self._backend.commands.typed(channel.guild, member, str(call["text"]))
        return await self._act(interactions.COMMAND, user, channel, data, None)

    async def click(self, call: Said) -> Json:
        """A member presses a button or chooses an option; a link button only answers its `url`."""
        user, channel = self._where(call)
        message = self._message(call, user, channel)
        data = _pressed(message, str(call["button"]))
        if "url" in data:
            return data
        return await self._act(interactions.COMPONENT, user, message.channel, data, message)

    async def _act(
        self, kind: int, user: User, channel: Channel, data: dict[str, Json], cause: Interaction | Message | None
    ) -> dict[str, Json]:
        """Let the bot know, wait for its answer as long as Discord does, and tell what the member saw at once."""
        answered = await self._ask(kind, user, channel, data, cause)
        if answered is None:
            return {"toast": FAILED}
        if answered.modal:
            return {"form": forms.shown(answered)}
        original = answered.original
        if answered.answer == interactions.MESSAGE and original and original.private_to:
            return {"toast": visible_text(original)}
        return {}

    async def _ask(
        self, kind: int, user: User, channel: Channel, data: dict[str, Json], cause: Interaction | Message | None
    ) -> Interaction | None:
        heard = interactions.heard(self._backend, channel)
        asked = interactions.begin(self._backend, kind, user, channel, data, cause)
        if not heard:
            return None
        try:
            await asyncio.wait_for(asked.answered.wait(), interactions.ANSWER_SECONDS)
        except TimeoutError:
            return None
        return asked if asked.answer is not None else None

    async def submit(self, call: Said) -> Json:
        """A member sends a form; what the client objects to comes back as `errors`, and the form stays open."""
        user = self._world.user(str(call["member"]))
        opened = self._form(str(call["form_id"]), user)
        values = forms.by_field(opened, call.get("values") or {})
        if wrong := forms.errors(opened, values):
            return {"errors": wrong}
        data = forms.submitted(opened, values)
        answered = await self._ask(interactions.MODAL_SUBMIT, user, opened.channel, data, opened)
        if answered is None:
            return {"toast": FORM_FAILED}
        self._backend.forms.pop(opened.id, None)
        self._backend.frame.changed.set()
        original = answered.original
        if answered.answer == interactions.MESSAGE and original and original.private_to:
            return {"toast": visible_text(original)}
        return {}

    def _form(self, form_id: str, user: User) -> Interaction:
        for opened in reversed(self._backend.forms.values()):
            if opened.user is user and form_id in (opened.id, (opened.modal or {}).get("custom_id")):
                return opened
        raise ControlError(f"{user.name} has no open form {form_id}")

    def vote(self, call: Said) -> Json:
        """A member votes in a native poll: `options` are indexes from 0, none takes the vote back."""
        user, channel = self._where(call)
        message = self._message(call, user, channel)
        self._backend.close_polls()
        poll, options = message.poll, list(call.get("options") or [])
        if poll is None:
            raise ControlError(f"message {message.id} is no poll")
        if poll.finalized:
            raise ControlError("the poll has ended")
        if len(options) > 1 and not poll.multiselect:
            raise ControlError("the poll takes one answer only")
        if any(type(o) is not int or not 0 <= o < len(poll.answers) for o in options):
            raise ControlError(f"the poll has answers 0 to {len(poll.answers) - 1}")
        self._backend.vote(message, user, [poll.answers[o]["answer_id"] for o in options])
        self._backend.frame.changed.set()
        return {}

    def react(self, call: Said) -> Json:
        """A member adds or takes back a reaction."""
        user, channel = self._where(call)
        message = self._message(call, user, channel)
        self._backend.react(message, user, str(call["emoji"]), remove=bool(call.get("remove")))
        self._backend.frame.changed.set()
        return {}

    def edit(self, call: Said) -> Json:
        """A member changes their own message."""
        user, channel = self._where(call)
        message = self._message(call, user, channel)
        if message.author is not user:
            raise ControlError("only the author can edit a message")
        before, message.content = message.content, str(call["text"]).strip()
        try:
            _check_typed(message)
        except ControlError:
            message.content = before
            raise
        self._backend.resolve_mentions(message, None)
        self._backend.changed(message)
        return {}

    def delete(self, call: Said) -> Json:
        """A member deletes a message: their own, or as a moderator somebody else's. Private ones are dismissed."""
        user, channel = self._where(call)
        self._backend.remove(self._message(call, user, channel))
        return {}


def _check_typed(message: Message) -> None:
    if len(message.content) > _LONGEST_TYPED:
        raise ControlError(f"Discord takes {_LONGEST_TYPED} characters at most")
    if not message.content and not message.attachments:
        raise ControlError("Discord sends no empty message")


def _seconds(moment: Json) -> float:
    if isinstance(moment, int | float):
        return float(moment)
    try:
        return datetime.fromisoformat(str(moment)).timestamp()
    except ValueError:
        raise ControlError(f"{moment!r} is no moment: give seconds since 1970 or ISO 8601") from None


def _upload(attachment: Json) -> Upload:
    """An attachment: a file's name, or `{"name", "content_type"?, "text"? | "base64"?}`."""
    given = {"name": attachment} if isinstance(attachment, str) else attachment
    name = str(given.get("name") or given.get("filename") or "file.txt")
    try:
        data = base64.b64decode(given["base64"], validate=True) if given.get("base64") else None
    except (binascii.Error, TypeError) as error:
        raise ControlError(f"attachment: base64 cannot be read: {error}") from error
    kind = given.get("content_type") or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Upload("files[0]", name, str(kind), str(given.get("text") or "").encode() if data is None else data)


def _pressed(message: Message, wanted: str) -> dict[str, Json]:
    """The interaction data of the button or option that is meant by label, id, or the action in the id."""
    choices: list[str] = []
    pressable: list[tuple[str, dict[str, Json]]] = []
    for _, component in parts.walk(message.components):
        kind, custom_id = component["type"], component.get("custom_id") or ""
        names = [component.get("label"), custom_id or component.get("url"), *actions(custom_id)]
        if kind == parts.BUTTON and wanted in names:
            return _press(component)
        if kind == parts.BUTTON:
            pressable.append((custom_id, component))
            choices += [n for n in names if n][:1]
        for option in component.get("options") or []:
            if wanted in (option["label"], option["value"], *actions(option["value"])):
                _check_enabled(component)
                return {
                    "component_type": kind,
                    "id": component["id"],
                    "custom_id": custom_id,
                    "values": [option["value"]],
                }
            choices.append(option["label"])
    if (only := by_word(pressable, wanted)) is not None:
        return _press(only)
    raise ControlError(f"message {message.id} has no button {wanted!r}; it has: {', '.join(choices) or 'none'}")


def _check_enabled(component: dict[str, Json]) -> None:
    if component.get("disabled"):
        raise ControlError(f"{component.get('label') or component.get('custom_id')!r} is disabled")


def _press(button: dict[str, Json]) -> dict[str, Json]:
    _check_enabled(button)
    if button.get("url"):
        return {"url": button["url"]}
    return {"component_type": parts.BUTTON, "id": button["id"], "custom_id": button["custom_id"]}


def visible_text(message: Message) -> str:
    """Everything that a person reads in a message, line by line, markdown as it is."""
    embeds = [] if message.flags & Flag.SUPPRESS_EMBEDS else content.embed_texts(message.embeds)
    if message.kind == POLL_RESULT:
        embeds = content.poll_result_texts(message.embeds)
    lines = [message.content, *embeds, *parts.texts(message.components)]
    if message.poll:
        lines += [message.poll.question["text"], *(a["poll_media"].get("text", "") for a in message.poll.answers)]
    return "\n".join(line for line in lines if line)
