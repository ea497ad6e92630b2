"""From what somebody asked for to a giveaway: places, times and roles looked up, a preview, nothing public yet."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import replace

from bot.chat.events import CommandInvoked, FormSubmitted
from bot.chat.messages import Button, Card, Field, Form
from bot.domain import eligibility, fdraw, giving
from bot.domain.delivery import Urgency
from bot.domain.giveaway_words import Asked, read
from bot.domain.giveaways import MAX_ABOUT, MAX_PRIZE, Bonus, Contest, Giveaway, Offer, Refused, Requirements, State
from bot.domain.places import BadAddress, Channel, Member
from bot.domain.roles import Action, Grant, Role, may
from bot.domain.spans import seconds
from bot.domain.text import fit
from bot.engine.registry import Act, Create, Nothing
from bot.handlers import rooms
from bot.handlers.context import Asker, Context, language_of, offer, say, zone_of
from bot.handlers.giveaways import facts, panel
from bot.handlers.giveaways.naming import SEED_BYTES, new_name
from bot.handlers.payloads import new_id
from bot.handlers.polls.asking import ask_by_message
from bot.handlers.rooms import NoRoom
from bot.handlers.wording import shown
from bot.locales.times import read_time, said
from bot.storage.outbox import Delivery, Order

PREVIEW = "giveaway_preview"
FORM = "newgiveaway"
_ROLE_MENTION = re.compile(r"<@&(\d{1,20})>|<!subteam\^(\w{1,20})(?:\|[^>]*)?>")
_MENTION = re.compile(r"<@!?(\w{1,20})(?:\|[^>]*)?>")


def may_ask(ctx: Context, asker: Asker) -> bool:
    """Whether this person may make giveaways; tells them if not."""
    if ctx.desk.giveaways.open_to_all or may(ctx.roles, Action.GIVEAWAY):
        return True
    say(ctx, asker, "command.no_right", name="giveaway")
    return False


def may_run(ctx: Context, asker: Asker, giveaway: Giveaway) -> bool:
    """Whether this person may change this giveaway: the team, and its host as long as they may make giveaways."""
    return may(ctx.roles, Action.GIVEAWAY) or (asker.member == giveaway.host and ctx.desk.giveaways.open_to_all)


def refuse(ctx: Context, asker: Asker, found: Refused) -> None:
    """Tell somebody privately why nothing was done."""
    args = {name: shown(value) if isinstance(value, str) else value for name, value in found.args.items()}
    say(ctx, asker, f"giveaway.refused.{found.why}", args)


def make(ctx: Context, asker: Asker, asked: Asked | Refused, template: Offer | None = None) -> None:
    """Store a giveaway that nobody sees yet, and show its maker what it will look like."""
    seed = secrets.token_bytes(SEED_BYTES)
    made = asked if isinstance(asked, Refused) else build(ctx, asker, asked, fdraw.commitment(seed), template)
    if isinstance(made, Refused):
        refuse(ctx, asker, made)
        return
    number = ctx.work.giveaways.add(made, seed)
    ctx.work.giveaways.log(number, ctx.now, str(asker.member), "made")
    preview(ctx, asker, replace(made, id=number))


def build(ctx: Context, asker: Asker, asked: Asked, commit: str, template: Offer | None = None) -> Giveaway | Refused:
    """The giveaway, with times, places and roles found. With a template only times and places are read."""
    channels = rooms.meant(ctx, asker, () if asked.contest else asked.places)
    if isinstance(channels, NoRoom):
        return Refused(channels.why, channels.args)
    times = _times(ctx, asker, asked)
    if isinstance(times, Refused):
        return times
    starts, ends, lasts = times
    wanted = template or _offer(ctx, asker, asked)
    if isinstance(wanted, Refused):
        return wanted
    if asked.contest:
        contest = _contest(ctx, asker, asked, starts or ctx.now)
        if isinstance(contest, Refused):
            return contest
        wanted, channels = replace(wanted, contest=contest), (contest.channel.home,)
    wrong = giving.check(wanted) or giving.check_times(starts, ends, ctx.now) or _impossible(ctx, wanted, channels)
    if wrong is not None:
        return wrong
    beacon = ctx.desk.giveaways.beacon
    offline = asked.offline or ctx.desk.giveaways.offline or beacon is None
    return Giveaway(
        0, new_name(), wanted, State.PREVIEW, asker.member, asker.name, language_of(ctx, asker), channels, ctx.now,
        commit, chain="" if offline or beacon is None else beacon.chain, opens_at=starts, closes_at=ends, lasts=lasts,
    )  # fmt: skip


def _times(ctx: Context, asker: Asker, asked: Asked) -> tuple[float, float, float] | Refused:
    """When it opens (0.0: at once), when it ends, and how long it lasts where it was told that way."""
    zone, language = zone_of(ctx, asker), language_of(ctx, asker)
    starts = read_time(asked.starts, ctx.now, zone, language) if asked.starts else 0.0
    if starts is None:
        return Refused("time_unclear", {"text": asked.starts})
    begins = starts or ctx.now
    length = seconds(asked.ends) if asked.ends else ctx.desk.giveaways.hours * 3600
    if length is not None:
        return starts, begins + length, length
    ends = read_time(asked.ends, ctx.now, zone, language)
    if ends is not None and ends <= begins:  # a bare time of day is the first one after the beginning
        ends = read_time(asked.ends, begins, zone, language)
    return (starts, ends, 0.0) if ends is not None else Refused("time_unclear", {"text": asked.ends})


def _offer(ctx: Context, asker: Asker, asked: Asked) -> Offer | Refused:
    desk = ctx.desk.giveaways
    roles = [_role(asker, one) for one in asked.roles]
    bonuses = [(_role(asker, role), extra) for role, extra in asked.bonuses]
    allow, block = _members(asker, asked.allow), _members(asker, asked.block)
    for found in (*roles, *(role for role, _ in bonuses), allow, block):
        if isinstance(found, Refused):
            return found
    requirements = Requirements(
        roles=tuple(one for one in roles if isinstance(one, str)),
        member_seconds=asked.member_seconds,
        account_seconds=asked.account_seconds,
        messages=asked.messages,
        messages_seconds=asked.messages_seconds,
        poll=asked.poll,
        boosted=asked.boosted,
        linked=asked.linked,
        allow=allow if isinstance(allow, tuple) else (),
        block=block if isinstance(block, tuple) else (),
        cooldown_seconds=desk.cooldown_seconds if asked.cooldown_seconds < 0 else asked.cooldown_seconds,
        staff=asked.staff or desk.staff,
        bonuses=tuple(Bonus(role, extra) for role, extra in bonuses if isinstance(role, str)),
        cap=asked.cap,
    )
    if (asked_of := asked.poll) and ((poll := ctx.work.polls.get(asked_of)) is None or poll.question.anonymous):
        return Refused("poll_unfit", {"number": asked_of})
    return Offer(
        asked.prize,
        asked.winners,
        desk.alternates if asked.alternates < 0 else asked.alternates,
        asked.about,
        asked.sponsor,
        asked.picture,
        requirements,
        desk.claim_seconds if asked.claim_seconds < 0 else asked.claim_seconds,
        asked.address,
    )


def _role(asker: Asker, text: str) -> str | Refused:
    """A role of ours, a platform's own as settings write it, or one that was mentioned."""
    if (mention := _ROLE_MENTION.fullmatch(text)) is not None:
        return f"{asker.member.platform}:{asker.member.tenant}:role:{mention[1] or mention[2]}"
    if text.lower() in set(Role):
        return text.lower()
    try:
        if Grant.parse(Role.VIEWER, text).platform_role is not None:
            return text
    except BadAddress:
        pass
    return Refused("role_unclear", {"text": text[:80]})


def _members(asker: Asker, texts: Iterable[str]) -> tuple[str, ...] | Refused:
    found = []
    for text in texts:
        if (mention := _MENTION.fullmatch(text)) is not None:
            found.append(f"{asker.member.platform}:{asker.member.tenant}:{mention[1]}")
            continue
        try:
            found.append(str(Member.parse(text)))
        except BadAddress:
            return Refused("member_unclear", {"text": text[:80]})
    return tuple(dict.fromkeys(found))


def _contest(ctx: Context, asker: Asker, asked: Asked, begins: float) -> Contest | Refused:
    """Where comments are taken from: the named room, or the room or thread in which it was typed."""
    where = rooms.meant(ctx, asker, asked.places) if asked.places else (asker.channel,)
    if isinstance(where, NoRoom):
        return Refused(where.why, where.args)
    channel = where[0]
    if len(where) > 1:
        return Refused("one_room", {"count": len(where)})
    if (channel.platform, channel.home.channel_id) not in ctx.desk.watched:
        return Refused("not_watched", {"place": rooms.name_of(ctx, channel.platform, channel.home.channel_id)})
    since = begins
    if asked.since:
        past = seconds(asked.since)  # `from 2d`: two days ago
        read_since = ctx.now - past if past is not None else read_time(asked.since, 0.0, zone_of(ctx, asker), "en")
        if read_since is None or read_since > begins:
            return Refused("time_unclear", {"text": asked.since})
        since = read_since
    return Contest(channel, since, asked.keyword)


def _impossible(ctx: Context, wanted: Offer, channels: Iterable[Channel]) -> Refused | None:
    """A rule that one of the platforms can never judge: said before anybody is kept out by it."""
    involved = {one.platform: facts.tells(ctx, one.platform) for one in channels}
    # Since when somebody has been a member is known of whoever wrote something, where the platform does not tell.
    wrong = eligibility.possible(
        wanted.requirements, {name: replace(one, joined=True) for name, one in involved.items()}
    )
    return wrong[0] if wrong else None


# ---- the preview


def preview(ctx: Context, asker: Asker, giveaway: Giveaway) -> None:
    """Show a giveaway to its maker, with a button that makes it public."""
    language = language_of(ctx, asker)
    found = ctx.desk.capabilities.get(asker.channel.platform)
    if found is not None and found.private and asker.reply:
        lines = _preview_lines(ctx, giveaway, panel.View(language, zone_of(ctx, asker)))
        title = ctx.desk.texts.say(language, "giveaway.preview.title", number=giveaway.id)
        text = "\n".join([title, f"🎁 {panel.safe(giveaway.offer.prize)}", *lines])
        offer(ctx, asker, text, _preview_buttons(ctx, giveaway, asker.channel, language))
        return
    extra = {"giveaway": giveaway.id, "language": language, "zone": zone_of(ctx, asker)}
    key = new_id()
    ctx.work.outbox.add(Order(key, PREVIEW, key, asker.channel, Urgency.ANSWER, extra=extra))


def _preview_buttons(ctx: Context, giveaway: Giveaway, channel: Channel, language: str) -> tuple[Button, ...]:
    def button(word: str) -> Button:
        label = ctx.desk.texts.say(language, f"giveaway.button.{word}")
        payload = ctx.desk.signer.make(giveaway.name, word, channel)
        return Button(label, payload, "primary" if word == "confirm" else "plain")

    return button("confirm"), button("discard")


def _preview_lines(ctx: Context, giveaway: Giveaway, view: panel.View) -> tuple[str, ...]:
    texts, wanted = ctx.desk.texts, giveaway.offer
    lines = [texts.say(view.language, "giveaway.winners", count=wanted.winners)]
    if giveaway.opens_at:
        time = said(giveaway.opens_at, view.zone, view.language)
        lines.append(texts.say(view.language, "giveaway.preview.opens", time=time))
    lines.append(texts.say(view.language, "giveaway.ends", time=said(giveaway.closes_at, view.zone, view.language)))
    lines += panel.about(ctx, giveaway, view)
    if wanted.address:
        lines.append(texts.say(view.language, "giveaway.preview.address"))
    names = ", ".join(rooms.name_of(ctx, one.platform, one.channel_id) for one in giveaway.channels)
    lines.append(texts.say(view.language, "giveaway.preview.where", where=names))
    about = [panel.safe(text) for text in (wanted.about, wanted.sponsor, wanted.picture) if text]
    return fit([*about, *lines], panel.ROOM - 500)


def prepare_preview(ctx: Context, row: Delivery) -> Act:
    """The preview as a message in the room, where nothing private can be shown with buttons."""
    giveaway = ctx.work.giveaways.get(int(str(row.extra["giveaway"])))
    if giveaway is None or giveaway.state is not State.PREVIEW:
        return Nothing()
    view = panel.View(str(row.extra["language"]), str(row.extra["zone"]))
    card = Card(
        ctx.desk.texts.say(view.language, "giveaway.preview.title", number=giveaway.id),
        comment=f"🎁 {panel.safe(giveaway.offer.prize)}",
        details=_preview_lines(ctx, giveaway, view),
        buttons=_preview_buttons(ctx, giveaway, row.to, view.language),
    )
    return Create(card, row.to)


# ---- the form


def form(ctx: Context, event: CommandInvoked) -> Form | None:
    """The form that `/giveaway` or `/giveaway create` alone opens."""
    asker, text = Asker.of(event), event.text.strip().lower()
    allowed = ctx.desk.giveaways.open_to_all or may(ctx.roles, Action.GIVEAWAY)
    if event.private or text not in {"", "create", "新建"} or not allowed:
        return None
    language, texts = language_of(ctx, asker), ctx.desk.texts

    def label(key: str) -> str:
        return texts.say(language, f"giveaway.form.{key}")

    fields = (
        Field("prize", label("prize"), max_length=MAX_PRIZE),
        Field("winners", label("winners"), value="1", max_length=5),
        Field("ends", label("ends"), value=f"{ctx.desk.giveaways.hours:g}h", max_length=60),
        Field("about", label("about"), "paragraph", required=False, max_length=MAX_ABOUT),
        Field("flags", label("flags"), required=False, max_length=300),
    )
    return Form(
        ctx.desk.signer.make(new_id(), FORM, event.channel),
        label("title"),
        fields,
        submit=texts.say(language, "form.submit"),
        cancel=texts.say(language, "form.cancel"),
        failed=texts.say(language, "form.failed"),
    )


def from_form(event: FormSubmitted) -> Asked | Refused:
    """What a filled-in form asks for. A prompt's answer is one text: the same that stands behind `/giveaway start`."""
    values = dict(event.values)
    if "text" in values:
        return read(" ".join(values["text"].split()))
    ends, winners = values.get("ends", "").strip(), values.get("winners", "").strip() or "1"
    prize, about = (_quoted(values.get(key, "")) for key in ("prize", "about"))
    parts = [prize, values.get("flags", ""), f"about {about}" if about != '""' else ""]
    found = read(f"{winners}w " + " ".join(part for part in parts if part))
    return found if isinstance(found, Refused) else replace(found, ends=ends or found.ends)


def _quoted(text: str) -> str:
    return '"' + " ".join(text.split()).replace('"', "”") + '"'


def by_message(ctx: Context, asker: Asker, reply_to: str | None) -> None:
    """Ask by message where forms do not open."""
    payload = ctx.desk.signer.make(new_id(), FORM, asker.channel)
    ask_by_message(ctx, asker, payload, "giveaway.form.prompt", reply_to)
