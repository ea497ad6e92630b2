"""Who may do what, and how rights and addresses are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.places import BadAddress, Channel, Member
from bot.domain.roles import Action, Grant, Role, may

word = st.text(st.characters(blacklist_characters=":", blacklist_categories=("Cs",)), min_size=1, max_size=12)


@pytest.mark.parametrize("action", list(Action))
def test_without_a_role_nothing_is_allowed(action: Action) -> None:
    assert not may(frozenset(), action)


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.VIEWER, {Action.VIEW}),
        (
            Role.DRAFTER,
            {Action.VIEW, Action.CLAIM, Action.EDIT, Action.REDO, Action.ESCALATE, Action.POLL, Action.GIVEAWAY},
        ),
        (Role.APPROVER, set(Action)),
        (Role.ADMIN, set(Action)),
    ],
)
def test_each_role_allows_exactly_its_own(role: Role, allowed: set[Action]) -> None:
    assert {action for action in Action if may(frozenset({role}), action)} == allowed


def test_a_drafter_can_never_speak_for_the_team() -> None:
    held = frozenset({Role.VIEWER, Role.DRAFTER})
    speaking = {Action.APPROVE, Action.ANSWER, Action.CORRECT, Action.AGAIN, Action.RETRY, Action.TAKEBACK}
    assert not {action for action in speaking if may(held, action)}


@given(role=st.sampled_from(Role), platform=word, tenant=word, user=word.filter(lambda text: text != "role"))
def test_a_grant_to_a_member_reads_back(role: Role, platform: str, tenant: str, user: str) -> None:
    grant = Grant.parse(role, f"{platform}:{tenant}:{user}")
    assert grant == Grant(role, platform, tenant, user_id=user)


@given(role=st.sampled_from(Role), platform=word, tenant=word, group=word)
def test_a_grant_to_a_platform_role_reads_back(role: Role, platform: str, tenant: str, group: str) -> None:
    grant = Grant.parse(role, f"{platform}:{tenant}:role:{group}")
    assert grant == Grant(role, platform, tenant, platform_role=group)


@pytest.mark.parametrize(
    "text",
    ["", ":", "::", "slack", "slack:T1", "slack:T1:", ":T1:U1", "slack::U1", "slack:T1:U1:", "slack:T1:U1:U2",
     "slack:T1:role", "slack:T1:role:", "slack:T1:group:R1", "slack:T1:role:R1:x"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(BadAddress, match="platform:tenant"):
        Grant.parse(Role.ADMIN, text)


def test_members_and_channels_are_written_by_ids() -> None:
    assert str(Member.parse("telegram:1:2")) == "telegram:1:2"
    assert str(Channel("slack", "T1", "C1", "17.1")) == "slack:T1:C1:17.1"
    assert Channel("discord", "G", "thread", parent_id="room").home == Channel("discord", "G", "room")
    assert Channel("telegram", "1", "-100", "7").home == Channel("telegram", "1", "-100")
