"""The life of a poll, step by step; what each step refuses, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.domain import polling
from bot.domain.places import Channel, Member
from bot.domain.polls import (
    ANYBODY,
    MAX_EDITS,
    MAX_OPTION,
    MAX_OPTIONS,
    MAX_QUESTION,
    MAX_SECONDS,
    Kind,
    Option,
    OptionState,
    Poll,
    Question,
    Refused,
    State,
)

NOW = 1_000_000.0
HOUR = 3600.0
S = State
WAITING, SHOWN, REFUSED = OptionState.WAITING, OptionState.SHOWN, OptionState.REFUSED


def options(*texts: str) -> tuple[Option, ...]:
    return tuple(Option(number, text) for number, text in enumerate(texts, 1))


def poll(state: State = S.OPEN, asked: Question | None = None, **more: float) -> Poll:
    times = {"opens_at": NOW, "closes_at": NOW + HOUR, "opened_at": NOW if state is S.OPEN else 0.0} | more
    host, room = Member("slack", "T1", "U1"), Channel("slack", "T1", "C1")
    asked = asked or Question("Where?", options("Hangzhou", "Chengdu"))
    return Poll(1, "p.abc", asked, state, host, "Ana", "en", (room,), NOW, **times)  # type: ignore[arg-type]


def done(outcome: Poll | Refused) -> Poll:
    assert isinstance(outcome, Poll), outcome
    return outcome


def why(outcome: Poll | Refused | None) -> str | None:
    assert not isinstance(outcome, Poll)
    return outcome.why if outcome else None


# --- which step where ----------------------------------------------------------------------------------------------

MANY = options(*(f"option {number}" for number in range(MAX_OPTIONS)))
OPEN_ANSWERS = Question(
    "Which taste?", (*options("plum"), Option(2, "mint", WAITING, "*"), Option(3, "lime", by="*")), Kind.OPEN
)
STEPS: dict[str, Callable[[Poll], Poll | Refused]] = {
    "confirm": lambda one: polling.confirm(one, NOW),
    "open": lambda one: polling.open(one, NOW),
    "close": lambda one: polling.close(one, NOW),
    "cancel": lambda one: polling.cancel(one, NOW),
    "extend": lambda one: polling.extend(one, NOW + 2 * HOUR, NOW),
    "correct": lambda one: polling.correct(one, 0, "What taste?", False, NOW),
    "add": lambda one: polling.add(one, "kiwi", "slack:T1:U2", NOW),
    "let_in": lambda one: polling.let_in(one, 2, NOW),
    "keep_out": lambda one: polling.keep_out(one, 2, NOW),
}
FROM: dict[str, dict[State, str]] = {
    "confirm": {S.SCHEDULED: "already", S.OPEN: "already", S.CLOSED: "closed", S.CANCELLED: "cancelled"},
    "open": {S.PREVIEW: "unconfirmed", S.OPEN: "already", S.CLOSED: "closed", S.CANCELLED: "cancelled"},
    "close": {S.PREVIEW: "unconfirmed", S.SCHEDULED: "not_open", S.CLOSED: "closed", S.CANCELLED: "cancelled"},
    "cancel": {S.CLOSED: "closed", S.CANCELLED: "cancelled"},
    "extend": {S.PREVIEW: "unconfirmed", S.CLOSED: "closed", S.CANCELLED: "cancelled"},
    "correct": {S.CLOSED: "closed", S.CANCELLED: "cancelled"},
    "add": {S.PREVIEW: "unconfirmed", S.SCHEDULED: "not_open", S.CLOSED: "closed", S.CANCELLED: "cancelled"},
    "let_in": {S.PREVIEW: "unconfirmed", S.SCHEDULED: "not_open", S.CLOSED: "closed", S.CANCELLED: "cancelled"},
    "keep_out": {S.PREVIEW: "unconfirmed", S.SCHEDULED: "not_open", S.CLOSED: "closed", S.CANCELLED: "cancelled"},
}
TO = {"confirm": S.SCHEDULED, "open": S.OPEN, "close": S.CLOSED, "cancel": S.CANCELLED}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("state", S)
def test_a_step_is_possible_from_some_states_only(step: str, state: State) -> None:
    before = poll(state, OPEN_ANSWERS)
    outcome = STEPS[step](before)
    if state in FROM[step]:
        assert why(outcome) == FROM[step][state]
    else:
        assert done(outcome).state is TO.get(step, state)
        assert outcome != before


@pytest.mark.parametrize("step", STEPS)
def test_a_change_of_what_is_shown_makes_a_new_revision(step: str) -> None:
    before = next(one for state in S if state not in FROM[step] for one in [poll(state, OPEN_ANSWERS)])
    grows = step in {"extend", "correct", "add", "let_in", "keep_out"}
    assert done(STEPS[step](before)).revision == before.revision + grows


@pytest.mark.parametrize(
    ("state", "at", "refused"),
    [
        (S.OPEN, NOW + HOUR - 0.001, None),
        (S.OPEN, NOW + HOUR, "closed"),
        (S.PREVIEW, NOW, "unconfirmed"),
        (S.SCHEDULED, NOW, "not_open"),
        (S.CLOSED, NOW, "closed"),
        (S.CANCELLED, NOW, "cancelled"),
    ],
)
def test_votes_count_while_it_is_open_and_before_its_end(state: State, at: float, refused: str | None) -> None:
    assert why(polling.voting(poll(state), at)) == refused
    if state is S.OPEN:
        assert polling.voting(poll(closes_at=0.0), at) is None


# --- times ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opens_at", "closes_at", "wrong"),
    [
        (0.0, 0.0, None),
        (0.0, NOW + 1, None),
        (NOW - HOUR, NOW + MAX_SECONDS, None),
        (NOW + HOUR, NOW + HOUR + MAX_SECONDS, None),
        (0.0, NOW, "time_past"),
        (NOW + HOUR, NOW + HOUR, "ends_first"),
        (0.0, NOW + MAX_SECONDS + 1, "too_long"),
        (NOW + HOUR, NOW + HOUR + MAX_SECONDS + 1, "too_long"),
    ],
)
def test_a_poll_ends_after_it_begins_and_within_a_month(opens_at: float, closes_at: float, wrong: str | None) -> None:
    assert why(polling.check_times(opens_at, closes_at, NOW)) == wrong
    outcome = polling.confirm(poll(S.PREVIEW, opens_at=opens_at, closes_at=closes_at), NOW)
    if wrong is None:
        assert done(outcome).opens_at == max(opens_at, NOW)
    else:
        assert why(outcome) == wrong


def test_a_bad_question_is_not_published() -> None:
    assert why(polling.confirm(poll(S.PREVIEW, Question("Where?", options("a"))), NOW)) == "few_options"


def test_opening_keeps_the_end_that_people_were_told() -> None:
    opened = done(polling.open(poll(S.SCHEDULED, lasts=HOUR), NOW + 60))
    assert (opened.opened_at, opened.closes_at) == (NOW + 60, NOW + HOUR)


def test_a_poll_whose_time_went_by_unseen_lasts_as_long_as_it_was_meant_to() -> None:
    late = NOW + 3 * HOUR
    opened = done(polling.open(poll(S.SCHEDULED, lasts=HOUR), late))
    assert (opened.opened_at, opened.closes_at) == (late, late + HOUR)
    assert why(polling.open(poll(S.SCHEDULED), late)) == "time_past"
    assert done(polling.open(poll(S.SCHEDULED, closes_at=0.0), late)).closes_at == 0.0


def test_closing_and_cancelling_note_when() -> None:
    assert done(polling.close(poll(), NOW + 5)).closed_at == NOW + 5
    assert done(polling.cancel(poll(), NOW + 5)).closed_at == NOW + 5


@pytest.mark.parametrize(
    ("until", "wrong"),
    [
        (NOW + HOUR + 1, None),
        (NOW + MAX_SECONDS, None),
        (NOW + HOUR, "not_later"),
        (NOW + 60, "not_later"),
        (NOW + MAX_SECONDS + 1, "too_long"),
    ],
)
@pytest.mark.parametrize("state", [S.OPEN, S.SCHEDULED])
def test_an_end_moves_to_later_only_and_not_beyond_a_month(state: State, until: float, wrong: str | None) -> None:
    outcome = polling.extend(poll(state), until, NOW + 30)
    if wrong is None:
        assert (done(outcome).closes_at, done(outcome).lasts) == (until, until - NOW)
    else:
        assert why(outcome) == wrong


def test_the_month_begins_when_it_was_opened() -> None:
    late = poll(opens_at=NOW, opened_at=NOW + HOUR / 2)
    assert done(polling.extend(late, NOW + HOUR / 2 + MAX_SECONDS, NOW + HOUR / 2)).lasts == MAX_SECONDS


def test_what_has_no_end_or_is_at_its_end_cannot_be_extended() -> None:
    assert why(polling.extend(poll(closes_at=0.0), NOW + HOUR, NOW)) == "endless"
    assert why(polling.extend(poll(), NOW + 2 * HOUR, NOW + HOUR)) == "closed"


# --- corrections ---------------------------------------------------------------------------------------------------


def test_before_the_first_vote_a_correction_is_silent() -> None:
    after = done(polling.correct(poll(), 1, " Hang  zhou ", False, NOW))
    assert (after.question.options[0].text, after.edits) == ("Hang zhou", ())


def test_after_the_first_vote_it_shows() -> None:
    after = done(polling.correct(poll(), 1, "Suzhou", True, NOW))
    after = done(polling.correct(after, 0, "Where to?", True, NOW))
    assert (after.question.text, after.question.options[0]) == ("Where to?", Option(1, "Suzhou"))
    assert (after.edits, after.revision) == (("Hangzhou → Suzhou", "Where? → Where to?"), 2)


@pytest.mark.parametrize(
    ("number", "text", "wrong"),
    [
        (3, "x", "no_option"),
        (1, "CHENGDU", "duplicate"),
        (1, "Hangzhou", "unchanged"),
        (1, " ", "empty_option"),
        (1, "x" * (MAX_OPTION + 1), "option_long"),
        (0, "", "no_question"),
        (0, "q" * (MAX_QUESTION + 1), "question_long"),
        (0, " Where?", "unchanged"),
    ],
)
def test_a_correction_keeps_to_the_rules_of_questions(number: int, text: str, wrong: str) -> None:
    assert why(polling.correct(poll(), number, text, False, NOW)) == wrong


def test_case_can_be_corrected() -> None:
    assert done(polling.correct(poll(), 1, "HangZhou", False, NOW)).question.options[0].text == "HangZhou"


def test_the_room_for_visible_corrections_is_limited() -> None:
    full = replace(poll(), edits=("x → y",) * MAX_EDITS)
    assert why(polling.correct(full, 1, "Suzhou", True, NOW)) == "many_edits"
    assert done(polling.correct(full, 1, "Suzhou", False, NOW)).edits == full.edits


@pytest.mark.parametrize("kind", [Kind.RATING, Kind.CONSENT])
def test_options_that_belong_to_the_kind_stay(kind: Kind) -> None:
    asked = poll(asked=Question("?", options("1", "2", "3"), kind))
    assert why(polling.correct(asked, 1, "x", False, NOW)) == "set_options"
    assert done(polling.correct(asked, 0, "x", False, NOW)).question.text == "x"


# --- options of members --------------------------------------------------------------------------------------------


def open_answers(**more: bool) -> Poll:
    return poll(asked=replace(OPEN_ANSWERS, **more))  # type: ignore[arg-type]


def test_a_members_option_comes_last_and_waits_where_that_is_wanted() -> None:
    after = done(polling.add(open_answers(), " kiwi\n", "slack:T1:U2", NOW))
    assert after.question.options[-1] == Option(4, "kiwi", SHOWN, "slack:T1:U2")
    after = done(polling.add(open_answers(approval=True), "kiwi", "slack:T1:U2", NOW))
    assert after.question.options[-1].state is WAITING


def test_nobody_is_named_for_an_option_of_an_anonymous_poll() -> None:
    after = done(polling.add(open_answers(anonymous=True), "kiwi", "slack:T1:U2", NOW))
    assert after.question.options[-1].by == ANYBODY


def test_the_first_option_can_come_from_a_member() -> None:
    after = done(polling.add(poll(asked=Question("?", (), Kind.OPEN)), "kiwi", "", NOW))
    assert after.question.options == (Option(1, "kiwi", SHOWN, ANYBODY),)


@pytest.mark.parametrize("text", ["PLUM", " mint ", "ｌｉｍｅ"])
def test_what_is_there_cannot_be_added(text: str) -> None:
    assert why(polling.add(open_answers(), text, "", NOW)) == "duplicate"


def test_what_was_refused_stays_refused_and_its_number_is_not_given_again() -> None:
    after = done(polling.keep_out(open_answers(), 3, NOW))
    assert why(polling.add(after, "Lime", "", NOW)) == "option_refused"
    assert done(polling.add(after, "kiwi", "", NOW)).question.options[-1].number == 4


def test_options_are_added_to_open_polls_only_and_within_the_limits() -> None:
    assert why(polling.add(poll(), "kiwi", "", NOW)) == "not_addable"
    assert why(polling.add(open_answers(), "", "", NOW)) == "empty_option"
    assert why(polling.add(open_answers(), "x" * (MAX_OPTION + 1), "", NOW)) == "option_long"
    assert why(polling.add(open_answers(), "kiwi", "", NOW + HOUR)) == "closed"
    full = poll(asked=Question("?", MANY, Kind.OPEN))
    limits = {"count": MAX_OPTIONS + 1, "limit": MAX_OPTIONS}
    assert polling.add(full, "kiwi", "", NOW) == Refused("many_options", limits)
    made_room = replace(MANY[0], state=REFUSED)
    assert done(polling.add(poll(asked=Question("?", (made_room, *MANY[1:]), Kind.OPEN)), "kiwi", "", NOW))


def test_a_host_decides_on_members_options() -> None:
    assert done(polling.let_in(open_answers(), 2, NOW)).question.options[1].state is SHOWN
    refused = done(polling.keep_out(open_answers(), 2, NOW))
    assert (refused.question.options[1].state, refused.edits) == (REFUSED, ())
    assert why(polling.let_in(refused, 2, NOW)) == "unchanged"
    assert why(polling.keep_out(refused, 2, NOW)) == "unchanged"
    assert why(polling.let_in(open_answers(), 3, NOW)) == "unchanged"


def test_a_shown_option_is_not_taken_away_in_silence() -> None:
    assert done(polling.keep_out(open_answers(), 3, NOW)).edits == ("#3 ✕",)


@pytest.mark.parametrize("step", [polling.let_in, polling.keep_out])
def test_the_questions_own_options_stay(step: Callable[[Poll, int, float], Poll | Refused]) -> None:
    assert why(step(open_answers(), 1, NOW)) == "own_option"
    assert why(step(open_answers(), 9, NOW)) == "no_option"
