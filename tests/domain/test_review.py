"""What a decision does to a draft, as a table: state by action, and every reason for a refusal."""

from __future__ import annotations

from dataclasses import replace

import pytest

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
    offered,
    overdue,
)
from bot.domain.roles import Action

ANA = Actor(Member("slack", "T1", "U1"), "Ana")
BEN = Actor(Member("discord", "G1", "7"), "Ben")
COMMENT = Comment(5, "When is tea back?")
NOW = 1_000_000.0
RULES = Rules(escalates=True)

S, A = DraftState, Action


def draft(state: DraftState = S.WAITING, **changes: object) -> Draft:
    return replace(Draft(1, 3, state, "On Friday.", decided_name="Cleo", decided_at=NOW - 60), **changes)


def attempt(action: Action, actor: Actor = ANA, text: str = "new", view: View | None = None) -> Attempt:
    return Attempt(action, actor, view or View(3, COMMENT.hash, COMMENT.text), text)


def changed(before: Draft, tried: Attempt, rules: Rules = RULES, comment: Comment = COMMENT) -> Changed:
    outcome = decide(before, comment, tried, rules, NOW)
    assert isinstance(outcome, Changed), outcome
    return outcome


def refused(before: Draft, tried: Attempt, rules: Rules = RULES, comment: Comment = COMMENT) -> Refusal:
    outcome = decide(before, comment, tried, rules, NOW)
    assert isinstance(outcome, Refusal), outcome
    return outcome


TABLE = {
    (S.WAITING, A.CLAIM): (S.WAITING, 3, ()),
    (S.WAITING, A.EDIT): (S.WAITING, 4, ()),
    (S.WAITING, A.REDO): (S.DRAFTING, 4, (Effect.REDRAFT,)),
    (S.WAITING, A.APPROVE): (S.APPROVED, 3, (Effect.QUEUE_REPLY,)),
    (S.WAITING, A.REJECT): (S.REJECTED, 3, ()),
    (S.WAITING, A.ANSWER): (S.APPROVED, 4, (Effect.QUEUE_REPLY,)),
    (S.REJECTED, A.REDO): (S.DRAFTING, 4, (Effect.REDRAFT,)),
    (S.DROPPED, A.REDO): (S.DRAFTING, 4, (Effect.REDRAFT,)),
    (S.APPROVED, A.UNDO): (S.WAITING, 4, (Effect.CANCEL_REPLY,)),
    (S.SENT, A.TAKEBACK): (S.WITHDRAWN, 3, (Effect.DELETE_REPLY,)),
    (S.SENT, A.CORRECT): (S.SENT, 4, (Effect.EDIT_REPLY,)),
    (S.FAILED, A.RETRY): (S.APPROVED, 3, (Effect.REVIVE_REPLY,)),
    (S.FAILED, A.DROP): (S.DROPPED, 3, ()),
    (S.UNCERTAIN, A.ARRIVED): (S.SENT, 3, (Effect.SETTLE_ARRIVED,)),
    (S.UNCERTAIN, A.AGAIN): (S.APPROVED, 3, (Effect.SETTLE_AGAIN,)),
    (S.UNCERTAIN, A.DROP): (S.DROPPED, 3, (Effect.SETTLE_DROP,)),
    (S.WAITING, A.SNOOZE): (S.WAITING, 3, (Effect.SNOOZE,)),
    (S.WAITING, A.ESCALATE): (S.WAITING, 3, (Effect.ESCALATE,)),
    (S.UNCERTAIN, A.ESCALATE): (S.UNCERTAIN, 3, (Effect.ESCALATE,)),
    (S.FAILED, A.ESCALATE): (S.FAILED, 3, (Effect.ESCALATE,)),
}
DECIDED = {
    **dict.fromkeys(
        (A.APPROVE, A.ANSWER, A.REJECT, A.TAKEBACK, A.CORRECT, A.RETRY, A.ARRIVED, A.AGAIN, A.DROP), ("Ana", NOW)
    ),
    A.UNDO: ("", 0.0),
}
"""Who decided and when, afterwards; whoever did before where it says nothing."""
DECISIONS = [action for action in Action if action not in {A.VIEW, A.POLL, A.GIVEAWAY, A.PAUSE, A.RESUME}]


@pytest.mark.parametrize("state", list(S))
@pytest.mark.parametrize("action", DECISIONS)
def test_every_action_in_every_state(state: DraftState, action: Action) -> None:
    expected = TABLE.get((state, action))
    outcome = decide(draft(state), COMMENT, attempt(action), RULES, NOW)
    if expected is None:
        key = "review.still_drafting" if state is S.DRAFTING else f"review.already.{state.value}"
        assert isinstance(outcome, Refusal)
        assert (outcome.key, outcome.rebind) == (key, False)
    else:
        assert isinstance(outcome, Changed)
        assert (outcome.draft.state, outcome.draft.version, outcome.effects) == expected
        assert (outcome.draft.decided_name, outcome.draft.decided_at) == DECIDED.get(action, ("Cleo", NOW - 60))


def test_approving_sends_the_text_as_it_is_and_names_the_approver() -> None:
    after = changed(draft(), attempt(A.APPROVE, text="something else")).draft
    assert (after.text, after.decided_name, after.decided_at) == ("On Friday.", "Ana", NOW)


@pytest.mark.parametrize("action", [A.EDIT, A.ANSWER])
def test_a_written_text_is_the_writers(action: Action) -> None:
    after = changed(draft(), attempt(action)).draft
    assert (after.text, after.edited_by) == ("new", ANA.member)


def test_a_correction_is_the_writers_and_stays_sent() -> None:
    after = changed(draft(S.SENT), attempt(A.CORRECT)).draft
    assert (after.text, after.edited_by, after.decided_name) == ("new", ANA.member, "Ana")


def test_a_new_draft_belongs_to_nobody() -> None:
    after = changed(draft(edited_by=ANA.member), attempt(A.REDO, text="shorter")).draft
    assert (after.edited_by, after.instruction) == (None, "shorter")


def test_a_rejection_keeps_its_reason_and_the_next_decision_forgets_it() -> None:
    rejected = changed(draft(), attempt(A.REJECT, text="wrong fact")).draft
    assert rejected.reason == "wrong fact"
    again = replace(rejected, state=S.WAITING)
    assert changed(again, attempt(A.APPROVE)).draft.reason == ""


@pytest.mark.parametrize("action", [A.APPROVE, A.EDIT, A.ANSWER, A.REJECT, A.REDO])
@pytest.mark.parametrize("seen", [2, 4, 0, -1])
def test_a_decision_over_another_version_does_nothing_and_shows_the_card_anew(action: Action, seen: int) -> None:
    refusal = refused(draft(), attempt(action, view=View(seen, COMMENT.hash, COMMENT.text)))
    assert (refusal.key, refusal.args, refusal.rebind) == ("review.changed", {"version": 3}, True)


@pytest.mark.parametrize("action", [A.APPROVE, A.ANSWER])
@pytest.mark.parametrize(
    ("comment", "key"),
    [
        (replace(COMMENT, text="When is coffee back?"), "review.comment_edited"),
        (replace(COMMENT, deleted=True), "review.comment_deleted"),
        (replace(COMMENT, answered_by="Dora", answered_text="Friday!"), "review.answered_by_teammate"),
        (replace(COMMENT, text="other", deleted=True), "review.comment_deleted"),
    ],
)
def test_a_comment_that_changed_since_stops_what_would_be_sent(action: Action, comment: Comment, key: str) -> None:
    refusal = refused(draft(), attempt(action), comment=comment)
    assert (refusal.key, refusal.rebind) == (key, True)


def test_what_changed_is_told() -> None:
    edited = refused(draft(), attempt(A.APPROVE), comment=replace(COMMENT, text="now"))
    assert edited.args == {"before": COMMENT.text, "after": "now"}
    answered = refused(draft(), attempt(A.APPROVE), comment=replace(COMMENT, answered_by="Dora", answered_text="Fri"))
    assert answered.args == {"name": "Dora", "text": "Fri"}


@pytest.mark.parametrize("action", [A.REJECT, A.REDO, A.EDIT, A.CLAIM])
def test_what_sends_nothing_is_not_stopped_by_the_comment(action: Action) -> None:
    changed(draft(), attempt(action), comment=replace(COMMENT, deleted=True, text="x"))


def test_an_edit_that_was_taken_back_is_no_change() -> None:
    there_and_back = replace(replace(COMMENT, text="x"), text=COMMENT.text)
    changed(draft(), attempt(A.APPROVE), comment=there_and_back)


def test_a_deleted_comment_is_never_answered_even_by_who_knows() -> None:
    gone = replace(COMMENT, deleted=True)
    refusal = refused(draft(), attempt(A.APPROVE, view=View(3, gone.hash, gone.text)), comment=gone)
    assert refusal.key == "review.comment_deleted"


def test_there_must_be_something_to_approve() -> None:
    assert refused(draft(text=""), attempt(A.APPROVE)).key == "review.nothing_to_approve"
    assert changed(draft(text=""), attempt(A.ANSWER)).draft.text == "new"


def test_four_eyes() -> None:
    mine = draft(edited_by=ANA.member)
    rules = Rules(four_eyes=True)
    assert refused(mine, attempt(A.APPROVE), rules).key == "review.four_eyes"
    assert changed(mine, attempt(A.APPROVE, BEN), rules).draft.state is S.APPROVED
    assert changed(mine, attempt(A.APPROVE)).draft.state is S.APPROVED


def test_four_eyes_are_not_got_around_by_answering() -> None:
    """An own answer becomes the draft, and somebody else approves it."""
    after = changed(draft(), attempt(A.ANSWER), Rules(four_eyes=True))
    assert (after.draft.state, after.draft.text, after.effects) == (S.WAITING, "new", ())
    mine = replace(after.draft)
    view = View(mine.version, COMMENT.hash, COMMENT.text)
    assert refused(mine, attempt(A.APPROVE, view=view), Rules(four_eyes=True)).key == "review.four_eyes"


HELD = draft(claimed_by=BEN.member, claimed_name="Ben", claimed_at=NOW - 10)


@pytest.mark.parametrize("action", [A.EDIT, A.REDO, A.APPROVE, A.REJECT, A.ANSWER])
def test_a_claim_keeps_others_away_until_it_expires(action: Action) -> None:
    refusal = refused(HELD, attempt(action))
    assert (refusal.key, refusal.args) == ("review.claimed", {"name": "Ben", "at": NOW - 10})
    changed(HELD, attempt(action, BEN))
    changed(HELD, attempt(action), Rules(claim_seconds=10))
    refused(HELD, attempt(action), Rules(claim_seconds=10.001))


def test_claiming_takes_over_and_claiming_again_lets_go() -> None:
    mine = changed(HELD, attempt(A.CLAIM)).draft
    assert (mine.claimed_by, mine.claimed_name, mine.claimed_at) == (ANA.member, "Ana", NOW)
    free = changed(mine, attempt(A.CLAIM)).draft
    assert (free.claimed_by, free.claimed_name, free.claimed_at) == (None, "", 0.0)


def test_a_claim_keeps_nobody_from_holding_a_reply_back() -> None:
    approved = replace(HELD, state=S.APPROVED)
    assert changed(approved, attempt(A.UNDO)).effects == (Effect.CANCEL_REPLY,)


OFFERED = {
    S.DRAFTING: (),
    S.WAITING: (A.APPROVE, A.EDIT, A.REDO, A.REJECT, A.CLAIM, A.ANSWER, A.SNOOZE, A.ESCALATE),
    S.APPROVED: (A.UNDO,),
    S.SENT: (A.CORRECT, A.TAKEBACK),
    S.CHECKING: (),
    S.UNCERTAIN: (A.ARRIVED, A.AGAIN, A.DROP, A.ESCALATE),
    S.FAILED: (A.RETRY, A.DROP, A.ESCALATE),
    S.REJECTED: (A.REDO,),
    S.DROPPED: (A.REDO,),
    S.WITHDRAWN: (),
}


@pytest.mark.parametrize("state", list(S))
def test_the_card_offers_what_can_be_done(state: DraftState) -> None:
    assert offered(draft(state), COMMENT, escalates=True) == OFFERED[state]
    for action in OFFERED[state]:
        changed(draft(state), attempt(action))


def test_nothing_is_offered_that_cannot_be_done() -> None:
    without = (A.REDO, A.REJECT, A.CLAIM, A.ANSWER, A.SNOOZE)
    assert offered(draft(text=""), COMMENT) == without
    assert offered(draft(), replace(COMMENT, deleted=True)) == without
    assert offered(draft(S.SENT), COMMENT, can_delete=False) == (A.CORRECT,)


def test_a_snoozed_draft_wakes_when_asked_again_and_sleeps_longer_when_told_a_time() -> None:
    asleep = changed(draft(), attempt(A.SNOOZE)).draft
    assert (asleep.state, asleep.snoozed_until, asleep.snoozed_name) == (S.WAITING, NOW + 3600, "Ana")
    assert changed(asleep, attempt(A.SNOOZE, BEN)).draft.snoozed_until == 0
    longer = changed(asleep, replace(attempt(A.SNOOZE, BEN), seconds=7200.0)).draft
    assert (longer.snoozed_until, longer.snoozed_name) == (NOW + 7200, "Ben")
    over = replace(asleep, snoozed_until=NOW)
    assert changed(over, attempt(A.SNOOZE)).draft.snoozed_until == NOW + 3600


@pytest.mark.parametrize("action", [A.APPROVE, A.ANSWER, A.REJECT])
def test_a_decision_ends_the_sleep(action: Action) -> None:
    assert changed(draft(snoozed_until=NOW + 60), attempt(action)).draft.snoozed_until == 0


def test_help_is_called_once_and_only_where_somebody_hears_it() -> None:
    called = changed(draft(), attempt(A.ESCALATE)).draft
    assert (called.escalated_at, called.escalated_name) == (NOW, "Ana")
    refusal = refused(called, attempt(A.ESCALATE, BEN))
    assert (refusal.key, refusal.args) == ("review.escalated", {"at": NOW})
    assert refused(draft(), attempt(A.ESCALATE), Rules()).key == "review.no_escalation"
    assert A.ESCALATE not in offered(called, COMMENT, escalates=True)
    assert A.ESCALATE not in offered(draft(), COMMENT)


def test_anybody_may_call_for_help_with_what_somebody_else_claimed() -> None:
    held = draft(claimed_by=BEN.member, claimed_name="Ben", claimed_at=NOW - 1)
    changed(held, attempt(A.ESCALATE))
    assert refused(held, attempt(A.SNOOZE)).key == "review.claimed"


@pytest.mark.parametrize("state", list(S))
def test_only_what_waits_for_the_team_is_overdue(state: DraftState) -> None:
    late = overdue(draft(state), NOW)
    waits = state in {S.DRAFTING, S.WAITING, S.UNCERTAIN, S.FAILED}
    assert (late is not None) is waits
    if late is not None:
        assert (late.draft.escalated_at, late.draft.escalated_name, late.effects) == (NOW, "", (Effect.ESCALATE,))
        assert late.draft.state is state


def test_what_sleeps_or_was_called_for_is_not_overdue() -> None:
    assert overdue(draft(snoozed_until=NOW + 1), NOW) is None
    assert overdue(draft(snoozed_until=NOW), NOW) is not None
    assert overdue(draft(escalated_at=NOW - 9), NOW) is None


def test_the_hash_of_a_comment_changes_with_everything_that_matters() -> None:
    variants = [
        COMMENT,
        replace(COMMENT, text="x"),
        replace(COMMENT, deleted=True),
        replace(COMMENT, answered_by="Dora"),
        replace(COMMENT, answered_by="Dora", answered_text="y"),
        replace(COMMENT, text=COMMENT.text + "False"),
    ]
    assert len({one.hash for one in variants}) == len(variants)
