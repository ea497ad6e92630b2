"""What a poll came to: the result's card with its chart, the receipt, the files to take away."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import logging
import re
import unicodedata
from collections.abc import Collection, Mapping

from bot.charts import chart
from bot.chat.messages import Button, Card, Document
from bot.domain.delivery import Urgency
from bot.domain.polls import Kind, Poll, State
from bot.domain.tally import Tally, split
from bot.domain.text import cut, fit
from bot.drafting.characters import strip_invisible
from bot.engine.registry import Act, Create, Nothing, Registry
from bot.handlers import public, rooms
from bot.handlers.context import Context
from bot.handlers.payloads import new_id
from bot.handlers.polls import panel, posting
from bot.locales import Catalogue, Value
from bot.storage.outbox import Delivery, Order

RESULT = "poll_result"
DRAWING_SECONDS = 20.0

log = logging.getLogger("herald.polls")


def register(registry: Registry[Context]) -> None:
    """Declare results as outgoing messages."""
    registry.outgoing(RESULT, _prepare, public.unclear, once=True)


def short(poll: Poll) -> str:
    """The question, for a line."""
    return cut(panel.safe(poll.question.text), 80)


def active(ctx: Context, poll: Poll) -> int:
    """How many members wrote something lately in the poll's channels, as far as they are watched; 0: not known."""
    since = ctx.now - ctx.desk.active_seconds
    return ctx.work.comments.authors([(one.platform, one.channel_id) for one in poll.channels], since)


async def pictures(texts: Catalogue, poll: Poll, tally: Tally, languages: Collection[str]) -> dict[str, bytes]:
    """The chart in each language; none where it cannot be drawn, which must not hold up the result."""
    bars = [(panel.choice_label(poll, one), tally.counts.get(one.number, 0)) for one in poll.question.shown]
    winners = frozenset(at for at, one in enumerate(poll.question.shown) if one.number in tally.leaders)
    voters = tally.voters if poll.question.kind is Kind.MULTIPLE else None
    found: dict[str, bytes] = {}
    for language in languages:
        subtitle = texts.say(language, "poll.closed", count=tally.voters)
        try:
            async with asyncio.timeout(DRAWING_SECONDS):
                found[language] = await asyncio.to_thread(
                    chart, poll.question.text, bars, language, subtitle, winners, voters
                )
        except Exception:
            log.exception("no chart of poll %d", poll.id)
    return found


def announce(ctx: Context, poll: Poll, tally: Tally) -> None:
    """Put the result into every room, and tell the team what it should look at."""
    for channel in poll.channels:
        details, status = _lines(ctx, poll, tally, ctx.desk.language(channel))
        extra: dict[str, object] = {"poll": poll.id, "details": list(details), "status": list(status)}
        lane = f"poll_result:{poll.id}:{channel}"
        ctx.work.outbox.add(Order(new_id(), RESULT, lane, channel, Urgency.ALERT, extra=extra))
    _report(ctx, poll)


def show(ctx: Context, poll: Poll, charts: Mapping[str, bytes]) -> None:
    """Put the chart under the result in every room."""
    for channel in poll.channels:
        language = ctx.desk.language(channel)
        if (picture := charts.get(language)) is not None:
            text = ctx.desk.texts.say(language, "poll.chart", question=short(poll))
            document = Document(f"poll-{poll.id}.png", "image/png", picture, text)
            public.send_file(ctx, channel, document, f"poll_result:{poll.id}:{channel}")


def _prepare(ctx: Context, row: Delivery) -> Act:
    poll = ctx.work.polls.get(int(str(row.extra["poll"])))
    if poll is None:
        return Nothing()
    language = ctx.desk.language(row.to)
    again = ctx.desk.signer.make(poll.name, "follow", row.to)
    details, status = (_texts(row.extra.get(part)) for part in ("details", "status"))
    return Create(
        Card(
            ctx.desk.texts.say(language, "poll.result.title", question=panel.title(poll)),
            details=details,
            status=status,
            buttons=(Button(ctx.desk.texts.say(language, "poll.button.follow"), again),),
            tone="good",
        ),
        row.to,
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list) else ()


def _lines(ctx: Context, poll: Poll, tally: Tally, language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The numbers, and what they mean."""
    texts = ctx.desk.texts
    status = [_verdict(texts, poll, tally, language), *_kind_lines(texts, poll, tally, language)]
    turnout: dict[str, Value] = {"count": tally.voters, "active": active(ctx, poll)}
    of = "poll.turnout.of" if active(ctx, poll) >= tally.voters > 0 else "poll.turnout.plain"
    status.append(texts.say(language, of, **turnout))
    for place, votes in sorted(split(poll.question, tally).items()):
        status.append(_place_line(ctx, poll, tally.voters_by_place[place], place, votes, language))
    refused = ctx.work.polls.refusals(poll.id)
    if refused:
        rules = ", ".join(f"{texts.say(language, f'poll.rule.{rule}')}: {n}" for rule, n in sorted(refused.items()))
        status.append(texts.say(language, "poll.excluded", rules=rules))
    status += [panel.safe(line) for line in poll.edits]
    last = [panel.sees(ctx, poll, language)]
    record = json.loads(ctx.work.polls.receipt(poll.id) or "{}")
    if ballots := record.get("ballots"):
        last.append(texts.say(language, "poll.receipt.line", number=poll.id, hash=str(ballots["sha256"])))
    options = panel.option_lines(ctx, poll, tally, language)
    title = texts.say(language, "poll.result.title", question=panel.title(poll))
    room = panel.room_beside(title, *options, *last)
    return options, (*fit([line for line in status if line], room), *last)


def _verdict(texts: Catalogue, poll: Poll, tally: Tally, language: str) -> str:
    names = [panel.choice_label(poll, one) for one in poll.question.shown if one.number in tally.leaders]
    if poll.question.kind is Kind.QUIZ and tally.voters:
        return ""  # what most people pressed need not be right
    if not names:  # abstentions decide nothing
        return texts.say(language, "poll.result.undecided" if tally.voters else "poll.result.none")
    if len(names) > 1:
        return texts.say(language, "poll.result.tie", names=", ".join(names))
    return texts.say(language, "poll.result.winner", name=names[0], count=tally.margin)


def _kind_lines(texts: Catalogue, poll: Poll, tally: Tally, language: str) -> list[str]:
    question = poll.question
    if question.kind is Kind.RATING and tally.average is not None:
        return [texts.say(language, "poll.result.average", average=f"{tally.average:.2f}")]
    if question.kind is Kind.QUIZ and poll.state is State.CLOSED and (right := question.option(question.correct)):
        line = texts.say(language, "poll.result.right", name=panel.safe(right.text), count=tally.right or 0)
        return [line, panel.safe(question.explanation)]
    if question.kind is Kind.RANKED and tally.ranked is not None:
        return ranked_lines(texts, poll, tally, language)
    return []


def ranked_lines(texts: Catalogue, poll: Poll, tally: Tally, language: str) -> list[str]:
    """The rounds, the ties, and the Condorcet winner where it is another."""
    ranked = tally.ranked
    if ranked is None:
        return []

    def name(number: int) -> str:
        option = poll.question.option(number)
        return panel.safe(option.text) if option else f"#{number}"

    lines = []
    for at, one in enumerate(ranked.rounds, 1):
        ordered = sorted(one.counts.items(), key=lambda pair: -pair[1])
        counts = ", ".join(f"{name(number)} {votes}" for number, votes in ordered)
        lines.append(texts.say(language, "poll.result.round", number=at, counts=counts))
        if one.tie is not None:
            tied = ", ".join(name(number) for number in one.tie.options)
            lines.append(texts.say(language, f"poll.tie.{one.tie.rule.value}", names=tied, number=one.tie.level))
        if one.out:
            lines.append(texts.say(language, "poll.result.out", names=", ".join(name(number) for number in one.out)))
    if ranked.condorcet is not None and ranked.condorcet not in tally.leaders:
        lines.append(texts.say(language, "poll.result.condorcet", name=name(ranked.condorcet)))
    return lines


def _place_line(ctx: Context, poll: Poll, voters: int, place: str, votes: Mapping[int, int], language: str) -> str:
    platform, _, channel_id = place.partition(":")
    counts = ", ".join(
        f"{cut(panel.choice_label(poll, one), 30)} {votes.get(one.number, 0)}" for one in poll.question.shown
    )
    where = rooms.name_of(ctx, platform, channel_id)
    return ctx.desk.texts.say(language, "poll.place", where=where, count=voters, counts=counts)


def _report(ctx: Context, poll: Poll) -> None:
    for key, values in signs(ctx, poll):
        public.tell_team(ctx, posting.NOTES, key, values)


def signs(ctx: Context, poll: Poll) -> list[tuple[str, dict[str, Value]]]:
    """Signs of second accounts among the votes that count now, by reason: texts for people who look at them."""
    signals = ctx.work.polls.signals(poll.id)
    voted = ctx.work.ballots.members(poll.id) if signals else set()
    found: dict[str, list[str]] = {}
    for signal in signals:
        if signal.who in voted:
            found.setdefault(signal.reason, []).append(signal.who)
    return [
        (f"poll.signal.{reason}", {"number": poll.id, "count": len(who), "who": ", ".join(sorted(who)[:20])})
        for reason, who in sorted(found.items())
    ]


def table(poll: Poll, tally: Tally, ballots: list[tuple[str, tuple[int, ...]]]) -> bytes:
    """CSV of the counts, and of the ballots where rules allow it. Cells that a spreadsheet would run are made text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["option", "text", "votes"])
    writer.writerows([one.number, _cell(one.text), tally.counts.get(one.number, 0)] for one in poll.question.shown)
    writer.writerow([])
    writer.writerow(["voter", "choice"])
    writer.writerows([voter, " ".join(map(str, choice))] for voter, choice in ballots)
    return out.getvalue().encode("utf-8-sig")


_FORMULA = re.compile(r"(?:^|(?<=;))(?=\s*[=+\-@\u2212])")
"""Where a spreadsheet may begin to compute; some take semicolons for the ends of cells, quoted or not."""


def _cell(text: str) -> str:
    """The text, marked as one where it looks like a formula (also in wide signs, or behind unseen ones)."""
    plain = unicodedata.normalize("NFKC", strip_invisible(text))
    return text if not _FORMULA.search(plain) else "'" + text.replace(";", ";'").replace("；", "；'")


def summary(ctx: Context, poll: Poll, tally: Tally, language: str) -> str:
    """The numbers as a text, for whoever asked."""
    details, status = _lines(ctx, poll, tally, language)
    return "\n".join([f"📊 #{poll.id} {panel.safe(poll.question.text)}", *details, *status])
