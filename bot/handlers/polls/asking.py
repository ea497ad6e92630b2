"""From what somebody asked for to a poll: places and times looked up, a preview shown to them, nothing public yet."""

from __future__ import annotations

from dataclasses import replace

from bot.chat.events import CommandInvoked, FormSubmitted
from bot.chat.messages import Button, Card, Field, Form
from bot.domain import polling
from bot.domain.delivery import Urgency
from bot.domain.places import Channel
from bot.domain.poll_words import Asked, read
from bot.domain.polls import MAX_QUESTION, STARS, Kind, Option, Poll, Question, Refused, Series, State
from bot.domain.roles import Action, may
from bot.domain.spans import seconds
from bot.domain.text import fit
from bot.engine.registry import Act, Create, Nothing
from bot.handlers import rooms
from bot.handlers.context import Asker, Context, language_of, offer, say, zone_of
from bot.handlers.payloads import new_id
from bot.handlers.polls import panel
from bot.handlers.polls.naming import new_name
from bot.handlers.rooms import NoRoom
from bot.handlers.wording import shown
from bot.locales import Value
from bot.locales.times import next_time, read_rule, read_time, said
from bot.storage.outbox import Delivery, Order

PREVIEW = "poll_preview"
MAX_PROMPTS, PROMPTS_SECONDS = 3, 60.0
"""Everybody in the room sees a prompt: nobody is sent more within this time without answering one."""
KINDS = (Kind.SINGLE, Kind.MULTIPLE, Kind.RANKED, Kind.RATING, Kind.QUIZ, Kind.CONSENT, Kind.OPEN)
"""In the order of the form."""


def may_ask(ctx: Context, asker: Asker) -> bool:
    """Whether this person may make polls; tells them if not."""
    if ctx.desk.polls_open or may(ctx.roles, Action.POLL):
        return True
    say(ctx, asker, "command.no_right", name="poll")
    return False


def refuse(ctx: Context, asker: Asker, found: Refused) -> None:
    """Tell somebody privately why nothing was done."""
    args = {name: shown(value) if isinstance(value, str) else value for name, value in found.args.items()}
    say(ctx, asker, f"poll.refused.{found.why}", args)


def from_text(ctx: Context, asker: Asker, text: str) -> None:
    """A poll typed behind the command."""
    asked = read(text)
    if isinstance(asked, Refused):
        refuse(ctx, asker, asked)
    else:
        make(ctx, asker, asked)


def make(ctx: Context, asker: Asker, asked: Asked, template: Question | None = None) -> None:
    """Store a poll that nobody sees yet, and show its maker what it will look like."""
    poll = build(ctx, asker, asked, template)
    if isinstance(poll, Refused):
        refuse(ctx, asker, poll)
        return
    number = ctx.work.polls.add(poll)
    ctx.work.polls.log(number, ctx.now, asker.name, "made")
    preview(ctx, asker, replace(poll, id=number))


def build(ctx: Context, asker: Asker, asked: Asked, template: Question | None = None) -> Poll | Refused:
    """The poll, with times and places found."""
    zone, language = zone_of(ctx, asker), language_of(ctx, asker)
    question = template or _question(ctx, asked, language)
    if (refused := polling.check(question)) is not None:
        return refused
    channels = rooms.meant(ctx, asker, asked.places)
    if isinstance(channels, NoRoom):
        return Refused(channels.why, channels.args)
    starts = read_time(asked.starts, ctx.now, zone, language) if asked.starts else 0.0
    rule = read_rule(asked.every, ctx.now, zone) if asked.every else None
    if starts is None or (asked.every and rule is None):
        return Refused("time_unclear", {"text": asked.starts if starts is None else asked.every})
    if rule is not None:
        starts = next_time(rule, zone, ctx.now) or 0.0
    begins = starts or ctx.now
    length = seconds(asked.ends) if asked.ends else ctx.desk.poll_hours * 3600
    ends = (
        _end_of(asked.ends, begins if rule else ctx.now, begins, zone, language) if length is None else begins + length
    )
    if ends is None or ends <= begins:
        return Refused("time_unclear", {"text": asked.ends})
    if (wrong := polling.check_times(starts, ends, ctx.now)) is not None:
        return wrong
    # Told as a span and not as a point in time, it runs from whenever the poll opens.
    spans = rule is not None or length is not None
    return Poll(
        0, new_name(question), question, State.PREVIEW, asker.member, asker.name, language, channels, ctx.now,
        opens_at=starts, closes_at=ends, lasts=ends - begins if spans else 0.0, remind=asked.remind,
        series=Series(rule, zone) if rule else None,
    )  # fmt: skip


def _end_of(text: str, now: float, after: float, zone: str, language: str) -> float | None:
    """The point in time that a text names, later than `after`: `tomorrow` is seen from now, a bare `18:00` is the first
    one after it."""
    at = read_time(text, now, zone, language)
    return at if at is not None and at > after else read_time(text, after, zone, language)


def _question(ctx: Context, asked: Asked, language: str) -> Question:
    texts = asked.options
    if asked.kind is Kind.RATING:
        texts = tuple(f"{'★' * number}{'☆' * (STARS - number)}" for number in range(1, STARS + 1))
    elif asked.kind is Kind.CONSENT:
        texts = tuple(ctx.desk.texts.say(language, f"poll.consent.{word}") for word in ("yes", "no", "abstain"))
    return Question(
        asked.question,
        tuple(Option(number, text) for number, text in enumerate(texts, 1)),
        asked.kind,
        asked.limit,
        asked.anonymous,
        asked.hidden,
        asked.fixed,
        asked.native,
        asked.approval,
        asked.correct,
        asked.explanation,
        asked.restrictions,
    )


def preview(ctx: Context, asker: Asker, poll: Poll) -> None:
    """Show a poll to its maker, with a button that makes it public."""
    language = language_of(ctx, asker)
    found = ctx.desk.capabilities.get(asker.channel.platform)
    if found is not None and found.private and asker.reply:
        text = "\n".join(
            [panel.safe(poll.question.text), *_preview_lines(ctx, poll, panel.View(language, zone_of(ctx, asker)))]
        )
        title = ctx.desk.texts.say(language, "poll.preview.title", number=poll.id)
        offer(ctx, asker, f"{title}\n{text}", _preview_buttons(ctx, poll, asker.channel, language))
        return
    extra = {"poll": poll.id, "language": language, "zone": zone_of(ctx, asker)}
    key = new_id()
    ctx.work.outbox.add(Order(key, PREVIEW, key, asker.channel, Urgency.ANSWER, extra=extra))


def _preview_buttons(ctx: Context, poll: Poll, channel: Channel, language: str) -> tuple[Button, ...]:
    def button(word: str) -> Button:
        label = ctx.desk.texts.say(language, f"poll.button.{word}")
        return Button(
            label, ctx.desk.signer.make(poll.name, word, channel), "primary" if word == "confirm" else "plain"
        )

    return button("confirm"), button("discard")


def _preview_lines(ctx: Context, poll: Poll, view: panel.View) -> list[str]:
    texts = ctx.desk.texts
    lines = list(panel.option_labels(poll))
    if poll.question.kind is Kind.QUIZ:
        lines.append(texts.say(view.language, "poll.preview.right", number=poll.question.correct))
    lines += panel.about(ctx, poll, view)
    if poll.opens_at:
        lines.append(texts.say(view.language, "poll.preview.opens", time=said(poll.opens_at, view.zone, view.language)))
    lines.append(texts.say(view.language, "poll.closes", time=said(poll.closes_at, view.zone, view.language)))
    if poll.series is not None:
        lines.append(texts.say(view.language, "poll.preview.again"))
    where = [_room_line(ctx, poll, channel, view.language) for channel in poll.channels]
    return [*lines, *fit(where, panel.room_beside(panel.safe(poll.question.text), *lines))]


def _room_line(ctx: Context, poll: Poll, channel: Channel, language: str) -> str:
    """Where it will be, and how: with buttons, or as the platform's own poll."""
    opened = replace(poll, opened_at=poll.opens_at or ctx.now)
    how = "buttons"
    if poll.question.native:
        how = "native" if panel.fits_native(ctx, opened, channel) else "no_native"
    return ctx.desk.texts.say(
        language, f"poll.room.{how}", where=rooms.name_of(ctx, channel.platform, channel.channel_id)
    )


def prepare_preview(ctx: Context, row: Delivery) -> Act:
    """The preview as a message in the room, where nothing private can be shown with buttons."""
    poll = ctx.work.polls.get(int(str(row.extra["poll"])))
    if poll is None or poll.state is not State.PREVIEW:
        return Nothing()
    view = panel.View(str(row.extra["language"]), str(row.extra["zone"]))
    card = Card(
        ctx.desk.texts.say(view.language, "poll.preview.title", number=poll.id),
        comment=panel.safe(poll.question.text),
        details=tuple(_preview_lines(ctx, poll, view)),
        buttons=_preview_buttons(ctx, poll, row.to, view.language),
    )
    return Create(card, row.to)


def form(ctx: Context, event: CommandInvoked) -> Form | None:
    """The form that `/poll` alone opens."""
    asker = Asker.of(event)
    if event.private or event.text.strip() or not (ctx.desk.polls_open or may(ctx.roles, Action.POLL)):
        return None
    language, texts = language_of(ctx, asker), ctx.desk.texts
    kinds = tuple((kind.value, texts.say(language, f"poll.kind.{kind.value}")) for kind in KINDS)
    fields = (
        Field("question", texts.say(language, "poll.form.question"), max_length=MAX_QUESTION),
        Field("options", texts.say(language, "poll.form.options"), "paragraph", required=False, max_length=2000),
        Field("kind", texts.say(language, "poll.form.kind"), "choice", Kind.SINGLE.value, kinds),
        Field("ends", texts.say(language, "poll.form.ends"), value=f"{ctx.desk.poll_hours:g}h", max_length=60),
        Field("flags", texts.say(language, "poll.form.flags"), required=False, max_length=300),
    )
    return Form(
        ctx.desk.signer.make(new_id(), "newpoll", event.channel),
        texts.say(language, "poll.form.title"),
        fields,
        submit=texts.say(language, "form.submit"),
        cancel=texts.say(language, "form.cancel"),
        failed=texts.say(language, "form.failed"),
    )


def from_form(event: FormSubmitted) -> Asked | Refused:
    """What a filled-in form, or the answer to a prompt, asks for.

    A prompt's answer is one text: the question, then an option a line, and flags on a line that begins with `+`.
    """
    values = dict(event.values)
    if "text" in values:
        lines = [line.strip() for line in values["text"].splitlines() if line.strip()]
        flags = " ".join(line[1:] for line in lines if line.startswith("+"))
        lines = [line for line in lines if not line.startswith("+")] or [""]
        values = {"question": lines[0], "options": "\n".join(lines[1:]), "flags": flags}
    words = [values.get("question", ""), *values.get("options", "").splitlines()]
    quoted = " ".join(f'"{word.strip().replace(chr(34), "”")}"' for word in words if word.strip())
    kind = values.get("kind", "")
    kind = "" if kind in {"", Kind.SINGLE.value} else kind
    ends = f"ends {values['ends']}" if values.get("ends", "").strip() else ""
    return read(" ".join(part for part in (quoted, kind, values.get("flags", ""), ends) if part))


def ask_by_message(ctx: Context, asker: Asker, payload: str, key: str, reply_to: str | None, **args: Value) -> None:
    """Ask by message where forms do not open: the person answers by replying to it."""
    if ctx.work.prompts.waiting(asker.channel, asker.member, ctx.now - PROMPTS_SECONDS) >= MAX_PROMPTS:
        say(ctx, asker, "poll.form.waits")
        return
    language = language_of(ctx, asker)
    number = ctx.work.prompts.add(asker.channel, asker.member, payload, "text", ctx.now)
    text = ctx.desk.texts.say(language, key, name=asker.name, **args)
    extra = {"member": str(asker.member), "name": asker.name, "prompt": number, "placeholder": ""}
    order_key = new_id()
    ctx.work.outbox.add(
        Order(order_key, "prompt", order_key, asker.channel, Urgency.ANSWER, reply_to=reply_to, text=text, extra=extra)
    )
