"""`/giveaway stats`: odds, entrants by channel, who joined for it and has stayed, what became of the prizes.

Who has stayed is asked of the platforms, off the loop; what they do not tell in time is said to be unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.giveaways import Entry, EntryState, Giveaway, WinState
from bot.domain.odds import Came, Turnout, odds, turnout
from bot.engine.registry import Registry
from bot.handlers import rooms
from bot.handlers.context import Asker, Context, language_of, tell
from bot.handlers.giveaways import facts, panel
from bot.handlers.giveaways.office import Effect, Office, nothing
from bot.locales import Value
from bot.storage.timers import Timer
from bot.storage.work import Work

ASKED = "giveaway_stats"
"""The timer that answers one person who asked."""
PAGE = 2000


def asked(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    """Somebody of the team wants to know."""
    who = f"stats:{asker.member}"
    facts.remember(ctx, giveaway, who, asker)
    ctx.work.timers.set(ASKED, f"{giveaway.name}|{who}", ctx.now)


@dataclass(frozen=True, slots=True)
class Statistician:
    """Answers those who asked."""

    office: Office

    def register(self, registry: Registry[Context]) -> None:
        """Have it happen when it is due."""
        registry.timer(ASKED, self.counts)

    async def counts(self, timer: Timer) -> Effect:
        """Read the list, and ask platforms about those who came after the opening."""
        name, _, who = timer.key.partition("|")
        giveaway = await self.office.named(name)
        if giveaway is None:
            return nothing
        entries = await self.office.store.read(lambda connection: _everybody(Work(connection, 0.0), giveaway))
        fresh = [one.member for one in entries if one.member and (one.joined_at or 0.0) > giveaway.opened_at]
        standings = await self.office.checker.standings(giveaway, fresh)
        present = {member: standing.present for member, standing in standings.items()}
        came = [
            Came(one.place, one.weight, one.joined_at, present.get(one.member) if one.member else None)
            for one in entries
        ]
        found = turnout(came, giveaway.opened_at)
        return lambda ctx: _answer(ctx, giveaway, who, found)


def _everybody(work: Work, giveaway: Giveaway) -> list[Entry]:
    found: list[Entry] = []
    after = ""
    while page := work.entries.page(giveaway.id, EntryState.IN, after, PAGE):
        found += page
        after = page[-1].person
    return found


def _answer(ctx: Context, giveaway: Giveaway, who: str, found: Turnout) -> None:
    asker = facts.recall(ctx, giveaway, who)
    if asker is not None:
        tell(ctx, asker, "\n".join(_lines(ctx, giveaway, found, language_of(ctx, asker))))


def _lines(ctx: Context, giveaway: Giveaway, found: Turnout, language: str) -> list[str]:
    texts = ctx.desk.texts
    values: dict[str, Value] = {"number": giveaway.id, "prize": panel.short(giveaway)}
    lines = [
        texts.say(language, "giveaway.stats.title", **values),
        texts.say(language, "giveaway.entered", count=found.entrants),
        texts.say(language, "giveaway.tickets", count=found.tickets),
    ]
    crowd = ctx.work.entries.crowd(giveaway.id)
    for weight in sorted(crowd)[:5]:
        share = odds(weight, crowd, giveaway.offer.winners).percent
        lines.append(texts.say(language, "giveaway.stats.odds", count=weight, share=f"{share:g}"))
    for place, count in found.places:
        lines.append(f"{rooms.name_of(ctx, *place.split(':', 1)) if ':' in place else '?'}: {count}")
    came: dict[str, Value] = {"count": found.joined, "stayed": found.stayed, "unsure": found.unsure}
    lines.append(texts.say(language, "giveaway.stats.joined", **came))
    wins = ctx.work.wins.of(giveaway.id)
    for state in WinState:
        if number := sum(one.state is state for one in wins):
            lines.append(texts.say(language, f"giveaway.win.{state.value}", count=number))
    every, left = ctx.work.wins.codes(giveaway.id)
    return [*lines, texts.say(language, "giveaway.stats.codes", count=every, left=left)] if every else lines
