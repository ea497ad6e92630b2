"""What people read in messages as they go over the wire."""

from __future__ import annotations

from collections.abc import Iterator

from bot.rehearsal.values import Json

_TEXTS = ("text", "content", "caption", "title", "description", "name", "value")
_ASIDE = {"author", "from", "chat", "reply_to_message", "referenced_message", "poll", "mentions", "reply_markup"}
_PRESSED = {"action_id", "custom_id"}
"""Of buttons and menus: what stands on them is no text of the message."""


def text_of(value: Json) -> str:
    """Everything that people read in a message, line by line; not who wrote it, nor what it answers."""
    if isinstance(value, str):
        return value
    return "\n".join(_lines(value))


def _lines(value: Json) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _lines(item)
    elif isinstance(value, dict) and not value.keys() & _PRESSED:
        for key in _TEXTS:
            if isinstance(value.get(key), str):
                yield value[key]
        for key, item in value.items():
            if isinstance(item, list | dict) and key not in _ASIDE:
                yield from _lines(item)
