"""Turning states and flags into words."""

from __future__ import annotations

from bot.domain.review import UNSETTLED, Draft, DraftState
from bot.drafting.characters import visible
from bot.handlers.context import Context
from bot.locales import Catalogue
from bot.storage.drafts import StoredDraft


def shown(text: str) -> str:
    """Text with its invisible characters marked, so that a reader sees exactly what is there."""
    return visible(text)


def flag_text(texts: Catalogue, language: str, group: str, word: str) -> str:
    """A flag, reason or error word in people's language; `word` may carry an argument behind a colon."""
    name, _, argument = word.partition(":")
    key = f"{group}.{name}"
    return texts.say(language, key, value=argument) if texts.has(key) else word


def state_line(ctx: Context, language: str, draft: StoredDraft) -> str:
    """Who did what, for the card's last line; empty while nobody has decided."""
    ruled = draft.ruled
    say = ctx.desk.texts.say
    if ruled.state is DraftState.WAITING and ruled.claimed_by is not None:
        return say(language, "card.claimed", name=ruled.claimed_name)
    if ruled.state is DraftState.APPROVED:
        return say(language, "card.approved", name=ruled.decided_name, seconds=round(ctx.desk.undo_seconds))
    if ruled.state is DraftState.REJECTED:
        return say(language, "card.rejected", name=ruled.decided_name, reason=shown(ruled.reason))
    if ruled.state is DraftState.WAITING:
        return ""
    return say(language, f"card.{ruled.state.value}", name=ruled.decided_name)


def time_lines(ctx: Context, language: str, draft: Draft) -> list[str]:
    """Whether it was put aside, and whether help was called for."""
    say, texts = ctx.desk.texts.say, ctx.desk.texts
    lines = []
    if draft.escalated_at and draft.state in UNSETTLED:
        ago = texts.ago(language, ctx.now - draft.escalated_at)
        key = "card.escalated" if draft.escalated_name else "card.overdue"
        lines.append(say(language, key, name=draft.escalated_name, ago=ago))
    if draft.state is DraftState.WAITING and draft.snoozed_until > ctx.now:
        left = texts.span(language, draft.snoozed_until - ctx.now)
        lines.append(say(language, "card.snoozed", name=draft.snoozed_name, time=left))
    return lines
