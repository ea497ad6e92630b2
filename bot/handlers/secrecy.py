"""What must not be written down of anonymous polls: clicks and notices are sealed, and the keys destroyed in the end.

Sealed is what names a voter: the events (`Seals`, which door and router use) and the private answers (`tell_sealed`).
What is sealed can be read as long as the poll's key exists; `Shredder` destroys it soon after the closing.
"""

from __future__ import annotations

from bot.chat.messages import Button
from bot.engine.registry import Registry
from bot.handlers.context import Asker, Context

SHRED = "poll_shred"
"""The timer that destroys the key of the poll it is named after; set where a poll is closed, cancelled or discarded."""


def register(registry: Registry[Context]) -> None:
    """Declare sealed notices as outgoing messages."""


def tell_sealed(
    ctx: Context,
    asker: Asker,
    poll_name: str,
    text: str,
    *,
    toast: bool = False,
    buttons: tuple[Button, ...] = (),
) -> None:
    """Answer one person privately about an anonymous poll: like `tell`, but only the poll's key can tell whom."""
    raise NotImplementedError
