"""Telling one person something: the callback answer first, a private message next, a hint without content last."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

from bot.chat import moments
from bot.chat.events import CommandInvoked, Event, MessagePosted, ReplyHandle
from bot.chat.messages import Notice
from bot.chat.ports import TOO_LONG, UNREACHABLE, Refused, SendError
from bot.domain.places import Channel
from bot.integrations.telegram.client import Client
from bot.integrations.telegram.errors import NOBODY
from bot.integrations.telegram.places import split
from bot.integrations.telegram.render import mention
from bot.integrations.telegram.texts import AHEAD, MAX_TEXT, Params, Unsendable, cut, sendable, shortened, told, units

log = logging.getLogger("herald.telegram")

MAX_ANSWER = 200
"""The longest text of a callback answer (Bot API, answerCallbackQuery)."""
TOAST = 60
"""Longer texts vanish from the top of the screen before they are read: they open as an alert."""
ANSWERABLE = 14.0
"""Seconds after a press within which Telegram still takes the answer (about 15, not documented)."""


_SHUT = frozenset({"forbidden", "no-chat", NOBODY})
"""They never opened a conversation with the bot, closed it, or are gone."""
REMEMBERED = 2000
SHUT_FOR = 3600.0
"""Seconds for which somebody who does not take private messages is not sent any."""


class Shut:
    """People who do not take private messages from the bot, because they never opened a conversation with it.

    So it is tried once, and not at every notice. Whoever writes to the bot privately has opened one. `now` is
    monotonic; each process has its own.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._until: OrderedDict[str, float] = OrderedDict()

    def __contains__(self, user: str) -> bool:
        return self._until.get(user, 0.0) > self._now()

    def add(self, user: str) -> None:
        """Their conversation is shut."""
        self._until[user] = self._now() + SHUT_FOR
        self._until.move_to_end(user)
        while len(self._until) > REMEMBERED:
            self._until.popitem(last=False)

    def remove(self, user: str) -> None:
        """Their conversation is open."""
        self._until.pop(user, None)

    def heard(self, event: Event | None) -> None:
        """What they wrote to the bot alone opens it."""
        if isinstance(event, MessagePosted):
            self._opened(event.author.user_id, event.channel)
        elif isinstance(event, CommandInvoked):
            self._opened(event.member.user_id, event.channel)

    def _opened(self, user: str, place: Channel) -> None:
        if place.channel_id == user:  # a private conversation has the number of the person
            self.remove(user)


async def notify(client: Client, notice: Notice, at: Channel, reply: ReplyHandle, now: float, shut: Shut) -> None:
    """Tell it; `at` is where Telegram has the channel now, `now` in UTC seconds. Raises NotSent, Refused, Unclear."""
    if notice.direct:
        await _directly(client, notice, shut, now + AHEAD)
        return
    if notice.buttons:
        log.info("telegram: the buttons of a notice are left out: nothing here is surely shown to one person only")
    query = _open_query(reply, now)
    text = moments.plain(notice.text)
    fits = notice.toast or notice.passing or units(text) <= MAX_ANSWER
    if query and fits and await _answer(client, query, text, alert=_is_alert(notice, text)):
        return
    if notice.toast or notice.passing or not text:
        return
    reached = await _privately(client, notice, shut, now + AHEAD)
    if query and not fits:
        answered = await _point(client, query, notice.hint)
        if reached or answered:
            return
    if not reached:
        await _publicly(client, notice, at, reply)


def _open_query(reply: ReplyHandle, now: float) -> str | None:
    """The callback query that may still be answered. Without a time we leave the judgement to Telegram."""
    age = now - float(reply.get("received_at", now))
    return reply.get("callback_query_id") if -1 <= age <= ANSWERABLE else None  # a clock may step back a little


def _is_alert(notice: Notice, text: str) -> bool:
    return bool(text) and (not (notice.toast or notice.passing) or units(text) > TOAST)


async def _answer(client: Client, query: str, text: str, *, alert: bool) -> bool:
    """Answer the press; False when it came too late."""
    parameters: Params = {"callback_query_id": query}
    if text:
        parameters |= {"text": cut(text, MAX_ANSWER), "show_alert": alert}
    try:
        await client.call("answerCallbackQuery", **parameters)
    except Refused as refused:
        if refused.code != "late":
            raise
        return False
    return True


async def _point(client: Client, query: str, hint: str) -> bool:
    """Answer the press with the hint where the text itself did not fit. The text matters more: no failure is raised."""
    try:
        return await _answer(client, query, moments.plain(hint), alert=False) and bool(hint)
    except SendError as error:
        log.info("telegram: a press was not answered (%s)", type(error).__name__)
        return False


async def _privately(client: Client, notice: Notice, shut: Shut, latest: float) -> bool:
    """Write to the person; False when they never opened a conversation with the bot, or closed it."""
    user = notice.member.user_id
    if user in shut:
        return False
    if not _is_person(user):
        return False
    parameters = sendable(shortened(told(notice.text, latest), MAX_TEXT))
    try:
        await client.call("sendMessage", chat_id=int(user), **parameters)
    except Refused as refused:
        if refused.code not in _SHUT:
            raise
        shut.add(user)
        return False
    return True


async def _directly(client: Client, notice: Notice, shut: Shut, latest: float) -> None:
    """Write to the person, whole. It is tried whatever was before: they may have written to the bot meanwhile."""
    user, text = notice.member.user_id, told(notice.text, latest)
    if not _is_person(user):
        raise Refused("this is no person's id", UNREACHABLE)
    if (length := units(text.text)) > MAX_TEXT:
        raise Refused(f"the text has {length} UTF-16 units, Telegram takes {MAX_TEXT}", TOO_LONG)
    try:
        await client.call("sendMessage", chat_id=int(user), **sendable(text))
    except Unsendable as error:
        raise Refused(str(error), error.code) from error
    except Refused as refused:
        if refused.code not in _SHUT:
            raise
        shut.add(user)
        raise Refused(f"somebody takes no private messages ({refused})", UNREACHABLE) from refused
    shut.remove(user)


def _is_person(user: str) -> bool:
    """Whether it is a person's id: an anonymous administrator's is the group's, and a message to it would be public."""
    return user.isascii() and user.isdigit()


async def _publicly(client: Client, notice: Notice, at: Channel, reply: ReplyHandle) -> None:
    """Post the hint, which holds no content, as an answer to what the person wrote or with their name."""
    if not notice.hint:
        log.info("telegram: somebody could not be told anything privately")
        return
    message_id, _ = split(reply.get("message_id", ""))
    name = "" if message_id else reply.get("name", "")
    parameters: Params = mention(moments.plain(notice.hint), notice.member.user_id, name)
    if message_id:
        parameters["reply_parameters"] = {"message_id": int(message_id), "allow_sending_without_reply": True}
    thread = int(at.thread_id) if at.thread_id else None
    await client.call("sendMessage", chat_id=int(at.channel_id), message_thread_id=thread, **parameters)
