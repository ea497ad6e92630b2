"""Addresses of messages: those of public chats can be opened by anybody, others by members only."""

from __future__ import annotations

from collections import OrderedDict

from pydantic import ValidationError

from bot.chat.ports import Refused
from bot.integrations.telegram.client import Client
from bot.integrations.telegram.parse import link
from bot.integrations.telegram.places import split
from bot.integrations.telegram.shapes import Chat

REMEMBERED = 500
"""Chats that are kept in mind."""


class ChatLinks:
    """Addresses for one bot; a chat is asked for its public name once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: OrderedDict[str, Chat] = OrderedDict()

    async def link(self, chat: str, message: str) -> str | None:
        """Where people can open a message of this chat, named as inside Herald. Raises NotSent, Unclear."""
        number, there = split(message)
        if not number.isdecimal():
            return None
        known = await self._chat(there or chat)
        return None if known is None else link(known, int(number))

    async def _chat(self, chat: str) -> Chat | None:
        if chat not in self._known:
            try:
                self._known[chat] = Chat.model_validate(await self._client.ask("getChat", chat_id=int(chat)))
            except (Refused, ValidationError, ValueError):
                return None
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return self._known[chat]
