"""After the draw: winners claim their prizes, places that become empty go to the next name, and all is forgotten later.

A re-roll needs no randomness and leaves no choice: the next unused name of the order has the place (fdraw/1, 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.chat.events import ButtonPressed, FormSubmitted
from bot.chat.messages import Field, Form
from bot.domain import fdraw
from bot.domain.fdraw import Reroll
from bot.domain.giveaways import Giveaway, Refused, State, Win, WinState
from bot.domain.places import Member
from bot.engine.registry import Control, Pressed, Registry
from bot.handlers import public
from bot.handlers.context import Asker, Context, language_of, say, zone_of
from bot.handlers.giveaways import entering, facts, panel, posting, results
from bot.handlers.giveaways.naming import PREFIX
from bot.handlers.secrecy import tell_sealed
from bot.locales import Value
from bot.locales.times import said
from bot.storage.linking import PERSON

AWARDS, CLAIMS, ERASES = "giveaway_award", "giveaway_claim", "giveaway_erase"
"""The timers of further winners, of the next claim that runs out, and of the clock that erases."""
AT_ONCE, OUT_AT_ONCE = 200, 20
"""Winners who get their places, or lose them, in one unit of work: a thousand would hold the writer for a second."""
LONGEST_ADDRESS = 500
HERALD = "Herald"
_LIVE = frozenset({State.OPEN, State.PAUSED, State.DRAWN})


def register(registry: Registry[Context]) -> None:
    """Handle what winners do."""
    registry.control("claim", Control(claim, _address_given, _address_form, _address_errors), PREFIX)


def award(ctx: Context, giveaway: Giveaway, order: Sequence[str], after: int = 0) -> None:
    """Give the first of the order their places, some at once, from the one after `after` on; the others follow. Where
    it was called off nobody gets anything."""
    if giveaway.void:
        order = ()
    winners = order[: giveaway.offer.winners]
    for ticket in winners[after : after + AT_ONCE]:
        _give(ctx, giveaway, ticket)
    set_clocks(ctx, giveaway)
    if len(winners) > after + AT_ONCE:
        ctx.work.timers.set(AWARDS, f"{giveaway.name}|{after + AT_ONCE}", ctx.now)


def award_further(ctx: Context, key: str) -> None:
    """Go on with it, as its timer says."""
    name, _, after = key.partition("|")
    giveaway = ctx.work.giveaways.named(name)
    drawn = ctx.work.giveaways.drawn(giveaway.id) if giveaway is not None else None
    if giveaway is not None and drawn is not None:
        award(ctx, giveaway, drawn.order, int(after))


def _give(ctx: Context, giveaway: Giveaway, ticket: str) -> None:
    entry = ctx.work.entries.find(giveaway.id, ticket)
    if entry is None:
        raise LookupError(f"giveaway {giveaway.id} has no ticket {ticket}")
    until = ctx.now + giveaway.offer.claim_seconds if giveaway.offer.claim_seconds else 0.0
    if entry.member is None:  # erased since the freeze: nobody can be told, and the place goes on at once
        until = ctx.now
    win = Win(0, giveaway.id, ticket, entry.person, entry.member, entry.name, WinState.OFFERED, ctx.now, until)
    ctx.work.wins.add(win)
    if entry.member is not None:
        key = "giveaway.won.claim" if until else "giveaway.won.plain"
        language = ctx.work.people.language(entry.member) or giveaway.language
        values: dict[str, Value] = {"prize": panel.short(giveaway), "number": giveaway.id}
        values["time"] = said(until, ctx.work.people.zone(entry.member) or ctx.desk.timezone, language) if until else ""
        posting.tell_directly(ctx, giveaway, entry.member, key, values)


def set_clocks(ctx: Context, giveaway: Giveaway) -> None:
    """When the next claim runs out, and when everybody is forgotten."""
    next_end = ctx.work.wins.next_end(giveaway.id)
    if next_end is not None:
        ctx.work.timers.set(CLAIMS, giveaway.name, next_end)
    kept = max(ctx.now + ctx.desk.giveaways.retention_seconds, next_end or 0.0)  # nor before everybody could claim
    ctx.work.timers.set(ERASES, giveaway.name, kept)


def expire(ctx: Context, name: str) -> None:
    """Give on the places of all who have not claimed in time."""
    giveaway = ctx.work.giveaways.named(name)
    if giveaway is None or giveaway.void or giveaway.state is not State.DRAWN:
        return
    late = [one for one in ctx.work.wins.of(giveaway.id) if one.state is WinState.OFFERED
            and (one.member is None or (one.until and one.until <= ctx.now))]  # fmt: skip
    for win in late[:OUT_AT_ONCE]:
        why = "unclaimed" if win.member is not None else "erased"
        reroll(ctx, giveaway, win, ctx.desk.texts.say(giveaway.language, f"giveaway.reroll.{why}"), HERALD)
    set_clocks(ctx, giveaway)
    if len(late) > OUT_AT_ONCE:
        ctx.work.timers.set(CLAIMS, giveaway.name, ctx.now)


def reroll(ctx: Context, giveaway: Giveaway, win: Win, reason: str, by: str) -> Refused | None:
    """Take a place away for a reason that everybody reads, and give it to the next name. Why not, if so."""
    if giveaway.state is not State.DRAWN or giveaway.void:
        return Refused("not_drawn")
    if win.state not in {WinState.OFFERED, WinState.CLAIMED}:
        return Refused("handed" if win.state is WinState.HANDED else "no_winner", {"text": win.ticket[:12]})
    drawn = ctx.work.giveaways.drawn(giveaway.id)
    before = ctx.work.giveaways.rerolls(giveaway.id)
    following = fdraw.next_of(drawn.order if drawn else (), giveaway.offer.winners, before)
    ctx.work.wins.swap(win, replace(win, state=WinState.OUT))
    ctx.work.wins.take_back(win.id)
    ctx.work.giveaways.reroll(giveaway.id, Reroll(win.ticket, reason, by, int(ctx.now)))
    ctx.work.giveaways.log(giveaway.id, ctx.now, by, "reroll", win.ticket[:12])
    if following is not None:
        _give(ctx, giveaway, following)
    for channel in giveaway.channels:
        language = ctx.desk.language(channel)
        values: dict[str, Value] = {
            "number": giveaway.id, "prize": panel.short(giveaway), "reason": panel.safe(reason), "by": panel.safe(by),
            "out": results.winner_name(ctx, giveaway, win.ticket, language),
            "name": results.winner_name(ctx, giveaway, following, language) if following else "",
        }  # fmt: skip
        key = "giveaway.reroll.next" if following else "giveaway.reroll.empty"
        public.tell_room(ctx, f"giveaway:{giveaway.id}", channel, key, values)
    results.show_again(ctx, giveaway)
    set_clocks(ctx, giveaway)
    return None


# ---- claiming


def claim(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    """A winner wants the prize."""
    asker, giveaway = Asker.of(event), ctx.work.giveaways.named(button.view)
    if giveaway is None:
        say(ctx, asker, "review.invalid_button")
        return
    win = win_of(ctx, giveaway, asker)
    if isinstance(win, Refused):
        entering.answer(ctx, asker, win)
    elif giveaway.offer.address and ctx.work.wins.address(win.id) is None:
        if not ctx.desk.forms(asker.channel.platform):  # elsewhere the form is open by now
            say(ctx, asker, "giveaway.claim.address_how", number=giveaway.id)
    else:
        take(ctx, asker, giveaway, win)


def win_of(ctx: Context, giveaway: Giveaway, asker: Asker) -> Win | Refused:
    """This person's place; why they have none, or none any more."""
    person = ctx.work.links.person_of(asker.member)
    names = {person, str(asker.member), *(str(one) for one in ctx.work.links.members_of(person))}
    found = ctx.work.wins.of_persons(giveaway.id, names)
    if not found or giveaway.void:
        return Refused("not_won")
    # Accounts that were linked after the freeze may have won twice: first what can still be claimed, then their own.
    left = [one for one in found if one.state is not WinState.OUT and not _is_late(ctx, one)]
    first = sorted(left, key=lambda one: (one.state is not WinState.OFFERED, one.member != asker.member))
    return first[0] if first else Refused("claim_over")


def _is_late(ctx: Context, win: Win) -> bool:
    return win.state is WinState.OFFERED and bool(win.until) and ctx.work.heard_at >= win.until


def take(ctx: Context, asker: Asker, giveaway: Giveaway, win: Win) -> None:
    """Note the claim, and hand the prize over where it is a code. A code is shown once."""
    if win.state is WinState.OFFERED:
        claimed = replace(win, state=WinState.CLAIMED, claimed_at=ctx.now)
        ctx.work.wins.swap(win, claimed)
        ctx.work.giveaways.log(giveaway.id, ctx.now, str(asker.member), "claim", win.ticket[:12])
        set_clocks(ctx, giveaway)
        win = claimed
        if not _has_code(ctx, giveaway, win):
            tell_host(
                ctx, giveaway, "giveaway.claim.to_host", {"name": panel.safe(win.name), "ticket": win.ticket[:12]}
            )
    if _has_code(ctx, giveaway, win):
        _show_code(ctx, asker, giveaway, win)
    elif win.state is WinState.HANDED:
        zone, language = zone_of(ctx, asker), language_of(ctx, asker)
        say(ctx, asker, "giveaway.claim.handed", time=said(win.handed_at, zone, language))
    else:
        say(ctx, asker, "giveaway.claim.noted", name=panel.safe(giveaway.host_name))


def _has_code(ctx: Context, giveaway: Giveaway, win: Win) -> bool:
    if ctx.work.wins.code_of(win.id) is not None:
        return True
    free = ctx.work.wins.free_code(giveaway.id) if win.state is WinState.CLAIMED else None
    if free is not None:
        ctx.work.wins.give_code(free, win.id)
    return free is not None


def _show_code(ctx: Context, asker: Asker, giveaway: Giveaway, win: Win) -> None:
    code, language = ctx.work.wins.code_of(win.id), language_of(ctx, asker)
    key = ctx.desk.keys.find(giveaway.name)
    opened = key.open(code.sealed) if key is not None and code is not None else None
    if code is None or opened is None:
        say(ctx, asker, "giveaway.claim.noted", name=panel.safe(giveaway.host_name))
        tell_host(ctx, giveaway, "giveaway.claim.no_code", {"name": panel.safe(win.name), "ticket": win.ticket[:12]})
    elif not ctx.work.wins.shown(code.id, ctx.now):
        time = said(code.shown_at, zone_of(ctx, asker), language)
        say(ctx, asker, "giveaway.claim.shown", time=time, name=panel.safe(giveaway.host_name))
    else:
        text = ctx.desk.texts.say(language, "giveaway.claim.code", code=opened.decode(), receipt=receipt(giveaway, win))
        tell_sealed(ctx, asker, giveaway.name, text)
        hand_over(ctx, giveaway, win, HERALD)


def hand_over(ctx: Context, giveaway: Giveaway, win: Win, by: str) -> None:
    """The winner has the prize."""
    ctx.work.wins.swap(
        win, replace(win, state=WinState.HANDED, handed_at=ctx.now, claimed_at=win.claimed_at or ctx.now)
    )
    ctx.work.giveaways.log(giveaway.id, ctx.now, by, "handed", receipt(giveaway, win))
    set_clocks(ctx, giveaway)


def receipt(giveaway: Giveaway, win: Win) -> str:
    """What both sides note of a prize that was handed over."""
    return f"#{giveaway.id}-{win.id}-{win.ticket[:8]}"


def tell_host(ctx: Context, giveaway: Giveaway, key: str, values: Mapping[str, Value]) -> None:
    """Tell the host privately, and the team."""
    told = {"number": giveaway.id, "prize": panel.short(giveaway), **values}
    posting.tell_directly(ctx, giveaway, giveaway.host, key, told)
    public.tell_team(ctx, posting.NOTES, key, told)


# ---- where a prize is sent to


def _address_form(ctx: Context, event: ButtonPressed, button: Pressed) -> Form | None:
    giveaway = ctx.work.giveaways.named(button.view)
    if giveaway is None or not giveaway.offer.address:
        return None
    asker = Asker.of(event)
    win = win_of(ctx, giveaway, asker)
    if isinstance(win, Refused) or ctx.work.wins.address(win.id) is not None:
        return None
    language, texts = language_of(ctx, asker), ctx.desk.texts
    label = texts.say(language, "giveaway.address.field", count=panel.days(ctx.desk.giveaways.address_seconds))
    return Form(
        event.payload,
        texts.say(language, "giveaway.address.title"),
        (Field("text", label, "paragraph", max_length=LONGEST_ADDRESS),),
        submit=texts.say(language, "form.submit"),
        cancel=texts.say(language, "form.cancel"),
        failed=texts.say(language, "form.failed"),
    )


def _address_errors(ctx: Context, event: FormSubmitted, button: Pressed) -> dict[str, str]:
    if event.values.get("text", "").strip():
        return {}
    return {"text": ctx.desk.texts.say(language_of(ctx, Asker.of(event)), "giveaway.address.empty")}


def _address_given(ctx: Context, event: FormSubmitted, button: Pressed) -> None:
    asker, giveaway = Asker.of(event), ctx.work.giveaways.named(button.view)
    if giveaway is None:
        say(ctx, asker, "review.invalid_button")
    else:
        keep_address(ctx, asker, giveaway, event.values.get("text", ""))


def keep_address(ctx: Context, asker: Asker, giveaway: Giveaway, text: str) -> None:
    """Keep where a winner wants the prize sent to, sealed and on a clock; with it the prize is claimed."""
    win = win_of(ctx, giveaway, asker)
    if isinstance(win, Refused):
        entering.answer(ctx, asker, win)
        return
    key = ctx.desk.keys.find(giveaway.name)
    if not giveaway.offer.address or not text.strip() or len(text) > LONGEST_ADDRESS or key is None:
        say(ctx, asker, "giveaway.address.empty")
        return
    until = ctx.now + ctx.desk.giveaways.address_seconds
    ctx.work.wins.keep_address(win.id, key.seal(text.strip().encode()), until)
    take(ctx, asker, giveaway, win)


def tell_address(ctx: Context, asker: Asker, giveaway: Giveaway, win: Win) -> None:
    """Show the host where to send a prize; that they looked is noted."""
    sealed, key = ctx.work.wins.address(win.id), ctx.desk.keys.find(giveaway.name)
    opened = key.open(sealed) if key is not None and sealed is not None else None
    if opened is None:
        say(ctx, asker, "giveaway.address.none")
        return
    ctx.work.giveaways.log(giveaway.id, ctx.now, str(asker.member), "address", win.ticket[:12])
    tell_sealed(ctx, asker, giveaway.name, panel.safe(opened.decode()))


# ---- forgetting


def erase_page(ctx: Context, giveaway: Giveaway) -> bool:
    """Forget some of those who stood behind entries, and all codes and signals; False when all are forgotten."""
    facts.drop(ctx, giveaway)
    ctx.work.wins.forget_codes(giveaway.id)
    ctx.work.giveaways.forget_signals(giveaway.id)
    return ctx.work.entries.erase_all(giveaway.id) > 0


def forget(ctx: Context, persons: Sequence[str]) -> int:
    """Forget somebody in all giveaways: out of those that run, nameless in those whose list is final. How many."""
    count, touched = 0, set[int]()
    for person in persons:
        entries, linked = ctx.work.entries, person.startswith(PERSON)
        for entry in entries.of_person(person) if linked else entries.of_member(Member.parse(person)):
            entries.erase(entry.giveaway_id, entry.person)
            count += 1
            touched.add(entry.giveaway_id)
        ctx.work.wins.erase(person)
        ctx.work.giveaways.erase(person)
    for giveaway_id in sorted(touched):
        giveaway = ctx.work.giveaways.get(giveaway_id)
        if giveaway is None:
            continue
        for person in persons:
            facts.recall(ctx, giveaway, person)
        if giveaway.state in _LIVE:
            posting.changed(ctx, giveaway)
        if giveaway.state is State.DRAWN:
            ctx.work.timers.set(CLAIMS, giveaway.name, ctx.now)  # the place of a winner goes on
    return count
