"""`/giveaway`: making giveaways, and what hosts and the team do with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.chat.events import ButtonPressed, CommandInvoked, FormSubmitted
from bot.domain import giving
from bot.domain.giveaway_words import read
from bot.domain.giveaways import Giveaway, Refused, State, WinState
from bot.domain.polling import tidy
from bot.domain.spans import seconds
from bot.engine.registry import Control, Pressed, Registry
from bot.handlers.context import Asker, Context, language_of, say, tell, zone_of
from bot.handlers.giveaways import (
    appeals,
    asking,
    entering,
    life,
    overviews,
    panel,
    posting,
    prizes,
    results,
    statistics,
    winning,
)
from bot.handlers.giveaways.naming import PREFIX
from bot.handlers.giveaways.office import round_of
from bot.locales import Value
from bot.locales.times import read_time, said

LISTED = frozenset(State) - {State.PREVIEW}
MAX_REASON = 200

Verb = Callable[[Context, Asker, Giveaway, str], None]


def register(registry: Registry[Context]) -> None:
    """Handle `/giveaway`, its short forms, and the buttons of previews."""
    registry.outgoing(asking.PREVIEW, asking.prepare_preview)
    usage = "start 2d 3w prize [flags] | list | end|reroll|cancel|extend|pause|entrants|verify|ticket <id>"
    registry.command("giveaway", "help.giveaway", usage, None, ("抽奖",), asking.form)(_giveaway)
    for name, word in _SHORT.items():
        registry.command(name, "help.giveaway_short", "...", None, ())(_short(word))
    registry.command("ticket", "help.ticket", "<id>", None, ("奖券",))(_ticket_command)
    registry.control(asking.FORM, Control(_not_a_button, _filled_in))
    registry.control("confirm", Control(_confirm), PREFIX)
    registry.control("discard", Control(_discard), PREFIX)


_SHORT = {"gstart": "start", "gend": "end", "greroll": "reroll", "glist": "list"}


def _short(word: str) -> Callable[[Context, CommandInvoked], None]:
    return lambda ctx, event: _giveaway(ctx, replace(event, text=f"{word} {event.text}".strip()))


def _giveaway(ctx: Context, event: CommandInvoked) -> None:
    asker, text = Asker.of(event), event.text.strip()
    word, rest = _first(text)
    word = _WORDS.get(word.lower(), word.lower())
    if word in OVERVIEWS:
        OVERVIEWS[word](ctx, asker, rest.strip())
    elif word in VERBS:
        _manage(ctx, asker, word, rest)
    elif event.private:
        say(ctx, asker, "command.private", name="giveaway")
    elif not asking.may_ask(ctx, asker):
        return
    elif word == "template":
        prizes.template(ctx, asker, rest.strip())
    elif word not in {"", "create"}:
        asking.make(ctx, asker, read(rest if word == "start" else text))
    elif not ctx.desk.forms(asker.channel.platform):
        asking.by_message(ctx, asker, event.message_id)
    elif not asker.reply:  # typed as a plain message: no form could be opened
        say(ctx, asker, "command.usage", usage="/giveaway start 2d 3w ...")


def _first(text: str) -> tuple[str, str]:
    """The first word and what follows, on the same line or not: codes are pasted as a list."""
    words = text.split(maxsplit=1)
    return (words[0] if words else "", words[1] if len(words) > 1 else "")


def _ticket_command(ctx: Context, event: CommandInvoked) -> None:
    _giveaway(ctx, replace(event, text=f"ticket {event.text}".strip()))


def _not_a_button(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    say(ctx, Asker.of(event), "review.invalid_button")


def _filled_in(ctx: Context, event: FormSubmitted, button: Pressed) -> None:
    asker = Asker.of(event)
    if asking.may_ask(ctx, asker):
        asking.make(ctx, asker, asking.from_form(event))


def _run_by(ctx: Context, asker: Asker, button: Pressed) -> Giveaway | None:
    """The giveaway of a button, if this person may change it; tells them if not."""
    giveaway = ctx.work.giveaways.named(button.view)
    if giveaway is None:
        say(ctx, asker, "review.invalid_button")
    elif not asking.may_run(ctx, asker, giveaway):
        say(ctx, asker, "giveaway.not_yours")
        return None
    return giveaway


def _confirm(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    asker = Asker.of(event)
    giveaway = _run_by(ctx, asker, button)
    if giveaway is None or not asking.may_ask(ctx, asker):  # its maker may have lost the right since
        return
    after = giving.confirm(giveaway, ctx.now)
    if isinstance(after, Refused):
        asking.refuse(ctx, asker, after)
        return
    ctx.work.giveaways.swap(giveaway, after)
    ctx.work.giveaways.log(giveaway.id, ctx.now, str(asker.member), "confirm")
    life.schedule(ctx, after)
    if after.opens_at > ctx.now:
        time = said(after.opens_at, zone_of(ctx, asker), language_of(ctx, asker))
        say(ctx, asker, "giveaway.done.scheduled", number=giveaway.id, time=time)
    else:
        say(ctx, asker, "giveaway.done.confirmed", number=giveaway.id)


def _discard(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    asker = Asker.of(event)
    giveaway = _run_by(ctx, asker, button)
    if giveaway is None:
        return
    if giveaway.state is not State.PREVIEW:
        say(ctx, asker, "giveaway.refused.not_preview")
    elif refused := life.cancel(ctx, giveaway, str(asker.member)):
        asking.refuse(ctx, asker, refused)
    else:
        say(ctx, asker, "giveaway.done.discarded", number=giveaway.id)


def _manage(ctx: Context, asker: Asker, word: str, rest: str) -> None:
    number, rest = _first(rest.strip().lstrip("#"))
    giveaway = ctx.work.giveaways.get(int(number)) if number.isdecimal() and len(number) <= 15 else None
    if giveaway is None or giveaway.state is State.PREVIEW or giveaway.discarded:
        say(ctx, asker, "giveaway.no_such")
    elif word not in FOR_ALL and not asking.may_run(ctx, asker, giveaway):
        say(ctx, asker, "giveaway.not_yours")
    else:
        VERBS[word](ctx, asker, giveaway, rest.strip())


def _store(ctx: Context, asker: Asker, before: Giveaway, after: Giveaway | Refused, what: str) -> Giveaway | None:
    """Keep a change and show it; tells why not."""
    if isinstance(after, Refused):
        asking.refuse(ctx, asker, after)
        return None
    ctx.work.giveaways.swap(before, after)
    ctx.work.giveaways.log(before.id, ctx.now, str(asker.member), what)
    posting.changed(ctx, after)
    return after


def _end(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    """Entering ends now, and the draw is the nearer."""
    after = _store(ctx, asker, giveaway, giving.end(giveaway, ctx.now, round_of(ctx)), "end")
    if after is not None:
        ctx.work.timers.set(life.CLOSES, giveaway.name, ctx.now)
        posting.promise_all(ctx, after)
        say(ctx, asker, "giveaway.done.ended", number=giveaway.id)


def _extend(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    language, zone = language_of(ctx, asker), zone_of(ctx, asker)
    length = seconds(rest)  # counted from its end; a point in time is seen from now
    until = read_time(rest, ctx.now, zone, language) if length is None else max(giveaway.closes_at, ctx.now) + length
    wanted = giving.extend(giveaway, until, ctx.now, round_of(ctx)) if until else None
    after = _store(ctx, asker, giveaway, wanted or Refused("time_unclear", {"text": rest[:60]}), "extend")
    if after is None:
        return
    if after.state is not State.SCHEDULED:
        life.set_clocks(ctx, after)
        posting.promise_all(ctx, after)
    say(ctx, asker, "giveaway.done.extended", number=giveaway.id, time=said(after.closes_at, zone, language))


def _pause(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    if _store(ctx, asker, giveaway, giving.pause(giveaway, ctx.now), "pause") is not None:
        say(ctx, asker, "giveaway.done.paused", number=giveaway.id)


def _resume(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    after = _store(ctx, asker, giveaway, giving.resume(giveaway, ctx.now), "resume")
    if after is not None:
        life.set_clocks(ctx, after)  # a restored backup has none
        say(ctx, asker, "giveaway.done.resumed", number=giveaway.id)


def _cancel(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    """Before the list is final nothing is drawn; after it only publicly, with a reason and the computed result."""
    if giveaway.state not in {State.FROZEN, State.DRAWN}:
        refused = life.cancel(ctx, giveaway, str(asker.member))
        if refused:
            asking.refuse(ctx, asker, refused)
        else:
            say(ctx, asker, "giveaway.done.cancelled", number=giveaway.id)
        return
    after = giving.void(giveaway, tidy(rest)[:MAX_REASON])
    if isinstance(after, Refused):
        asking.refuse(ctx, asker, after)
        return
    ctx.work.giveaways.swap(giveaway, after)
    ctx.work.giveaways.log(giveaway.id, ctx.now, str(asker.member), "void", after.void)
    values: dict[str, Value] = {"number": giveaway.id, "prize": panel.short(giveaway), "reason": panel.safe(after.void)}
    posting.tell_rooms(ctx, after, "giveaway.voided", {**values, "by": panel.safe(asker.name)})
    if giveaway.state is State.DRAWN:
        for win in ctx.work.wins.of(giveaway.id):
            if win.state in {WinState.OFFERED, WinState.CLAIMED}:
                ctx.work.wins.swap(win, replace(win, state=WinState.OUT))
        results.show(ctx, after)
    say(ctx, asker, "giveaway.done.voided", number=giveaway.id)


def _reroll(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    """`reroll 3 2 left the community`: the winner of place 2 makes room for the next name, for a public reason."""
    who, _, reason = rest.partition(" ")
    found = results.winner_of(ctx, giveaway, who) if who else Refused("no_winner", {"text": ""})
    if not isinstance(found, Refused) and not tidy(reason):
        found = Refused("reroll_reason")
    if isinstance(found, Refused):
        asking.refuse(ctx, asker, found)
        return
    refused = winning.reroll(ctx, giveaway, found, tidy(reason)[:MAX_REASON], asker.name)
    if refused:
        asking.refuse(ctx, asker, refused)
    else:
        say(ctx, asker, "giveaway.done.rerolled", number=giveaway.id)


def _ticket(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    entering.tell_ticket(ctx, asker, giveaway)


def _rules(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    tell(ctx, asker, panel.rules(ctx, giveaway, panel.View(language_of(ctx, asker), zone_of(ctx, asker))))


def _handed(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    """The host has given the prize by themselves."""
    found = results.winner_of(ctx, giveaway, rest)
    if isinstance(found, Refused):
        asking.refuse(ctx, asker, found)
    elif found.state is WinState.HANDED:
        say(ctx, asker, "giveaway.refused.handed")
    else:
        winning.hand_over(ctx, giveaway, found, str(asker.member))
        say(ctx, asker, "giveaway.done.handed", receipt=winning.receipt(giveaway, found))
        if found.member is not None:
            values: dict[str, Value] = {"prize": panel.short(giveaway), "number": giveaway.id}
            told = {**values, "receipt": winning.receipt(giveaway, found)}
            posting.tell_directly(ctx, giveaway, found.member, "giveaway.won.handed", told)


VERBS: Mapping[str, Verb] = {
    "end": _end, "extend": _extend, "pause": _pause, "resume": _resume, "cancel": _cancel, "reroll": _reroll,
    "ticket": _ticket, "rules": _rules, "handed": _handed, "appeal": appeals.by_command, "appeals": appeals.listed,
    "entrants": overviews.entrants, "verify": overviews.verify, "stats": statistics.asked,
    "history": overviews.log_lines, "codes": prizes.codes, "address": prizes.address, "again": prizes.again,
    "repost": prizes.repost, "arrived": prizes.arrived,
}  # fmt: skip
FOR_ALL = frozenset({"ticket", "rules", "appeal", "verify", "address"})
"""What needs no right of its own; `address` looks at who asks."""
OVERVIEWS: Mapping[str, Callable[[Context, Asker, str], None]] = {
    "list": overviews.listed, "winners": overviews.winners, "forget": overviews.forget,
}  # fmt: skip
_WORDS = {
    "开始": "start", "新建": "create", "列表": "list", "结束": "end", "开奖": "end", "重抽": "reroll", "取消": "cancel",
    "延长": "extend", "暂停": "pause", "继续": "resume", "名单": "entrants", "验证": "verify", "奖券": "ticket",
    "规则": "rules", "申诉": "appeal", "申诉列表": "appeals", "统计": "stats", "记录": "history", "中奖": "winners",
    "兑换码": "codes", "地址": "address", "已发放": "handed", "再来": "again", "模板": "template", "忘记我": "forget",
    "重发": "repost", "已送达": "arrived",
}  # fmt: skip
