"""The life of a poll: what may be done to it when. Pure; each step gives the poll as it is then, or why not.

preview -> scheduled -> open -> closed        cancelled: from preview, scheduled, open

Whoever stores the outcome compares state and revision (compare-and-swap), so that of two steps at once one holds.
Whether the one who asks has the right is looked at before.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import replace

from bot.domain.polls import (
    ABSTAIN,
    ANYBODY,
    MAX_EDITS,
    MAX_EXPLANATION,
    MAX_OPTION,
    MAX_OPTIONS,
    MAX_QUESTION,
    MAX_SECONDS,
    STARS,
    Kind,
    Option,
    OptionState,
    Poll,
    Question,
    Refused,
    State,
)

_GIVEN = {Kind.RATING: STARS, Kind.CONSENT: ABSTAIN}
"""Kinds whose options are not the asker's, and how many they have."""


def tidy(text: str) -> str:
    """A text in one line: runs of white space are one space, composed characters are one (NFC).

    Controls and halves of characters, which nobody types and not every database and file can hold, are left out.
    """
    typed = unicodedata.normalize("NFC", text)
    kept = "".join(one for one in typed if one.isspace() or unicodedata.category(one) not in {"Cc", "Cs"})
    return " ".join(kept.split())


def alike(text: str) -> str:
    """What two texts have in common if people would read them as the same: case, width, white space, and what cannot be
    seen are left out."""
    seen = "".join(one for one in text if one.isspace() or not _unseen(one))
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold()).split())


def _unseen(one: str) -> bool:
    """Controls, marks of direction and joining, and selectors of a variant (of an emoji, say)."""
    return unicodedata.category(one) in {"Cf", "Cc"} or "\ufe00" <= one <= "\ufe0f"


def check(question: Question) -> Refused | None:
    """What is wrong with a new question, if anything: its text, its options, its limits."""
    return _asked_wrong(question.text) or _options_wrong(question) or _numbers_wrong(question)


def _asked_wrong(text: str) -> Refused | None:
    if not alike(text):
        return Refused("no_question")
    return Refused("question_long", {"length": len(text), "limit": MAX_QUESTION}) if len(text) > MAX_QUESTION else None


def _options_wrong(question: Question) -> Refused | None:
    given, number = _GIVEN.get(question.kind), len(question.options)
    if given is not None and number != given:
        return Refused("kind_options", {"count": given})
    least = 0 if question.kind is Kind.OPEN else 2
    if number < least:
        return Refused("few_options", {"count": number, "least": least})
    if number > MAX_OPTIONS:
        return Refused("many_options", {"count": number, "limit": MAX_OPTIONS})
    for at, option in enumerate(question.options):
        wrong = _text_wrong(option.text, option.number, question.options[:at])
        if wrong is not None:
            return wrong
    return None


def _text_wrong(text: str, number: int, others: Iterable[Option]) -> Refused | None:
    """What is wrong with an option's text beside these others."""
    if not alike(text):
        return Refused("empty_option", {"number": number})
    if len(text) > MAX_OPTION:
        return Refused("option_long", {"number": number, "length": len(text), "limit": MAX_OPTION})
    same = next((one for one in others if alike(one.text) == alike(text)), None)
    return Refused("duplicate", {"option": text, "number": same.number}) if same else None


def _numbers_wrong(question: Question) -> Refused | None:
    number = len(question.options)
    if question.kind is Kind.MULTIPLE and not 1 <= question.limit <= number:
        return Refused("limit_range", {"limit": question.limit, "count": number})
    if question.kind is Kind.QUIZ and question.option(question.correct) is None:
        return Refused("no_correct", {"count": number})
    if len(question.explanation) > MAX_EXPLANATION:
        return Refused("explanation_long", {"length": len(question.explanation), "limit": MAX_EXPLANATION})
    return None


def check_times(opens_at: float, closes_at: float, now: float) -> Refused | None:
    """What is wrong with a poll's times, if anything; 0.0 is at once and never."""
    begins = max(opens_at, now)
    if not closes_at:
        return None
    if closes_at <= now:
        return Refused("time_past")
    if closes_at <= begins:
        return Refused("ends_first")
    return Refused("too_long", {"days": round(MAX_SECONDS / 86400)}) if closes_at - begins > MAX_SECONDS else None


def confirm(poll: Poll, now: float) -> Poll | Refused:
    """Its maker has seen the preview and wants it so. It opens at its time (`open`): at once where none is told, or
    where it has gone by."""
    if poll.state is not State.PREVIEW:
        return _stands(poll)
    wrong = check(poll.question) or check_times(poll.opens_at, poll.closes_at, now)
    return wrong or replace(poll, state=State.SCHEDULED, opens_at=max(poll.opens_at, now))


def open(poll: Poll, now: float) -> Poll | Refused:
    """Votes are taken from now on. Where its end has gone by while nothing ran, it lasts as long as it was meant to."""
    if poll.state is not State.SCHEDULED:
        return _stands(poll)
    closes_at = poll.closes_at
    if closes_at and closes_at <= now:
        if not poll.lasts:
            return Refused("time_past")
        closes_at = now + poll.lasts
    return replace(poll, state=State.OPEN, opened_at=now, closes_at=closes_at)


def voting(poll: Poll, at: float) -> Refused | None:
    """Why a vote that came at this time does not count, if so: the end holds also before the poll has been closed."""
    if poll.state is not State.OPEN:
        return Refused("not_open") if poll.state is State.SCHEDULED else _stands(poll)
    return Refused("closed") if poll.closes_at and at >= poll.closes_at else None


def close(poll: Poll, now: float) -> Poll | Refused:
    """No vote counts from now on: its end has come, or a host closes it early."""
    if poll.state is not State.OPEN:
        return Refused("not_open") if poll.state is State.SCHEDULED else _stands(poll)
    return replace(poll, state=State.CLOSED, closed_at=now)


def cancel(poll: Poll, now: float) -> Poll | Refused:
    """It is called off, or its preview is thrown away (then it never opens): no result."""
    if poll.state in {State.CLOSED, State.CANCELLED}:
        return _stands(poll)
    opens_at = 0.0 if poll.state is State.PREVIEW else poll.opens_at
    return replace(poll, state=State.CANCELLED, opens_at=opens_at, closed_at=now)


def extend(poll: Poll, until: float, now: float) -> Poll | Refused:
    """It ends later: never earlier, since people rely on the end (closing early is `close`), and within MAX_SECONDS of
    its beginning."""
    if poll.state not in {State.OPEN, State.SCHEDULED}:
        return _stands(poll)
    if not poll.closes_at:
        return Refused("endless")
    if poll.state is State.OPEN and poll.closes_at <= now:
        return Refused("closed")
    if until <= poll.closes_at:
        return Refused("not_later")
    begins = poll.opened_at if poll.state is State.OPEN else poll.opens_at
    if until - begins > MAX_SECONDS:
        return Refused("too_long", {"days": round(MAX_SECONDS / 86400)})
    return replace(poll, closes_at=until, lasts=until - begins, revision=poll.revision + 1)


def correct(poll: Poll, number: int, text: str, voted: bool, now: float) -> Poll | Refused:
    """A slip of the pen is put right: in the question (`number` 0) or in an option.

    Until somebody has voted (`voted`) only the poll's log tells of it; after that the poll itself does, in `edits`, for
    whoever voted for the old words. `now` is when.
    """
    if poll.state in {State.CLOSED, State.CANCELLED}:
        return _stands(poll)
    fresh, question = tidy(text), poll.question
    if number == 0:
        before, changed, wrong = question.text, replace(question, text=fresh), _asked_wrong(fresh)
    elif (option := question.option(number)) is None or question.kind in _GIVEN:
        return Refused("no_option") if question.kind not in _GIVEN else Refused("set_options")
    else:
        others = [one for one in _live(question) if one.number != number]
        before, changed = option.text, _with(question, replace(option, text=fresh))
        wrong = _text_wrong(fresh, number, others)
    wrong = wrong or _no_edit(poll, before, fresh, voted)
    if wrong is not None:
        return wrong
    edits = (*poll.edits, f"{before} → {fresh}") if voted else poll.edits
    return replace(_revised(poll, changed), edits=edits)


def _no_edit(poll: Poll, before: str, after: str, voted: bool) -> Refused | None:
    if before == after:
        return Refused("unchanged")
    return Refused("many_edits", {"limit": MAX_EDITS}) if voted and len(poll.edits) >= MAX_EDITS else None


def add(poll: Poll, text: str, by: str, now: float) -> Poll | Refused:
    """A member adds an option, which is the last one then; it waits for a host where the poll wants that."""
    refused, question, fresh = voting(poll, now), poll.question, tidy(text)
    if refused is not None:
        return refused
    if question.kind is not Kind.OPEN:
        return Refused("not_addable")
    number = max((one.number for one in question.options), default=0) + 1
    same = next((one for one in question.options if alike(one.text) == alike(fresh)), None)
    if same is not None and same.state is OptionState.REFUSED:
        return Refused("option_refused")
    wrong = _text_wrong(fresh, number, question.options)
    if wrong is not None:
        return wrong
    if len(_live(question)) >= MAX_OPTIONS:
        return Refused("many_options", {"count": len(_live(question)) + 1, "limit": MAX_OPTIONS})
    state = OptionState.WAITING if question.approval else OptionState.SHOWN
    option = Option(number, fresh, state, ANYBODY if question.anonymous or not by else by)
    return _revised(poll, replace(question, options=(*question.options, option)))


def let_in(poll: Poll, number: int, now: float) -> Poll | Refused:
    """A host lets a member's option in."""
    option = poll.question.option(number)
    refused = voting(poll, now) or _not_theirs(option)
    if refused is not None or option is None:
        return refused or Refused("no_option")
    if option.state is not OptionState.WAITING:
        return Refused("unchanged")
    return _revised(poll, _with(poll.question, replace(option, state=OptionState.SHOWN)))


def keep_out(poll: Poll, number: int, now: float) -> Poll | Refused:
    """A host refuses a member's option. Votes that it has had count no more, so that is shown on the poll (`edits`)."""
    option = poll.question.option(number)
    refused = voting(poll, now) or _not_theirs(option)
    if refused is not None or option is None:
        return refused or Refused("no_option")
    if option.state is OptionState.REFUSED:
        return Refused("unchanged")
    edits = (*poll.edits, f"#{number} ✕") if option.state is OptionState.SHOWN else poll.edits
    after = _revised(poll, _with(poll.question, replace(option, state=OptionState.REFUSED)))
    return replace(after, edits=edits)


def _stands(poll: Poll) -> Refused:
    """Why a step is not for a poll that stands where this one does."""
    match poll.state:
        case State.PREVIEW:
            return Refused("unconfirmed")
        case State.SCHEDULED | State.OPEN:
            return Refused("already")
        case State.CLOSED:
            return Refused("closed")
        case State.CANCELLED:
            return Refused("cancelled")


def _live(question: Question) -> list[Option]:
    """Options that can be chosen, or may be one day."""
    return [one for one in question.options if one.state is not OptionState.REFUSED]


def _not_theirs(option: Option | None) -> Refused | None:
    """Options of the question itself are not a host's to take away once it is asked."""
    return Refused("own_option") if option is not None and not option.by else None


def _with(question: Question, option: Option) -> Question:
    return replace(question, options=tuple(option if one.number == option.number else one for one in question.options))


def _revised(poll: Poll, question: Question) -> Poll:
    return replace(poll, question=question, revision=poll.revision + 1)
