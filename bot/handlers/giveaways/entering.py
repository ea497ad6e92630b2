"""Entering: presses on a giveaway's buttons, and what somebody is told privately of their own ticket.

A press counts for the person who pressed: accounts that are linked have one entry. Whoever a rule keeps out is told
why, and may ask the host to look at it.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from bot.chat.events import ButtonPressed
from bot.chat.messages import Button
from bot.domain import fdraw, giving
from bot.domain.eligibility import judge, needs_asking, weight_of
from bot.domain.giveaways import Entry, EntryState, Facts, Giveaway, Refused, State
from bot.domain.odds import odds
from bot.engine.registry import Control, Pressed, Registry
from bot.handlers.context import Asker, Context, language_of, offer, say, tell, zone_of
from bot.handlers.giveaways import facts, panel, posting
from bot.handlers.giveaways.naming import PREFIX, SALT_BYTES, address
from bot.locales import Value

CHECKS = "giveaway_check"
"""The timer that asks platforms about those who wait for it."""


def register(registry: Registry[Context]) -> None:
    """Handle what members do."""
    registry.control("enter", Control(enter), PREFIX)
    registry.control("leave", Control(leave), PREFIX)
    registry.control("ticket", Control(ticket), PREFIX)
    registry.control("rules", Control(rules), PREFIX)


def enter(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    """Somebody wants to be on the list."""
    asker, found = Asker.of(event), ctx.work.entrant(button.view, event.member)
    if found is None:
        say(ctx, asker, "review.invalid_button")
        return
    giveaway, person, before = found.giveaway, found.person, found.entry
    refused = giving.entering(giveaway, ctx.work.heard_at)
    if refused is None and giveaway.offer.contest is not None:
        refused = Refused("by_comment")
    if refused is not None:
        answer(ctx, asker, refused)
        return
    if before is not None and before.state is EntryState.IN:
        confirm(ctx, asker, giveaway, before, "already")
        return
    known = facts.of_press(ctx, giveaway, event, person)
    entry = fresh(ctx, giveaway, asker, person, before)
    if not entry.granted and needs_asking(giveaway.offer.requirements, known, facts.tells(ctx, event.member.platform)):
        if before is None or before.state is not EntryState.CHECKING:
            ctx.work.entries.change(before, replace(entry, state=EntryState.CHECKING))
        facts.remember(ctx, giveaway, person, asker)
        ctx.work.timers.ensure(CHECKS, giveaway.name, ctx.now)
        tell(ctx, asker, ctx.desk.texts.say(language_of(ctx, asker), "giveaway.enter.checking"), passing=True)
        return
    after, failed = decided(giveaway, entry, known, ctx.now)
    ctx.work.entries.change(before, after)
    tell_outcome(ctx, asker, giveaway, after, failed)


def fresh(ctx: Context, giveaway: Giveaway, asker: Asker, person: str, before: Entry | None) -> Entry:
    """The entry of somebody who wants in: who has been in before has the same ticket again."""
    if before is not None:
        return replace(before, name=asker.name, at=ctx.now)
    salt = secrets.token_bytes(SALT_BYTES)
    ticket = fdraw.ticket_of(giveaway.name, address(asker.member), salt)
    place = f"{asker.channel.platform}:{asker.channel.home.channel_id}"
    return Entry(giveaway.id, person, asker.member, asker.name, place, ticket, salt, 1, EntryState.CHECKING, at=ctx.now)


def tell_outcome(ctx: Context, asker: Asker, giveaway: Giveaway, entry: Entry, failed: tuple[Refused, ...]) -> None:
    """Whether they are in, by what is known of them now: they are told, and the cards count it."""
    posting.changed(ctx, giveaway)
    if entry.state is EntryState.IN:
        confirm(ctx, asker, giveaway, entry, "done")
    else:
        turn_away(ctx, asker, giveaway, entry, failed)


def decided(giveaway: Giveaway, entry: Entry, known: Facts, now: float) -> tuple[Entry, tuple[Refused, ...]]:
    """The entry as the rules have it, and every rule that keeps it out."""
    needs = giveaway.offer.requirements
    weight = weight_of(needs, known)
    failed = () if entry.granted else judge(needs, known, now)
    if failed:
        return replace(entry, state=EntryState.REFUSED, rule=failed[0].why, weight=weight), failed
    return entry.let_in(weight, known.joined_at, known.account_made), ()


def confirm(ctx: Context, asker: Asker, giveaway: Giveaway, entry: Entry, key: str) -> None:
    """The private confirmation, with the ticket code. Short: Telegram shows 200 characters at a press."""
    values: dict[str, Value] = {"code": entry.salt.hex(), "count": entry.weight}
    tell(ctx, asker, ctx.desk.texts.say(language_of(ctx, asker), f"giveaway.enter.{key}", **values), passing=True)


def turn_away(ctx: Context, asker: Asker, giveaway: Giveaway, entry: Entry, failed: tuple[Refused, ...]) -> None:
    """Tell somebody every reason, and how to have the host look at it."""
    language = language_of(ctx, asker)
    lines = [ctx.desk.texts.say(language, "giveaway.enter.refused")]
    lines += [f"• {reason(ctx, one, language)}" for one in failed]
    if giveaway.state not in {State.OPEN, State.PAUSED}:  # it is too late to appeal
        tell(ctx, asker, "\n".join(lines))
        return
    if entry.appealed:
        lines.append(ctx.desk.texts.say(language, "giveaway.appeal.waits"))
        tell(ctx, asker, "\n".join(lines))
        return
    found = ctx.desk.capabilities.get(asker.channel.platform)
    if found is not None and found.private and asker.reply:
        payload = ctx.desk.signer.make(giveaway.name, "appeal", asker.channel)
        button = Button(ctx.desk.texts.say(language, "giveaway.button.appeal"), payload)
        offer(ctx, asker, "\n".join(lines), (button,))
    else:
        lines.append(ctx.desk.texts.say(language, "giveaway.appeal.how", number=giveaway.id))
        tell(ctx, asker, "\n".join(lines))


def reason(ctx: Context, refused: Refused, language: str) -> str:
    """Why, in words."""
    args = {name: panel.safe(value) if isinstance(value, str) else value for name, value in refused.args.items()}
    return ctx.desk.texts.say(language, f"giveaway.refused.{refused.why}", **args)


def answer(ctx: Context, asker: Asker, refused: Refused) -> None:
    """Tell somebody why a press did nothing."""
    tell(ctx, asker, reason(ctx, refused, language_of(ctx, asker)), passing=True)


def leave(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    """Somebody does not want to be on the list any more."""
    asker, found = Asker.of(event), ctx.work.entrant(button.view, event.member)
    if found is None:
        say(ctx, asker, "review.invalid_button")
        return
    giveaway, entry = found.giveaway, found.entry
    refused = giving.entering(giveaway, ctx.work.heard_at)
    if refused is not None:
        answer(ctx, asker, refused)
        return
    if entry is None or entry.state not in {EntryState.IN, EntryState.CHECKING}:
        answer(ctx, asker, Refused("not_in"))
        return
    ctx.work.entries.change(entry, replace(entry, state=EntryState.LEFT, rule="", at=ctx.now))
    facts.recall(ctx, giveaway, entry.person)
    posting.changed(ctx, giveaway)
    tell(ctx, asker, ctx.desk.texts.say(language_of(ctx, asker), "giveaway.enter.left"), passing=True)


def ticket(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    """`🎫 My ticket`"""
    asker, giveaway = Asker.of(event), ctx.work.giveaways.named(button.view)
    if giveaway is None:
        say(ctx, asker, "review.invalid_button")
    else:
        tell_ticket(ctx, asker, giveaway)


PROOFS = "giveaway_inclusion"
"""The timer that makes one member's proof of being on the frozen list."""


def tell_ticket(ctx: Context, asker: Asker, giveaway: Giveaway) -> None:
    """What is kept of somebody's entry; after the freeze with the proof that it is on the list."""
    person = ctx.work.links.person_of(asker.member)
    entry = ctx.work.entries.get(giveaway.id, person)
    if entry is not None and entry.state is EntryState.IN and giveaway.state in {State.FROZEN, State.DRAWN}:
        facts.remember(ctx, giveaway, person, asker)
        ctx.work.timers.ensure(PROOFS, f"{giveaway.name}|{person}", ctx.now)
        return
    tell(ctx, asker, "\n".join(ticket_lines(ctx, giveaway, entry, language_of(ctx, asker))))


def ticket_lines(ctx: Context, giveaway: Giveaway, entry: Entry | None, language: str) -> list[str]:
    """A member's ticket in words."""
    texts = ctx.desk.texts
    if entry is None or entry.state is EntryState.LEFT:
        return [texts.say(language, "giveaway.ticket.none")]
    if entry.state is EntryState.CHECKING:
        return [texts.say(language, "giveaway.enter.checking")]
    if entry.state is not EntryState.IN:
        lines = [texts.say(language, "giveaway.ticket.out", rule=texts.say(language, f"giveaway.rule.{entry.rule}"))]
        if giveaway.state in {State.OPEN, State.PAUSED} and not entry.appealed:
            lines.append(texts.say(language, "giveaway.appeal.how", number=giveaway.id))
        return lines
    counts = ctx.work.entries.counts(giveaway.id)
    crowd = {1: counts.entries} if counts.weight == counts.entries else ctx.work.entries.crowd(giveaway.id)
    share = odds(entry.weight, crowd, giveaway.offer.winners).percent
    return [
        texts.say(language, "giveaway.ticket.in", number=giveaway.id, prize=panel.short(giveaway), count=entry.weight),
        texts.say(language, "giveaway.ticket.code", code=entry.salt.hex()),
        *([texts.say(language, "giveaway.ticket.account", account=address(entry.member))] if entry.member else []),
        texts.say(language, "giveaway.ticket.public", ticket=entry.ticket),
        texts.say(language, "giveaway.ticket.chance", share=f"{share:g}", entries=counts.entries),
    ]


def rules(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    """The rules as a text, for whoever asks."""
    asker, giveaway = Asker.of(event), ctx.work.giveaways.named(button.view)
    if giveaway is None:
        say(ctx, asker, "review.invalid_button")
        return
    view = panel.View(language_of(ctx, asker), zone_of(ctx, asker))
    tell(ctx, asker, panel.rules(ctx, giveaway, view))
