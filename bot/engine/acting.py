"""From what the outbox does to the platform's calls."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeGuard

from bot.chat.ports import Deletes, EndsPolls, Notifies, Platform, Refused
from bot.engine.registry import Act, Change, Create, EndPoll, Remove, Tell


async def perform(platform: Platform, act: Act, key: str) -> str:
    """Make the request, once; the id of the message it is about, empty where there is none.

    `key` is the delivery id. Raises SendError; Refused where the platform cannot do this.
    """
    if isinstance(act, Create):
        return await platform.send(act.message, act.to, key)
    if isinstance(act, Change):
        await platform.edit(act.message, act.at, act.message_id)
        return act.message_id
    other: object = platform
    if isinstance(act, Remove) and isinstance(other, Deletes):
        await other.delete(act.at, act.message_id)
        return act.message_id
    if isinstance(act, EndPoll) and isinstance(other, EndsPolls):
        await other.end_poll(act.at, act.message_id)
        return act.message_id
    if isinstance(act, Tell) and _notifies(other):
        await other.notify(act.notice, act.at, act.reply, key)
        return ""
    raise Refused(f"{platform.name} cannot do this", "unsupported")


def _notifies(platform: object) -> TypeGuard[Notifies]:
    return _are_notifying(type(platform)) or isinstance(platform, Notifies)  # type: ignore[arg-type]  # a type has a hash


@lru_cache(maxsize=64)
def _are_notifying(kind: type) -> bool:
    """Asked for every notice, and slow: a protocol is told by its methods."""
    return issubclass(kind, Notifies)
