"""Buttons as the wire carries them: payloads look like `v1|<draft>|<action>|<mac>`."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bot.rehearsal.values import Json


def structure(value: Json) -> Json:
    """A structure that a form may carry as JSON text; anything else as it is."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def payloads(markup: Json) -> tuple[str, ...]:
    """The payloads of all buttons in a message's blocks, components or keyboard, in order."""
    return tuple(_found(structure(markup)))


def _found(value: Json) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _found(item)
    elif isinstance(value, dict):
        own = _own(value)
        yield from (str(text) for text in own if text)
        for item in value.values():
            if isinstance(item, list | dict):
                yield from _found(item)


def _own(value: dict[str, Json]) -> tuple[Json, ...]:
    if "callback_data" in value:
        return (value["callback_data"],)
    if value.get("type") == "button":
        return (value.get("value"), value.get("action_id"))
    if value.get("type") == 2 and "custom_id" in value:
        return (value["custom_id"],)
    return ()


def names_button(button: dict[str, Json], wanted: str) -> bool:
    """Whether a button of the control interface is called so: by its label, its id, or the action in its payload."""
    identity = str(button.get("id", ""))
    return wanted in (button.get("label"), identity) or has_action(identity, wanted)


def has_action(payload: str, action: str) -> bool:
    """Whether a payload holds this action: `vote:2`, or `vote` for any of them."""
    parts = payload.split("|")
    return action in parts or any(part.partition(":")[0] == action for part in parts[2:3])
