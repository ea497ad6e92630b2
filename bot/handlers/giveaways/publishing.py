"""The freeze made public: its text, the whole list and the seed, in every room and before the beacon's time."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

from bot.chat.messages import Document, Line
from bot.domain import giving
from bot.domain.fdraw import Freeze, Terms
from bot.domain.giveaways import Giveaway, Refused, State
from bot.domain.places import Channel
from bot.engine.registry import Act, Create, Doubtful, Lost, Nothing, Outcome, Registry, Sent
from bot.handlers import public
from bot.handlers.context import Context
from bot.handlers.giveaways import panel, posting
from bot.handlers.giveaways.office import round_of, time_of
from bot.locales import Value
from bot.locales.times import said
from bot.storage.giveaway_posts import GiveawayPost
from bot.storage.giveaways import Frozen
from bot.storage.outbox import Delivery

FREEZE = "giveaway_freeze"
FREEZES, DRAWS = "giveaway_freezing", "giveaway_draw"
"""The timers that make the frozen list, and the draw."""
PACKED = 512 * 1024
"""Bytes from which on a list is sent compressed."""
SENDING = 15.0
"""Seconds before its round from which on a freeze text is not sent any more."""
AGAIN = 60.0
"""Seconds after which a freeze that could not be sent is tried again, as long as no room has it."""
LARGEST = 8 * 1024 * 1024
"""Bytes of the largest file that is put into a room."""


def register(registry: Registry[Context]) -> None:
    """Declare the freeze as an outgoing message."""
    registry.outgoing(FREEZE, _prepare, _outcome, once=True)


def terms_of(giveaway: Giveaway) -> Terms:
    """What the freeze text names."""
    offer = giveaway.offer
    return Terms(giveaway.name, offer.winners, offer.alternates, giveaway.commit, giveaway.beacon)


def freeze_of(giveaway: Giveaway, frozen: Frozen) -> Freeze:
    """The freeze as it is stored."""
    return Freeze(terms_of(giveaway), frozen.entries, frozen.weight, frozen.root)


def publish(ctx: Context, giveaway: Giveaway, frozen: Frozen, document: Document | None) -> None:
    """Put the freeze into every room, with the list as a file."""
    seed = ctx.work.giveaways.seed(giveaway.id).hex() if giveaway.chain else ""
    for channel in giveaway.channels:
        post = ctx.work.giveaway_posts.add(giveaway.id, channel, "freeze")
        text = _text(ctx, giveaway, frozen, seed, channel)
        posting.order(ctx, FREEZE, post, channel, {"line": text, "round": giveaway.round, "hash": frozen.hash})
        if document is not None:
            language = ctx.desk.language(channel)
            named = replace(document, text=ctx.desk.texts.say(language, "giveaway.freeze.list", number=giveaway.id))
            public.send_file(ctx, channel, named, f"giveaway:{giveaway.id}:{channel}")
        else:
            public.tell_room(
                ctx, f"giveaway:{giveaway.id}", channel, "giveaway.freeze.too_large", {"number": giveaway.id}
            )


def packed(name: str, content: bytes) -> Document | None:
    """A file for the rooms, compressed where it is long; None where it is too large for them. Blocks a while."""
    if len(content) <= PACKED:
        return Document(name, "application/json" if name.endswith(".json") else "text/plain", content)
    smaller = gzip.compress(content, 6, mtime=0)
    return Document(f"{name}.gz", "application/gzip", smaller) if len(smaller) <= LARGEST else None


def _text(ctx: Context, giveaway: Giveaway, frozen: Frozen, seed: str, channel: Channel) -> str:
    view, texts = panel.view_of(ctx, channel), ctx.desk.texts
    values: dict[str, Value] = {"prize": panel.short(giveaway), "count": frozen.entries, "tickets": frozen.weight}
    lines = [texts.say(view.language, "giveaway.freeze.title", **values)]
    counts = ctx.work.entries.counts(giveaway.id)
    if counts.by_rule:
        rules = panel.rule_words(ctx, counts, view.language)
        lines.append(texts.say(view.language, "giveaway.excluded", rules=rules))
    if giveaway.delayed:
        lines.append(texts.say(view.language, f"giveaway.delayed.{giveaway.delayed}", beacon=giveaway.announced))
    lines += ["", frozen.text.rstrip("\n"), "", f"SHA-256 = {frozen.hash}"]
    if seed:
        lines.append(f"seed = {seed}")
    beacon = ctx.desk.giveaways.beacon
    if giveaway.chain and beacon is not None:
        time = said(beacon.time_of(giveaway.round), view.zone, view.language)
        lines.append(texts.say(view.language, "giveaway.freeze.draw", number=giveaway.round, time=time))
    else:
        lines.append(texts.say(view.language, "giveaway.freeze.draw_none"))
    return "\n".join(lines)


def _prepare(ctx: Context, row: Delivery) -> Act:
    post, giveaway = posting.of(ctx, row.text)
    if post is None or giveaway is None or post.message_id or giveaway.round != row.extra["round"]:
        return Nothing()
    if giveaway.chain and not giveaway.published_at and ctx.now + SENDING >= time_of(ctx)(giveaway.round):
        was_published(ctx, giveaway, giveaway.round, max(ctx.now, time_of(ctx)(giveaway.round)))
        return Nothing()  # it might come too late, and then the result could be known before the list
    return Create(Line(str(row.extra["line"])), post.channel)


def _outcome(ctx: Context, row: Delivery, outcome: Outcome) -> None:
    post, giveaway = posting.of(ctx, row.text)
    if post is None or giveaway is None:
        return
    if isinstance(outcome, Sent):
        # The time of the attempt, not of its outcome, which may be written down long after: what was public in time is.
        at = row.started_at or ctx.now
        ctx.work.giveaway_posts.posted(post.id, outcome.message_id, at)
        told = {"freeze_hash": str(row.extra["hash"])}
        ctx.work.giveaways.witness(giveaway.id, post.what, post.channel.platform, str(post.id), at, told)
        was_published(ctx, giveaway, _number(row.extra["round"]), at)
    elif isinstance(outcome, Lost | Doubtful):
        if isinstance(outcome, Doubtful):
            tried = {"round": _number(row.extra["round"]), "at": row.started_at or ctx.now}
            ctx.work.facts.set(_tried(giveaway, post), json.dumps(tried))
        elif outcome.code == "gave_up" and not giveaway.published_at:
            extra = {"line": row.extra["line"], "round": row.extra["round"]}
            posting.order(ctx, FREEZE, post.id, post.channel, extra, delay=AGAIN)  # nothing is drawn before it is there
        posting.lost(ctx, giveaway, post, outcome)


def arrived(ctx: Context, giveaway: Giveaway, post: GiveawayPost) -> bool:
    """A person has looked, and the freeze is there; False where nothing was in doubt."""
    tried = ctx.work.facts.get(_tried(giveaway, post))
    if tried is None or post.message_id is not None:
        return False
    ctx.work.facts.forget(_tried(giveaway, post))
    known = json.loads(tried)
    ctx.work.giveaway_posts.posted(post.id, "", float(known["at"]))
    was_published(ctx, giveaway, int(known["round"]), float(known["at"]))
    return True


def _tried(giveaway: Giveaway, post: GiveawayPost) -> str:
    return f"giveaway:{giveaway.name}:tried:{post.id}"


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def was_published(ctx: Context, giveaway: Giveaway, number: int, at: float) -> None:
    """A room has the freeze text: the draw may follow, or the text has to name a later round."""
    after = giving.published(giveaway, number, at, round_of(ctx), time_of(ctx))
    if isinstance(after, Refused):
        return
    ctx.work.giveaways.swap(giveaway, after)
    if after.published_at:
        ctx.work.giveaways.log(giveaway.id, ctx.now, "", "published")
        ctx.work.timers.set(DRAWS, giveaway.name, time_of(ctx)(after.round) if after.chain else ctx.now)
    else:
        ctx.work.giveaways.log(giveaway.id, ctx.now, "", "delayed", after.delayed)
        ctx.work.timers.set(FREEZES, giveaway.name, ctx.now)


def repost(ctx: Context, giveaway: Giveaway, frozen: Frozen, post: GiveawayPost) -> bool:
    """Post the freeze once more where a person looked and did not find it; False where that is too late."""
    if giveaway.state not in {State.FROZEN, State.DRAWN}:
        return False
    seed = ctx.work.giveaways.seed(giveaway.id).hex() if giveaway.chain else ""
    line = _text(ctx, giveaway, frozen, seed, post.channel)
    posting.order(ctx, FREEZE, post.id, post.channel, {"line": line, "round": giveaway.round, "hash": frozen.hash})
    return True
