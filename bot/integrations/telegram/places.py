"""What a message is called inside Herald, and how events of a supergroup read in the group that it was. Pure."""

from __future__ import annotations

from dataclasses import replace

from bot.chat.events import ChannelMoved, CommandInvoked, Event, FormSubmitted, MessagePosted, PollVoted


def settled(event: Event | None, home: str) -> Event | None:
    """An event of a supergroup as it reads in the group that it was; what only tells of the move is None."""
    if event is None or isinstance(event, ChannelMoved):
        return None
    if isinstance(event, PollVoted):
        return event  # it names its poll and no chat
    chat = event.channel.channel_id
    event = replace(event, channel=replace(event.channel, channel_id=home))
    if isinstance(event, FormSubmitted):
        return event
    if event.message_id is not None:
        event = replace(event, message_id=name_of(event.message_id, chat, home))
    if isinstance(event, MessagePosted) and event.reply_to is not None:
        return replace(event, reply_to=name_of(event.reply_to, chat, home))
    if isinstance(event, CommandInvoked) and (number := event.reply.get("message_id")):
        return replace(event, reply={**event.reply, "message_id": name_of(number, chat, home)})
    return event


def name_of(number: str, chat: str, home: str, poll: str = "") -> str:
    """What a message of this chat is called inside Herald, where the chat is known under the id `home`.

    A message with a native poll is called after it as well: votes name nothing else.
    """
    name = number if chat == home else f"{number}@{chat}"
    return f"{name}:{poll}" if poll else name


def split(message: str) -> tuple[str, str | None]:
    """A message's number and, where its name says so, the supergroup that it is in."""
    number, _, chat = message.partition(":")[0].partition("@")
    return number, chat or None


def is_poll(message: str) -> bool:
    """Whether a message of this name is a native poll."""
    return ":" in message
