"""What a giveaway looks like: its card in a room, its rules, its promise of a fair draw. Made anew each time."""

from __future__ import annotations

from dataclasses import dataclass

from bot.chat.messages import Button, Card
from bot.chat.moments import inert
from bot.domain.giveaways import BEACON_SECONDS, LATE_SECONDS, Giveaway, Requirements, State
from bot.domain.places import Channel
from bot.domain.text import cut, fit, weigh
from bot.handlers.context import Context
from bot.handlers.wording import shown
from bot.locales.law import law_notes
from bot.locales.times import said
from bot.storage.tallies import Counts

ROOM = 3900
"""What a card may weigh (`domain.text.weigh`): 4096 is what the tightest platform takes."""
ABOUT_ROOM = 900


@dataclass(frozen=True, slots=True)
class View:
    """For whom something is shown: language, and the zone for platforms that do not know the reader's."""

    language: str
    zone: str


def view_of(ctx: Context, channel: Channel) -> View:
    """How things are shown in a channel."""
    return View(ctx.desk.language(channel), ctx.desk.timezone)


def safe(text: str) -> str:
    """People's words beside ours."""
    return shown(inert(text))


def short(giveaway: Giveaway) -> str:
    """The prize, for a line."""
    return cut(safe(giveaway.offer.prize), 80)


def card(ctx: Context, giveaway: Giveaway, channel: Channel) -> Card:
    """The giveaway as it stands in this channel."""
    view, counts = view_of(ctx, channel), ctx.work.entries.counts(giveaway.id)
    offer = giveaway.offer
    header = f"🎁 {safe(offer.prize)}"
    details = fit([safe(offer.about)] if offer.about else [], ABOUT_ROOM)
    if offer.sponsor:
        details = (*details, _say(ctx, view, "sponsor", name=safe(offer.sponsor)))
    standing = _standing(ctx, giveaway, view, counts)
    last = (_say(ctx, view, "host", number=giveaway.id, name=safe(giveaway.host_name)),)
    room = ROOM - sum(weigh(text) + 1 for text in (header, *details, *standing, *last))
    conditions = fit(about(ctx, giveaway, view), room)
    is_open = giveaway.state in {State.OPEN, State.PAUSED}
    return Card(
        header=header,
        details=details,
        status=(*standing, *conditions, *last),
        buttons=_buttons(ctx, giveaway, channel, view.language),
        tone="waiting" if is_open else "quiet",
        picture=offer.picture,
    )


def _say(ctx: Context, view: View, key: str, **args: str | int | float) -> str:
    return ctx.desk.texts.say(view.language, f"giveaway.{key}", **args)


def _standing(ctx: Context, giveaway: Giveaway, view: View, counts: Counts) -> list[str]:
    lines = [_say(ctx, view, "winners", count=giveaway.offer.winners)]
    if giveaway.state is State.CANCELLED:
        return [_say(ctx, view, "cancelled")]
    if giveaway.offer.contest is None or giveaway.state not in {State.OPEN, State.PAUSED}:
        lines.append(_say(ctx, view, "entered", count=counts.entries))
    if counts.weight != counts.entries:
        lines.append(_say(ctx, view, "tickets", count=counts.weight))
    if giveaway.state is State.PAUSED:
        lines.append(_say(ctx, view, "paused"))
    if giveaway.state in {State.OPEN, State.PAUSED}:
        lines.append(_say(ctx, view, "ends", time=said(giveaway.closes_at, view.zone, view.language)))
    else:
        lines.append(_say(ctx, view, f"state.{giveaway.state.value}"))
    if counts.by_rule:
        lines.append(_say(ctx, view, "excluded", rules=rule_words(ctx, counts, view.language)))
    if counts.granted:
        lines.append(_say(ctx, view, "granted", count=counts.granted))
    return lines


def rule_words(ctx: Context, counts: Counts, language: str) -> str:
    """Who is kept out, by rule."""
    say = ctx.desk.texts.say
    counted = [
        say(language, "giveaway.by_rule", rule=say(language, f"giveaway.rule.{rule}"), count=number)
        for rule, number in sorted(counts.by_rule.items())
    ]
    return ("、" if language == "zh" else ", ").join(counted)


def about(ctx: Context, giveaway: Giveaway, view: View) -> list[str]:
    """Who may enter, with how many tickets, and how it is drawn."""
    lines = conditions(ctx, giveaway, view)
    if giveaway.offer.claim_seconds:
        span = ctx.desk.texts.span(view.language, giveaway.offer.claim_seconds)
        lines.append(_say(ctx, view, "claim_within", span=span))
    lines.append(_say(ctx, view, "fair.card" if giveaway.chain else "fair.card_none"))
    return lines


def conditions(ctx: Context, giveaway: Giveaway, view: View) -> list[str]:
    """Every rule by which somebody is in or out, and how many tickets they have."""
    needs, lines = giveaway.offer.requirements, []
    lines += _contest(ctx, giveaway, view)
    if needs.roles:
        lines.append(_say(ctx, view, "only.role", roles=", ".join(safe(one) for one in needs.roles)))
    if needs.member_seconds:
        lines.append(_say(ctx, view, "only.member", count=days(needs.member_seconds)))
    if needs.account_seconds:
        lines.append(_say(ctx, view, "only.account", count=days(needs.account_seconds)))
    if needs.messages:
        span = ctx.desk.texts.span(view.language, needs.messages_seconds)
        lines.append(_say(ctx, view, "only.messages", count=needs.messages, span=span))
    if needs.poll:
        lines.append(_say(ctx, view, "only.poll", number=needs.poll))
    lines += [_say(ctx, view, f"only.{word}") for word in ("boosted", "linked") if getattr(needs, word)]
    if needs.allow:
        lines.append(_say(ctx, view, "only.allow", count=len(needs.allow)))
    if needs.block:
        lines.append(_say(ctx, view, "only.block", count=len(needs.block)))
    if needs.cooldown_seconds:
        lines.append(_say(ctx, view, "only.cooldown", count=days(needs.cooldown_seconds)))
    lines += _bonuses(ctx, needs, view)
    lines.append(_say(ctx, view, "only.team" if needs.staff else "only.no_team"))
    return lines


def _contest(ctx: Context, giveaway: Giveaway, view: View) -> list[str]:
    contest = giveaway.offer.contest
    if contest is None:
        return []
    lines = [_say(ctx, view, "only.comment", time=said(contest.since, view.zone, view.language))]
    return [*lines, _say(ctx, view, "only.keyword", word=safe(contest.keyword))] if contest.keyword else lines


def _bonuses(ctx: Context, needs: Requirements, view: View) -> list[str]:
    lines = [_say(ctx, view, "bonus", role=safe(one.role), count=one.extra) for one in needs.bonuses]
    return [*lines, _say(ctx, view, "cap", count=needs.most)] if lines else []


def days(seconds: float) -> float:
    """Days for a text, whole where they are."""
    found = round(seconds / 86400, 2)
    return int(found) if found.is_integer() else found


def promise(ctx: Context, giveaway: Giveaway, view: View) -> str:
    """What is made public before anybody enters (fdraw/1, 1): the id, the numbers, the commitment, the beacon."""
    offer = giveaway.offer
    lines = [
        _say(ctx, view, "fair.title", prize=short(giveaway)),
        f"fdraw/1 · {giveaway.name}",
        f"winners={offer.winners} alternates={offer.alternates}",
        _say(ctx, view, "fair.ends", time=said(giveaway.closes_at, view.zone, view.language)),
        f"commit={giveaway.commit}",
        f"beacon={giveaway.announced}",
    ]
    beacon = ctx.desk.giveaways.beacon
    if giveaway.chain and beacon is not None:
        time = said(beacon.time_of(giveaway.announced_round), view.zone, view.language)
        lines.append(_say(ctx, view, "fair.round", number=giveaway.announced_round, time=time))
        lines.append(_say(ctx, view, "fair.late", seconds=round(LATE_SECONDS)))
    else:
        lines.append(_say(ctx, view, "fair.none"))
    lines.append(_say(ctx, view, "fair.weights", count=offer.requirements.most))
    return "\n".join(lines)


def rules(ctx: Context, giveaway: Giveaway, view: View) -> str:
    """The rules as a text of their own: prize, odds, eligibility, the draw, who answers for it, what the law says."""
    offer, desk = giveaway.offer, ctx.desk.giveaways
    counts = ctx.work.entries.counts(giveaway.id)
    lines = [
        _say(ctx, view, "rules.title", number=giveaway.id, prize=safe(offer.prize)),
        _say(ctx, view, "rules.organiser", name=safe(desk.organiser or giveaway.host_name)),
        *([_say(ctx, view, "sponsor", name=safe(offer.sponsor))] if offer.sponsor else []),
        _say(ctx, view, "winners", count=offer.winners),
        _say(ctx, view, "rules.odds", winners=offer.winners, entries=counts.entries, tickets=counts.weight),
        *about(ctx, giveaway, view),
        _say(ctx, view, "rules.drawn", seconds=round(BEACON_SECONDS))
        if giveaway.chain
        else _say(ctx, view, "rules.own"),
        _say(ctx, view, "rules.fair"),
        _say(ctx, view, "rules.data", count=days(desk.retention_seconds)),
    ]
    if offer.address:
        lines.append(_say(ctx, view, "rules.address", count=days(desk.address_seconds)))
    for place in desk.law:
        note = law_notes()[place]
        values = {
            "place": note.place[view.language], "note": note.note[view.language], "cap": f"{note.cap:,}",
            "currency": note.currency, "source": note.source[view.language], "article": note.article,
            "checked": note.checked.isoformat(),
        }  # fmt: skip
        lines.append(_say(ctx, view, "rules.law", **values))
    return "\n".join(lines)


def _buttons(ctx: Context, giveaway: Giveaway, channel: Channel, language: str) -> tuple[Button, ...]:
    def button(word: str) -> Button:
        label = ctx.desk.texts.say(language, f"giveaway.button.{word}")
        payload = ctx.desk.signer.make(giveaway.name, word, channel)
        return Button(label, payload, "primary" if word == "enter" else "plain")

    words = ["ticket", "rules"]
    if giveaway.state in {State.OPEN, State.PAUSED} and giveaway.offer.contest is None:
        words = ["enter", *words, "leave"]
    return tuple(button(word) for word in words) if giveaway.state is not State.CANCELLED else ()
