"""Who may do what. Rights are granted to members or to a platform's own roles, inside named tenants; default deny."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.places import BadAddress, Member


class Role(StrEnum):
    """What somebody is to the team, from least to most."""

    VIEWER = "viewer"
    DRAFTER = "drafter"
    APPROVER = "approver"
    ADMIN = "admin"


class Action(StrEnum):
    """What a person asks for with a button, a form or a command."""

    VIEW = "view"
    CLAIM = "claim"
    EDIT = "edit"
    REDO = "redo"
    APPROVE = "approve"
    REJECT = "reject"
    ANSWER = "answer"
    UNDO = "undo"
    TAKEBACK = "takeback"
    CORRECT = "correct"
    RETRY = "retry"
    ARRIVED = "arrived"
    AGAIN = "again"
    DROP = "drop"
    SNOOZE = "snooze"
    ESCALATE = "escalate"
    POLL = "poll"
    GIVEAWAY = "giveaway"
    PAUSE = "pause"
    RESUME = "resume"


_DRAFTING = frozenset(
    {Action.VIEW, Action.CLAIM, Action.EDIT, Action.REDO, Action.ESCALATE, Action.POLL, Action.GIVEAWAY}
)

RIGHTS: Mapping[Role, frozenset[Action]] = {
    Role.VIEWER: frozenset({Action.VIEW}),
    Role.DRAFTER: _DRAFTING,
    Role.APPROVER: frozenset(Action),
    Role.ADMIN: frozenset(Action),
}


def may(roles: frozenset[Role], action: Action) -> bool:
    """Whether somebody with these roles may do this."""
    return any(action in RIGHTS[role] for role in roles)


@dataclass(frozen=True, slots=True)
class Grant:
    """A role given to one member, or to all holders of a platform's own role in one tenant."""

    role: Role
    platform: str
    tenant: str
    user_id: str | None = None
    platform_role: str | None = None

    @staticmethod
    def parse(role: Role, text: str) -> Grant:
        """Read `platform:tenant:user` or `platform:tenant:role:<role id>`; raises BadAddress."""
        parts = text.split(":")
        if len(parts) == 4 and parts[2] == "role" and all(parts):
            return Grant(role, parts[0], parts[1], platform_role=parts[3])
        member = Member.parse(text)
        if member.user_id == "role":
            raise BadAddress(f"{text!r} lacks the role's id: platform:tenant:role:<id>")
        return Grant(role, member.platform, member.tenant, user_id=member.user_id)
