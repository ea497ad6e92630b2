"""Random lives of polls: votes count only while they should, words do not change behind a voter's back, and an end that
people were told holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bot.domain import ballots, polling
from bot.domain.places import Channel, Member
from bot.domain.polls import MAX_OPTIONS, MAX_SECONDS, Kind, Option, OptionState, Poll, Question, Refused, State
from bot.domain.tally import Group, count

OWN = MAX_OPTIONS - 2
LASTS = 100.0
S = State
SHOWN, WAITING, REFUSED = OptionState.SHOWN, OptionState.WAITING, OptionState.REFUSED
voters = st.sampled_from(["Ana", "Bo"])
numbers = st.sampled_from([1, 2, OWN, OWN + 1, OWN + 2, OWN + 3, 0, 99])
words = st.sampled_from(["red", "Red ", "green", "blue", "blue-ish", "o1"])


class Life(RuleBasedStateMachine):
    """Beside the poll stands a plain account of what must be true of it, kept without the rules."""

    @initialize(
        kind=st.sampled_from([Kind.OPEN, Kind.OPEN, Kind.SINGLE, Kind.MULTIPLE]),
        flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
        delay=st.sampled_from([0.0, 50.0]),
        lasts=st.sampled_from([0.0, LASTS]),
        ahead=st.booleans(),
    )
    def begin(self, kind: Kind, flags: tuple[bool, bool, bool], delay: float, lasts: float, ahead: bool) -> None:
        self.now = 1000.0
        self.approval, self.fixed, self.hidden = flags
        self.words = {0: "Which colour?"} | {number: f"o{number}" for number in range(1, OWN + 1)}
        self.states = dict.fromkeys(range(1, OWN + 1), SHOWN)
        self.state, self.begins, self.end = S.PREVIEW, self.now + delay, self.now + delay + LASTS
        self.ballots: dict[str, tuple[int, ...]] = {}
        self.seen: dict[str, tuple[dict[int, str], int]] = {}
        options = tuple(Option(number, self.words[number]) for number in self.states)
        question = Question(
            self.words[0], options, kind, 2, hidden=self.hidden, fixed=self.fixed, approval=self.approval
        )
        host, room = Member("slack", "T1", "U1"), Channel("slack", "T1", "C1")
        opens_at = self.begins if delay else 0.0
        self.poll = Poll(
            1, "p.x", question, S.PREVIEW, host, "Ana", "en", (room,), self.now, opens_at, self.end, lasts=lasts
        )
        if ahead:
            self.confirm()
            self.open()

    def taken(self, outcome: Poll | Refused, expected: bool) -> bool:
        """Whether a step was done, which must be what was to be expected."""
        assert isinstance(outcome, Poll) == expected, outcome
        if isinstance(outcome, Poll):
            self.poll = outcome
        return expected

    @property
    def running(self) -> bool:
        return self.state is S.OPEN and self.now < self.end

    @property
    def live(self) -> dict[int, str]:
        return {number: self.words[number] for number, state in self.states.items() if state is not REFUSED}

    def same(self, text: str, numbers: set[int]) -> bool:
        return any(self.words[number].strip().lower() == text.strip().lower() for number in numbers)

    @rule(seconds=st.sampled_from([1.0, 1.0, LASTS / 2, LASTS]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def confirm(self) -> None:
        good = self.state is S.PREVIEW and self.end > max(self.now, self.begins)
        if self.taken(polling.confirm(self.poll, self.now), good):
            self.state, self.begins = S.SCHEDULED, max(self.begins, self.now)

    @rule()
    def open(self) -> None:
        late = self.end <= self.now
        good = self.state is S.SCHEDULED and (not late or self.poll.lasts > 0)
        if self.taken(polling.open(self.poll, self.now), good):
            self.state, self.begins = S.OPEN, self.now
            self.end = self.now + self.poll.lasts if late else self.end

    @rule(seldom=st.sampled_from([False, False, False, True]))
    def close(self, seldom: bool) -> None:
        if seldom and self.taken(polling.close(self.poll, self.now), self.state is S.OPEN):
            self.state = S.CLOSED

    @rule(seldom=st.sampled_from([False, False, False, False, False, True]))
    def cancel(self, seldom: bool) -> None:
        good = self.state in {S.PREVIEW, S.SCHEDULED, S.OPEN}
        if seldom and self.taken(polling.cancel(self.poll, self.now), good):
            self.state = S.CANCELLED

    @rule(seconds=st.sampled_from([-LASTS / 2, 0.0, LASTS, MAX_SECONDS - LASTS, MAX_SECONDS]))
    def extend(self, seconds: float) -> None:
        until = self.end + seconds
        good = self.running or self.state is S.SCHEDULED
        good &= seconds > 0 and until - self.begins <= MAX_SECONDS
        if self.taken(polling.extend(self.poll, until, self.now), good):
            self.end = until

    @rule(number=numbers, text=words)
    def correct(self, number: int, text: str) -> None:
        there = number == 0 or number in self.states
        good = there and self.state in {S.PREVIEW, S.SCHEDULED, S.OPEN} and self.words[number] != text.strip()
        good = good and (number == 0 or not self.same(text, self.live.keys() - {number}))
        voted, lines = bool(self.ballots), len(self.poll.edits)
        good = good and (not voted or lines < 10)
        if self.taken(polling.correct(self.poll, number, text, voted, self.now), good):
            self.words[number] = text.strip()
            assert len(self.poll.edits) == lines + voted

    @rule(text=words)
    def add(self, text: str) -> None:
        good = self.running and self.poll.question.kind is Kind.OPEN and len(self.live) < MAX_OPTIONS
        good = good and not self.same(text, set(self.states))
        if self.taken(polling.add(self.poll, text, "slack:T1:U2", self.now), good):
            number = max(self.states) + 1
            self.states[number], self.words[number] = WAITING if self.approval else SHOWN, text.strip()

    @rule(number=numbers)
    def let_in(self, number: int) -> None:
        good = self.running and number > OWN and self.states.get(number) is WAITING
        if self.taken(polling.let_in(self.poll, number, self.now), good):
            self.states[number] = SHOWN

    @rule(number=numbers)
    def keep_out(self, number: int) -> None:
        good = self.running and number > OWN and self.states.get(number) in {WAITING, SHOWN}
        if self.taken(polling.keep_out(self.poll, number, self.now), good):
            self.states[number] = REFUSED

    @rule(presses=st.lists(st.tuples(voters, numbers), min_size=1, max_size=4))
    def vote(self, presses: list[tuple[str, int]]) -> None:
        for who, number in presses:
            self.press(who, number)

    def press(self, who: str, number: int) -> None:
        refused = polling.voting(self.poll, self.now)
        assert (refused is None) == self.running, "votes are taken at another time"
        if refused is not None:
            return
        before = self.ballots.get(who, ())
        kept = {one for one in before if self.states[one] is SHOWN}
        after = ballots.pressed(self.poll.question, before, number)
        if isinstance(after, Refused):
            assert self.states.get(number) is not SHOWN or kept, "a first vote was refused"
            return
        assert self.states.get(number) is SHOWN, "an option that nobody can choose was chosen"
        assert not self.fixed or kept <= set(after), "a vote that is final was changed"
        self.ballots[who] = after
        self.seen[who] = ({one: self.words[one] for one in (0, *after)}, len(self.poll.edits))
        if not after:
            del self.ballots[who], self.seen[who]

    @invariant()
    def the_poll_is_what_the_account_says(self) -> None:
        poll = self.poll
        assert (poll.state, poll.closes_at, poll.question.text) == (self.state, self.end, self.words[0])
        assert [(one.number, one.text, one.state) for one in poll.question.options] == [
            (number, self.words[number], state) for number, state in self.states.items()
        ]

    @invariant()
    def no_words_change_behind_a_voters_back(self) -> None:
        for told, lines in self.seen.values():
            if any(self.words[number] != text for number, text in told.items()):
                assert len(self.poll.edits) > lines

    @invariant()
    def options_differ_and_have_room(self) -> None:
        texts = [text.strip().lower() for text in self.live.values()]
        assert len(set(texts)) == len(texts) <= MAX_OPTIONS

    @invariant()
    def the_tally_counts_what_can_be_chosen(self) -> None:
        groups = [Group(choice, "room", number) for choice, number in Counter(self.ballots.values()).items()]
        kept = [[one for one in choice if self.states[one] is SHOWN] for choice in self.ballots.values()]
        tally = count(self.poll.question, groups)
        assert tally.voters == sum(bool(choice) for choice in kept)
        votes = Counter(number for choice in kept for number in choice)
        assert tally.counts == {number: votes[number] for number, state in self.states.items() if state is SHOWN}


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)

# --- each rule is needed ---------------------------------------------------------------------------------------------

CORRECT, ADD, OPEN, CLOSE, WITH = polling.correct, polling.add, polling.open, polling.close, polling._with


def forgotten(*_: object) -> None:
    """What a forgotten check says."""


def closes_again(poll: Poll, now: float) -> Poll | Refused:
    return replace(poll, state=S.CLOSED, closed_at=now)


def ends_anew(poll: Poll, now: float) -> Poll | Refused:
    found = OPEN(poll, now)
    return replace(found, closes_at=now + LASTS) if isinstance(found, Poll) else found


def ends_whenever(poll: Poll, until: float, now: float) -> Poll | Refused:
    good = poll.state in {S.OPEN, S.SCHEDULED} and poll.closes_at > now
    return replace(poll, closes_at=until) if good else Refused("closed")


def corrects_in_silence(poll: Poll, number: int, text: str, voted: bool, now: float) -> Poll | Refused:
    return CORRECT(poll, number, text, False, now)


def forgets_refused_options(question: Question, option: Option) -> Question:
    found = WITH(question, option)
    return replace(found, options=tuple(one for one in found.options if one.state is not REFUSED))


def lets_everything_in(poll: Poll, text: str, by: str, now: float) -> Poll | Refused:
    return ADD(replace(poll, question=replace(poll.question, approval=False)), text, by, now)


@pytest.mark.parametrize(
    ("module", "name", "mutant"),
    [
        (polling, "voting", forgotten),
        (polling, "close", closes_again),
        (polling, "open", ends_anew),
        (polling, "extend", ends_whenever),
        (polling, "correct", corrects_in_silence),
        (polling, "add", lets_everything_in),
        (polling, "_text_wrong", forgotten),
        (polling, "_not_theirs", forgotten),
        (polling, "_no_edit", forgotten),
        (polling, "_live", lambda _: []),
        (polling, "_with", forgets_refused_options),
        (ballots, "_unfit", forgotten),
        (ballots, "is_fixed", forgotten),
    ],
)
def test_each_rule_is_needed(
    module: object, name: str, mutant: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, mutant)
    search = settings(
        max_examples=1200,
        stateful_step_count=50,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Life, settings=search)
