"""Telling one person something: the callback answer first, a private message next, a hint without content last."""

from __future__ import annotations

import logging

from bot.chat.events import ReplyHandle
from bot.chat.messages import Notice
from bot.chat.ports import Refused, SendError
from bot.domain.places import Channel
from bot.integrations.telegram.client import Client
from bot.integrations.telegram.render import MAX_TEXT, NO_PREVIEW, Params, cut, mention, units

log = logging.getLogger("herald.telegram")

MAX_ANSWER = 200
"""The longest text of a callback answer (Bot API, answerCallbackQuery)."""
TOAST = 60
"""Longer texts vanish from the top of the screen before they are read: they open as an alert."""
ANSWERABLE = 14.0
"""Seconds after a press within which Telegram still takes the answer (about 15, not documented)."""


async def notify(client: Client, notice: Notice, at: Channel, reply: ReplyHandle, now: float) -> None:
    """Tell it; `now` in UTC seconds. Raises NotSent, Refused, Unclear."""
    query = _open_query(reply, now)
    fits = notice.toast or units(notice.text) <= MAX_ANSWER
    if query and fits and await _answer(client, query, notice.text, alert=_is_alert(notice)):
        return
    if notice.toast or not notice.text:
        return
    reached = await _privately(client, notice)
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


def _is_alert(notice: Notice) -> bool:
    return bool(notice.text) and (not notice.toast or units(notice.text) > TOAST)


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
        return await _answer(client, query, hint, alert=False) and bool(hint)
    except SendError as error:
        log.info("telegram: a press was not answered (%s)", type(error).__name__)
        return False


async def _privately(client: Client, notice: Notice) -> bool:
    """Write to the person; False when they never opened a conversation with the bot, or closed it."""
    user = notice.member.user_id
    if not (user.isascii() and user.isdigit()):
        return False  # an anonymous administrator's id is the group's: a message to it would be public
    text = cut(notice.text, MAX_TEXT)
    try:
        await client.call("sendMessage", chat_id=int(user), text=text, link_preview_options=NO_PREVIEW)
    except Refused as refused:
        if refused.code not in ("forbidden", "no-chat", "no-member"):
            raise
        return False
    return True


async def _publicly(client: Client, notice: Notice, at: Channel, reply: ReplyHandle) -> None:
    """Post the hint, which holds no content, as an answer to what the person wrote or with their name."""
    if not notice.hint:
        log.info("telegram: member %s could not be told anything privately", notice.member.user_id)
        return
    message_id = reply.get("message_id")
    parameters: Params = mention(notice.hint, notice.member.user_id, "" if message_id else reply.get("name", ""))
    if message_id:
        parameters["reply_parameters"] = {"message_id": int(message_id), "allow_sending_without_reply": True}
    thread = int(at.thread_id) if at.thread_id else None
    await client.call("sendMessage", chat_id=int(at.channel_id), message_thread_id=thread, **parameters)
