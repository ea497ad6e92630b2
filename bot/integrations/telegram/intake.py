"""From an update as Telegram sends it to an event on its way to the store, however it came."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from typing import Any

from bot.chat.events import Event
from bot.chat.ports import Incoming, Position
from bot.integrations.telegram.clocks import Clocks
from bot.integrations.telegram.moves import Moves
from bot.integrations.telegram.parse import HOME, STAMP, UpdateReader, mended
from bot.integrations.telegram.pulse import Pulse

log = logging.getLogger("herald.telegram")

KINDS = [
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "callback_query",
    "message_reaction",
    "poll_answer",
    "my_chat_member",
    "chat_member",
]
"""What we ask for. Reactions and members' comings and goings are sent only to those who name them.

`poll` is left out: it comes with every vote, and says no more than the `poll_answer` beside it."""
MESSAGES = KINDS[:4]
"""Those that are messages."""


class Intake:
    """Takes updates of one bot; `read` hears of every event."""

    def __init__(
        self, reader: UpdateReader, pulse: Pulse, moves: Moves, clocks: Clocks, read: Callable[[Event | None], None]
    ) -> None:
        self._reader, self._pulse, self._clocks, self._read = reader, pulse, clocks, read
        self.moves = moves

    def take(self, update: object, cursor: str) -> Incoming:
        """The update as it is stored, moving this cursor."""
        if isinstance(update, dict) and "callback_query" in update:
            update = update | {STAMP: self._clocks.now()}
        if isinstance(update, dict) and (home := self._home(update)) is not None:
            update = update | {HOME: home}
        raw, update = _stored(update)
        source, number = self._pulse.source, _number(update)
        self._pulse.heard()
        if number is None:
            return Incoming(source, f"unnumbered-{hashlib.sha256(raw.encode()).hexdigest()[:32]}", raw, None)
        event = self._reader.event(update)
        if _at(update, "poll_answer", "voter_chat") is not None:
            log.info("telegram: a vote in the name of a chat is ignored: it says nothing of the person who gave it")
        self._read(event)
        return Incoming(source, self._pulse.key(number), raw, event, Position(cursor, number + 1))

    def _home(self, update: dict[str, Any]) -> str | None:
        """Under which id its chat is known, where that is another one; learns of moves that it tells of."""
        query = update.get("callback_query")
        holders = [query] if isinstance(query, dict) else []
        for holder in (update, *holders):
            for kind in MESSAGES:
                message = holder.get(kind)
                chat = _at(message, "chat", "id")
                if isinstance(message, dict) and isinstance(chat, int):
                    return self._home_of(str(chat), message)
        return None

    def _home_of(self, chat: str, message: dict[str, Any]) -> str | None:
        new, old = message.get("migrate_to_chat_id"), message.get("migrate_from_chat_id")
        if isinstance(new, int) and self.moves.learn(chat, str(new)):
            return chat
        if isinstance(old, int):
            self.moves.learn(str(old), chat)
        return self.moves.home(chat)


def _at(value: object, *path: str) -> object:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _stored(update: object) -> tuple[str, object]:
    """The text to store, and the update as it will be read from it."""
    try:
        raw = json.dumps(update, ensure_ascii=False, separators=(",", ":"))
        raw.encode()
    except UnicodeEncodeError:
        update = mended(update)
        raw = json.dumps(update, ensure_ascii=False, separators=(",", ":"))
    return raw, update


def _number(update: object) -> int | None:
    number = update.get("update_id") if isinstance(update, dict) else None
    return number if type(number) is int and 0 <= number < 2**62 else None
