"""The figures of an installation, read from its database beside a running bot."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.chat.ports import StoreUnavailable
from bot.operations.databases import Database
from bot.storage.inbox import Inbox
from bot.storage.people import LINK, Facts
from bot.storage.sqlite import SqliteStore
from bot.storage.store import Store
from bot.storage.tables import blocks, cursors, drafts, facts, inbox, outbox

LATELY = 24 * 3600.0
"""Events that failed within this many seconds still want somebody to look."""
_EVENTS = sa.select(inbox.c.source, inbox.c.state, sa.func.count()).group_by(inbox.c.source, inbox.c.state)
_DRAFTS = sa.select(drafts.c.state, sa.func.count()).group_by(drafts.c.state)
_DELIVERIES = sa.select(outbox.c.platform, outbox.c.kind, outbox.c.state, sa.func.count()).group_by(
    outbox.c.platform, outbox.c.kind, outbox.c.state
)
_OLDEST = sa.select(sa.func.min(inbox.c.received_at)).where(sa.text("state = 'new'"))
_DUE = sa.select(sa.func.min(outbox.c.due_at)).where(
    outbox.c.state == "pending", outbox.c.due_at <= sa.bindparam("now")
)
_FAILED = sa.select(sa.func.count()).where(inbox.c.state == "failed", inbox.c.received_at > sa.bindparam("since"))
_SEEN = sa.select(cursors.c.name, cursors.c.last_seen_at).order_by(cursors.c.name)
_BLOCKS = (
    sa.select(blocks.c.platform, blocks.c.destination, blocks.c.until)
    .where(blocks.c.until > sa.bindparam("now"))
    .order_by(blocks.c.platform, blocks.c.destination)
)
_PAUSED = sa.select(facts.c.value).where(facts.c.name == "paused")


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
    gaps: tuple[str, ...]
    """Sources of which something was missed that is not read back yet."""
    links: Mapping[str, float]
    """Services that cannot be reached, and since when."""
    blocks: tuple[tuple[str, str, float], ...]
    """What platforms told us to wait for: platform, channel (empty: everything), and until when."""

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


def read(database: Database, now: float) -> Figures:
    """Read everything at one moment. Raises StoreUnavailable; blocks: call it in a thread."""
    return database.look(partial(gather, now=now))


async def of_store(store: Store, now: float) -> Figures | None:
    """What `read` says of a running bot's store, None while that cannot be used."""
    try:
        if isinstance(store, SqliteStore):  # its one reader has other things to do
            return await asyncio.to_thread(read, Database(store.path), now)
        return await store.read(partial(gather, now=now))
    except StoreUnavailable:
        return None


def gather(connection: Connection, now: float) -> Figures:
    """The figures over a connection."""
    events: Counter[tuple[str, str]] = Counter()
    for source, state, count in connection.execute(_EVENTS):
        events[source.partition(":")[0], state] += count
    return Figures(
        events=events,
        drafts={str(state): int(count) for state, count in connection.execute(_DRAFTS)},
        deliveries={(a, b, c): count for a, b, c, count in connection.execute(_DELIVERIES)},
        oldest_event=connection.execute(_OLDEST).scalar(),
        oldest_due=connection.execute(_DUE, {"now": now}).scalar(),
        failed_lately=connection.execute(_FAILED, {"since": now - LATELY}).scalar_one(),
        seen={str(name): float(at) for name, at in connection.execute(_SEEN)},
        paused=connection.execute(_PAUSED).scalar(),
        gaps=tuple(Inbox(connection).gaps()),
        links={name: float(at) for name, at in Facts(connection).beginning(LINK).items()},
        blocks=tuple((a, b, until) for a, b, until in connection.execute(_BLOCKS, {"now": now})),
    )
