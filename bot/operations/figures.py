"""The figures of an installation, read from its database beside a running bot."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bot.operations.copying import read_only

LATELY = 24 * 3600.0
"""Events that failed within this many seconds still want somebody to look."""
_READ_SECONDS = 3.0
_EVENTS = "SELECT substr(source, 1, instr(source || ':', ':') - 1), state, count(*) FROM inbox GROUP BY 1, 2"
_DRAFTS = "SELECT state, count(*) FROM drafts GROUP BY 1"
_DELIVERIES = "SELECT platform, kind, state, count(*) FROM outbox GROUP BY 1, 2, 3"
_OLDEST = "SELECT min(received_at) FROM inbox WHERE state = 'new'"
_DUE = "SELECT min(due_at) FROM outbox WHERE state = 'pending' AND due_at <= ?"
_FAILED = "SELECT count(*) FROM inbox WHERE state = 'failed' AND received_at > ?"
_SEEN = "SELECT name, last_seen_at FROM cursors ORDER BY name"
_PAUSED = "SELECT value FROM facts WHERE name = 'paused'"


@dataclass(frozen=True, slots=True)
class Figures:
    """How much of everything there is. Times are UTC seconds."""

    events: Mapping[tuple[str, str], int]
    """By platform and state."""
    drafts: Mapping[str, int]
    """By state."""
    deliveries: Mapping[tuple[str, str, str], int]
    """By platform, kind and state."""
    oldest_event: float | None
    """When the oldest event came that is not handled yet."""
    oldest_due: float | None
    """Since when the oldest message that could go out has been due."""
    failed_lately: int
    seen: Mapping[str, float]
    """When each source was last heard."""
    paused: str | None
    """Who paused sending."""

    def events_in(self, state: str) -> int:
        """Events in this state, of all platforms."""
        return sum(count for (_, one), count in self.events.items() if one == state)

    def replies(self, platform: str) -> dict[str, int]:
        """Replies of a platform by state."""
        return {
            state: count
            for (name, kind, state), count in self.deliveries.items()
            if name == platform and kind == "reply"
        }

    def platforms(self) -> list[str]:
        """Platforms that anything was heard from or sent to."""
        return sorted({name for name, _ in self.events} | {name for name, _, _ in self.deliveries})


def read(database: Path, now: float) -> Figures:
    """Read everything at one moment, without touching the file. Raises sqlite3.Error; blocks: call it in a thread."""
    with closing(sqlite3.connect(read_only(database), uri=True, timeout=_READ_SECONDS)) as connection:
        connection.execute("BEGIN")  # one moment for all the figures

        def first(query: str, *values: float) -> float | None:
            found: float | None = connection.execute(query, values).fetchone()[0]
            return found

        paused = connection.execute(_PAUSED).fetchone()
        return Figures(
            events={(platform, state): count for platform, state, count in connection.execute(_EVENTS)},
            drafts=dict(connection.execute(_DRAFTS)),
            deliveries={(a, b, c): count for a, b, c, count in connection.execute(_DELIVERIES)},
            oldest_event=first(_OLDEST),
            oldest_due=first(_DUE, now),
            failed_lately=int(first(_FAILED, now - LATELY) or 0),
            seen=dict(connection.execute(_SEEN)),
            paused=str(paused[0]) if paused else None,
        )
