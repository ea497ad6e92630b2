"""The life of a giveaway, step by step: times to the second, what each refusal says, and the beacon's round."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.domain import giving
from bot.domain.giveaways import MAX_SECONDS, Contest, Giveaway, Offer, Refused, State
from bot.domain.places import Channel, Member

S = State
T0, DAY = 1_700_000_000.0, 86400.0
END = T0 + 2 * DAY
ROOM = Channel("slack", "T1", "C1")
WHOLE = Giveaway(
    7, "w.x", Offer("A mug"), S.PREVIEW, Member("slack", "T1", "U1"), "Ana", "en", (ROOM,), T0, "c0", "ab",
    closes_at=END,
)  # fmt: skip


def round_of(at: float) -> int:
    return math.ceil((at - T0) / 3) + 1


def time_of(number: int) -> float:
    return T0 + (number - 1) * 3


NAMED = round_of(END + 120)


def at(state: State, **changes: object) -> Giveaway:
    """A giveaway that stands there; it opened at T0 and ends at END."""
    one = replace(WHOLE, state=state, opens_at=T0, opened_at=T0, round=NAMED, announced_round=NAMED)
    return replace(one, **changes)  # type: ignore[arg-type]  # whatever a test wants changed


def done(outcome: Giveaway | Refused) -> Giveaway:
    assert isinstance(outcome, Giveaway), outcome
    return outcome


Step = Callable[[Giveaway], Giveaway | Refused]
STEPS: dict[str, Step] = {
    "confirm": lambda one: giving.confirm(one, T0),
    "open": lambda one: giving.open(one, T0, round_of),
    "pause": lambda one: giving.pause(one, T0 + 1),
    "resume": lambda one: giving.resume(one, T0 + 1),
    "extend": lambda one: giving.extend(one, END + 1, T0 + 1, round_of),
    "end": lambda one: giving.end(one, T0 + 1, round_of),
    "close": lambda one: giving.close(one, END),
    "freeze": lambda one: giving.freeze(one, END, round_of),
    "published": lambda one: giving.published(one, one.round, END + 1, round_of, time_of),
    "draw": lambda one: giving.draw(one, END + 200),
    "cancel": lambda one: giving.cancel(one, T0 + 1),
    "void": lambda one: giving.void(one, "The sponsor is gone"),
}
P, W, R, Z, C, F, D, X = S.PREVIEW, S.SCHEDULED, S.OPEN, S.PAUSED, S.CLOSED, S.FROZEN, S.DRAWN, S.CANCELLED
WHY = {
    "confirm": {W: "already", R: "already", Z: "already", C: "closed", F: "frozen", D: "drawn", X: "cancelled"},
    "open": {P: "unconfirmed", R: "already", Z: "already", C: "closed", F: "frozen", D: "drawn", X: "cancelled"},
    "pause": {P: "unconfirmed", W: "not_open", Z: "paused", C: "closed", F: "frozen", D: "drawn", X: "cancelled"},
    "resume": {P: "unconfirmed", W: "not_open", R: "not_paused", C: "closed", F: "frozen", D: "drawn", X: "cancelled"},
    "extend": {P: "unconfirmed", C: "closed", F: "frozen", D: "drawn", X: "cancelled"},
    "end": {P: "unconfirmed", W: "not_open", C: "closed", F: "frozen", D: "drawn", X: "cancelled"},
    "close": {P: "unconfirmed", W: "not_open", C: "closed", F: "frozen", D: "drawn", X: "cancelled"},
    "freeze": {P: "unconfirmed", W: "not_closed", R: "not_closed", Z: "not_closed"}
    | {F: "frozen", D: "drawn", X: "cancelled"},
    "published": dict.fromkeys([P, W, R, Z, C], "not_frozen") | {D: "drawn", X: "cancelled"},
    "draw": dict.fromkeys([P, W, R, Z, C], "not_frozen") | {F: "unpublished", D: "drawn", X: "cancelled"},
    "cancel": {F: "frozen", D: "drawn", X: "cancelled"},
    "void": dict.fromkeys([P, W, R, Z, C], "not_frozen") | {X: "cancelled"},
}  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("state", S)
def test_each_step_belongs_to_its_states_and_says_why_not(step: str, state: State) -> None:
    outcome = STEPS[step](at(state))
    why = WHY[step].get(state)
    assert outcome == Refused(why) if why else isinstance(outcome, Giveaway), outcome


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opens_at", "closes_at", "why"),
    [
        (0.0, T0 + 1, None),
        (T0 - 9, T0 + 1, None),
        (T0 + 1, T0 + 2, None),
        (0.0, 0.0, "no_end"),
        (T0 + 1, 0.0, "no_end"),
        (0.0, T0, "time_past"),
        (T0 + 2, T0 + 2, "ends_first"),
        (T0 + 2, T0 + 1, "ends_first"),
        (0.0, T0 + MAX_SECONDS, None),
        (0.0, T0 + MAX_SECONDS + 1, "too_long"),
        (T0 + 5, T0 + MAX_SECONDS + 5, None),
        (T0 + 5, T0 + MAX_SECONDS + 6, "too_long"),
    ],
)
def test_times_make_sense_or_it_is_said_why_not(opens_at: float, closes_at: float, why: str | None) -> None:
    found = giving.check_times(opens_at, closes_at, T0)
    assert (found and found.why) == why


def test_one_that_was_told_a_length_lasts_that_long_from_when_it_is_published() -> None:
    one = replace(WHOLE, lasts=2 * DAY)
    later = done(giving.confirm(one, T0 + 600))
    assert (later.opens_at, later.closes_at) == (T0 + 600, END + 600)
    scheduled = done(giving.confirm(replace(one, opens_at=T0 + DAY, closes_at=T0 + 3 * DAY), T0 + 600))
    assert (scheduled.opens_at, scheduled.closes_at) == (T0 + DAY, T0 + 3 * DAY)
    assert done(giving.confirm(WHOLE, T0 + 600)).closes_at == END


def test_a_preview_is_looked_at_again_when_it_is_published() -> None:
    assert giving.confirm(WHOLE, END) == Refused("time_past")
    assert giving.confirm(replace(WHOLE, offer=Offer("")), T0) == Refused("no_prize")
    late = replace(WHOLE, offer=Offer("A mug", contest=Contest(ROOM, END)))
    assert giving.confirm(late, T0) == Refused("contest_late")
    assert done(giving.confirm(replace(late, closes_at=END + 1), T0)).state is W


def test_it_opens_late_and_lasts_as_long_as_it_was_meant_to() -> None:
    one = at(W, lasts=2 * DAY, round=0, announced_round=0)
    opened = done(giving.open(one, T0 + 60, round_of))
    assert (opened.opened_at, opened.closes_at, opened.announced_round, opened.round) == (T0 + 60, END, NAMED, NAMED)
    late = done(giving.open(one, END, round_of))
    assert (late.closes_at, late.announced_round) == (END + 2 * DAY, round_of(END + 2 * DAY + 120))
    assert giving.open(at(W), END, round_of) == Refused("time_past")


@pytest.mark.parametrize(
    ("state", "when", "why"),
    [
        (P, T0, "not_open"), (W, T0, "not_open"), (R, T0, None), (R, END - 0.001, None), (R, END, "closed"),
        (Z, T0, "paused"), (Z, END, "closed"), (C, T0, "closed"), (F, T0, "closed"), (D, T0, "closed"),
        (X, T0, "cancelled"),
    ],
)  # fmt: skip
def test_entries_are_taken_before_the_end_and_not_at_it(state: State, when: float, why: str | None) -> None:
    found = giving.entering(at(state), when)
    assert (found and found.why) == why


@pytest.mark.parametrize("state", [R, Z])
@pytest.mark.parametrize("step", ["pause", "resume", "extend", "end"])
def test_nothing_is_changed_after_the_end_though_it_is_not_closed_yet(state: State, step: str) -> None:
    one = at(state, closes_at=T0 + 1)
    if (step, state) not in {("pause", Z), ("resume", R)}:
        assert STEPS[step](one) == Refused("closed")


def test_pausing_and_resuming_leave_the_clock_alone() -> None:
    paused = done(giving.pause(at(R), T0 + 1))
    assert replace(paused, state=R) == at(R)
    assert giving.resume(paused, T0 + 2) == at(R)
    assert done(giving.close(paused, END)).state is C


def test_it_is_closed_at_its_end_and_not_before() -> None:
    assert giving.close(at(R), END - 0.001) == Refused("not_over")
    assert done(giving.close(at(R), END + 5)).closed_at == END + 5


@pytest.mark.parametrize("until", [END, END - 1, T0])
def test_the_end_only_moves_away(until: float) -> None:
    assert giving.extend(at(R), until, T0 + 1, round_of) == Refused("not_later")
    assert giving.extend(at(W), until, T0 - 1, round_of) == Refused("not_later")


def test_an_extension_takes_the_draw_with_it() -> None:
    longer = done(giving.extend(at(R, lasts=2 * DAY), END + 60, T0 + 1, round_of))
    assert (longer.closes_at, longer.announced_round, longer.round, longer.revision) == (
        END + 60,
        NAMED + 20,
        NAMED + 20,
        1,
    )
    assert longer.lasts == 2 * DAY + 60
    scheduled = done(giving.extend(at(W, round=0, announced_round=0), END + 60, T0 - 1, round_of))
    assert (scheduled.closes_at, scheduled.announced_round, scheduled.lasts) == (END + 60, 0, 0.0)
    told = at(W, opened_at=0.0, lasts=2 * DAY)
    assert done(giving.extend(told, T0 + MAX_SECONDS, T0 - 1, round_of)).lasts == MAX_SECONDS
    assert giving.extend(at(R), T0 + MAX_SECONDS + 1, T0 + 1, round_of) == Refused("too_long", {"days": 366})
    assert done(giving.extend(at(R), T0 + MAX_SECONDS, T0 + 1, round_of)).closes_at == T0 + MAX_SECONDS


def test_an_early_end_names_a_nearer_round_that_nobody_knows_yet() -> None:
    ended = done(giving.end(at(R), T0 + 100, round_of))
    assert (ended.state, ended.closes_at, ended.revision) == (R, T0 + 100, 1)
    nearer = round_of(T0 + 100 + 120)
    assert (ended.announced_round, ended.round) == (nearer, nearer)
    assert giving.entering(ended, T0 + 99) is None
    assert giving.entering(ended, T0 + 100) == Refused("closed")
    closed = done(giving.close(ended, T0 + 100))
    frozen = done(giving.freeze(closed, T0 + 101, round_of))
    assert (frozen.round, frozen.delayed) == (nearer, "")


# --- the beacon's round ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "late"), [(15.0, False), (14.9, True), (0.0, True), (-3600.0, True)])
def test_a_late_freeze_takes_the_first_round_a_minute_on(before: float, late: bool) -> None:
    now = time_of(NAMED) - before
    frozen = done(giving.freeze(at(C), now, round_of))
    assert (frozen.announced_round, frozen.frozen_at, frozen.state) == (NAMED, now, F)
    assert (frozen.round, frozen.delayed) == ((round_of(now + 60), "late_freeze") if late else (NAMED, ""))


def test_the_list_has_to_be_out_before_the_round() -> None:
    frozen = at(F, frozen_at=END)
    due = time_of(NAMED)
    in_time = done(giving.published(frozen, NAMED, due - 0.001, round_of, time_of))
    assert (in_time.published_at, in_time.round, in_time.revision, in_time.delayed) == (due - 0.001, NAMED, 0, "")
    assert giving.published(in_time, NAMED, due - 0.001, round_of, time_of) == Refused("published")

    late = done(giving.published(frozen, NAMED, due, round_of, time_of))
    assert (late.state, late.published_at, late.revision, late.delayed) == (F, 0.0, 1, "late_message")
    assert (late.round, late.announced_round) == (round_of(due + 60), NAMED)
    assert giving.draw(late, due + 60) == Refused("unpublished")
    assert giving.published(late, NAMED, due - 9, round_of, time_of) == Refused("other_round")
    again = done(giving.published(late, late.round, due + 10, round_of, time_of))
    assert (again.published_at, again.round, again.delayed) == (due + 10, late.round, "late_message")


def test_without_a_beacon_there_is_no_round_to_be_late_for() -> None:
    def nowhere(_: float) -> int:
        raise AssertionError("there is no beacon")

    opened = done(giving.open(replace(at(W), chain="", round=0, announced_round=0), T0, nowhere))
    longer = done(giving.extend(opened, END + 60, T0 + 1, nowhere))
    frozen = done(giving.freeze(done(giving.close(longer, END + 60)), END + 9 * DAY, nowhere))
    out = done(giving.published(frozen, 0, END + 9 * DAY, nowhere, time_of))
    assert (out.round, out.announced_round, out.delayed, out.beacon) == (0, 0, "", "none")
    assert done(giving.draw(out, END + 9 * DAY)).drawn_at == END + 9 * DAY


# --- calling off -----------------------------------------------------------------------------------------------------


def test_a_preview_that_is_thrown_away_never_was() -> None:
    assert done(giving.cancel(replace(WHOLE, opens_at=T0 + 5), T0)).discarded
    assert not done(giving.cancel(at(W), T0)).discarded
    closed = at(C, closed_at=END)
    assert done(giving.cancel(at(R), T0 + 3)).closed_at == T0 + 3
    assert done(giving.cancel(closed, END + 50)).closed_at == END


@pytest.mark.parametrize("state", [F, D])
def test_after_the_freeze_it_is_called_off_in_public_and_drawn_all_the_same(state: State) -> None:
    off = done(giving.void(at(state, published_at=END + 1), "  The sponsor\nis gone "))
    assert (off.state, off.void, off.revision) == (state, "The sponsor is gone", 1)
    assert giving.void(off, "again") == Refused("called_off")
    if state is F:
        assert done(giving.draw(off, END + 200)).void == "The sponsor is gone"


@pytest.mark.parametrize(
    ("reason", "refused"),
    [
        ("", Refused("no_reason")),
        (" \u200b\n", Refused("no_reason")),
        ("x" * 301, Refused("reason_long", {"length": 301, "limit": 300})),
    ],
)
def test_calling_off_needs_a_reason_that_can_be_read(reason: str, refused: Refused) -> None:
    assert giving.void(at(F), reason) == refused


def test_the_longest_reason_is_taken() -> None:
    assert done(giving.void(at(F), "x" * 300)).void == "x" * 300
