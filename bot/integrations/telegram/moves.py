"""Groups that became supergroups: Telegram gives them another id, and their messages new numbers.

Inside Herald such a group keeps the id that the settings know: what comes from the supergroup is read under it, what
goes to it is sent to the supergroup. A message of the supergroup is then named `number@chat`, so that it is never taken
for one of the old group's, whose numbers nobody can use any more. (core.telegram.org/bots/api, `migrate_to_chat_id`.)
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import replace

from bot.chat.messages import Card, Document, NativePoll, Outgoing
from bot.chat.ports import Refused, SendError, Sink
from bot.domain.places import Channel
from bot.integrations.telegram.client import Client
from bot.integrations.telegram.errors import Migrated
from bot.integrations.telegram.places import split

log = logging.getLogger("herald.telegram")


SUPERGROUPS = -(10**12)
"""Ids of supergroups and channels lie below this, those of groups above it."""


class Moves:
    """The moves of one bot's groups. Only groups of the settings count, and only while their new ids are not in them.

    Each process learns for itself: from updates, from what was kept, or by being refused once.
    """

    def __init__(self, tenant: str, configured: Iterable[str]) -> None:
        self._fact = f"telegram:{tenant}:moves"
        self._configured = frozenset(configured)
        self._to: dict[str, str] = {}
        self._from: dict[str, str] = {}
        self._kept: dict[str, str] | None = None

    def learn(self, old: str, new: str) -> bool:
        """A group has a new id; whether that is for us to follow."""
        if old not in self._configured or new in self._configured:
            return False
        if self._to.get(old) != new:
            self._to[old], self._from[new] = new, old
            log.warning("telegram: group %s became supergroup %s: Herald follows it", old, new)
        return True

    def home(self, chat: str) -> str | None:
        """The id under which what comes from this chat is read, where that is another one."""
        return self._from.get(chat)

    def chat(self, channel: Channel) -> str:
        """Where to send what goes to this channel."""
        return self._to.get(channel.channel_id, channel.channel_id)

    def address(self, message: Outgoing, to: Channel) -> tuple[Outgoing, str]:
        """The message as it goes to the chat where this channel is now: it answers only what is in that chat."""
        if isinstance(message, Card | NativePoll | Document) or message.reply_to is None:
            return message, self.chat(to)
        number, there = split(message.reply_to)
        if there is not None:
            self.learn(to.channel_id, there)
        chat = self.chat(to)
        return replace(message, reply_to=number if (there or to.channel_id) == chat else None), chat

    async def recall(self, sink: Sink) -> None:
        """Take up what was kept, once. Raises StoreUnavailable."""
        if self._kept is None:
            kept = _read(await sink.recall(self._fact))
            self._kept = {old: new for old, new in kept.items() if self.learn(old, new)}

    async def look(self, client: Client, sink: Sink) -> None:
        """Take up what was kept, and ask about groups that may have moved while nobody listened.

        Raises SendError, StoreUnavailable.
        """
        await self.recall(sink)
        for group in sorted(self._configured - self._to.keys()):
            if is_basic(group):
                await self._ask(client, group)
        await self.keep(sink)

    async def keep(self, sink: Sink) -> None:
        """Have what was learnt on disk. Raises StoreUnavailable."""
        await self.recall(sink)
        if self._kept != self._to:
            now = dict(self._to)
            await sink.remember(self._fact, json.dumps(now))
            self._kept = now

    async def _ask(self, client: Client, group: str) -> None:
        try:
            await client.ask("getChat", chat_id=int(group))
        except Migrated as moved:
            self.learn(group, moved.chat)
        except Refused as refused:
            if refused.code == "unauthorized":
                raise
        except SendError as error:
            log.info("telegram: whether group %s has moved cannot be told now (%s)", group, type(error).__name__)


def is_basic(chat: str) -> bool:
    """Whether this is the id of a group that can become a supergroup: those have longer ones."""
    return chat[:1] == "-" and chat[1:].isascii() and chat[1:].isdigit() and int(chat) > SUPERGROUPS


def _read(kept: str | None) -> dict[str, str]:
    try:
        found = json.loads(kept or "{}")
        return {str(old): str(new) for old, new in found.items()}
    except (AttributeError, ValueError):
        log.warning("telegram: the moves of groups that were kept cannot be read")
        return {}
