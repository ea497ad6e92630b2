"""Announcing commands, and finding out what is wrong with a bot's set-up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from bot.chat.ports import CommandSpec, NotSent, Refused, SendError, SetupFault
from bot.domain.places import Channel
from bot.integrations.telegram.client import Client
from bot.integrations.telegram.texts import cut

COMMAND = re.compile(r"[a-z0-9_]{1,32}")
MAX_COMMANDS = 100
MAX_DESCRIPTION = 256
LANGUAGES = ((None, "en"), ("zh", "zh"))
"""Telegram's language code (None: everybody else) and ours."""


async def register(client: Client, commands: Sequence[CommandSpec]) -> None:
    """Announce the members' commands everywhere and all of them to administrators of groups. Raises SendError.

    Names that Telegram cannot hold (upper case, hyphens, other scripts) are left out: they still work as text.
    """
    usable = [command for command in commands if COMMAND.fullmatch(command.name)]
    public = [command for command in usable if not command.staff]
    for scope, chosen in (("default", public), ("all_chat_administrators", usable)):
        for code, language in LANGUAGES:
            menu = [_entry(command, language) for command in chosen[:MAX_COMMANDS]]
            await client.call("setMyCommands", commands=menu, scope={"type": scope}, language_code=code)


def _entry(command: CommandSpec, language: str) -> dict[str, str]:
    texts = command.descriptions
    text = texts.get(language) or texts.get("en") or next(iter(texts.values()), "") or command.name
    return {"command": command.name, "description": cut(text, MAX_DESCRIPTION)}


async def check(
    client: Client, channels: Sequence[Channel], watched: Sequence[str], webhook: str = ""
) -> list[SetupFault]:
    """What is wrong with the token, the webhook, privacy mode, and the bot's rights in these channels. Never raises.

    `webhook` is the address that updates shall be delivered to; empty where they are polled.
    """
    try:
        me = await client.ask("getMe")
        faults = await _webhook(client, webhook)
        for chat_id in dict.fromkeys([channel.channel_id for channel in channels] + list(watched)):
            faults += await _chat(client, me, chat_id, watched=chat_id in watched)
    except SendError as error:
        return [_connection(error)]
    return faults


def _connection(error: SendError) -> SetupFault:
    match error:
        case Refused(code="unauthorized"):
            return SetupFault("telegram.token", {})
        case NotSent(retry_after=float(seconds)):
            return SetupFault("telegram.limited", {"seconds": f"{seconds:.0f}"})
    return SetupFault("telegram.unreachable", {"reason": str(error)})


async def _webhook(client: Client, wanted: str) -> list[SetupFault]:
    info = await client.ask("getWebhookInfo")
    url = str(info.get("url") or "")
    # Only the host: the rest of the address may be somebody's secret.
    if url and not wanted:
        return [SetupFault("telegram.webhook", {"host": urlsplit(url).hostname or "?"})]
    failed = info.get("last_error_date")
    if url and url == wanted and isinstance(failed, int) and info.get("pending_update_count"):
        reason = str(info.get("last_error_message"))[:200]
        return [SetupFault("telegram.deliveries", {"host": urlsplit(url).hostname or "?", "reason": reason})]
    return []


async def _chat(client: Client, me: dict[str, Any], chat_id: str, *, watched: bool) -> list[SetupFault]:
    args = {"channel": chat_id}
    try:
        chat = await client.ask("getChat", chat_id=int(chat_id))
        member = await client.ask("getChatMember", chat_id=int(chat_id), user_id=me["id"])
    except Refused as refused:
        if refused.code == "unauthorized":
            raise
        key = "telegram.moved" if refused.code == "migrated" else "telegram.chat"
        return [SetupFault(key, args | {"reason": str(refused)})]
    except (ValueError, KeyError):
        return [SetupFault("telegram.chat", args | {"reason": "not a chat id"})]
    return [SetupFault(key, args | {"bot": str(me.get("username", ""))}) for key in _rights(me, chat, member, watched)]


def _rights(me: dict[str, Any], chat: dict[str, Any], member: dict[str, Any], watched: bool) -> list[str]:
    status = member.get("status")
    if chat.get("type") == "private":
        return []
    if status in ("left", "kicked") or (status == "restricted" and not member.get("is_member")):
        return ["telegram.member"]
    faults = [] if _may_post(chat, member) else ["telegram.post"]
    # Administrators hear everything, whatever the privacy mode.
    if watched and status != "administrator" and me.get("can_read_all_group_messages") is False:
        faults.append("telegram.privacy")
    return faults


def _may_post(chat: dict[str, Any], member: dict[str, Any]) -> bool:
    status = member.get("status")
    if chat.get("type") == "channel":
        return status == "creator" or bool(member.get("can_post_messages"))
    if status == "restricted":
        return bool(member.get("can_send_messages"))
    permissions = chat.get("permissions")
    silenced = isinstance(permissions, dict) and permissions.get("can_send_messages") is False
    return status in ("administrator", "creator") or not silenced
