"""Named places at which a rehearsal may break the program on purpose, to see that nothing is lost or done twice.

`HERALD_FAILPOINTS="inbox.committed=kill:3,store.begun=raise:*"` arms them: the third time that the first is reached the
process kills itself, and every time that the second is reached it raises. Unarmed, a failpoint is one look at an empty
table. Before anything happens the line `failpoint NAME reached` goes to standard error, so that a test can tell a
kill that hit its mark from one that came by chance.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

VARIABLE = "HERALD_FAILPOINTS"


class Point(StrEnum):
    """All failpoints, in the order in which an event and its reply pass them."""

    LOCKED = "start.locked"
    """The data directory is ours, the database untouched."""
    MIGRATING = "migrate.begun"
    """The schema is old; the migration has not begun."""
    MIGRATED = "migrate.done"
    RECOVERING = "recover.begun"
    """Inside the transaction that takes up what a dead process left."""
    RECOVER_SETTLED = "recover.settled"
    """Inside it still, all rows settled."""
    RECOVERED = "recover.committed"

    TELEGRAM_CONFIRMING = "telegram.confirming"
    """A batch is stored; the getUpdates that confirms it is about to be made."""
    TELEGRAM_CONFIRMED = "telegram.confirmed"
    """It has been answered, perhaps with the next batch, which nobody has stored."""
    SLACK_ACKNOWLEDGING = "slack.acknowledging"
    """An envelope is stored; its acknowledgement is about to be sent."""
    SLACK_ACKNOWLEDGED = "slack.acknowledged"
    DISCORD_TAKEN = "discord.taken"
    """Frames left the gateway and are in memory only."""
    DISCORD_STORED = "discord.stored"
    """They are committed."""
    DISCORD_ANSWERING = "discord.answering"
    """An interaction is stored; its first answer is about to be made."""
    DISCORD_ANSWERED = "discord.answered"
    HOOK_STORED = "hook.stored"
    """What a platform delivered over HTTP is stored; it has not been answered."""
    BACKFILLED = "backfill.stored"
    """A page of a channel's history is committed, the next one not read."""

    INBOX_ANSWERED = "inbox.answered"
    """The immediate answers are known, the events not stored."""
    INBOX_WRITTEN = "inbox.written"
    """The events are rows of an open transaction."""
    INBOX_COMMITTED = "inbox.committed"
    """They are on disk; the platform has not been answered."""

    STORE_BEGUN = "store.begun"
    """The writer's transaction is open."""
    STORE_COMMITTING = "store.committing"
    """All units of a group have run."""
    STORE_COMMITTED = "store.committed"
    """They are on disk, and nobody has been told."""

    LEASES_RENEWING = "leases.renewing"
    """Leases have been looked at; nothing of what follows is written."""

    ROUTER_PREPARED = "router.prepared"
    """Triage and embedded drafts are made, nothing of them is stored."""
    HANDLER_BEFORE = "handler.before"
    HANDLER_AFTER = "handler.after"
    """A handler has run; its effects and the event's `done` are in the open transaction."""
    ROUTER_COMMITTED = "router.committed"

    TIMER_DUE = "timer.due"
    TIMER_MADE = "timer.made"
    """What the timer was for is done (a draft is made), and nothing of it is stored."""
    TIMER_COMMITTED = "timer.committed"

    OUTBOX_CLAIMED = "outbox.claimed"
    """Rows are claimed in the open transaction."""
    OUTBOX_SENDING = "outbox.sending"
    """They are marked `sending` in it, with their messages made."""
    OUTBOX_REQUEST = "outbox.request"
    """The mark is on disk; the request is about to be made."""
    OUTBOX_ANSWERED = "outbox.answered"
    """The platform has taken the message; nothing of that is recorded."""
    OUTBOX_CONFIRMING = "outbox.confirming"
    """The confirmation is in the open transaction."""
    OUTBOX_CONFIRMED = "outbox.confirmed"
    OUTBOX_FAILED = "outbox.failed"
    """The request went wrong, or its outcome is unknown; nothing of that is recorded."""
    OUTBOX_SETTLED = "outbox.settled"
    """It is recorded."""

    RECONCILE_DUE = "reconcile.due"
    """A look-up is counted, and about to be made."""
    RECONCILE_LOOKED = "reconcile.looked"
    """The platform has said whether the message is there; nothing of that is recorded."""
    RECONCILE_SETTLED = "reconcile.settled"

    KEY_WRITTEN = "key.written"
    """The key of an anonymous poll is on disk, and not in its place."""
    KEY_HIDDEN = "key.hidden"
    """The key of a poll that is over has another name, under which nobody looks for it; it is whole."""
    KEY_OVERWRITTEN = "key.overwritten"
    """It is destroyed; the file is still there."""
    SHREDDING = "poll.shredding"
    """Nothing needs the key of a closed poll any more; it is about to be destroyed."""
    SHREDDED = "poll.shredded"
    """The key is gone; nothing of that is recorded."""

    STOP_DRAINING = "stop.draining"
    """The program stops, and waits for what is being sent."""
    STOP_CLOSING = "stop.closing"
    """Everything has stopped; connections and store are about to be closed."""


class FailpointFault(Exception):
    """The variable cannot be used; `str()` says why and what it may hold."""


@dataclass(slots=True)
class _Plan:
    action: str
    turn: int | None
    """Which time it happens; None: every time."""
    reached: int = 0


_armed: dict[tuple[str, str], _Plan] = {}
_lock = threading.Lock()
_ENTRY = re.compile(r"(?P<name>[a-z.]+)(?:/(?P<about>\w+))?=(?P<action>\w+)(?::(?P<turn>[1-9]\d*|\*))?")
_ACTIONS = ("kill", "stop", "raise")


def arm(environment: Mapping[str, str]) -> None:
    """Arm what `HERALD_FAILPOINTS` names, and nothing else. Raises FailpointFault.

    Entries are separated by commas: `NAME=ACTION`, `NAME=ACTION:TURN` with the number of the time that counts (1 unless
    told otherwise) or `*` for every time. `NAME/ABOUT` counts only what is about that, a reply for one. Actions: `kill`
    (SIGKILL to this process), `stop` (SIGSTOP until somebody sends SIGCONT), `raise` (OSError with EIO).
    """
    entries = [entry.strip() for entry in environment.get(VARIABLE, "").split(",") if entry.strip()]
    plans = dict(_entry(entry) for entry in entries)
    _armed.clear()
    _armed.update(plans)


def _entry(entry: str) -> tuple[tuple[str, str], _Plan]:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise FailpointFault(f"{VARIABLE}: {entry!r} is not NAME=ACTION or NAME=ACTION:TURN")
    if found["name"] not in set(Point):
        raise FailpointFault(f"{VARIABLE}: there is no failpoint {found['name']!r}; there are: {', '.join(Point)}")
    if found["action"] not in _ACTIONS:
        raise FailpointFault(f"{VARIABLE}: {entry!r} has none of the actions {', '.join(_ACTIONS)}")
    turn = None if found["turn"] == "*" else int(found["turn"] or 1)
    return (found["name"], found["about"] or ""), _Plan(found["action"], turn)


def reach(point: Point, about: str = "") -> None:
    """Say that the program is at this point, and with what it is busy there (the kind of a message). Any thread may.

    Returns at once unless the point is armed; raises OSError where that was asked for.
    """
    if _armed:
        _reached(point, about)


def _reached(point: Point, about: str) -> None:
    for key in {(point.value, ""), (point.value, about)}:
        plan = _armed.get(key)
        if plan is not None and _is_its_turn(plan):
            _act(point, plan.action)


def _is_its_turn(plan: _Plan) -> bool:
    with _lock:
        plan.reached += 1
        return plan.turn is None or plan.reached == plan.turn


def _act(point: Point, action: str) -> None:
    sys.stderr.write(f"failpoint {point.value} reached\n")
    sys.stderr.flush()
    if action == "raise":
        raise OSError(errno.EIO, f"failpoint {point.value}")
    os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGSTOP)
