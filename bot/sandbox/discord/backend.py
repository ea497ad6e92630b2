"""What happens in the local Discord, whoever does it: each act changes the state and tells the gateway."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from bot.sandbox.discord import content, views
from bot.sandbox.discord.commands import CommandBook
from bot.sandbox.discord.model import (
    POLL_RESULT,
    Channel,
    ChannelType,
    Flag,
    Guild,
    Interaction,
    Member,
    Message,
    Role,
    User,
)
from bot.sandbox.discord.sessions import Hub
from bot.sandbox.discord.world import World
from bot.sandbox.frame import Frame, Json

NONCE_SECONDS = 180.0
"""How long a nonce is remembered; Discord says "the past few minutes"."""


@dataclass
class Sent:
    """A message that was created with a nonce."""

    at: float
    channel: Channel
    message_id: str


class Backend:
    """The state, the gateway, and the acts that join them."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.world = World(frame.clock)
        self.hub = Hub(frame, self.world)
        self.commands = CommandBook(self.world)
        self.interactions: OrderedDict[str, Interaction] = OrderedDict()
        """By token."""
        self.forms: dict[str, Interaction] = {}
        """Open modals, by the id of the interaction that was answered with them."""
        self._nonces: OrderedDict[tuple[str, str | int], Sent] = OrderedDict()
        self.deliver: Callable[[Interaction, Json], None] = lambda _it, _body: None
        """Posts an interaction to the application's endpoint, where it has one."""

    def now(self) -> float:
        """The sandbox's time, UTC seconds since 1970."""
        return self.frame.clock.now()

    def new_message(self, channel: Channel, author: User) -> Message:
        """An empty message that is in no channel yet."""
        return Message(self.world.snowflake(), channel, author, self.now())

    def publish(self, message: Message) -> None:
        """Put a finished message into its channel and tell the gateway, unless it is for one person only."""
        self.world.add_message(message)
        while self._nonces and next(iter(self._nonces.values())).at < self.now() - NONCE_SECONDS:
            del self._nonces[next(iter(self._nonces))]
        if message.nonce is not None:
            self._nonces[message.author.id, message.nonce] = Sent(self.now(), message.channel, message.id)
        if message.private_to is None:
            self.dispatch(message.channel, "MESSAGE_CREATE", views.message_event(self.world, message, nonce=True))
        self.frame.changed.set()

    def sent_before(self, author: User, nonce: str | int) -> Sent | None:
        """What that author created with that nonce in the past few minutes."""
        sent = self._nonces.get((author.id, nonce))
        return sent if sent and self.now() - sent.at <= NONCE_SECONDS else None

    def changed(self, message: Message, *, edited: bool = True) -> None:
        """Tell that a message is not what it was; `edited` when a person would call it edited."""
        if edited:
            message.edited = self.now()
        if message.private_to is None:
            self.dispatch(message.channel, "MESSAGE_UPDATE", views.message_event(self.world, message))
        self.frame.changed.set()

    def remove(self, message: Message) -> None:
        """Delete a message."""
        message.channel.messages.pop(message.id, None)
        if message.private_to is None:
            body = {"id": message.id, "channel_id": message.channel.id} | _guild_id(message.channel)
            self.dispatch(message.channel, "MESSAGE_DELETE", body)
        self.frame.changed.set()

    def dispatch(self, channel: Channel, kind: str, body: Json) -> None:
        """Tell the gateway about something in that channel."""
        self.hub.dispatch(kind, body, direct=channel.kind == ChannelType.DM)

    def resolve_mentions(self, message: Message, allowed: Json) -> None:
        """Work out whom the message mentions; `allowed` is the request's `allowed_mentions` or None."""
        quoted = message.channel.messages.get(message.reference["message_id"]) if message.reference else None
        found = content.mentions(self.world, message, allowed, quoted.author if quoted else None)
        message.mentions, message.mention_roles = found.users, found.roles
        message.mention_everyone = found.everyone

    def react(self, message: Message, user: User, emoji: str, *, remove: bool) -> bool:
        """Add or take back a reaction; False when nothing changed."""
        users = message.reactions.setdefault(emoji, [])
        if (user.id in users) != remove:
            if not users:
                del message.reactions[emoji]
            return False
        users.remove(user.id) if remove else users.append(user.id)
        if not users:
            del message.reactions[emoji]
        channel = message.channel
        body: dict[str, Json] = {"user_id": user.id, "channel_id": channel.id, "message_id": message.id}
        body |= {"emoji": views.emoji(emoji), "type": 0, "burst": False} | _guild_id(channel)
        if not remove:
            body["message_author_id"] = message.author.id
            if channel.guild and user.id in channel.guild.members:
                body["member"] = views.member(channel.guild.members[user.id])
        self.dispatch(channel, "MESSAGE_REACTION_REMOVE" if remove else "MESSAGE_REACTION_ADD", body)
        return True

    def vote(self, message: Message, user: User, answers: list[int]) -> None:
        """Make these the user's choices in the message's poll."""
        if message.poll is None:
            return
        votes = message.poll.votes
        for answer in [a["answer_id"] for a in message.poll.answers]:
            voters = votes.setdefault(answer, [])
            if user.id in voters and answer not in answers:
                voters.remove(user.id)
                self._tell_vote("MESSAGE_POLL_VOTE_REMOVE", message, user, answer)
        for answer in answers:
            if user.id not in votes[answer]:
                votes[answer].append(user.id)
                self._tell_vote("MESSAGE_POLL_VOTE_ADD", message, user, answer)

    def _tell_vote(self, kind: str, message: Message, user: User, answer: int) -> None:
        body = {"user_id": user.id, "channel_id": message.channel.id, "message_id": message.id, "answer_id": answer}
        self.dispatch(message.channel, kind, body | _guild_id(message.channel))

    def close_polls(self) -> None:
        """End the polls whose time is over."""
        for message, poll in list(self.world.polls):
            if poll.finalized or message.id not in message.channel.messages:
                self.world.polls.remove((message, poll))
            elif poll.expiry <= self.now():
                self.end_poll(message)

    def end_poll(self, message: Message) -> None:
        """Finish a poll: the message is updated, and the result message (type 46) follows in the channel."""
        poll = message.poll
        if poll is None or poll.finalized:
            return
        poll.finalized, poll.expiry = True, min(poll.expiry, self.now())
        self.changed(message, edited=False)
        result = self.new_message(message.channel, message.author)
        result.kind = POLL_RESULT
        result.reference = reference_to(message)
        result.embeds = [{"type": "poll_result", "fields": _result_fields(message)}]
        self.publish(result)

    def open_thread(self, parent: Channel, name: str, owner: User, *, on: Message | None, kind: int) -> Channel:
        """A new thread, on a message (whose id it then has) or by itself."""
        thread = Channel(
            on.id if on else self.world.snowflake(),
            kind,
            name,
            parent.guild,
            self.now(),
            parent=parent,
            owner_id=owner.id,
        )
        thread.thread_members = {owner.id: self.now(), self.world.bot.id: self.now()}
        self.world.channels[thread.id] = thread
        self.dispatch(parent, "THREAD_CREATE", views.channel(thread) | {"newly_created": True})
        if on:
            on.thread, on.flags = thread, on.flags | Flag.HAS_THREAD
            self.changed(on, edited=False)
        return thread

    def guild(self, name: str | None) -> Guild:
        """The guild of that name or id; the bot joins a new one when there is none."""
        found = self.world.tenant(name)
        if found is None:
            found = self.world.make_guild(name or "")
            self.hub.dispatch("GUILD_CREATE", views.gateway_guild(self.world, found, everybody=False))
        return found

    def role(self, guild: Guild, name: str) -> Role:
        """The role of that name, made if need be."""
        role, new = self.world.role(guild, name)
        if new:
            self.hub.dispatch("GUILD_ROLE_CREATE", {"guild_id": guild.id, "role": views.role(role)})
        return role

    def update_member(self, guild: Guild, member: Member, *, new: bool) -> None:
        """Tell that a member is new or has changed."""
        kind = "GUILD_MEMBER_ADD" if new else "GUILD_MEMBER_UPDATE"
        self.hub.dispatch(kind, views.member(member) | {"guild_id": guild.id})

    def remove_member(self, guild: Guild, member: Member) -> None:
        """A member leaves the guild."""
        member.left, member.roles, member.premium_since = True, [], None
        self.hub.dispatch("GUILD_MEMBER_REMOVE", {"guild_id": guild.id, "user": views.user(member.user)})

    def pin(self, message: Message, *, pinned: bool) -> None:
        """Pin or unpin a message."""
        message.pinned = self.now() if pinned else None
        self.changed(message, edited=False)
        body = {"channel_id": message.channel.id, "last_pin_timestamp": None} | _guild_id(message.channel)
        self.dispatch(message.channel, "CHANNEL_PINS_UPDATE", body)


def reference_to(message: Message) -> dict[str, Json]:
    """The reference of a reply to `message`."""
    return {"type": 0, "channel_id": message.channel.id, "message_id": message.id} | _guild_id(message.channel)


def _guild_id(channel: Channel) -> dict[str, Json]:
    return {"guild_id": channel.guild.id} if channel.guild else {}


def _result_fields(message: Message) -> list[dict[str, Json]]:
    poll = message.poll
    if poll is None:
        return []
    counts = {a["answer_id"]: len(poll.votes.get(a["answer_id"], [])) for a in poll.answers}
    said = {"poll_question_text": poll.question["text"], "total_votes": str(sum(counts.values()))}
    best = max(counts.values())
    winners = [a for a in poll.answers if counts[a["answer_id"]] == best]
    said["victor_answer_votes"] = str(best)
    if len(winners) == 1:
        said["victor_answer_id"] = str(winners[0]["answer_id"])
        said["victor_answer_text"] = winners[0]["poll_media"]["text"]
    return [{"name": name, "value": value, "inline": False} for name, value in said.items()]
