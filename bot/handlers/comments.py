"""Messages in the rooms: which of them are comments, and what becomes of a comment that changes."""

from __future__ import annotations

import logging
from dataclasses import replace

from bot.chat.events import ChannelMoved, CommandInvoked, FormSubmitted, MessageDeleted, MessageEdited, MessagePosted
from bot.engine.registry import Registry
from bot.handlers import clocks, commands, interactions, reviews
from bot.handlers.cards import open_cards, refresh
from bot.handlers.context import Context, Prepared
from bot.storage.comments import StoredComment, Verdict
from bot.storage.drafts import Made

log = logging.getLogger("herald.comments")

MAX_TEXT = 40_000
"""Characters of a comment that are kept (Slack's own limit is the highest of the platforms)."""


def register(registry: Registry[Context]) -> None:
    """Handle messages."""
    registry.on(MessagePosted)(posted)
    registry.on(MessageEdited)(edited)
    registry.on(MessageDeleted)(deleted)
    registry.on(ChannelMoved)(moved)


def posted(ctx: Context, event: MessagePosted) -> None:
    """A new message."""
    if event.author_is_bot or _answers_prompt(ctx, event) or _is_command(ctx, event):
        return
    place = (event.channel.platform, event.channel.home.channel_id)
    if place not in ctx.desk.watched:
        return
    if ctx.roles:
        _answered_by_teammate(ctx, event)
    elif not (event.backfilled and ctx.now - event.sent_at > ctx.desk.max_age):
        _comment(ctx, event)


def _comment(ctx: Context, event: MessagePosted) -> None:
    prepared = ctx.prepared or Prepared(Verdict())
    comment_id = ctx.work.comments.add(replace(event, text=event.text[:MAX_TEXT]), prepared.verdict, ctx.now)
    if comment_id is not None and prepared.verdict.needs_reply:
        begin_draft(ctx, comment_id, prepared.made)


def begin_draft(ctx: Context, comment_id: int, made: Made | None = None) -> None:
    """Have a draft made for a comment, or put the one that is made on cards, unless there is one."""
    draft_id = ctx.work.drafts.add(comment_id, ctx.now, made)
    if draft_id is None:
        return
    clocks.begin(ctx, draft_id, comment_id)
    if made is None:
        ctx.work.timers.set("draft", str(draft_id), ctx.now)
    else:
        open_cards(ctx, draft_id)


def _answers_prompt(ctx: Context, event: MessagePosted) -> bool:
    """A reply to a prompt is a filled-in form."""
    if event.reply_to is None or ctx.desk.forms(event.channel.platform):
        return False
    prompt = ctx.work.prompts.answered_by(event.channel, event.reply_to, event.author)
    if prompt is None:
        return False
    ctx.work.prompts.end(prompt.id)
    form = FormSubmitted(
        event.channel,
        event.author,
        event.author_name,
        prompt.payload,
        {prompt.field: event.text},
        member_roles=event.author_roles,
        locale=event.locale,
    )
    interactions.submitted(ctx, form)
    return True


def _is_command(ctx: Context, event: MessagePosted) -> bool:
    """Commands that a platform does not know as such, `/审核` for one, are messages that begin with a slash."""
    if not event.text.startswith("/"):
        return False
    name, _, rest = event.text[1:].partition(" ")
    if ctx.registry.find_command(name.lower()) is None:
        return name.isalpha()
    command = CommandInvoked(
        event.channel,
        event.author,
        event.author_name,
        name.lower(),
        rest.strip(),
        member_roles=event.author_roles,
        locale=event.locale,
        message_id=event.message_id,
    )
    commands.invoked(ctx, command)
    return True


def _answered_by_teammate(ctx: Context, event: MessagePosted) -> None:
    """Somebody of the team answered by hand: an open draft must not be sent without a look."""
    comment = ctx.work.comments.find(event.channel, event.reply_to) if event.reply_to else None
    if comment is None:
        return
    ctx.work.comments.answered(comment.id, event.author_name, event.text)
    reviews.reopen(ctx, ctx.work.comments.get(comment.id))


def edited(ctx: Context, event: MessageEdited) -> None:
    """A message has a new text."""
    place = (event.channel.platform, event.channel.home.channel_id)
    if place not in ctx.desk.watched:
        return
    before = ctx.work.comments.find(event.channel, event.message_id)
    text = event.text[:MAX_TEXT]
    comment = ctx.work.comments.edit(event.channel, event.message_id, text, event.edited_at, ctx.now)
    if before is None or comment is None or before.text == comment.text:
        return
    _changed(ctx, comment)


def _changed(ctx: Context, comment: StoredComment) -> None:
    draft = ctx.work.drafts.of_comment(comment.id)
    if draft is not None:
        ctx.work.drafts.add_flag(draft, "comment_edited")
        reviews.reopen(ctx, comment)
    elif ctx.prepared is not None and not comment.deleted:
        ctx.work.comments.judge(comment.id, ctx.prepared.verdict)
        if ctx.prepared.verdict.needs_reply:
            begin_draft(ctx, comment.id, ctx.prepared.made)


def deleted(ctx: Context, event: MessageDeleted) -> None:
    """A message is gone."""
    place = (event.channel.platform, event.channel.home.channel_id)
    if place in ctx.desk.watched:
        comment = ctx.work.comments.delete(event.channel, event.message_id, ctx.now)
        if comment is not None:
            reviews.reopen(ctx, comment)
        return
    card = ctx.work.cards.of_message(event.channel, event.message_id)
    if card is not None:  # somebody deleted a card: its draft still waits
        ctx.work.cards.forget_message(card.id)
        refresh(ctx, card.draft_id)


def moved(ctx: Context, event: ChannelMoved) -> None:
    """A channel has a new id: what waits goes there."""
    log.warning("channel %s is now %s: change its id in [channels], or it is no longer watched", event.old, event.new)
    ctx.work.outbox.move(event.old, event.new)
