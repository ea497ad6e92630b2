"""Events that must not be stored as they came: whoever knows why seals them before they are written.

What is written then is an envelope: a small JSON object that names the seal and holds what was sealed, or nothing where
it cannot be read again. The engine does not know what is sealed, or how.
"""

from __future__ import annotations

import json
import traceback
from typing import Protocol

from bot.chat.events import Event
from bot.chat.ports import Incoming

MARK = "herald_sealed"


class Seals(Protocol):
    """What is sealed, and how. Called from the writer's thread and from the loop."""

    def covers(self, event: Event) -> bool:
        """Whether nothing of this event may be written down, be it in a log."""

    def close(self, item: Incoming) -> Incoming:
        """The same event as it may be stored. Raises StoreUnavailable."""

    def open(self, name: str, sealed: str) -> Event | None:
        """The event that was sealed under this name; None if it cannot be opened any more. Raises StoreUnavailable."""


class Unsealed:
    """Everything is stored as it came."""

    def covers(self, event: Event) -> bool:
        """Nothing."""
        return False

    def close(self, item: Incoming) -> Incoming:
        """It."""
        return item

    def open(self, name: str, sealed: str) -> Event | None:
        """Nothing was sealed."""
        return None


UNSEALED = Unsealed()


def envelope(name: str, sealed: str = "") -> str:
    """What is stored in an event's place; `sealed` is empty where it is nowhere else than in memory."""
    return json.dumps({MARK: name, "data": sealed} if sealed else {MARK: name})


def read_envelope(raw: str) -> tuple[str, str] | None:
    """Name and contents of an envelope; None for what a platform sent."""
    if not raw.startswith(f'{{"{MARK}":'):
        return None
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return str(found.get(MARK)), str(found.get("data", ""))


def without_words(error: BaseException) -> str:
    """Where an error happened and of what kind it is, as lines: its own words may quote what must not be logged."""
    places = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), lookup_lines=False)
    return "\n".join(
        [type(error).__name__, *(f"  {place.filename}:{place.lineno} in {place.name}" for place in places)]
    )
