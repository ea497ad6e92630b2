"""Rights are read afresh, remembered briefly, and never given where nobody can tell."""

from __future__ import annotations

from typing import Any

import pytest

from bot.chat.ports import SendError
from bot.domain.places import Member
from bot.domain.roles import Grant, Role
from bot.engine.access import CACHE_SECONDS, Access

from .world import HandClock, Recorder

ANA = Member("telegram", "1", "7")
GRANTS = [
    Grant(Role.ADMIN, "telegram", "1", user_id="7"),
    Grant(Role.APPROVER, "discord", "G", platform_role="R"),
    Grant(Role.DRAFTER, "discord", "G", platform_role="D"),
]
BEN = Member("discord", "G", "8")


def access(*platforms: Recorder) -> tuple[Access, HandClock]:
    clock = HandClock()
    known: Any = {platform.name: platform for platform in platforms}
    return Access(GRANTS, known, clock.monotonic), clock


@pytest.mark.parametrize(
    "stranger", ["slack:1:7", "telegram:2:7", "telegram:1:77", "telegram:1:07", "discord:1:7", "Telegram:1:7"]
)
async def test_a_right_is_for_one_member_in_one_tenant(stranger: Member) -> None:
    """Attack 23: the same number elsewhere is somebody else."""
    rights, _ = access(Recorder(), Recorder("slack"), Recorder("discord"))
    assert await rights.roles(ANA) == {Role.ADMIN}
    assert await rights.roles(Member.parse(stranger)) == frozenset()


async def test_a_platforms_roles_are_asked_for_and_remembered_briefly() -> None:
    discord = Recorder("discord")
    rights, clock = access(discord)
    discord.roles[str(BEN)] = {"R"}
    assert await rights.roles(BEN) == {Role.APPROVER}
    asked = len(discord.asked)
    discord.roles[str(BEN)] = set()
    clock.at += CACHE_SECONDS - 0.1
    assert await rights.roles(BEN) == {Role.APPROVER}
    assert len(discord.asked) == asked
    clock.at += 0.1
    assert await rights.roles(BEN) == frozenset()
    assert CACHE_SECONDS <= 60


async def test_in_another_tenant_nothing_is_even_asked() -> None:
    discord = Recorder("discord")
    rights, _ = access(discord)
    discord.roles["discord:H:8"] = {"R", "D"}
    assert await rights.roles(Member("discord", "H", "8")) == frozenset()
    assert await rights.roles(Member("discord", "H", "8"), ["R"]) == frozenset()
    assert discord.asked == []


async def test_a_failure_is_no_right_and_is_not_remembered() -> None:
    class Flaky(Recorder):
        down = True

        async def holds(self, member: Member, role: str) -> bool:
            if self.down:
                raise SendError("down")
            return await super().holds(member, role)

    discord = Flaky("discord")
    discord.roles[str(BEN)] = {"R"}
    rights, _ = access(discord)
    assert await rights.roles(BEN) == frozenset()
    discord.down = False
    assert await rights.roles(BEN) == {Role.APPROVER}


async def test_carried_roles_are_the_whole_truth() -> None:
    discord = Recorder("discord")
    discord.roles[str(BEN)] = {"R"}
    rights, _ = access(discord)
    assert await rights.roles(BEN, ["D", "x"]) == {Role.DRAFTER}
    assert await rights.roles(BEN, []) == frozenset()
    assert discord.asked == []


async def test_without_the_platform_its_roles_are_none() -> None:
    rights, _ = access()
    assert await rights.roles(BEN) == frozenset()
    assert await rights.roles(ANA) == {Role.ADMIN}


async def test_what_is_remembered_does_not_grow_without_bound() -> None:
    discord = Recorder("discord")
    rights, clock = access(discord)
    for number in range(10_050):
        clock.at += 0.01
        await rights.roles(Member("discord", "G", str(number)))
    assert len(rights._seen) < 10_010
