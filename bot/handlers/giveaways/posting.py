"""A giveaway's messages in the rooms: its card, and beside it the promise of a fair draw, which is never edited.

Both are public: an outcome that nobody knows is looked up, or put to the team.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.chat.messages import Line, Notice, Outgoing
from bot.domain.delivery import Urgency
from bot.domain.giveaways import Giveaway, State
from bot.domain.places import Channel, Member
from bot.engine.live import Live
from bot.engine.registry import Act, Create, Doubtful, Lost, Nothing, Outcome, Registry, Sent, Tell
from bot.handlers import public
from bot.handlers.context import Context
from bot.handlers.giveaways import panel
from bot.handlers.payloads import new_id
from bot.locales import Value
from bot.storage.giveaway_posts import GiveawayPost
from bot.storage.outbox import Delivery, Order

CARD, PROMISE, DIRECT = "giveaway_card", "giveaway_promise", "giveaway_direct"
NOTES = "giveaways"
"""The lane of what the team is told of giveaways."""


def register(registry: Registry[Context]) -> None:
    """Declare the messages of giveaways."""
    LIVE.register(registry)
    registry.outgoing(CARD, _prepare, _outcome, once=True)
    registry.outgoing(PROMISE, _prepare_promise, _outcome, once=True)
    registry.outgoing(DIRECT, _prepare_direct, private=True)


def post_all(ctx: Context, giveaway: Giveaway) -> None:
    """Put a giveaway that was opened into its channels, with its promise."""
    for channel in giveaway.channels:
        order(ctx, CARD, ctx.work.giveaway_posts.add(giveaway.id, channel, "card"), channel)
    promise_all(ctx, giveaway)


def promise_all(ctx: Context, giveaway: Giveaway) -> None:
    """Make public how it will be drawn; once more where its end, and so the beacon's round, has moved."""
    for channel in giveaway.channels:
        post = ctx.work.giveaway_posts.add(giveaway.id, channel, "announcement")
        order(ctx, PROMISE, post, channel, promised(ctx, giveaway, channel))


def promised(ctx: Context, giveaway: Giveaway, channel: Channel) -> dict[str, object]:
    """What is promised in a room, as it is now: the text, and the beacon that it names."""
    return {"line": panel.promise(ctx, giveaway, panel.view_of(ctx, channel)), "beacon": giveaway.announced}


def order(
    ctx: Context,
    kind: str,
    post: int,
    channel: Channel,
    extra: Mapping[str, object] | None = None,
    delay: float = 0.0,
) -> None:
    """Queue a message of a giveaway. All of a room go one after the other."""
    found = ctx.work.giveaway_posts.get(post)
    lane = f"giveaway:{found.giveaway_id if found else 0}:{channel}"
    values = dict(extra or {})
    ctx.work.outbox.add(Order(new_id(), kind, lane, channel, Urgency.REPLY, text=str(post), extra=values, delay=delay))


def of(ctx: Context, number: str) -> tuple[GiveawayPost | None, Giveaway | None]:
    """The message of this number and its giveaway."""
    post = ctx.work.giveaway_posts.get(int(number)) if number.isdecimal() else None
    return post, ctx.work.giveaways.get(post.giveaway_id) if post else None


def _prepare(ctx: Context, row: Delivery) -> Act:
    post, giveaway = of(ctx, row.text)
    if post is None or giveaway is None or post.message_id:
        return Nothing()
    if giveaway.state not in {State.OPEN, State.PAUSED}:
        if giveaway.state is not State.CANCELLED:  # its platform was out of reach for all that time
            where = f"{post.channel.platform} {post.channel.channel_id}"
            public.tell_team(ctx, NOTES, "giveaway.post.late", {"number": giveaway.id, "where": where})
        return Nothing()
    card = panel.card(ctx, giveaway, post.channel)
    LIVE.posting(ctx.work, str(post.id), post.channel, card)
    return Create(card, post.channel)


def _prepare_promise(ctx: Context, row: Delivery) -> Act:
    post, giveaway = of(ctx, row.text)
    if post is None or giveaway is None or post.message_id or giveaway.state in {State.DRAWN, State.CANCELLED}:
        return Nothing()
    return Create(Line(str(row.extra["line"])), post.channel)


def _outcome(ctx: Context, row: Delivery, outcome: Outcome) -> None:
    post, giveaway = of(ctx, row.text)
    if post is None or giveaway is None:
        return
    if isinstance(outcome, Sent):
        at = row.started_at or ctx.now
        ctx.work.giveaway_posts.posted(post.id, outcome.message_id, at)
        if row.kind == PROMISE:
            told = {"commit": giveaway.commit, "beacon": str(row.extra["beacon"])}
            ctx.work.giveaways.witness(giveaway.id, post.what, post.channel.platform, str(post.id), at, told)
        if row.kind == CARD and outcome.message_id:
            LIVE.posted(ctx.work, str(post.id), outcome.message_id)
            if giveaway.state not in {State.OPEN, State.PAUSED}:
                LIVE.finish(ctx.work, str(post.id))
    elif isinstance(outcome, Lost | Doubtful):
        lost(ctx, giveaway, post, outcome)


def lost(ctx: Context, giveaway: Giveaway, post: GiveawayPost, outcome: Lost | Doubtful) -> None:
    """Tell the team that a message of a giveaway did not, or perhaps not, arrive, and how it is posted anew."""
    where = f"{post.channel.platform} {post.channel.channel_id}"
    key = "giveaway.post.doubtful" if isinstance(outcome, Doubtful) else "giveaway.post.lost"
    if isinstance(outcome, Doubtful) and post.what == "freeze":
        key = "giveaway.post.doubtful_freeze"
    values: dict[str, Value] = {"number": giveaway.id, "where": where, "reason": outcome.reason, "post": post.id}
    public.tell_team(ctx, NOTES, key, values)


def changed(ctx: Context, giveaway: Giveaway) -> None:
    """Its numbers or its words changed: its cards are edited in a while."""
    LIVE.edit(ctx.work, ctx.work.giveaway_posts.resting(LIVE.kind, giveaway.id))


def finish(ctx: Context, giveaway: Giveaway) -> None:
    """Nobody enters any more: the last state is shown now."""
    for post in ctx.work.giveaway_posts.of(giveaway.id, "card"):
        LIVE.finish(ctx.work, str(post.id))


def _render(ctx: Context, name: str) -> Outgoing | None:
    post, giveaway = of(ctx, name)
    return panel.card(ctx, giveaway, post.channel) if post and giveaway else None


def _gone(ctx: Context, name: str, why: Lost) -> None:
    post, giveaway = of(ctx, name)
    if post is not None and giveaway is not None and giveaway.state in {State.OPEN, State.PAUSED}:
        ctx.work.giveaway_posts.gone(post.id)
        where = f"{post.channel.platform} {post.channel.channel_id}"
        values: dict[str, Value] = {"number": giveaway.id, "where": where, "post": post.id}
        public.tell_team(ctx, NOTES, "giveaway.post.gone", values)


LIVE: Live[Context] = Live("giveaway", _render, _gone)
"""The cards of giveaways in the rooms, by the number of their post."""


def tell_rooms(ctx: Context, giveaway: Giveaway, key: str, values: Mapping[str, Value]) -> None:
    """A line into every room of a giveaway, in its language."""
    for channel in giveaway.channels:
        public.tell_room(ctx, f"giveaway:{giveaway.id}", channel, key, values)


def tell_directly(ctx: Context, giveaway: Giveaway, member: Member, key: str, values: Mapping[str, Value]) -> None:
    """Tell somebody privately who has pressed nothing just now. Who cannot be reached so is told when they look."""
    language = ctx.work.people.language(member) or ctx.desk.language(_beside(giveaway, member))
    tell_text_directly(ctx, giveaway, member, ctx.desk.texts.say(language, key, **values))


def tell_text_directly(ctx: Context, giveaway: Giveaway, member: Member, text: str) -> None:
    """The same with a text that is made already."""
    channel = _beside(giveaway, member)
    extra = {"member": str(member)}
    number = new_id()
    ctx.work.outbox.add(Order(number, DIRECT, number, channel, Urgency.ALERT, text=text, extra=extra))


def _beside(giveaway: Giveaway, member: Member) -> Channel:
    """A room of the giveaway on the member's platform, for what is sent to them alone."""
    at = next((one for one in giveaway.channels if one.platform == member.platform), None)
    return Channel(member.platform, member.tenant, at.channel_id if at else "")


def _prepare_direct(ctx: Context, row: Delivery) -> Act:
    return Tell(Notice(row.text, Member.parse(str(row.extra["member"])), direct=True), row.to, {})
