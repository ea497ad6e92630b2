"""Who won: the result in the rooms, the proof file, one member's own proof, and what it all came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.chat.beacons import BeaconRound
from bot.chat.messages import Button, Card, Document
from bot.domain import fdraw, giving
from bot.domain.fdraw import Freeze
from bot.domain.fdraw_proof import Witness
from bot.domain.fdraw_tree import Inclusion
from bot.domain.giveaways import Giveaway, Refused, State, Win, WinState
from bot.domain.places import Channel
from bot.domain.text import cut, fit, weigh
from bot.engine.registry import Act, Create, Doubtful, Lost, Nothing, Outcome, Registry, Sent
from bot.handlers import public, rooms
from bot.handlers.context import Context
from bot.handlers.giveaways import panel, posting, winning
from bot.locales import Value
from bot.storage.giveaway_posts import GiveawayPost
from bot.storage.giveaways import Frozen
from bot.storage.outbox import Delivery

RESULT, PROVES = "giveaway_result", "giveaway_proof"
"""The message in the rooms; the timer that makes the proof file."""
SHOWN_WINNERS = 50
SOON, PATIENCE = 2.0, 10.0
"""Seconds in which several re-rolls, or the results of several rooms, share one proof file; and how long it waits for
the results, whose messages it names."""


def register(registry: Registry[Context]) -> None:
    """Declare results as outgoing messages."""
    registry.outgoing(RESULT, _prepare, _outcome, once=True)


def drawn(ctx: Context, name: str, found: BeaconRound | None, order: Sequence[str]) -> None:
    """The order is known: it is kept, winners have their places, the rooms and they themselves hear of it."""
    giveaway = ctx.work.giveaways.named(name)
    if giveaway is None:
        return
    after = giving.draw(giveaway, ctx.now)
    if isinstance(after, Refused):
        return
    ctx.work.giveaways.swap(giveaway, after)
    if found is not None:
        ctx.work.giveaways.beacon(giveaway.id, found.signature, found.value, found.verified, found.mirrors)
    else:
        ctx.work.giveaways.beacon(giveaway.id, "", "", False, ())
    ctx.work.giveaways.order(giveaway.id, order)
    ctx.work.giveaways.log(giveaway.id, ctx.now, "", "draw")
    winning.award(ctx, after, order)
    show(ctx, after)
    ctx.work.timers.set(PROVES, giveaway.name, ctx.now + PATIENCE)


def show(ctx: Context, giveaway: Giveaway) -> None:
    """Put the result into every room."""
    for channel in giveaway.channels:
        posting.order(ctx, RESULT, ctx.work.giveaway_posts.add(giveaway.id, channel, "result"), channel)


def show_again(ctx: Context, giveaway: Giveaway) -> None:
    """A place has changed hands: a new proof file follows, one for all changes that come together."""
    ctx.work.timers.set(PROVES, giveaway.name, ctx.now + SOON)


def _prepare(ctx: Context, row: Delivery) -> Act:
    post, giveaway = posting.of(ctx, row.text)
    if post is None or giveaway is None or post.message_id or giveaway.state is not State.DRAWN:
        return Nothing()
    return Create(_card(ctx, giveaway, post.channel), post.channel)


def _outcome(ctx: Context, row: Delivery, outcome: Outcome) -> None:
    post, giveaway = posting.of(ctx, row.text)
    if post is None or giveaway is None:
        return
    if isinstance(outcome, Sent):
        ctx.work.giveaway_posts.posted(post.id, outcome.message_id, ctx.now)
        ctx.work.timers.set(PROVES, giveaway.name, ctx.now + SOON)
    elif isinstance(outcome, Lost | Doubtful):
        posting.lost(ctx, giveaway, post, outcome)


def _card(ctx: Context, giveaway: Giveaway, channel: Channel) -> Card:
    view, texts = panel.view_of(ctx, channel), ctx.desk.texts
    title = "giveaway.result.void" if giveaway.void else "giveaway.result.title"
    header = texts.say(view.language, title, prize=panel.safe(cut(giveaway.offer.prize, 200)))
    lines = _winner_lines(ctx, giveaway, view)
    if giveaway.void:
        lines = [texts.say(view.language, "giveaway.result.why_void", reason=panel.safe(giveaway.void)), *lines]
    status = [*_number_lines(ctx, giveaway, view), *_proof_lines(ctx, giveaway, view)]
    if giveaway.offer.claim_seconds and not giveaway.void and lines:
        span = texts.span(view.language, giveaway.offer.claim_seconds)
        status.append(texts.say(view.language, "giveaway.result.claim", span=span))
    room = panel.ROOM - 60 - sum(weigh(one) + 1 for one in (header, *status))
    return Card(header, details=fit(lines, room), status=tuple(status), buttons=_buttons(ctx, giveaway, view, channel),
                tone="good")  # fmt: skip


def _winner_lines(ctx: Context, giveaway: Giveaway, view: panel.View) -> list[str]:
    drawn_row, rerolls = ctx.work.giveaways.drawn(giveaway.id), ctx.work.giveaways.rerolls(giveaway.id)
    order = drawn_row.order if drawn_row else ()
    places = fdraw.places_of(order, giveaway.offer.winners, rerolls)
    texts = ctx.desk.texts
    if not any(places):
        return [texts.say(view.language, "giveaway.result.nobody")]
    lines = []
    for at, ticket in enumerate(places[:SHOWN_WINNERS], 1):
        if ticket is None:
            lines.append(texts.say(view.language, "giveaway.result.empty", place=at))
            continue
        name = winner_name(ctx, giveaway, ticket, view.language)
        lines.append(texts.say(view.language, "giveaway.result.winner", place=at, name=name, ticket=ticket[:12]))
    if len(places) > SHOWN_WINNERS:
        lines.append(texts.say(view.language, "giveaway.result.more", count=len(places) - SHOWN_WINNERS))
    return lines


def winner_name(ctx: Context, giveaway: Giveaway, ticket: str, language: str) -> str:
    """Whose ticket it is, and where they entered; words for somebody who has been erased."""
    entry = ctx.work.entries.find(giveaway.id, ticket)
    if entry is None or entry.member is None:
        return ctx.desk.texts.say(language, "giveaway.result.erased")
    platform, _, channel_id = entry.place.partition(":")
    return f"{panel.safe(cut(entry.name, 60))} ({rooms.name_of(ctx, platform, channel_id)})"


def _number_lines(ctx: Context, giveaway: Giveaway, view: panel.View) -> list[str]:
    counts, texts = ctx.work.entries.counts(giveaway.id), ctx.desk.texts
    frozen = ctx.work.giveaways.frozen(giveaway.id)
    values: dict[str, Value] = {"count": frozen.entries if frozen else 0, "tickets": frozen.weight if frozen else 0}
    lines = [texts.say(view.language, "giveaway.result.numbers", **values)]
    if len(counts.by_place) > 1:
        ordered = sorted(counts.by_place.items(), key=lambda item: (-item[1], item[0]))
        named = [(rooms.name_of(ctx, *place.split(":", 1)) if ":" in place else "?", n) for place, n in ordered]
        where = ", ".join(f"{name} {n}" for name, n in named)
        lines.append(texts.say(view.language, "giveaway.result.places", places=where))
    if counts.by_rule:
        rules = panel.rule_words(ctx, counts, view.language)
        lines.append(texts.say(view.language, "giveaway.excluded", rules=rules))
    if counts.granted:
        lines.append(texts.say(view.language, "giveaway.granted", count=counts.granted))
    return lines


def _proof_lines(ctx: Context, giveaway: Giveaway, view: panel.View) -> list[str]:
    texts, found = ctx.desk.texts, ctx.work.giveaways.drawn(giveaway.id)
    lines = []
    if giveaway.delayed:
        lines.append(texts.say(view.language, f"giveaway.delayed.{giveaway.delayed}", beacon=giveaway.announced))
    if giveaway.chain and found is not None:
        lines.append(texts.say(view.language, "giveaway.result.beacon", number=giveaway.round, value=found.value))
        if len(found.mirrors) == 1 and not found.verified:
            lines.append(texts.say(view.language, "giveaway.result.one_mirror", host=found.mirrors[0]))
        lines.append(texts.say(view.language, "giveaway.level.public"))
    else:
        lines.append(texts.say(view.language, "giveaway.level.trusted"))
    lines.append(texts.say(view.language, "giveaway.result.check", number=giveaway.id))
    return lines


def _buttons(ctx: Context, giveaway: Giveaway, view: panel.View, channel: Channel) -> tuple[Button, ...]:
    words = ["ticket"] if giveaway.void else ["claim", "ticket"]
    return tuple(
        Button(
            ctx.desk.texts.say(view.language, f"giveaway.button.{word}"),
            ctx.desk.signer.make(giveaway.name, word, channel),
            "primary" if word == "claim" else "plain",
        )
        for word in words
    )


def show_proof(ctx: Context, name: str, document: Document | None) -> None:
    """Put the proof file into every room."""
    giveaway = ctx.work.giveaways.named(name)
    if giveaway is None:
        return
    for channel in giveaway.channels:
        language = ctx.desk.language(channel)
        if document is None:
            public.tell_room(
                ctx, f"giveaway:{giveaway.id}", channel, "giveaway.proof.too_large", {"number": giveaway.id}
            )
        else:
            text = ctx.desk.texts.say(language, "giveaway.proof.file", number=giveaway.id, prize=panel.short(giveaway))
            public.send_file(ctx, channel, replace(document, text=text), f"giveaway:{giveaway.id}:{channel}")


def witnesses(
    giveaway: Giveaway,
    frozen: Frozen,
    posts: Sequence[GiveawayPost],
    links: Mapping[int, str | None],
    told: Mapping[str, Mapping[str, str]],
) -> list[Witness]:
    """The public messages by which others can see what was known when; `told` is what each announcement or freeze (by
    the number of its post) said, since a later one may name another round."""
    found: list[Witness] = []
    for post in posts:
        if post.what not in {"announcement", "freeze", "result"} or not post.message_id:
            continue
        one: dict[str, str | int] = {"what": post.what, "platform": post.channel.platform, "at": int(post.at or 0)}
        one["message"] = f"{post.channel.channel_id}/{post.message_id}"
        if link := links.get(post.id):
            one["url"] = link
        if post.what == "announcement":
            one |= told.get(str(post.id), {"commit": giveaway.commit, "beacon": giveaway.announced})
        elif post.what == "freeze":
            one |= told.get(str(post.id), {"freeze_hash": frozen.hash})
            if one["freeze_hash"] != frozen.hash:  # it came too late, and another took its place
                one |= {"what": "delayed", "reason": giveaway.delayed}
                del one["freeze_hash"]
        found.append(one)
    if giveaway.delayed:
        found.append({"what": "delayed", "reason": giveaway.delayed, "beacon": giveaway.announced})
    return found


def inclusion_lines(ctx: Context, freeze: Freeze, found: Inclusion | None, language: str) -> list[str]:
    """A member's own proof of being on the frozen list."""
    texts = ctx.desk.texts
    if found is None:
        return [texts.say(language, "giveaway.ticket.not_listed")]
    place: dict[str, Value] = {"place": found.index + 1, "count": found.entries}
    return [
        texts.say(language, "giveaway.ticket.listed", **place),
        f"freeze = {freeze.hash}",
        f"root = {found.root}",
        texts.say(language, "giveaway.ticket.path", path=" ".join(found.path)),
    ]


def winner_of(ctx: Context, giveaway: Giveaway, text: str) -> Win | Refused:
    """The present winner that a host means: by place (`2`), by the beginning of the ticket, or by name."""
    wins = [one for one in ctx.work.wins.of(giveaway.id) if one.state is not WinState.OUT]
    drawn_row = ctx.work.giveaways.drawn(giveaway.id)
    rerolls = ctx.work.giveaways.rerolls(giveaway.id)
    places = fdraw.places_of(drawn_row.order if drawn_row else (), giveaway.offer.winners, rerolls)
    wanted = text.strip().lstrip("#@").lower()
    if wanted.isdecimal() and len(wanted) < 6:
        at = int(wanted) - 1
        ticket = places[at] if 0 <= at < len(places) else None
        found = [one for one in wins if one.ticket == ticket]
    else:
        found = [one for one in wins if one.ticket.startswith(wanted)] if len(wanted) >= 6 else []
        found = found or [one for one in wins if one.name.lower() == wanted]
    if len(found) != 1:
        return Refused("no_winner" if not found else "which_winner", {"text": text[:60]})
    return found[0]
