"""Telling one person something: ephemerally where they are, else through what they just did, else directly."""

from __future__ import annotations

from bot.chat.events import ReplyHandle
from bot.chat.messages import Notice
from bot.chat.ports import Refused
from bot.domain.places import Channel
from bot.integrations.slack import render
from bot.integrations.slack.api import Api
from bot.integrations.slack.directs import Directs, write
from bot.integrations.slack.errors import UNAUTHORIZED


async def notify(api: Api, directs: Directs, notice: Notice, at: Channel, reply: ReplyHandle, key: str = "") -> None:
    """As privately as Slack allows. Raises SendError; toasts are dropped, Slack has nothing that leaves no trace."""
    if notice.direct:
        await directs.tell(notice, key)
        return
    if notice.toast or not notice.text:
        return
    content = render.private(notice)
    if at.channel_id.startswith("D"):
        await write(api, at.channel_id, content, at.thread_id)
        return
    try:
        await _ephemeral(api, notice, at, content)
    except Refused as error:
        if error.code == UNAUTHORIZED:
            raise
        await _elsewhere(api, directs, notice, reply, content)


async def _ephemeral(api: Api, notice: Notice, at: Channel, content: render.Block) -> None:
    user, thread = notice.member.user_id, at.thread_id
    await api.call(
        "chat.postEphemeral",
        lambda web: web.chat_postEphemeral(
            channel=at.channel_id, user=user, thread_ts=thread, parse="none", link_names=False, **content
        ),
    )


async def _elsewhere(api: Api, directs: Directs, notice: Notice, reply: ReplyHandle, content: render.Block) -> None:
    # Not a member of the channel, or the bot is not: a response_url works there, for 30 minutes and five times.
    if url := reply.get("response_url"):
        try:
            await api.respond(url, content["text"], content["blocks"])
        except Refused:
            pass
        else:
            return
    await write(api, await directs.channel(notice.member.user_id), content)
