"""The rules of review: what a person's decision does to a draft, or why it does nothing.

The functions take the draft as it is now and what the person saw when they decided; storage makes the result stick only
if the draft's version is still the same (compare-and-swap), so that the first valid decision wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bot.domain.places import Member
from bot.domain.roles import Action
from bot.domain.text import fingerprint


class DraftState(StrEnum):
    """Where a draft stands."""

    DRAFTING = "drafting"
    WAITING = "waiting"
    APPROVED = "approved"
    SENT = "sent"
    CHECKING = "checking"
    """Perhaps sent: the platform is being asked, and nobody has to do anything."""
    UNCERTAIN = "uncertain"
    FAILED = "failed"
    REJECTED = "rejected"
    DROPPED = "dropped"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Comment:
    """What of a comment the rules look at."""

    id: int
    text: str
    deleted: bool = False
    answered_by: str | None = None
    answered_text: str = ""

    @property
    def hash(self) -> str:
        """Changes when the comment is edited, deleted or answered by a teammate."""
        return fingerprint(self.text, str(self.deleted), self.answered_by or "", self.answered_text)


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposed reply. `text` is empty when a human has to answer."""

    id: int
    version: int
    state: DraftState
    text: str
    edited_by: Member | None = None
    claimed_by: Member | None = None
    claimed_name: str = ""
    claimed_at: float = 0.0
    decided_name: str = ""
    decided_at: float = 0.0
    reason: str = ""
    instruction: str = ""
    snoozed_until: float = 0.0
    """UTC seconds; in the past: it is not snoozed."""
    snoozed_name: str = ""
    escalated_at: float = 0.0
    """0: nobody was called for help with it."""
    escalated_name: str = ""
    """Who called; empty when it waited too long."""


@dataclass(frozen=True, slots=True)
class View:
    """What somebody saw when they decided: the draft's version and the comment's hash."""

    version: int
    comment_hash: str
    comment_text: str = ""


@dataclass(frozen=True, slots=True)
class Actor:
    """The person who decides."""

    member: Member
    name: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """A decision that somebody tries to make. `text` is the new text, the instruction or the reason."""

    action: Action
    actor: Actor
    view: View
    text: str = ""
    seconds: float | None = None
    """How long to snooze; None: as long as the settings say."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of review. Seconds."""

    claim_seconds: float = 1800.0
    four_eyes: bool = False
    snooze_seconds: float = 3600.0
    escalates: bool = False
    """Whether there is a channel to call for help in."""


class Effect(StrEnum):
    """What must happen in the same transaction as the decision."""

    QUEUE_REPLY = "queue_reply"
    CANCEL_REPLY = "cancel_reply"
    DELETE_REPLY = "delete_reply"
    EDIT_REPLY = "edit_reply"
    REVIVE_REPLY = "revive_reply"
    SETTLE_ARRIVED = "settle_arrived"
    SETTLE_AGAIN = "settle_again"
    SETTLE_DROP = "settle_drop"
    REDRAFT = "redraft"
    SNOOZE = "snooze"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class Changed:
    """The decision holds: the draft as it is now, and what follows."""

    draft: Draft
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The decision does nothing; `key` is a catalogue key. With `rebind` the card is shown anew to the decider."""

    key: str
    args: Mapping[str, str | int | float] = field(default_factory=dict)
    rebind: bool = False


_OPEN = frozenset({DraftState.WAITING})
_FROM: Mapping[Action, frozenset[DraftState]] = {
    Action.CLAIM: _OPEN,
    Action.EDIT: _OPEN,
    Action.REDO: frozenset({DraftState.WAITING, DraftState.REJECTED, DraftState.DROPPED}),
    Action.APPROVE: _OPEN,
    Action.REJECT: _OPEN,
    Action.ANSWER: _OPEN,
    Action.UNDO: frozenset({DraftState.APPROVED}),
    Action.TAKEBACK: frozenset({DraftState.SENT}),
    Action.CORRECT: frozenset({DraftState.SENT}),
    Action.RETRY: frozenset({DraftState.FAILED}),
    Action.ARRIVED: frozenset({DraftState.UNCERTAIN}),
    Action.AGAIN: frozenset({DraftState.UNCERTAIN}),
    Action.DROP: frozenset({DraftState.UNCERTAIN, DraftState.FAILED}),
    Action.SNOOZE: _OPEN,
    Action.ESCALATE: frozenset({DraftState.WAITING, DraftState.UNCERTAIN, DraftState.FAILED}),
}
UNSETTLED = frozenset({DraftState.DRAFTING, DraftState.WAITING, DraftState.UNCERTAIN, DraftState.FAILED})
"""States in which the member still has no answer, and somebody of the team has to do something about it."""
_SENDS = frozenset({Action.APPROVE, Action.ANSWER})
_BINDING = frozenset({Action.APPROVE, Action.EDIT, Action.ANSWER, Action.REJECT, Action.REDO, Action.CORRECT})


def decide(draft: Draft, comment: Comment, attempt: Attempt, rules: Rules, now: float) -> Changed | Refusal:
    """Apply a person's decision; `now` in UTC seconds."""
    refusal = (
        _wrong_state(draft, attempt.action)
        or _other_version(draft, attempt)
        or _stale(comment, attempt)
        or _unfit(draft, comment, attempt, rules)
        or _held_by_other(draft, attempt, rules, now)
        or _called_before(draft, attempt, rules)
    )
    if refusal is None and attempt.action is Action.SNOOZE:
        return _snooze(draft, attempt, rules, now)
    return refusal or _APPLY[_in_effect(attempt.action, rules)](draft, attempt.actor, now, attempt.text)


def _in_effect(action: Action, rules: Rules) -> Action:
    """Where four eyes are wanted, an own answer becomes the draft, and somebody else approves it."""
    return Action.EDIT if rules.four_eyes and action is Action.ANSWER else action


_OFFERED: Mapping[DraftState, tuple[Action, ...]] = {
    DraftState.WAITING: (
        Action.APPROVE,
        Action.EDIT,
        Action.REDO,
        Action.REJECT,
        Action.CLAIM,
        Action.ANSWER,
        Action.SNOOZE,
        Action.ESCALATE,
    ),
    DraftState.APPROVED: (Action.UNDO,),
    DraftState.SENT: (Action.CORRECT, Action.TAKEBACK),
    DraftState.UNCERTAIN: (Action.ARRIVED, Action.AGAIN, Action.DROP, Action.ESCALATE),
    DraftState.FAILED: (Action.RETRY, Action.DROP, Action.ESCALATE),
    DraftState.REJECTED: (Action.REDO,),
    DraftState.DROPPED: (Action.REDO,),
}


def offered(draft: Draft, comment: Comment, *, can_delete: bool = True, escalates: bool = False) -> tuple[Action, ...]:
    """The actions that a card offers now, in the order of its buttons.

    A comment that is gone keeps its Approve button until somebody presses it and is told; `comment` is therefore the
    comment as the card shows it.
    """
    actions = _OFFERED.get(draft.state, ())
    if draft.state is DraftState.WAITING and (not draft.text or comment.deleted):
        actions = tuple(a for a in actions if a not in {Action.APPROVE, Action.EDIT})
    if not can_delete:
        actions = tuple(a for a in actions if a is not Action.TAKEBACK)
    if not escalates or draft.escalated_at:
        actions = tuple(a for a in actions if a is not Action.ESCALATE)
    return actions


def _wrong_state(draft: Draft, action: Action) -> Refusal | None:
    if draft.state in _FROM[action]:
        return None
    return _not_now(draft)


def _other_version(draft: Draft, attempt: Attempt) -> Refusal | None:
    if attempt.action not in _BINDING or attempt.view.version == draft.version:
        return None
    return Refusal("review.changed", {"version": draft.version}, rebind=True)


def _not_now(draft: Draft) -> Refusal:
    if draft.state is DraftState.DRAFTING:
        return Refusal("review.still_drafting")
    return Refusal(f"review.already.{draft.state}", {"name": draft.decided_name, "at": draft.decided_at})


def _stale(comment: Comment, attempt: Attempt) -> Refusal | None:
    view = attempt.view
    if attempt.action not in _SENDS or view.comment_hash == comment.hash:
        return None
    if comment.deleted:
        return Refusal("review.comment_deleted", rebind=True)
    if comment.text != view.comment_text:
        return Refusal("review.comment_edited", {"before": view.comment_text, "after": comment.text}, rebind=True)
    args = {"name": comment.answered_by or "", "text": comment.answered_text}
    return Refusal("review.answered_by_teammate", args, rebind=True)


def _unfit(draft: Draft, comment: Comment, attempt: Attempt, rules: Rules) -> Refusal | None:
    if attempt.action is not Action.APPROVE:
        return None
    if comment.deleted:
        return Refusal("review.comment_deleted")
    if not draft.text:
        return Refusal("review.nothing_to_approve")
    if rules.four_eyes and draft.edited_by == attempt.actor.member:
        return Refusal("review.four_eyes")
    return None


_UNHELD = frozenset({Action.CLAIM, Action.UNDO, Action.ESCALATE})


def _held_by_other(draft: Draft, attempt: Attempt, rules: Rules, now: float) -> Refusal | None:
    """Claiming takes over on purpose, holding back and calling for help are safe; all else waits for the claimer."""
    held = draft.claimed_by is not None and now < draft.claimed_at + rules.claim_seconds
    if attempt.action in _UNHELD or not held or draft.claimed_by == attempt.actor.member:
        return None
    return Refusal("review.claimed", {"name": draft.claimed_name, "at": draft.claimed_at})


def _called_before(draft: Draft, attempt: Attempt, rules: Rules) -> Refusal | None:
    if attempt.action is not Action.ESCALATE:
        return None
    if not rules.escalates:
        return Refusal("review.no_escalation")
    if draft.escalated_at:
        return Refusal("review.escalated", {"at": draft.escalated_at})
    return None


def _decided(draft: Draft, state: DraftState, actor: Actor, now: float) -> Draft:
    return replace(draft, state=state, decided_name=actor.name, decided_at=now, reason="", snoozed_until=0.0)


def _claim(draft: Draft, actor: Actor, now: float, _: str) -> Changed:
    if draft.claimed_by == actor.member:
        return Changed(replace(draft, claimed_by=None, claimed_name="", claimed_at=0.0))
    return Changed(replace(draft, claimed_by=actor.member, claimed_name=actor.name, claimed_at=now))


def _edit(draft: Draft, actor: Actor, _: float, text: str) -> Changed:
    return Changed(replace(draft, version=draft.version + 1, text=text, edited_by=actor.member))


def _redo(draft: Draft, _: Actor, __: float, text: str) -> Changed:
    fresh = replace(draft, version=draft.version + 1, state=DraftState.DRAFTING, instruction=text, edited_by=None)
    return Changed(fresh, (Effect.REDRAFT,))


def _approve(draft: Draft, actor: Actor, now: float, _: str) -> Changed:
    return Changed(_decided(draft, DraftState.APPROVED, actor, now), (Effect.QUEUE_REPLY,))


def _answer(draft: Draft, actor: Actor, now: float, text: str) -> Changed:
    own = replace(draft, version=draft.version + 1, text=text, edited_by=actor.member)
    return _approve(own, actor, now, "")


def _reject(draft: Draft, actor: Actor, now: float, text: str) -> Changed:
    return Changed(replace(_decided(draft, DraftState.REJECTED, actor, now), reason=text))


def _undo(draft: Draft, _: Actor, __: float, ___: str) -> Changed:
    back = replace(draft, version=draft.version + 1, state=DraftState.WAITING, decided_name="", decided_at=0.0)
    return Changed(back, (Effect.CANCEL_REPLY,))


def _takeback(draft: Draft, actor: Actor, now: float, _: str) -> Changed:
    return Changed(_decided(draft, DraftState.WITHDRAWN, actor, now), (Effect.DELETE_REPLY,))


def _correct(draft: Draft, actor: Actor, now: float, text: str) -> Changed:
    corrected = replace(draft, version=draft.version + 1, text=text, edited_by=actor.member)
    return Changed(_decided(corrected, DraftState.SENT, actor, now), (Effect.EDIT_REPLY,))


def _snooze(draft: Draft, attempt: Attempt, rules: Rules, now: float) -> Changed:
    """Again on a snoozed draft, without a time, it wakes it."""
    if draft.snoozed_until > now and attempt.seconds is None:
        return Changed(replace(draft, snoozed_until=0.0, snoozed_name=""), (Effect.SNOOZE,))
    until = now + (rules.snooze_seconds if attempt.seconds is None else attempt.seconds)
    return Changed(replace(draft, snoozed_until=until, snoozed_name=attempt.actor.name), (Effect.SNOOZE,))


def _escalate(draft: Draft, actor: Actor, now: float, _: str) -> Changed:
    return Changed(replace(draft, escalated_at=now, escalated_name=actor.name), (Effect.ESCALATE,))


def overdue(draft: Draft, now: float) -> Changed | None:
    """What happens when the time for an answer is over: help is called in nobody's name, once, and never while it
    sleeps."""
    if draft.state not in UNSETTLED or draft.escalated_at or draft.snoozed_until > now:
        return None
    return Changed(replace(draft, escalated_at=now), (Effect.ESCALATE,))


def _retry(draft: Draft, actor: Actor, now: float, _: str) -> Changed:
    return Changed(_decided(draft, DraftState.APPROVED, actor, now), (Effect.REVIVE_REPLY,))


def _arrived(draft: Draft, actor: Actor, now: float, _: str) -> Changed:
    return Changed(_decided(draft, DraftState.SENT, actor, now), (Effect.SETTLE_ARRIVED,))


def _again(draft: Draft, actor: Actor, now: float, _: str) -> Changed:
    return Changed(_decided(draft, DraftState.APPROVED, actor, now), (Effect.SETTLE_AGAIN,))


def _drop(draft: Draft, actor: Actor, now: float, _: str) -> Changed:
    effects = (Effect.SETTLE_DROP,) if draft.state is DraftState.UNCERTAIN else ()
    return Changed(_decided(draft, DraftState.DROPPED, actor, now), effects)


_APPLY = {
    Action.CLAIM: _claim,
    Action.EDIT: _edit,
    Action.REDO: _redo,
    Action.APPROVE: _approve,
    Action.REJECT: _reject,
    Action.ANSWER: _answer,
    Action.UNDO: _undo,
    Action.TAKEBACK: _takeback,
    Action.CORRECT: _correct,
    Action.RETRY: _retry,
    Action.ARRIVED: _arrived,
    Action.AGAIN: _again,
    Action.DROP: _drop,
    Action.ESCALATE: _escalate,
}
