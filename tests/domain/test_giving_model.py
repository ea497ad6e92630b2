"""Random lives of giveaways: nothing that people relied on changes behind their backs, and the round of the draw moves
only as fdraw/1 allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bot.domain import giving
from bot.domain.giveaways import MAX_SECONDS, Giveaway, Offer, Refused, State
from bot.domain.places import Channel, Member

S = State
PERIOD, LASTS, BEFORE, MARGIN, LATE = 3.0, 1000.0, 120.0, 15.0, 60.0
RANK = {one: rank for rank, one in enumerate([S.PREVIEW, S.SCHEDULED, S.OPEN, S.CLOSED, S.FROZEN, S.DRAWN])}
RANK |= {S.PAUSED: RANK[S.OPEN], S.CANCELLED: 99}
RUNNING = {S.OPEN, S.PAUSED}


def round_of(at: float) -> int:
    return math.ceil(at / PERIOD) + 1


def time_of(number: int) -> float:
    return (number - 1) * PERIOD


class Life(RuleBasedStateMachine):
    """Beside the giveaway stands a plain account of what must be true of it, kept without the rules."""

    @initialize(
        beacon=st.sampled_from([True, True, False]),
        delay=st.sampled_from([0.0, 50.0]),
        relative=st.booleans(),
        ahead=st.sampled_from([-1, 0, 1, 2, 2]),
    )
    def begin(self, beacon: bool, delay: float, relative: bool, ahead: int) -> None:
        self.now = 10_000.0
        self.beacon, self.relative = beacon, relative
        self.state, self.begins, self.end_at = S.PREVIEW, self.now + delay, self.now + delay + LASTS
        self.named = self.round = 0
        self.published_at, self.voided, self.revision = 0.0, "", 0
        self.texts: list[int] = []
        self.room = Channel("slack", "T1", "C1")
        self.giveaway = Giveaway(
            1, "w.x", Offer("A mug"), S.PREVIEW, Member("slack", "T1", "U1"), "Ana", "en", (self.room,), self.now, "c0",
            "ab" if beacon else "", opens_at=self.begins if delay else 0.0, closes_at=self.end_at,
            lasts=LASTS if relative else 0.0,
        )  # fmt: skip
        self.first = self.before = self.giveaway
        if ahead == -1:
            self.wait(LASTS)
        if ahead > 0:
            self.confirm()
            self.open()
        if ahead == 2:
            self.wait(LASTS * 2)
            self.close()
            self.freeze()

    def taken(self, outcome: Giveaway | Refused, expected: bool) -> bool:
        """Whether a step was done, which must be what was to be expected."""
        assert isinstance(outcome, Giveaway) == expected, (outcome, self.state)
        if isinstance(outcome, Giveaway):
            self.before, self.giveaway = self.giveaway, outcome
        return expected

    @property
    def runs(self) -> bool:
        return self.state in RUNNING and self.now < self.end_at

    def name(self, at: float) -> int:
        """The first round at or after this time, found by counting."""
        if not self.beacon:
            return 0
        number = int(at // PERIOD)
        while time_of(number) < at:
            number += 1
        return number

    @rule(seconds=st.sampled_from([1.0, 50.0, 100.0, LASTS / 2, LASTS]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def confirm(self) -> None:
        begins = max(self.begins, self.now)
        end = begins + LASTS if self.relative else self.end_at
        if self.taken(giving.confirm(self.giveaway, self.now), self.state is S.PREVIEW and end > begins):
            self.state, self.begins, self.end_at = S.SCHEDULED, begins, end

    @rule()
    def open(self) -> None:
        late = self.end_at <= self.now
        good = self.state is S.SCHEDULED and (not late or self.relative)
        if self.taken(giving.open(self.giveaway, self.now, round_of), good):
            self.end_at = self.now + self.giveaway.lasts if late else self.end_at
            self.state, self.begins = S.OPEN, self.now
            self.named = self.round = self.name(self.end_at + BEFORE)

    @rule(pauses=st.booleans())
    def pause_or_resume(self, pauses: bool) -> None:
        step, wanted, after = (giving.pause, S.OPEN, S.PAUSED) if pauses else (giving.resume, S.PAUSED, S.OPEN)
        if self.taken(step(self.giveaway, self.now), self.runs and self.state is wanted):
            self.state = after

    @rule(seconds=st.sampled_from([-LASTS / 2, 0.0, 1.0, LASTS, MAX_SECONDS - LASTS, MAX_SECONDS]))
    def extend(self, seconds: float) -> None:
        until = self.end_at + seconds
        good = (self.runs or self.state is S.SCHEDULED) and until > max(self.end_at, self.now)
        if self.taken(
            giving.extend(self.giveaway, until, self.now, round_of), good and until - self.begins <= MAX_SECONDS
        ):
            self.end_at = until
            self.revision += 1
            if self.state is not S.SCHEDULED:
                self.named = self.round = self.name(until + BEFORE)

    @rule(seldom=st.sampled_from([False, True]))
    def end(self, seldom: bool) -> None:
        if seldom and self.taken(giving.end(self.giveaway, self.now, round_of), self.runs):
            self.end_at = self.now
            self.revision += 1
            self.named = self.round = self.name(self.now + BEFORE)

    @rule()
    def close(self) -> None:
        if self.taken(giving.close(self.giveaway, self.now), self.state in RUNNING and self.now >= self.end_at):
            self.state = S.CLOSED

    @rule(seldom=st.sampled_from([False, False, False, False, True]))
    def cancel(self, seldom: bool) -> None:
        if seldom and self.taken(giving.cancel(self.giveaway, self.now), RANK[self.state] < RANK[S.FROZEN]):
            self.state = S.CANCELLED

    @rule()
    def freeze(self) -> None:
        if self.taken(giving.freeze(self.giveaway, self.now, round_of), self.state is S.CLOSED):
            self.state = S.FROZEN
            if self.beacon and time_of(self.named) < self.now + MARGIN:
                self.round = self.name(self.now + LATE)
            self.texts = [self.round]

    @rule(took=st.sampled_from([0.0, 2.0, 59.0, 60.0, 300.0]), text=st.sampled_from([-1, -1, 0]))
    def publish(self, took: float, text: int) -> None:
        """A room has had one of the texts for so long or so short, and tells it now."""
        self.now += took
        number, due = self.texts[text] if self.texts else self.round, time_of(self.round)
        good = self.state is S.FROZEN and not self.published_at and number == self.round
        if not self.taken(giving.published(self.giveaway, number, self.now, round_of, time_of), good):
            return
        if not self.beacon or self.now < due:
            self.published_at = self.now
        else:
            self.round = self.name(self.now + LATE)
            self.revision += 1
            self.texts.append(self.round)

    @rule()
    def draw(self) -> None:
        if self.taken(giving.draw(self.giveaway, self.now), self.state is S.FROZEN and self.published_at > 0):
            self.state = S.DRAWN

    @rule(reason=st.sampled_from(["The sponsor is gone", " ", "x" * 301]), seldom=st.sampled_from([False, True]))
    def void(self, reason: str, seldom: bool) -> None:
        good = self.state in {S.FROZEN, S.DRAWN} and not self.voided and reason[0] == "T"
        if seldom and self.taken(giving.void(self.giveaway, reason), good):
            self.voided = reason
            self.revision += 1

    @rule(ago=st.sampled_from([0.0, 1.0, LASTS]))
    def enter(self, ago: float) -> None:
        refused = giving.entering(self.giveaway, self.now - ago)
        assert (refused is None) == (self.state is S.OPEN and self.now - ago < self.end_at)
        if refused is not None and self.state is S.PAUSED:
            assert refused.why == ("paused" if self.now - ago < self.end_at else "closed")

    @invariant()
    def it_is_what_the_account_says(self) -> None:
        one = self.giveaway
        assert (one.state, one.closes_at, one.revision) == (self.state, self.end_at, self.revision)
        assert (one.announced_round, one.round, one.void) == (self.named, self.round, self.voided)
        assert one.published_at == self.published_at

    @invariant()
    def what_was_promised_holds(self) -> None:
        for one in (self.giveaway, self.before):
            kept = (one.offer, one.commit, one.chain, one.name, one.host, one.channels)
            assert kept == (self.first.offer, "c0", self.first.chain, "w.x", self.first.host, (self.room,))

    @invariant()
    def there_is_no_way_back(self) -> None:
        before, after = self.before, self.giveaway
        assert RANK[before.state] <= RANK[after.state]
        assert after.state is not S.CANCELLED or before.state not in {S.FROZEN, S.DRAWN}
        assert before.opened_at in {0.0, after.opened_at}
        assert before.frozen_at in {0.0, after.frozen_at}

    @invariant()
    def the_round_is_of_the_future_when_the_list_is_out(self) -> None:
        one = self.giveaway
        if self.beacon and one.published_at:
            assert one.published_at < time_of(one.round)
        assert one.drawn_at == 0 or one.published_at > 0
        assert bool(one.delayed) == (one.round != one.announced_round)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

# --- each rule is needed ---------------------------------------------------------------------------------------------

OPEN, EXTEND, END, FREEZE, PUBLISHED = giving.open, giving.extend, giving.end, giving.freeze, giving.published
Rounds = Callable[[float], int]


def forgotten(*_: object) -> None:
    """What a forgotten check says."""


def closes_early(one: Giveaway, now: float) -> Giveaway | Refused:
    return replace(one, state=S.CLOSED, closed_at=now) if one.state in RUNNING else Refused("closed")


def ends_and_keeps_the_round(one: Giveaway, now: float, rounds: Rounds) -> Giveaway | Refused:
    found = END(one, now, rounds)
    if isinstance(found, Refused):
        return found
    return replace(found, round=one.round, announced_round=one.announced_round)


def extends_behind_the_draw(one: Giveaway, until: float, now: float, rounds: Rounds) -> Giveaway | Refused:
    found = EXTEND(one, until, now, rounds)
    if isinstance(found, Refused):
        return found
    return replace(found, round=one.round, announced_round=one.announced_round)


def extends_backwards(one: Giveaway, until: float, now: float, rounds: Rounds) -> Giveaway | Refused:
    good = one.state in RUNNING and now < one.closes_at and now < until
    return giving._named(replace(one, closes_at=until), rounds) if good else Refused("closed")


def freezes_as_if_in_time(one: Giveaway, now: float, rounds: Rounds) -> Giveaway | Refused:
    return FREEZE(one, now, lambda _: 0)


def freezes_twice(one: Giveaway, now: float, rounds: Rounds) -> Giveaway | Refused:
    return FREEZE(replace(one, state=S.CLOSED) if one.state is S.FROZEN else one, now, rounds)


def counts_any_text(
    one: Giveaway, number: int, at: float, rounds: Rounds, times: Callable[[int], float]
) -> Giveaway | Refused:
    return PUBLISHED(one, one.round, at, rounds, times)


def counts_late_texts(
    one: Giveaway, number: int, at: float, rounds: Rounds, times: Callable[[int], float]
) -> Giveaway | Refused:
    return PUBLISHED(one, number, at, rounds, lambda _: math.inf)


def publishes_again(
    one: Giveaway, number: int, at: float, rounds: Rounds, times: Callable[[int], float]
) -> Giveaway | Refused:
    return PUBLISHED(replace(one, published_at=0.0), number, at, rounds, times)


def draws_unpublished(one: Giveaway, now: float) -> Giveaway | Refused:
    return replace(one, state=S.DRAWN, drawn_at=now) if one.state is S.FROZEN else Refused("drawn")


def cancels_whenever(one: Giveaway, now: float) -> Giveaway | Refused:
    return replace(one, state=S.CANCELLED) if one.state is not S.CANCELLED else Refused("cancelled")


def voids_before(one: Giveaway, reason: str) -> Giveaway | Refused:
    return replace(one, void=reason, revision=one.revision + 1) if reason.strip() else Refused("no_reason")


def puts_off_in_silence(one: Giveaway, at: float, why: str, rounds: Rounds) -> Giveaway:
    return replace(one, round=rounds(at + LATE))


def puts_off_at_once(one: Giveaway, at: float, why: str, rounds: Rounds) -> Giveaway:
    return replace(one, round=rounds(at), delayed=why)


@pytest.mark.parametrize(
    ("name", "mutant"),
    [
        ("_not_running", forgotten),
        ("_named", lambda one, _: one),
        ("entering", forgotten),
        ("close", closes_early),
        ("end", ends_and_keeps_the_round),
        ("extend", extends_behind_the_draw),
        ("extend", extends_backwards),
        ("freeze", freezes_as_if_in_time),
        ("freeze", freezes_twice),
        ("published", counts_any_text),
        ("published", counts_late_texts),
        ("published", publishes_again),
        ("draw", draws_unpublished),
        ("cancel", cancels_whenever),
        ("void", voids_before),
        ("_put_off", puts_off_in_silence),
        ("_put_off", puts_off_at_once),
    ],
)
def test_each_rule_is_needed(name: str, mutant: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(giving, name, mutant)
    search = settings(
        max_examples=800,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Life, settings=search)
