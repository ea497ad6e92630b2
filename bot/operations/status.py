"""`herald status`: how an installation stands, by its database and the file that a running bot touches."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from bot.chat.ports import StoreUnavailable
from bot.locales import Catalogue
from bot.operations.databases import Database
from bot.operations.faults import OperationFault
from bot.operations.figures import Figures, read
from bot.storage.leases import Leases

ALIVE = "herald.alive"
"""A file that is touched while the bot is connected; `herald health` looks at its age."""
ALIVE_SECONDS = 30.0
LAG_SECONDS = 60.0
"""An event or a message that waits longer than this wants somebody to look."""
_LOOK = 0.5
_SHOWN = ("pending", "sent", "uncertain", "failed")


@dataclass(frozen=True, slots=True)
class Status:
    """How things stand at `now`. `alive` is how many seconds ago the bot was; None where none has run."""

    figures: Figures
    alive: float | None
    now: float

    @property
    def lag(self) -> float:
        """For how many seconds the oldest event has waited."""
        return self._since(self.figures.oldest_event)

    @property
    def sending_lag(self) -> float:
        """For how many seconds the oldest message has been due. What a pause holds back does not count."""
        return 0.0 if self.figures.paused is not None else self._since(self.figures.oldest_due)

    def _since(self, at: float | None) -> float:
        return 0.0 if at is None else max(self.now - at, 0.0)

    def wants_person(self) -> dict[str, int]:
        """What needs a person, by word, with how many there are; empty when all is well."""
        drafts = self.figures.drafts
        found = {
            "not_running": int(self.alive is None or self.alive >= ALIVE_SECONDS),
            "uncertain": drafts.get("uncertain", 0),
            "failed": drafts.get("failed", 0),
            "failed_events": self.figures.failed_lately,
            "waiting_events": self.figures.events_in("new") if self.lag > LAG_SECONDS else 0,
            "late_messages": int(self.sending_lag > LAG_SECONDS),
            "unreachable": len(self.figures.links),
        }
        return {word: count for word, count in found.items() if count}

    def as_json(self) -> dict[str, object]:
        """For programs: times in seconds, `well` as the exit code says."""
        figures = self.figures
        wants = self.wants_person()
        return {
            "well": not wants,
            "wants_person": wants,
            "alive_seconds": self.alive,
            "paused_by": figures.paused,
            "events": {state: figures.events_in(state) for state in sorted({one for _, one in figures.events})},
            "lag_seconds": self.lag,
            "sending_lag_seconds": self.sending_lag,
            "drafts": dict(figures.drafts),
            "replies": {platform: figures.replies(platform) for platform in figures.platforms()},
            "gaps": list(figures.gaps),
            "unreachable_seconds": {name: max(self.now - at, 0.0) for name, at in figures.links.items()},
            "told_to_wait": [
                {"platform": platform, "channel": channel or None, "seconds": until - self.now}
                for platform, channel, until in figures.blocks
            ],
            "seen_seconds": {name: max(self.now - at, 0.0) for name, at in figures.seen.items()},
        }


def look(database: Database, data: Path, lease: float) -> Status:
    """How the installation stands now. Raises OperationFault; blocks.

    `data` is where a bot on this machine shows that it is alive. On a server there may be others: whether any of them
    lives shows in their leases within `lease` seconds.
    """
    if not database.exists():
        raise OperationFault("database.none", path=str(data))
    now = time.time()
    try:
        figures = read(database, now)
        alive = _alive(data, now)
        if database.url and (alive is None or alive >= ALIVE_SECONDS) and _beats(database, lease):
            alive = 0.0
    except StoreUnavailable as error:
        raise OperationFault("database.unreadable", path=database.name, reason=str(error)) from error
    return Status(figures, alive, now)


def _alive(data: Path, now: float) -> float | None:
    try:
        return max(now - (data / ALIVE).stat().st_mtime, 0.0)
    except OSError:
        return None


def _beats(database: Database, lease: float) -> bool:
    """Whether a process lives that uses this database: no clock of another machine is asked, only whether it moves."""

    def seen() -> dict[str, tuple[int, int]]:
        return database.look(lambda connection: {one.name: (one.token, one.beat) for one in Leases(connection).all()})

    first, end = seen(), time.monotonic() + lease
    while first and time.monotonic() < end:
        time.sleep(_LOOK)
        if seen() != first:
            return True
    return False


_WANTS = {
    "not_running": "status.wants.not_running",
    "uncertain": "status.wants.uncertain",
    "failed": "status.wants.failed",
    "failed_events": "status.wants.failed_events",
    "waiting_events": "status.wants.waiting_events",
    "late_messages": "status.wants.late_messages",
    "unreachable": "status.wants.unreachable",
}


def lines(status: Status, language: str) -> list[str]:
    """What a person reads."""
    texts = Catalogue()
    figures = status.figures

    def ago(seconds: float) -> str:
        return texts.ago(language, seconds)

    alive = "" if status.alive is None else ago(status.alive)
    found = [texts.say(language, "status.alive", ago=alive) if alive else texts.say(language, "status.never")]
    if figures.paused is None:
        found.append(texts.say(language, "status.sending"))
    else:
        found.append(texts.say(language, "status.paused", name=figures.paused))
    events = {"new": figures.events_in("new"), "failed": figures.events_in("failed")}
    found.append(texts.say(language, "status.events", **events))
    if figures.oldest_event is not None:
        found.append(texts.say(language, "status.oldest", ago=ago(status.lag)))
    counts = {state: figures.drafts.get(state, 0) for state in ("drafting", "waiting", "uncertain")}
    found.append(texts.say(language, "status.drafts", **counts))
    for platform in figures.platforms():
        replies = figures.replies(platform)
        counts = {state: replies.get(state, 0) for state in _SHOWN}
        found.append(texts.say(language, "status.platform", platform=platform.capitalize(), **counts))
    found += _troubles(texts, language, status)
    for name, at in figures.seen.items():
        found.append(texts.say(language, "status.seen", cursor=name, ago=ago(status.now - at)))
    wants = status.wants_person()
    found += ["✗ " + texts.say(language, _WANTS[word], count=count) for word, count in wants.items()]
    return found if wants else [*found, "✓ " + texts.say(language, "status.well")]


def _troubles(texts: Catalogue, language: str, status: Status) -> list[str]:
    """Who cannot be reached, who wants us to wait, and what was missed."""
    figures, now = status.figures, status.now
    lines = [
        texts.say(language, "status.link", name=name.capitalize(), ago=texts.ago(language, now - at))
        for name, at in sorted(figures.links.items())
    ]
    for platform, channel, until in figures.blocks:
        where = f"{platform}:{channel}" if channel else platform.capitalize()
        lines.append(texts.say(language, "status.block", where=where, time=texts.span(language, until - now)))
    return lines + [texts.say(language, "status.gap", cursor=cursor) for cursor in figures.gaps]
