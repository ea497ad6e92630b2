"""What people ask about giveaways: which there are, who is in, how to check one, who has won, what came of it."""

from __future__ import annotations

from bot.domain.giveaways import EntryState, Giveaway, State
from bot.handlers import rooms
from bot.handlers.context import Asker, Context, language_of, say, tell, zone_of
from bot.handlers.giveaways import panel, signs, winning
from bot.locales.times import said

PER_PAGE = 10
LISTED = frozenset(State) - {State.PREVIEW}
MOST_NAMES = 30


def listed(ctx: Context, asker: Asker, rest: str) -> None:
    """`/giveaway list`"""
    language, before = language_of(ctx, asker), rest.lstrip("#")
    start = int(before) if before.isdecimal() and len(before) <= 15 else 0
    found: list[Giveaway] = []
    while len(found) <= PER_PAGE and (page := ctx.work.giveaways.page(LISTED, PER_PAGE + 1, start)):
        found += [one for one in page if not one.discarded]
        start = page[-1].id
    if not found:
        say(ctx, asker, "giveaway.list.empty")
        return
    texts = ctx.desk.texts
    lines = [texts.say(language, "giveaway.list.title")]
    for one in found[:PER_PAGE]:
        state = texts.say(language, f"giveaway.state.{one.state.value}")
        time = said(one.closes_at, zone_of(ctx, asker), language)
        lines.append(
            texts.say(language, "giveaway.list.line", number=one.id, prize=panel.short(one), state=state, time=time)
        )
    if len(found) > PER_PAGE:
        lines.append(texts.say(language, "giveaway.list.more", number=found[PER_PAGE - 1].id))
    tell(ctx, asker, "\n".join(lines))


def entrants(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    """Who is in, for the host and the team: numbers, and the first names behind what was typed."""
    language, texts = language_of(ctx, asker), ctx.desk.texts
    counts = ctx.work.entries.counts(giveaway.id)
    lines = [texts.say(language, "giveaway.entered", count=counts.entries)]
    for place, count in sorted(counts.by_place.items(), key=lambda item: (-item[1], item[0])):
        name = rooms.name_of(ctx, *place.split(":", 1)) if ":" in place else "?"
        lines.append(f"{name}: {count}")
    if counts.by_rule:
        lines.append(texts.say(language, "giveaway.excluded", rules=panel.rule_words(ctx, counts, language)))
    page = ctx.work.entries.page(giveaway.id, EntryState.IN, rest, MOST_NAMES)
    lines += [f"{panel.safe(one.name)} · {one.person} · {one.weight}" for one in page]
    if len(page) == MOST_NAMES:
        lines.append(texts.say(language, "giveaway.entrants.more", number=giveaway.id, after=page[-1].person))
    if giveaway.frozen_at or ctx.work.giveaways.signals(giveaway.id):  # before, nobody has looked for signs
        lines += signs.words(ctx, giveaway, language, zone_of(ctx, asker))
    tell(ctx, asker, "\n".join(lines))


def verify(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    """How to check this draw, with the numbers to compare."""
    language, texts = language_of(ctx, asker), ctx.desk.texts
    lines = [
        texts.say(language, "giveaway.verify.title", number=giveaway.id, prize=panel.short(giveaway)),
        f"fdraw/1 · {giveaway.name}",
        f"commit={giveaway.commit}",
        f"beacon={giveaway.announced}",
    ]
    frozen, drawn = ctx.work.giveaways.frozen(giveaway.id), ctx.work.giveaways.drawn(giveaway.id)
    if giveaway.delayed:
        lines.append(texts.say(language, f"giveaway.delayed.{giveaway.delayed}", beacon=giveaway.announced))
    lines.append(f"freeze = {frozen.hash}" if frozen else texts.say(language, "giveaway.verify.before"))
    if drawn is not None and drawn.value:
        lines.append(f"beacon value = {drawn.value}")
        for host in ("https://api.drand.sh", "https://drand.cloudflare.com"):
            lines.append(f"{host}/{giveaway.chain}/public/{giveaway.round}")
    lines.append(texts.say(language, "giveaway.verify.how"))
    tell(ctx, asker, "\n".join(lines))


def winners(ctx: Context, asker: Asker, rest: str) -> None:
    """Who has won lately, in all giveaways."""
    language, zone = language_of(ctx, asker), zone_of(ctx, asker)
    found = ctx.work.wins.history(PER_PAGE * 2)
    if not found:
        say(ctx, asker, "giveaway.past.none")
        return
    lines = [ctx.desk.texts.say(language, "giveaway.past.title")]
    for one in found:
        giveaway = ctx.work.giveaways.get(one.giveaway_id)
        name = panel.safe(one.name) or ctx.desk.texts.say(language, "giveaway.result.erased")
        prize = panel.short(giveaway) if giveaway else ""
        lines.append(f"{said(one.at, zone, language)} · #{one.giveaway_id} {prize} · {name}")
    tell(ctx, asker, "\n".join(lines))


def log_lines(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    """Everything that was done to it, for the host and the team."""
    language, zone, texts = language_of(ctx, asker), zone_of(ctx, asker), ctx.desk.texts
    lines = []
    for one in ctx.work.giveaways.history(giveaway.id)[-30:]:
        what = texts.say(language, f"giveaway.log.{one.what}") if texts.has(f"giveaway.log.{one.what}") else one.what
        who = panel.safe(one.who) or winning.HERALD
        lines.append(f"{said(one.at, zone, language)} · {who} · {what} {panel.safe(one.detail)}".rstrip())
    tell(ctx, asker, "\n".join(lines) or texts.say(language, "giveaway.list.empty"))


def forget(ctx: Context, asker: Asker, rest: str) -> None:
    """A member's own entries are erased in every giveaway; the lists that are final keep nameless tickets."""
    if rest.lower() not in {"me", "我", "yes", "确定"}:
        say(ctx, asker, "giveaway.forget.ask")
        return
    person = ctx.work.links.person_of(asker.member)
    names = dict.fromkeys([person, str(asker.member), *(str(one) for one in ctx.work.links.members_of(person))])
    say(ctx, asker, "giveaway.forget.done", count=winning.forget(ctx, list(names)))
