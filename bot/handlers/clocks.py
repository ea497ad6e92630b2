"""Time over drafts: those that wait too long call for help once, those put aside come back. Rows, never tasks."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from bot.domain.review import UNSETTLED, Draft, DraftState, Effect, overdue
from bot.engine.registry import Registry
from bot.handlers.cards import open_card, record, refresh
from bot.handlers.context import Context
from bot.storage.timers import Timer

OVERDUE = "overdue"
"""The timer of the first-response clock; its key is the draft."""
AWAKE = "awake"
"""The timer of a draft that was put aside."""
LONGEST_SNOOZE = 30 * 86400.0
_UNITS: Mapping[str, float] = {
    **dict.fromkeys(("m", "min", "分", "分钟"), 60.0),
    **dict.fromkeys(("h", "小时", "个小时", "时"), 3600.0),
    **dict.fromkeys(("d", "天", "日"), 86400.0),
}
_SPAN = re.compile(r"(\d{1,4})\s*([a-z]+|[\u4e00-\u9fff]+)", re.ASCII)


def register(registry: Registry[Context]) -> None:
    """Have both clocks ring."""
    registry.timer(OVERDUE, _timer(_overdue))
    registry.timer(AWAKE, _timer(_awake))


def span(text: str) -> float | None:
    """Seconds of a span that a person typed: `30m`, `2h`, `1d`, `2 小时`. None for anything else, or too long."""
    found = _SPAN.fullmatch(text.strip().lower())
    unit = _UNITS.get(found[2]) if found else None
    seconds = float(found[1]) * unit if found and unit else 0.0
    return seconds if 0 < seconds <= LONGEST_SNOOZE else None


def begin(ctx: Context, draft_id: int, comment_id: int) -> None:
    """Start the first-response clock: it runs from the moment when the member wrote."""
    if ctx.desk.sla_seconds:
        comment = ctx.work.comments.get(comment_id)
        ctx.work.timers.set(OVERDUE, str(draft_id), comment.sent_at + ctx.desk.sla_seconds)


def apply(ctx: Context, effect: Effect, draft: Draft) -> None:
    """Carry out what follows from putting a draft aside, or from calling for help."""
    if effect is Effect.ESCALATE:
        _call_for_help(ctx, draft.id)
    elif draft.snoozed_until:
        ctx.work.timers.set(AWAKE, str(draft.id), draft.snoozed_until)


def _call_for_help(ctx: Context, draft_id: int) -> None:
    if ctx.desk.escalation is not None:
        open_card(ctx, draft_id, ctx.desk.escalation)


def _timer(ring: Callable[[Context, int], None]) -> Callable[[Timer], Awaitable[Callable[[Context], None]]]:
    async def due(timer: Timer) -> Callable[[Context], None]:
        return lambda ctx: ring(ctx, int(timer.key))

    return due


def _overdue(ctx: Context, draft_id: int) -> None:
    stored = ctx.work.drafts.get(draft_id)
    if stored is None:
        return
    draft = stored.ruled
    late = overdue(draft, ctx.now)
    if late is not None:
        ctx.work.drafts.swap(draft, late.draft, ctx.now)
        _call_for_help(ctx, draft_id)
        record(ctx, draft_id, "line.overdue")
        refresh(ctx, draft_id)
    elif draft.state in UNSETTLED and draft.snoozed_until > ctx.now:  # whoever put it aside wants it back then
        ctx.work.timers.set(OVERDUE, str(draft_id), draft.snoozed_until)


def _awake(ctx: Context, draft_id: int) -> None:
    stored = ctx.work.drafts.get(draft_id)
    draft = stored.ruled if stored else None
    if draft is None or draft.state is not DraftState.WAITING or not 0 < draft.snoozed_until <= ctx.now:
        return
    ctx.work.drafts.swap(draft, replace(draft, snoozed_until=0.0, snoozed_name=""), ctx.now)
    record(ctx, draft_id, "line.awake")
    refresh(ctx, draft_id)
