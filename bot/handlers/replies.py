"""Approved replies on their way out, and what became of them."""

from __future__ import annotations

from bot.chat.messages import Button, Notice, Prompt, Reply
from bot.domain.delivery import Step
from bot.domain.places import Member
from bot.domain.review import DraftState, Effect, Refusal
from bot.domain.text import fingerprint
from bot.engine.registry import (
    Absent,
    Act,
    Change,
    Checking,
    Create,
    Doubtful,
    Lost,
    Nothing,
    Outcome,
    Registry,
    Remove,
    Sent,
    Tell,
)
from bot.handlers.cards import record, refresh
from bot.handlers.context import Context
from bot.handlers.payloads import new_id
from bot.storage.comments import StoredComment
from bot.storage.drafts import StoredDraft
from bot.storage.outbox import Delivery, Order


class WrongText(Exception):
    """The text in the outbox is not the one that was approved."""


def register(registry: Registry[Context]) -> None:
    """Declare replies, corrections, removals, notices and prompts as outgoing messages."""
    registry.outgoing("reply", _prepare_reply, _reply_outcome, once=True)
    registry.outgoing("correct", _prepare_correction, _afterwards)
    registry.outgoing("remove", _prepare_removal, _afterwards)
    registry.outgoing("notice", _prepare_notice)
    registry.outgoing("prompt", _prepare_prompt, _prompt_outcome)


def apply(ctx: Context, effect: Effect, draft: StoredDraft, text: str, version: int) -> Refusal | None:
    """Carry out what follows from a decision; a refusal if it is too late for it."""
    if effect is Effect.QUEUE_REPLY:
        _queue(ctx, ctx.work.comments.get(draft.comment_id), draft, text, version)
        return None
    if effect is Effect.REDRAFT:
        ctx.work.timers.set("draft", str(draft.id), ctx.now)
        return None
    reply = ctx.work.outbox.reply_of(draft.id)
    if reply is None:
        return Refusal("review.no_reply")
    if effect in _STEPS:
        done = ctx.work.outbox.by_person(reply.id, _STEPS[effect])
        return None if done else Refusal("review.too_late")
    kind = "correct" if effect is Effect.EDIT_REPLY else "remove"
    order = Order(
        new_id(),
        kind,
        f"reply:{reply.id}",
        reply.to,
        draft_id=draft.id,
        text=text,
        text_hash=fingerprint(text),
        extra={"message_id": reply.message_id or ""},
    )
    if not reply.message_id:  # settled by a person who saw it there: we do not know which message it is
        return Refusal("review.unknown_message")
    ctx.work.outbox.add(order)
    return None


_STEPS = {
    Effect.CANCEL_REPLY: Step.CANCEL,
    Effect.REVIVE_REPLY: Step.REVIVE,
    Effect.SETTLE_ARRIVED: Step.ARRIVED,
    Effect.SETTLE_AGAIN: Step.AGAIN,
    Effect.SETTLE_DROP: Step.DROP,
}


def _queue(ctx: Context, comment: StoredComment, draft: StoredDraft, text: str, version: int) -> None:
    conversation = comment.reply_to or comment.message_id
    ctx.work.outbox.add(
        Order(
            new_id(),
            "reply",
            f"reply:{comment.channel.platform}:{comment.channel.channel_id}:{conversation}",
            comment.channel,
            draft_id=draft.id,
            version=version,
            reply_to=comment.message_id,
            text=text,
            text_hash=fingerprint(text),
            delay=ctx.desk.undo_seconds,
        )
    )


def _prepare_reply(ctx: Context, row: Delivery) -> Act:
    if row.text_hash != fingerprint(row.text):
        raise WrongText(f"outbox row {row.id}")
    return Create(Reply(row.text, row.reply_to), row.to)


def _reply_outcome(ctx: Context, row: Delivery, outcome: Outcome) -> None:
    draft_id = row.draft_id or 0
    if isinstance(outcome, Sent):
        ctx.work.drafts.outcome(draft_id, DraftState.SENT, "", ctx.now)
        record(ctx, draft_id, "line.sent")
    elif isinstance(outcome, Checking):
        ctx.work.drafts.outcome(draft_id, DraftState.CHECKING, "", ctx.now)
        record(ctx, draft_id, "line.checking")
    elif isinstance(outcome, Absent):
        ctx.work.drafts.outcome(draft_id, DraftState.APPROVED, "", ctx.now)
        record(ctx, draft_id, "line.resending")
    elif isinstance(outcome, Doubtful):
        ctx.work.drafts.outcome(draft_id, DraftState.UNCERTAIN, outcome.reason, ctx.now)
        record(ctx, draft_id, "line.uncertain")
    else:
        ctx.work.drafts.outcome(draft_id, DraftState.FAILED, outcome.reason, ctx.now)
        record(ctx, draft_id, "line.failed", {"error": outcome.reason})
    refresh(ctx, draft_id)


def _prepare_correction(ctx: Context, row: Delivery) -> Act:
    message_id = str(row.extra.get("message_id", ""))
    return Change(Reply(row.text), row.to, message_id) if message_id else Nothing()


def _prepare_removal(ctx: Context, row: Delivery) -> Act:
    message_id = str(row.extra.get("message_id", ""))
    return Remove(row.to, message_id) if message_id else Nothing()


_DONE_LINES = {"correct": "line.corrected", "remove": "line.remove"}


def _afterwards(ctx: Context, row: Delivery, outcome: Outcome) -> None:
    draft_id = row.draft_id or 0
    if isinstance(outcome, Lost):
        draft = ctx.work.drafts.get(draft_id)
        if draft is not None:
            ctx.work.drafts.fail(draft_id, outcome.reason, ctx.now)
            record(ctx, draft_id, f"line.{row.kind}_failed", {"error": outcome.reason})
    else:
        ctx.work.drafts.fail(draft_id, "", ctx.now)
        record(ctx, draft_id, _DONE_LINES[row.kind])
    refresh(ctx, draft_id)


def _prepare_notice(ctx: Context, row: Delivery) -> Act:
    reply = row.extra.get("reply")
    notice = Notice(
        row.text,
        Member.parse(str(row.extra["member"])),
        hint=str(row.extra.get("hint", "")),
        toast=bool(row.extra.get("toast")),
        buttons=_notice_buttons(row.extra.get("buttons")),
    )
    return Tell(notice, row.to, {str(k): str(v) for k, v in reply.items()} if isinstance(reply, dict) else {})


def _notice_buttons(stored: object) -> tuple[Button, ...]:
    """The buttons of a notice as `context.offer` stores them."""
    kept = stored if isinstance(stored, list) else []
    return tuple(Button(one["label"], one["payload"], one["style"]) for one in kept)


def _prepare_prompt(ctx: Context, row: Delivery) -> Act:
    prompt = Prompt(
        row.text,
        Member.parse(str(row.extra["member"])),
        str(row.extra.get("name", "")),
        reply_to=row.reply_to,
        placeholder=str(row.extra.get("placeholder", "")),
    )
    return Create(prompt, row.to)


def _prompt_outcome(ctx: Context, row: Delivery, outcome: Outcome) -> None:
    number = row.extra.get("prompt")
    if isinstance(outcome, Sent) and isinstance(number, int):
        ctx.work.prompts.posted(number, outcome.message_id)
