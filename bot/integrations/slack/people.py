"""What the incoming side needs to know about the people in a payload, and how it speaks to one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.chat.events import Event, ReplyHandle
from bot.chat.messages import Notice
from bot.domain.places import Channel


@dataclass(frozen=True, slots=True)
class People:
    """How payloads are read, how names are learnt, and how one person is told something."""

    read: Callable[[object], Event | None]
    learn: Callable[[str], Awaitable[None]]
    stamp: Callable[[Mapping[str, Any]], dict[str, Any]]
    """A payload as it is stored: readable later by a process that has learnt no names."""
    notify: Callable[[Notice, Channel, ReplyHandle], Awaitable[None]]
