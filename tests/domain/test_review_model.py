"""Random teams over one draft: whatever they do, only what an approver saw is sent, and only once per version."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bot.domain import review
from bot.domain.places import Member
from bot.domain.review import (
    Actor,
    Attempt,
    Changed,
    Comment,
    Draft,
    DraftState,
    Effect,
    Refusal,
    Rules,
    View,
    decide,
)
from bot.domain.roles import Action

PEOPLE = [Actor(Member("slack", "T1", f"U{n}"), f"person {n}") for n in range(3)]
CLAIM_SECONDS = 100.0
texts = st.sampled_from(["a", "b", "c", "d"])
people = st.sampled_from(range(len(PEOPLE)))

S, A = DraftState, Action
SIMPLE = [A.APPROVE, A.CLAIM, A.UNDO, A.RETRY, A.ARRIVED, A.AGAIN, A.DROP, A.SNOOZE, A.ESCALATE]


@dataclass(frozen=True)
class Seen:
    """What is on somebody's screen, kept apart from the rules' own View."""

    version: int
    text: str
    comment: str
    deleted: bool
    answered: str | None


@dataclass
class Queued:
    version: int
    text: str
    approved_by: Member
    written_by: Member | None
    state: str = "pending"


def effects_make_rows(outcome: Changed) -> bool:
    return set(outcome.effects) <= {Effect.QUEUE_REPLY, Effect.REDRAFT, Effect.SNOOZE, Effect.ESCALATE}


class Team(RuleBasedStateMachine):
    """The store is one draft, one comment and the queue of replies; each person decides by what they last saw."""

    four_eyes = False

    @initialize(text=texts)
    def begin(self, text: str) -> None:
        self.now = 1000.0
        self.comment = Comment(1, "question")
        self.draft = Draft(1, 1, S.WAITING, text)
        self.author: Member | None = None
        self.queue: list[Queued] = []
        self.claim: tuple[Member, float] | None = None
        self.screens = [self.screen() for _ in PEOPLE]

    def screen(self) -> tuple[View, Seen]:
        comment = self.comment
        return (
            View(self.draft.version, comment.hash, comment.text),
            Seen(self.draft.version, self.draft.text, comment.text, comment.deleted, comment.answered_by),
        )

    def act(self, who: int, action: Action, text: str = "") -> None:
        before, (view, seen) = self.draft, self.screens[who]
        rules = Rules(CLAIM_SECONDS, self.four_eyes, escalates=True)
        outcome = decide(before, self.comment, Attempt(action, PEOPLE[who], view, text), rules, self.now)
        if isinstance(outcome, Refusal):
            assert self.draft is before
            if outcome.rebind:
                self.screens[who] = self.screen()
            return
        self.check(who, action, text, seen, outcome)
        if Effect.CANCEL_REPLY in outcome.effects and self.queue[-1].state != "pending":
            return  # too late: storage refuses
        self.keep(who, action, text, outcome)

    def check(self, who: int, action: Action, text: str, seen: Seen, outcome: Changed) -> None:
        if self.claim and action not in {A.CLAIM, A.UNDO, A.ESCALATE} and self.now < self.claim[1] + CLAIM_SECONDS:
            assert self.claim[0] == PEOPLE[who].member, "somebody else had claimed it"
        if Effect.QUEUE_REPLY not in outcome.effects:
            return
        assert self.draft.state is S.WAITING, "decided twice"
        assert seen.version == self.draft.version, "another version than they saw"
        assert outcome.draft.text == (seen.text if action is A.APPROVE else text), "another text than they saw"
        there = (self.comment.text, self.comment.deleted, self.comment.answered_by)
        assert (seen.comment, seen.deleted, seen.answered) == there, "another comment than they saw"
        if self.four_eyes:
            written_by = PEOPLE[who].member if action is A.ANSWER else self.author
            assert written_by != PEOPLE[who].member, "four eyes"

    def keep(self, who: int, action: Action, text: str, outcome: Changed) -> None:
        member, after = PEOPLE[who].member, outcome.draft
        assert after.version >= self.draft.version
        if action is A.CLAIM:
            self.claim = None if self.claim and self.claim[0] == member else (member, self.now)
        if action in {A.EDIT, A.ANSWER, A.CORRECT}:
            self.author = member
        if action is A.REDO:
            self.author = None
        assert self.queue or not outcome.effects or effects_make_rows(outcome), "there is no reply to change"
        for effect in outcome.effects:
            if effect is Effect.QUEUE_REPLY:
                self.queue.append(Queued(after.version, after.text, member, self.author))
            elif effect is Effect.CANCEL_REPLY:
                self.queue[-1].state = "cancelled"
                assert after.version > self.draft.version, "an undone version could be sent again"
            elif effect in {Effect.REVIVE_REPLY, Effect.SETTLE_AGAIN}:
                assert self.queue[-1].state in {"failed", "uncertain"}
                self.queue[-1].state = "pending"
            elif effect is Effect.SETTLE_ARRIVED:
                self.queue[-1].state = "sent"
            elif effect is Effect.SETTLE_DROP:
                self.queue[-1].state = "dropped"
        self.draft = after

    @rule(who=people)
    def look(self, who: int) -> None:
        self.screens[who] = self.screen()

    @rule(who=people, action=st.sampled_from(SIMPLE))
    def press(self, who: int, action: Action) -> None:
        self.act(who, action)

    @rule(who=people)
    def approve(self, who: int) -> None:
        self.act(who, A.APPROVE)

    @rule(who=people, action=st.sampled_from([A.EDIT, A.ANSWER, A.CORRECT, A.REDO, A.REJECT]), text=texts)
    def write(self, who: int, action: Action, text: str) -> None:
        self.act(who, action, text)

    @precondition(lambda self: self.draft.state is S.DRAFTING)
    @rule(text=texts | st.just(""))
    def drafted(self, text: str) -> None:
        self.draft = replace(self.draft, state=S.WAITING, text=text)

    @rule(text=texts)
    def member_edits(self, text: str) -> None:
        self.comment = replace(self.comment, text=text)
        self.hold_back()

    @rule()
    def member_deletes(self) -> None:
        self.comment = replace(self.comment, deleted=True)
        self.hold_back()

    @rule(text=texts)
    def teammate_answers(self, text: str) -> None:
        self.comment = replace(self.comment, answered_by="Dora", answered_text=text)
        self.hold_back()

    def hold_back(self) -> None:
        """What the bot does when an approved reply no longer answers its comment; a claim must not stop it."""
        if self.draft.state is S.APPROVED and self.queue[-1].state == "pending":
            system = Attempt(A.UNDO, Actor(Member("slack", "T1", "member"), ""), View(self.draft.version, ""))
            outcome = decide(self.draft, self.comment, system, Rules(CLAIM_SECONDS, self.four_eyes), self.now)
            assert isinstance(outcome, Changed), outcome
            self.queue[-1].state = "cancelled"
            self.draft = outcome.draft

    @rule(seconds=st.sampled_from([1.0, CLAIM_SECONDS / 2, CLAIM_SECONDS]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.draft.state is S.APPROVED)
    @rule(state=st.sampled_from([S.SENT, S.UNCERTAIN, S.FAILED]))
    def delivered(self, state: DraftState) -> None:
        assert self.queue[-1].text == self.draft.text
        self.queue[-1].state = state.value
        self.draft = replace(self.draft, state=state)

    @invariant()
    def nothing_is_queued_twice_per_version(self) -> None:
        versions = [row.version for row in self.queue]
        assert versions == sorted(set(versions))

    @invariant()
    def at_most_one_reply_is_on_its_way(self) -> None:
        live = [row for row in self.queue if row.state in {"pending", "uncertain"}]
        assert len(live) <= 1
        assert bool(live) == (self.draft.state in {S.APPROVED, S.UNCERTAIN})


class FourEyes(Team):
    four_eyes = True


BUDGET = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestTeam = Team.TestCase
TestTeam.settings = BUDGET
TestFourEyes = FourEyes.TestCase
TestFourEyes.settings = BUDGET


def nothing(*_: object) -> None:
    """What a forgotten check says."""


@pytest.mark.parametrize(
    ("check", "team"),
    [
        ("_other_version", Team),
        ("_stale", Team),
        ("_wrong_state", Team),
        ("_held_by_other", Team),
        ("_unfit", FourEyes),
    ],
)
def test_each_check_is_needed(check: str, team: type[Team], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, check, nothing)
    search = settings(
        max_examples=1200,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(team, settings=search)
