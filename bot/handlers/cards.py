"""Cards: one per draft in every review channel, made from the state they show and edited in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from bot.chat.messages import Button, Card, Line, Tone
from bot.domain import review
from bot.domain.delivery import Urgency
from bot.domain.places import Channel
from bot.domain.review import UNSETTLED, DraftState, View, offered
from bot.domain.roles import Action
from bot.domain.text import cut, length
from bot.engine.registry import Act, Change, Create, Lost, Nothing, Outcome, Registry, Sent
from bot.handlers.context import Context
from bot.handlers.payloads import new_id
from bot.handlers.wording import flag_text, shown, state_line, time_lines
from bot.locales import Value
from bot.storage.cards import StoredCard, StoredView
from bot.storage.comments import StoredComment
from bot.storage.drafts import StoredDraft
from bot.storage.outbox import Delivery, Order
from bot.storage.work import Sheet

MAX_COMMENT = 4000
"""Characters of a comment that a card is given; a platform may have room for fewer."""
REPOST_CODE = "gone"

_EMOJI = {
    DraftState.DRAFTING: "🆕",
    DraftState.WAITING: "🟡",
    DraftState.APPROVED: "✅",
    DraftState.SENT: "📤",
    DraftState.CHECKING: "🔎",
    DraftState.UNCERTAIN: "❓",
    DraftState.FAILED: "🚫",
    DraftState.REJECTED: "⛔",
    DraftState.DROPPED: "🚫",
    DraftState.WITHDRAWN: "↩️",
}
_TONE: dict[DraftState, Tone] = {
    DraftState.DRAFTING: "new",
    DraftState.WAITING: "waiting",
    DraftState.APPROVED: "good",
    DraftState.SENT: "good",
    DraftState.CHECKING: "new",
    DraftState.UNCERTAIN: "bad",
    DraftState.FAILED: "bad",
    DraftState.REJECTED: "quiet",
    DraftState.DROPPED: "quiet",
    DraftState.WITHDRAWN: "quiet",
}
_STYLE: dict[Action, Literal["primary", "danger"]] = {
    Action.APPROVE: "primary",
    Action.REJECT: "danger",
    Action.AGAIN: "danger",
    Action.TAKEBACK: "danger",
}


def register(registry: Registry[Context]) -> None:
    """Declare cards and the lines in their threads as outgoing messages."""
    registry.outgoing("card", _prepare, _outcome)
    registry.outgoing("line", _prepare_line)


def open_cards(ctx: Context, draft_id: int) -> None:
    """Have a card in every review channel, new or brought up to date."""
    added = [ctx.work.cards.add(draft_id, channel) for channel in ctx.desk.review]
    if None in added:
        refresh(ctx, draft_id)
        return
    for card_id, channel in zip(added, ctx.desk.review, strict=True):
        _queue(ctx, StoredCard(card_id or 0, draft_id, channel, None))


def open_card(ctx: Context, draft_id: int, channel: Channel) -> None:
    """Have a card in one more channel; nothing where there is one."""
    card_id = ctx.work.cards.add(draft_id, channel)
    if card_id is not None:
        _queue(ctx, StoredCard(card_id, draft_id, channel, None))


def refresh(ctx: Context, draft_id: int, rebind: int | None = None) -> None:
    """Have all cards of a draft show its present state.

    Buttons stay bound to the comment as it was when they were first shown, so that pressing one tells what has
    changed since; the card `rebind` was told, and is bound to what is true now.
    """
    for card in ctx.work.cards.of_draft(draft_id):
        if card.id == rebind:
            _queue(ctx, card, {"rebind": True})
        elif not ctx.work.outbox.waiting(_lane(card), "card"):
            _queue(ctx, card)


def _queue(ctx: Context, card: StoredCard, extra: Mapping[str, object] | None = None) -> None:
    order = Order(
        new_id(),
        "card",
        _lane(card),
        card.channel,
        priority=Urgency.ALERT,
        card_id=card.id,
        draft_id=card.draft_id,
        extra=extra or {},
    )
    ctx.work.outbox.add(order)


def record(ctx: Context, draft_id: int, key: str, values: Mapping[str, Value] | None = None) -> None:
    """Put a short line into the thread of every card of a draft."""
    if not ctx.desk.card_lines:
        return
    for card in ctx.work.cards.of_draft(draft_id):
        text = ctx.desk.texts.say(ctx.desk.language(card.channel), key, **(values or {}))
        ctx.work.outbox.add(
            Order(new_id(), "line", _lane(card), card.channel, Urgency.LIVE, card_id=card.id, text=text)
        )


def _lane(card: StoredCard) -> str:
    return f"card:{card.id}"


def _prepare(ctx: Context, row: Delivery) -> Act:
    sheet = ctx.work.sheet(row.card_id or 0)
    if sheet.draft.ruled.state is DraftState.DRAFTING and sheet.card.message_id is None:
        return Nothing()
    view = _bind(ctx, sheet, rebind=bool(row.extra.get("rebind")))
    message = compose(ctx, sheet, view)
    if sheet.card.message_id is None:
        return Create(message, sheet.card.channel)
    return Change(message, sheet.card.channel, sheet.card.message_id)


def _bind(ctx: Context, sheet: Sheet, *, rebind: bool) -> StoredView:
    """What the buttons of this rendering are bound to: the row behind their payloads."""
    latest, version, comment = sheet.view, sheet.draft.ruled.version, sheet.comment.ruled
    if latest and latest.view.version == version and not rebind:
        return latest
    if latest and not rebind:  # a new version of the draft does not tell anybody what became of the comment
        view = View(version, latest.view.comment_hash, latest.view.comment_text)
    else:
        view = View(version, comment.hash, comment.text)
    key = new_id()
    ctx.work.cards.show(key, sheet.card.id, sheet.draft.id, view, ctx.now)
    return StoredView(key, sheet.card, view)


def _outcome(ctx: Context, row: Delivery, outcome: Outcome) -> None:
    card_id = row.card_id or 0
    if isinstance(outcome, Sent):
        before = ctx.work.cards.get(card_id).message_id
        ctx.work.cards.posted(card_id, outcome.message_id)
        if before is None and (row.tries or row.error) and row.draft_id is not None:
            # A platform that knows the request answers with what an earlier try has made of it, as the draft was then.
            refresh(ctx, row.draft_id)
    elif isinstance(outcome, Lost) and outcome.code == REPOST_CODE:  # somebody deleted the card: show it again
        ctx.work.cards.forget_message(card_id)
        if row.draft_id is not None:
            refresh(ctx, row.draft_id)


def _prepare_line(ctx: Context, row: Delivery) -> Act:
    card = ctx.work.cards.get(row.card_id or 0)
    if card.message_id is None:
        return Nothing()
    return Create(Line(row.text, card.message_id), card.channel)


def compose(ctx: Context, sheet: Sheet, view: StoredView) -> Card:
    """The card as people in its channel see it."""
    draft, comment = sheet.draft, sheet.comment
    language = ctx.desk.language(sheet.card.channel)
    state = draft.ruled.state
    return Card(
        header=_header(ctx, language, draft, comment),
        comment=shown(cut(comment.text, MAX_COMMENT)),
        details=tuple(_details(ctx, language, draft, comment)),
        draft=shown(draft.ruled.text),
        status=tuple(_status(ctx, language, draft, comment)),
        buttons=tuple(_buttons(ctx, language, sheet, view)),
        tone="claimed" if state is DraftState.WAITING and draft.ruled.claimed_by else _TONE[state],
    )


def _header(ctx: Context, language: str, draft: StoredDraft, comment: StoredComment) -> str:
    place = (comment.channel.platform, comment.channel.home.channel_id)
    name = ctx.desk.watched.get(place, comment.channel.channel_id)
    header = ctx.desk.texts.say(
        language,
        "card.header",
        emoji=_emoji(ctx, draft.ruled),
        number=draft.id,
        platform=comment.channel.platform.capitalize(),
        channel=name.partition("/")[2] or name,
        author=shown(comment.author_name),
        ago=ctx.desk.texts.ago(language, ctx.now - comment.sent_at),
    )
    left = comment.sent_at + ctx.desk.sla_seconds - ctx.now
    if ctx.desk.sla_seconds and left > 0 and draft.ruled.state in UNSETTLED and not draft.ruled.escalated_at:
        header += " · " + ctx.desk.texts.say(language, "card.sla", time=ctx.desk.texts.span(language, left))
    return header


def _emoji(ctx: Context, draft: review.Draft) -> str:
    if draft.state is DraftState.WAITING and draft.snoozed_until > ctx.now:
        return "💤"
    return "🙋" if draft.state is DraftState.WAITING and draft.claimed_by else _EMOJI[draft.state]


def _details(ctx: Context, language: str, draft: StoredDraft, comment: StoredComment) -> list[str]:
    say = ctx.desk.texts.say
    lines = []
    if comment.attachments:
        lines.append(say(language, "card.attachments", names=", ".join(shown(n) for n in comment.attachments)))
    flags = [*comment.verdict.flags, *draft.origin.flags]
    parts = [say(language, "card.draft", version=draft.ruled.version)]
    if draft.origin.why:
        parts.append(say(language, "card.why", why=flag_text(ctx.desk.texts, language, "why", draft.origin.why)))
    if draft.origin.sources:
        parts.append(say(language, "card.sources", names=", ".join(title for _, title in draft.origin.sources)))
    told = ", ".join(flag_text(ctx.desk.texts, language, "flag", flag) for flag in flags)
    parts.append(say(language, "card.flags", flags=told) if told else say(language, "card.no_flags"))
    cap, units = ctx.desk.cap(comment.channel.platform)
    parts.append(say(language, "card.length", used=length(draft.ruled.text, units), cap=cap))
    if draft.origin.prompt:
        parts.append(draft.origin.prompt)
    lines.append(" · ".join(parts))
    return lines


def _status(ctx: Context, language: str, draft: StoredDraft, comment: StoredComment) -> list[str]:
    say = ctx.desk.texts.say
    lines = []
    if comment.deleted:
        lines.append(say(language, "card.comment_deleted"))
    if comment.answered_by:
        lines.append(say(language, "card.answered", name=comment.answered_by, text=shown(comment.answered_text)[:200]))
    if "comment_edited" in draft.origin.flags:
        lines.append(say(language, "card.comment_edited"))
    if not draft.ruled.text and draft.ruled.state is DraftState.WAITING:
        lines.append(say(language, "card.needs_human"))
    lines += time_lines(ctx, language, draft.ruled)
    line = state_line(ctx, language, draft)
    if line:
        lines.append(line)
    if draft.error:
        lines.append(say(language, "card.error", error=draft.error))
    return lines


def _buttons(ctx: Context, language: str, sheet: Sheet, view: StoredView) -> list[Button]:
    comment, channel = sheet.comment, sheet.card.channel
    there = ctx.desk.capabilities.get(comment.channel.platform)  # it may have been taken out of the settings since
    can_delete = there is not None and there.delete
    # Until somebody has been told that the comment is gone, the card keeps its Approve button.
    told = view.view.comment_hash == comment.ruled.hash
    known = review.Comment(comment.id, comment.text, comment.deleted and told)
    buttons = [
        Button(
            label=ctx.desk.texts.say(language, f"button.{action.value}"),
            payload=ctx.desk.signer.make(view.id, action, channel),
            style=_STYLE.get(action, "plain"),
        )
        for action in offered(sheet.draft.ruled, known, can_delete=can_delete, escalates=ctx.desk.rules.escalates)
    ]
    if comment.url:
        buttons.append(Button(ctx.desk.texts.say(language, "button.open"), url=comment.url))
    return buttons
