"""Appeals: somebody whom a rule keeps out asks the host to look at it, before the list is final.

Who is let in so is counted in public; the rules do not keep them out any more.
"""

from __future__ import annotations

from dataclasses import replace

from bot.chat.events import ButtonPressed
from bot.chat.messages import Button, Card
from bot.domain.delivery import Urgency
from bot.domain.giveaways import Entry, EntryState, Giveaway, Refused, State
from bot.engine.registry import Act, Control, Create, Nothing, Pressed, Registry
from bot.handlers.context import Asker, Context, language_of, say, tell
from bot.handlers.giveaways import asking, entering, panel, posting
from bot.handlers.giveaways.naming import PREFIX
from bot.handlers.payloads import new_id
from bot.locales import Value
from bot.storage.outbox import Delivery, Order

ASKED = "giveaway_appeal"
MARK = 16
"""Characters of a ticket by which a button names it."""
MOST = 20
_OPEN = frozenset({State.OPEN, State.PAUSED})


def register(registry: Registry[Context]) -> None:
    """Handle appeals, and what the host says to them."""
    registry.outgoing(ASKED, _prepare)
    registry.control("appeal", Control(_pressed), PREFIX)
    registry.control("grant", Control(_judged), PREFIX)
    registry.control("uphold", Control(_judged), PREFIX)


def _pressed(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    asker, giveaway = Asker.of(event), ctx.work.giveaways.named(button.view)
    if giveaway is None:
        say(ctx, asker, "review.invalid_button")
    else:
        appeal(ctx, asker, giveaway, "")


def by_command(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    """`/giveaway appeal 3 I left and came back`"""
    appeal(ctx, asker, giveaway, rest)


def appeal(ctx: Context, asker: Asker, giveaway: Giveaway, why: str) -> None:
    """Put somebody's entry before the host; once, and as long as the list is open."""
    entry = ctx.work.entries.get(giveaway.id, ctx.work.links.person_of(asker.member))
    if giveaway.state not in _OPEN or ctx.work.heard_at >= giveaway.closes_at:
        entering.answer(ctx, asker, Refused("appeal_late"))
    elif entry is None or entry.state not in {EntryState.REFUSED, EntryState.EXCLUDED}:
        entering.answer(ctx, asker, Refused("no_appeal"))
    elif entry.appealed:
        say(ctx, asker, "giveaway.appeal.waits")
    else:
        ctx.work.entries.change(entry, replace(entry, appealed=True))
        ctx.work.giveaways.log(giveaway.id, ctx.now, str(asker.member), "appeal", entry.ticket[:MARK])
        _ask(ctx, giveaway, entry, why)
        say(ctx, asker, "giveaway.appeal.sent", name=panel.safe(giveaway.host_name))


def _ask(ctx: Context, giveaway: Giveaway, entry: Entry, why: str) -> None:
    for channel in ctx.desk.review:
        extra = {"giveaway": giveaway.id, "ticket": entry.ticket, "why": why[:300]}
        lane = f"giveaway_appeal:{giveaway.id}:{entry.ticket}:{channel}"
        ctx.work.outbox.add(Order(new_id(), ASKED, lane, channel, Urgency.ALERT, extra=extra))
    values: dict[str, Value] = {"number": giveaway.id, "prize": panel.short(giveaway), "name": panel.safe(entry.name)}
    posting.tell_directly(ctx, giveaway, giveaway.host, "giveaway.appeal.to_host", values)


def _prepare(ctx: Context, row: Delivery) -> Act:
    giveaway = ctx.work.giveaways.get(int(str(row.extra["giveaway"])))
    entry = ctx.work.entries.find(giveaway.id, str(row.extra["ticket"])) if giveaway else None
    if giveaway is None or entry is None or entry.member is None or giveaway.state not in _OPEN:
        return Nothing()
    language, say_text = ctx.desk.language(row.to), ctx.desk.texts.say

    def button(word: str) -> Button:
        payload = ctx.desk.signer.make(giveaway.name, f"{word}:{entry.ticket[:MARK]}", row.to)
        return Button(say_text(language, f"giveaway.button.{word}"), payload, "primary" if word == "grant" else "plain")

    rule = say_text(language, f"giveaway.rule.{entry.rule}")
    card = Card(
        say_text(language, "giveaway.appeal.title", number=giveaway.id, prize=panel.short(giveaway)),
        comment=panel.safe(str(row.extra["why"])),
        details=(say_text(language, "giveaway.appeal.who", name=panel.safe(entry.name), who=str(entry.member)),
                 say_text(language, "giveaway.appeal.rule", rule=rule)),
        buttons=(button("grant"), button("uphold")),
    )  # fmt: skip
    return Create(card, row.to)


def _judged(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    asker, giveaway = Asker.of(event), ctx.work.giveaways.named(button.view)
    if giveaway is None:
        say(ctx, asker, "review.invalid_button")
    elif not asking.may_run(ctx, asker, giveaway):
        say(ctx, asker, "giveaway.not_yours")
    else:
        judge(ctx, asker, giveaway, button.argument, grant=button.word == "grant")


def judge(ctx: Context, asker: Asker, giveaway: Giveaway, mark: str, *, grant: bool) -> None:
    """The host lets somebody in, or leaves them out. Nobody decides over an appeal of their own."""
    entry = ctx.work.entries.beginning(giveaway.id, mark)
    refused = None
    if giveaway.state not in _OPEN:
        refused = Refused("appeal_late")
    elif entry is None or not entry.appealed or entry.state not in {EntryState.REFUSED, EntryState.EXCLUDED}:
        refused = Refused("appeal_settled")
    elif entry.person == ctx.work.links.person_of(asker.member):
        refused = Refused("own_appeal")
    if refused is not None or entry is None:
        entering.answer(ctx, asker, refused or Refused("appeal_settled"))
        return
    word = "grant" if grant else "uphold"
    if grant:
        after = replace(entry, state=EntryState.IN, rule="", granted=True, appealed=False)
    else:
        after = replace(entry, appealed=False)
    ctx.work.entries.change(entry, after)
    ctx.work.giveaways.log(giveaway.id, ctx.now, str(asker.member), word, entry.ticket[:MARK])
    posting.changed(ctx, giveaway)
    say(ctx, asker, f"giveaway.done.{word}", name=panel.safe(entry.name))
    if entry.member is not None:
        values: dict[str, Value] = {"number": giveaway.id, "prize": panel.short(giveaway)}
        posting.tell_directly(ctx, giveaway, entry.member, f"giveaway.appeal.{word}ed", values)


def listed(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    """`/giveaway appeals 3`: those that wait; `/giveaway appeals 3 grant|uphold <ticket>` decides without a card."""
    word, _, mark = rest.partition(" ")
    if word in {"grant", "uphold", "同意", "驳回"} and len(mark.strip()) >= MARK:
        judge(ctx, asker, giveaway, mark.strip()[:MARK], grant=word in {"grant", "同意"})
        return
    found = ctx.work.entries.appealing(giveaway.id, MOST)
    language = language_of(ctx, asker)
    lines = [ctx.desk.texts.say(language, "giveaway.appeal.list", count=len(found))]
    for one in found:
        rule = ctx.desk.texts.say(language, f"giveaway.rule.{one.rule}")
        lines.append(f"{one.ticket[:MARK]} · {panel.safe(one.name)} · {rule}")
    tell(ctx, asker, "\n".join(lines))
