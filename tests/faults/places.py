"""Where the fault run kills: every failpoint, on which platforms it can be reached, and how it is brought about.

What is not here is in `NOT_PLAYED` with the reason; a test holds both against the list of failpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.failpoints import Point

ALL = ("telegram", "slack", "discord")
TOLD_OF_GAPS = ("slack", "discord")
"""Telegram keeps what was not confirmed; the others are read back."""
LOOKED_UP = ("slack", "discord")
"""Where the platform can be asked whether a message arrived."""


class How(StrEnum):
    """What brings a bot to a place."""

    LOAD = "comments and clicks"
    START = "a start"
    FRESH = "a start on an empty directory"
    DOUBT = "a start after a death in the middle of a reply"
    GAP = "a start after comments that nobody heard"
    STOP = "SIGTERM under load"
    REFUSED = "the platform refuses a reply with 500 or 429"
    MODEL = "comments that a language model answers"


@dataclass(frozen=True, slots=True)
class Place:
    """A failpoint, and perhaps what it must be about. `turns`: it is killed at the first to that time it is reached."""

    point: Point
    about: str = ""
    how: How = How.LOAD
    platforms: tuple[str, ...] = ALL
    turns: int = 3

    @property
    def name(self) -> str:
        """As `HERALD_FAILPOINTS` has it."""
        return f"{self.point.value}/{self.about}" if self.about else self.point.value

    @property
    def fresh(self) -> bool:
        """Whether each of its rounds begins in a directory of its own: they come last."""
        return self.how is How.FRESH


_TELEGRAM, _SLACK, _DISCORD = ("telegram",), ("slack",), ("discord",)

PLACES = (
    Place(Point.LOCKED, how=How.START, turns=1),
    Place(Point.RECOVERING, how=How.DOUBT, turns=1),
    Place(Point.RECOVER_SETTLED, how=How.DOUBT, turns=1),
    Place(Point.RECOVERED, how=How.DOUBT, turns=1),
    Place(Point.TELEGRAM_CONFIRMING, platforms=_TELEGRAM),
    Place(Point.TELEGRAM_CONFIRMED, platforms=_TELEGRAM),
    Place(Point.SLACK_ACKNOWLEDGING, platforms=_SLACK),
    Place(Point.SLACK_ACKNOWLEDGED, platforms=_SLACK),
    Place(Point.DISCORD_TAKEN, platforms=_DISCORD),
    Place(Point.DISCORD_STORED, platforms=_DISCORD),
    Place(Point.DISCORD_ANSWERING, platforms=_DISCORD),
    Place(Point.DISCORD_ANSWERED, platforms=_DISCORD),
    Place(Point.BACKFILLED, how=How.GAP, platforms=TOLD_OF_GAPS, turns=1),
    Place(Point.INBOX_ANSWERED),
    Place(Point.INBOX_WRITTEN),
    Place(Point.INBOX_COMMITTED),
    Place(Point.STORE_BEGUN, turns=9),
    Place(Point.STORE_COMMITTING, turns=9),
    Place(Point.STORE_COMMITTED, turns=9),
    Place(Point.ROUTER_PREPARED),
    Place(Point.HANDLER_BEFORE),
    Place(Point.HANDLER_AFTER),
    Place(Point.ROUTER_COMMITTED),
    Place(Point.TIMER_DUE, "draft", How.MODEL, turns=2),
    Place(Point.TIMER_MADE, "draft", How.MODEL, turns=2),
    Place(Point.TIMER_COMMITTED, "draft", How.MODEL, turns=2),
    Place(Point.OUTBOX_CLAIMED),
    Place(Point.OUTBOX_SENDING, "card"),
    Place(Point.OUTBOX_REQUEST, "card"),
    Place(Point.OUTBOX_ANSWERED, "card"),
    Place(Point.OUTBOX_CONFIRMED, "card"),
    Place(Point.OUTBOX_SENDING, "reply", turns=2),
    Place(Point.OUTBOX_REQUEST, "reply", turns=2),
    Place(Point.OUTBOX_ANSWERED, "reply", turns=2),
    Place(Point.OUTBOX_CONFIRMING, "reply", turns=2),
    Place(Point.OUTBOX_CONFIRMED, "reply", turns=2),
    Place(Point.OUTBOX_FAILED, "reply", How.REFUSED, turns=1),
    Place(Point.OUTBOX_SETTLED, "reply", How.REFUSED, turns=1),
    Place(Point.RECONCILE_DUE, how=How.DOUBT, platforms=LOOKED_UP, turns=1),
    Place(Point.RECONCILE_LOOKED, how=How.DOUBT, platforms=LOOKED_UP, turns=1),
    Place(Point.RECONCILE_SETTLED, how=How.DOUBT, platforms=LOOKED_UP, turns=1),
    Place(Point.STOP_DRAINING, how=How.STOP, turns=1),
    Place(Point.STOP_CLOSING, how=How.STOP, turns=1),
    # Last: each of their starts begins in a directory of its own.
    Place(Point.MIGRATING, how=How.FRESH, turns=1),
    Place(Point.MIGRATED, how=How.FRESH, turns=1),
)

NOT_PLAYED: dict[str, str] = {
    "hook.stored": "reached with events over HTTP only, which the run does not use yet",
    "key.written": "reached with anonymous polls only: tests/storage/test_keys.py",
    "key.hidden": "the same",
    "key.overwritten": "the same",
    "poll.shredding": "reached with anonymous polls only: tests/handlers/test_secrecy.py",
    "poll.shredded": "the same",
    "leases.renewing": "reached with several processes only: a worker is stopped there (several.py)",
}


def places(platform: str) -> list[Place]:
    """Those of one platform, in the order in which they are played."""
    return [place for place in PLACES if platform in place.platforms]
