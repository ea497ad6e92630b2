"""What a poll looks like: its card in a room, made anew from the present state each time."""

from __future__ import annotations

from dataclasses import dataclass

from bot.chat.messages import Button, Card, NativePoll
from bot.chat.moments import inert
from bot.domain.places import Channel
from bot.domain.polls import STARS, Kind, Option, Poll, State
from bot.domain.tally import Tally, count
from bot.domain.text import cut, fit, weigh
from bot.handlers.context import Context
from bot.handlers.wording import shown
from bot.locales.times import said

BAR = 10
"""Characters of a full bar."""
ROOM, TITLE_ROOM, OPTIONS_ROOM, BAR_ROOM = 3900, 620, 2200, 30
"""What a card, its question, its options and the bar of one may weigh (`domain.text.weigh`): 4096 is what the
tightest platform takes. Options stand whole on their buttons."""
_TAKEN_BACK = frozenset({Kind.SINGLE, Kind.MULTIPLE, Kind.RANKED})
"""Kinds that are told how a vote is taken back, unless votes are final."""
_SINGULAR = frozenset({Kind.SINGLE, Kind.QUIZ, Kind.CONSENT, Kind.OPEN, Kind.RATING})


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


def title(poll: Poll) -> str:
    """The question, at the head of a card."""
    return fit([safe(poll.question.text)], TITLE_ROOM)[0]


def results_visible(poll: Poll) -> bool:
    """Whether anybody may see numbers now."""
    return not poll.question.hidden or poll.state is State.CLOSED


def tally_of(ctx: Context, poll: Poll, *, ranked: bool = False) -> Tally:
    """The numbers as they are."""
    return count(poll.question, ctx.work.ballots.groups(poll.id), ranked=ranked)


def card(ctx: Context, poll: Poll, channel: Channel) -> Card:
    """The poll as it stands in this channel."""
    view = view_of(ctx, channel)
    if results_visible(poll):
        tally = tally_of(ctx, poll)
        voters, lines = tally.voters, option_lines(ctx, poll, tally, view.language)
    else:
        voters, lines = ctx.work.ballots.voters(poll.id), option_labels(poll)
    is_open = poll.state is State.OPEN
    header = f"📊 {title(poll)}"
    status = (*_standing(ctx, poll, view, voters), *about(ctx, poll, view))
    return Card(
        header=header,
        details=lines,
        status=(*status, *fit([safe(line) for line in poll.edits[-3:]], room_beside(header, *lines, *status))),
        buttons=_buttons(ctx, poll, channel, view.language) if is_open else (),
        tone="waiting" if is_open else "quiet",
        stacked=True,
    )


def option_lines(ctx: Context, poll: Poll, tally: Tally, language: str) -> tuple[str, ...]:
    """One line an option: bar, share, number."""
    whole = max(sum(tally.counts.values()) if poll.question.kind in _SINGULAR else tally.voters, 1)
    return tuple(
        ctx.desk.texts.say(
            language,
            "poll.option",
            label=label,
            bar=_bar(tally.counts.get(option.number, 0) / whole),
            share=round(100 * tally.counts.get(option.number, 0) / whole),
            count=tally.counts.get(option.number, 0),
        )
        for option, label in zip(poll.question.shown, option_labels(poll), strict=True)
    )


def room_beside(*texts: str) -> int:
    """What is left of a card for lines beside these."""
    return ROOM - sum(weigh(text) + 1 for text in texts)


def option_labels(poll: Poll) -> tuple[str, ...]:
    """The options with their numbers, shortened where all of them together are too long for a card."""
    options = poll.question.shown
    return fit([_label(option) for option in options], OPTIONS_ROOM - BAR_ROOM * len(options))


def _label(option: Option) -> str:
    return f"{option.number}. {safe(option.text)}"


def _bar(share: float) -> str:
    full = round(min(max(share, 0.0), 1.0) * BAR)
    return "▓" * full + "░" * (BAR - full)


def _standing(ctx: Context, poll: Poll, view: View, voters: int) -> list[str]:
    say = ctx.desk.texts.say
    if poll.state is State.CANCELLED:
        return [say(view.language, "poll.cancelled")]
    if poll.state is State.CLOSED:
        return [say(view.language, "poll.closed", count=voters)]
    lines = [say(view.language, "poll.voters", count=voters)]
    if poll.closes_at:
        lines.append(say(view.language, "poll.closes", time=said(poll.closes_at, view.zone, view.language)))
    return lines


def about(ctx: Context, poll: Poll, view: View) -> list[str]:
    """How it is answered, who may, and who can see what."""
    texts, question, language = ctx.desk.texts, poll.question, view.language
    final = question.fixed and question.kind is not Kind.QUIZ
    kind = question.kind.value
    how = f"poll.once.{kind}" if final and question.kind in _TAKEN_BACK else f"poll.how.{kind}"
    lines = [texts.say(language, how, count=question.limit, stars=STARS)]
    if final:
        lines.append(texts.say(language, "poll.fixed"))
    limits = question.restrictions
    if limits.role:
        lines.append(texts.say(language, "poll.only.role", role=safe(cut(limits.role, 100))))
    if limits.member_seconds:
        lines.append(texts.say(language, "poll.only.member", count=_days(limits.member_seconds)))
    if limits.account_seconds:
        lines.append(texts.say(language, "poll.only.account", count=_days(limits.account_seconds)))
    lines.append(sees(ctx, poll, language))
    return lines


def _days(seconds: float) -> float:
    days = round(seconds / 86400, 2)
    return int(days) if days.is_integer() else days


def sees(ctx: Context, poll: Poll, language: str) -> str:
    """The one line that says who can see what."""
    who = "anonymous" if poll.question.anonymous else "named"
    numbers = "hidden" if poll.question.hidden else "live"
    say = ctx.desk.texts.say
    between = "" if language == "zh" else " "  # Chinese full stops bring their own space
    return f"🔒 {say(language, f'poll.sees.{who}')}{between}{say(language, f'poll.numbers.{numbers}')}"


def _buttons(ctx: Context, poll: Poll, channel: Channel, language: str) -> tuple[Button, ...]:
    def button(label: str, what: str) -> Button:
        return Button(label, ctx.desk.signer.make(poll.name, what, channel))

    found = [button(choice_label(poll, option), f"vote:{option.number}") for option in poll.question.shown]
    if poll.question.kind is Kind.OPEN:
        found.append(button(ctx.desk.texts.say(language, "poll.button.add"), "add"))
    found.append(button(ctx.desk.texts.say(language, "poll.button.mine"), "mine"))
    return tuple(found)


def choice_label(poll: Poll, option: Option) -> str:
    """What stands on an option's button."""
    return "⭐" * option.number if poll.question.kind is Kind.RATING else safe(option.text)


def fits_native(ctx: Context, poll: Poll, channel: Channel) -> bool:
    """Whether the platform's own poll can hold what this one needs.

    Anonymous polls never do: who makes a native poll can see its voters, or cannot merge them with others'.
    """
    found = ctx.desk.capabilities.get(channel.platform)
    limits = found.polls if found else None
    question, shown_options = poll.question, poll.question.shown
    if limits is None or question.anonymous or question.restrictions.any:
        return False
    if question.kind not in {Kind.SINGLE, Kind.MULTIPLE, Kind.QUIZ, Kind.CONSENT}:
        return False
    return (
        (not question.hidden or limits.hides)
        and (not question.fixed or limits.fixes)
        and (question.kind is not Kind.QUIZ or limits.quiz)
        and (question.kind is not Kind.MULTIPLE or question.limit >= len(shown_options))
        and len(question.text) <= limits.question
        and len(shown_options) <= limits.options
        and all(len(option.text) <= limits.option for option in shown_options)
        and (not poll.closes_at or limits.shortest <= poll.closes_at - poll.opened_at <= limits.longest)
    )


def native(ctx: Context, poll: Poll, channel: Channel) -> NativePoll:
    """The same as a platform's own poll."""
    question, now = poll.question, ctx.now
    shown_options = question.shown
    correct = next((at for at, one in enumerate(shown_options) if one.number == question.correct), None)
    return NativePoll(
        question.text,
        tuple(one.text for one in shown_options),
        closes_in=max(poll.closes_at - now, 1.0) if poll.closes_at else 7 * 86400.0,
        multiple=question.kind is Kind.MULTIPLE,
        hidden=question.hidden,
        revoting=not question.fixed,
        correct=correct if question.kind is Kind.QUIZ else None,
        explanation=question.explanation,
        description="🔒 " + ctx.desk.texts.say(ctx.desk.language(channel), "poll.sees.native"),
    )
