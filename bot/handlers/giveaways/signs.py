"""Signs of second accounts and of programs among entrants: told to the host and the team, and never acted upon."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from bot.domain.giveaways import EntryState, Giveaway
from bot.domain.signals import Row, Sign, report
from bot.handlers import public
from bot.handlers.context import Context
from bot.handlers.giveaways import panel, posting
from bot.locales import Value
from bot.locales.times import said
from bot.storage.store import Store
from bot.storage.work import Work

PAGE = 2000
SHOWN = 20
"""Of how many a sign names the addresses."""


def _rows(work: Work, giveaway: Giveaway) -> list[Row]:
    """Everybody on the list, as signs are looked for."""
    found: list[Row] = []
    after = ""
    while page := work.entries.page(giveaway.id, EntryState.IN, after, PAGE):
        after = page[-1].person
        found += [Row(one.person, one.name, one.at, one.account_made, one.joined_at) for one in page]
    return found


async def search(store: Store, giveaway: Giveaway) -> list[Sign]:
    """The signs among everybody on the list. Takes about a second for 100,000 entries, off the loop."""
    rows = await store.read(lambda connection: _rows(Work(connection, 0.0), giveaway))
    return await asyncio.to_thread(report, rows, giveaway.opened_at, giveaway.closes_at)


def tell(ctx: Context, giveaway: Giveaway, signs: Sequence[Sign]) -> None:
    """Keep them, and tell the team and the host of what they have not heard yet."""
    known = {(one.reason, one.who) for one in ctx.work.giveaways.signals(giveaway.id)}
    for sign in signs:
        kept = json.dumps({"who": sign.who[:SHOWN], "args": dict(sign.args)}, ensure_ascii=False, sort_keys=True)
        ctx.work.giveaways.signal(giveaway.id, sign.reason, sign.who[0] if sign.who else "", kept)
    if known >= {(one.reason, one.who[0] if one.who else "") for one in signs}:
        return
    for channel in ctx.desk.review:
        lines = words(ctx, giveaway, ctx.desk.language(channel), ctx.desk.timezone)
        public.tell_text(ctx, posting.NOTES, channel, "\n".join(lines))
    language = ctx.work.people.language(giveaway.host) or giveaway.language
    zone = ctx.work.people.zone(giveaway.host) or ctx.desk.timezone
    posting.tell_text_directly(ctx, giveaway, giveaway.host, "\n".join(words(ctx, giveaway, language, zone)))


def words(ctx: Context, giveaway: Giveaway, language: str, zone: str) -> list[str]:
    """What was noted, for people who look at it."""
    texts = ctx.desk.texts
    signals = ctx.work.giveaways.signals(giveaway.id)
    if not signals:
        return [texts.say(language, "giveaway.signs.none", number=giveaway.id)]
    lines = [texts.say(language, "giveaway.signs.title", number=giveaway.id)]
    for signal in signals:
        kept = json.loads(signal.detail)
        args: dict[str, Value] = {
            name: panel.safe(value) if isinstance(value, str) else value for name, value in kept["args"].items()
        }
        if isinstance(at := args.get("at"), int | float):
            args["time"] = said(float(at), zone, language)
        lines.append(f"• {texts.say(language, f'giveaway.signal.{signal.reason}', **args)}")
        lines.append(f"   {', '.join(panel.safe(one) for one in kept['who'])}")
    return lines
