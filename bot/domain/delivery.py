"""The delivery state machine (RELIABILITY section 3): which step may follow which, and when to try again.

pending -> claimed -> sending -> sent | failed | pending (surely not sent) | uncertain
uncertain -> sent (found there, or seen by a person) | pending (not there, or a person wants it again) | dropped
tries used up -> dead        cancelled: only from pending or claimed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class DeliveryState(StrEnum):
    """Where a row of the outbox stands."""

    PENDING = "pending"
    CLAIMED = "claimed"
    SENDING = "sending"
    SENT = "sent"
    UNCERTAIN = "uncertain"
    FAILED = "failed"
    DEAD = "dead"
    DROPPED = "dropped"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """What happens to a delivery."""

    CLAIM = "claim"
    RELEASE = "release"
    BEGIN = "begin"
    CONFIRM = "confirm"
    REFUSE = "refuse"
    POSTPONE = "postpone"
    GIVE_UP = "give_up"
    DOUBT = "doubt"
    REPEAT = "repeat"
    FOUND = "found"
    ABSENT = "absent"
    HOPELESS = "hopeless"
    ARRIVED = "arrived"
    AGAIN = "again"
    DROP = "drop"
    CANCEL = "cancel"
    REVIVE = "revive"


_S = DeliveryState

STEPS: Mapping[Step, tuple[frozenset[DeliveryState], DeliveryState]] = {
    Step.CLAIM: (frozenset({_S.PENDING}), _S.CLAIMED),
    Step.RELEASE: (frozenset({_S.CLAIMED}), _S.PENDING),
    Step.BEGIN: (frozenset({_S.CLAIMED}), _S.SENDING),
    # The answer may come after others have given up waiting for it: it is still the truth.
    Step.CONFIRM: (frozenset({_S.SENDING, _S.UNCERTAIN}), _S.SENT),
    Step.REFUSE: (frozenset({_S.SENDING}), _S.FAILED),
    Step.POSTPONE: (frozenset({_S.SENDING}), _S.PENDING),
    Step.GIVE_UP: (frozenset({_S.SENDING}), _S.DEAD),
    Step.DOUBT: (frozenset({_S.SENDING}), _S.UNCERTAIN),
    # Only for what may safely happen twice (cards, lines, edits, notices): never for a reply.
    Step.REPEAT: (frozenset({_S.SENDING}), _S.PENDING),
    # The platform was asked, after nothing of the request could land any more.
    Step.FOUND: (frozenset({_S.UNCERTAIN}), _S.SENT),
    Step.ABSENT: (frozenset({_S.UNCERTAIN}), _S.PENDING),
    Step.HOPELESS: (frozenset({_S.UNCERTAIN}), _S.DEAD),
    Step.ARRIVED: (frozenset({_S.UNCERTAIN}), _S.SENT),
    Step.AGAIN: (frozenset({_S.UNCERTAIN}), _S.PENDING),
    Step.DROP: (frozenset({_S.UNCERTAIN}), _S.DROPPED),
    Step.CANCEL: (frozenset({_S.PENDING, _S.CLAIMED}), _S.CANCELLED),
    Step.REVIVE: (frozenset({_S.FAILED, _S.DEAD}), _S.PENDING),
}

FINAL = frozenset({_S.SENT, _S.FAILED, _S.DEAD, _S.DROPPED, _S.CANCELLED})
"""States in which nothing more happens without a person."""

MAX_TRIES = 4
MAX_LOOKS = 16
"""Look-ups of one delivery before a person is asked instead: some five minutes."""
LONGEST_LOOK = 20.0
"""Seconds between two look-ups at most, so that it is soon known once the platform is back."""


class Urgency(IntEnum):
    """The five classes of what goes out (RELIABILITY section 4): a lower one always goes first."""

    ANSWER = 0
    """What a person just did is answered: never paced."""
    REPLY = 1
    """Approved replies."""
    ALERT = 2
    """Cards, winners, moderation, the last state of something live."""
    LIVE = 3
    """Live tallies and lines; at most half of what a destination allows."""
    BROADCAST = 4


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds. A claim refuses to send when less of its lease is left than `timeout` + `grace`."""

    timeout: float = 10.0
    lease: float = 30.0
    grace: float = 5.0

    @property
    def quiet(self) -> float:
        """How long after a request nothing of it can land any more: only then it is looked up."""
        return self.timeout + self.grace


def next_try(tries: int, jitter: float, retry_after: float | None) -> float:
    """Seconds until another try after `tries` tries; `jitter` in 0..1. A platform's Retry-After is obeyed in full."""
    return max(retry_after or 0.0, float(2**tries)) + jitter


def next_look(looks: int, jitter: float, retry_after: float | None) -> float | None:
    """Seconds until another look after `looks` of them; None: it takes too long, a person has to look.

    `jitter` in 0..1. A platform's Retry-After is obeyed in full.
    """
    if looks >= MAX_LOOKS or (retry_after or 0.0) > MAX_LOOKS * LONGEST_LOOK:
        return None
    return max(retry_after or 0.0, min(float(2**looks), LONGEST_LOOK)) + jitter
