"""A poll's messages in the rooms: posted once, edited as votes come, ended.

A post is a card with buttons, or the platform's own poll. Both are public: an outcome that nobody knows is looked up,
or put to the team.
"""

from __future__ import annotations

from bot.chat.messages import Button, Card, Outgoing
from bot.domain.delivery import Urgency
from bot.domain.places import Channel
from bot.domain.polls import Option, Poll, State
from bot.engine.live import Live
from bot.engine.registry import Act, Create, Doubtful, EndPoll, Lost, Nothing, Outcome, Registry, Sent
from bot.handlers import public
from bot.handlers.context import Context
from bot.handlers.payloads import new_id
from bot.handlers.polls import panel
from bot.storage.outbox import Delivery, Order
from bot.storage.poll_posts import PollPost

POST, ENDS, TEAM = "poll_post", "poll_end", "poll_team"
NOTES = "polls"
"""The lane of what the team is told of polls."""


def register(registry: Registry[Context]) -> None:
    """Declare the messages of polls."""
    LIVE.register(registry)
    registry.outgoing(POST, _prepare, _outcome, once=True)
    registry.outgoing(ENDS, _prepare_end)
    registry.outgoing(TEAM, _prepare_team)


def post_all(ctx: Context, poll: Poll) -> None:
    """Put a poll that was opened into its channels."""
    for channel in poll.channels:
        own = poll.question.native and panel.fits_native(ctx, poll, channel)
        post = ctx.work.poll_posts.add(poll.id, channel, own)
        _order(ctx, POST, post, channel, Urgency.REPLY)


def repost(ctx: Context, post: PollPost) -> None:
    """Post it once more: a person has looked, and it is not there."""
    _order(ctx, POST, post.id, post.channel, Urgency.REPLY)


def _order(ctx: Context, kind: str, post: int, channel: Channel, urgency: Urgency) -> None:
    ctx.work.outbox.add(Order(new_id(), kind, f"poll_post:{post}", channel, urgency, text=str(post)))


def _prepare(ctx: Context, row: Delivery) -> Act:
    post, poll = _of(ctx, row.text)
    if post is None or poll is None or post.message_id:
        return Nothing()
    if poll.state is not State.OPEN:
        if poll.state is State.CLOSED:  # its platform was out of reach for all that time
            where = f"{post.channel.platform} {post.channel.channel_id}"
            public.tell_team(ctx, NOTES, "poll.post.late", {"number": poll.id, "where": where})
        return Nothing()
    if post.native:
        return Create(panel.native(ctx, poll, post.channel), post.channel)
    card = panel.card(ctx, poll, post.channel)
    LIVE.posting(ctx.work, str(post.id), post.channel, card)
    return Create(card, post.channel)


def _outcome(ctx: Context, row: Delivery, outcome: Outcome) -> None:
    post, poll = _of(ctx, row.text)
    if post is None or poll is None:
        return
    if isinstance(outcome, Sent):
        ctx.work.poll_posts.posted(post.id, outcome.message_id)
        if post.native:
            if poll.state is not State.OPEN:  # it was closed while this was on its way
                _order(ctx, ENDS, post.id, post.channel, Urgency.ALERT)
        elif outcome.message_id:
            LIVE.posted(ctx.work, str(post.id), outcome.message_id)
            if poll.state is not State.OPEN:
                LIVE.finish(ctx.work, str(post.id))
    elif isinstance(outcome, Lost) and post.native:  # a broadcast channel takes no open polls, for one
        ctx.work.poll_posts.not_native(post.id)
        _order(ctx, POST, post.id, post.channel, Urgency.REPLY)
    elif isinstance(outcome, Lost | Doubtful):
        where = f"{post.channel.platform} {post.channel.channel_id}"
        key = "poll.post.doubtful" if isinstance(outcome, Doubtful) else "poll.post.lost"
        public.tell_team(
            ctx, NOTES, key, {"number": poll.id, "where": where, "reason": outcome.reason, "post": post.id}
        )


def changed(ctx: Context, poll: Poll) -> None:
    """Its numbers or its words changed: its cards are edited in a while."""
    LIVE.edit(ctx.work, ctx.work.poll_posts.resting(LIVE.kind, poll.id))


def finish(ctx: Context, poll: Poll) -> None:
    """It is over: the last state is shown now, and native polls are ended."""
    for post in ctx.work.poll_posts.of(poll.id):
        if not post.native:
            LIVE.finish(ctx.work, str(post.id))
        elif post.message_id and not _ended(ctx, poll, post):
            _order(ctx, ENDS, post.id, post.channel, Urgency.ALERT)


def _ended(ctx: Context, poll: Poll, post: PollPost) -> bool:
    """Whether the platform has ended its own poll by now."""
    found = ctx.desk.capabilities.get(post.channel.platform)
    punctual = found is not None and found.polls is not None and found.polls.punctual
    return punctual and 0 < poll.closes_at <= poll.closed_at


def _render(ctx: Context, name: str) -> Outgoing | None:
    post, poll = _of(ctx, name)
    return panel.card(ctx, poll, post.channel) if post and poll else None


def _lost(ctx: Context, name: str, why: Lost) -> None:
    post, poll = _of(ctx, name)
    if post is not None and poll is not None and poll.state is State.OPEN:
        ctx.work.poll_posts.gone(post.id)
        where = f"{post.channel.platform} {post.channel.channel_id}"
        public.tell_team(ctx, NOTES, "poll.post.gone", {"number": poll.id, "where": where, "post": post.id})


LIVE: Live[Context] = Live("poll", _render, _lost)
"""The cards of polls in the rooms, by the number of their post."""


def _of(ctx: Context, number: str) -> tuple[PollPost | None, Poll | None]:
    post = ctx.work.poll_posts.get(int(number)) if number.isdecimal() else None
    return post, ctx.work.polls.get(post.poll_id) if post else None


def _prepare_end(ctx: Context, row: Delivery) -> Act:
    post, _ = _of(ctx, row.text)
    return EndPoll(post.channel, post.message_id) if post and post.message_id else Nothing()


def ask_team(ctx: Context, poll: Poll, option: Option) -> None:
    """Have the team let a member's option in, or keep it out."""
    for channel in ctx.desk.review:
        values = {"poll": poll.id, "option": option.number}
        lane = f"poll_option:{poll.id}:{option.number}:{channel}"
        ctx.work.outbox.add(Order(new_id(), TEAM, lane, channel, Urgency.ALERT, extra=values))


def _prepare_team(ctx: Context, row: Delivery) -> Act:
    poll = ctx.work.polls.get(int(str(row.extra["poll"])))
    option = poll.question.option(int(str(row.extra["option"]))) if poll else None
    if poll is None or option is None:
        return Nothing()
    language, say = ctx.desk.language(row.to), ctx.desk.texts.say

    def button(word: str) -> Button:
        payload = ctx.desk.signer.make(poll.name, f"{word}:{option.number}", row.to)
        return Button(say(language, f"poll.button.{word}"), payload, "primary" if word == "let_in" else "danger")

    card = Card(
        say(language, "poll.option_asked", number=poll.id, question=panel.title(poll)),
        comment=panel.safe(option.text),
        buttons=(button("let_in"), button("keep_out")),
    )
    return Create(card, row.to)
