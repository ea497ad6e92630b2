"""Roles are found out for each event, and nobody waits for somebody else's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.chat.ports import Capabilities, SendError
from bot.domain.places import Member
from bot.domain.roles import Grant, Role
from bot.engine.router import TRIES

from .flow import ANA, deleted, flowing, incoming, pressed
from .world import DEADLINE, Ledger, Recorder, until

GROUP = (Grant(Role.APPROVER, "telegram", "1", platform_role="R"),)


async def test_roles_are_read_from_the_platform_without_holding_up_others(path: Path) -> None:
    gate = asyncio.Event()

    class Slow(Recorder):
        async def holds(self, member: Member, role: str) -> bool:
            await gate.wait()
            return await super().holds(member, role)

    platform = Slow()
    platform.roles[str(ANA)] = {"R"}
    async with flowing(path, platform=platform, grants=GROUP) as flow:
        await flow.door.accept([incoming(1, pressed(1)), incoming(2, deleted(2))])
        await flow.until(done=1, new=1)
        gate.set()
        await flow.until(done=2)
        assert flow.seen == [(deleted(2), frozenset()), (pressed(1), frozenset({Role.APPROVER}))]
        assert len(platform.asked) == 1  # however often the inbox was looked at meanwhile


@pytest.mark.parametrize("error", [SendError("down"), KeyError("a bug in the integration")])
async def test_roles_that_cannot_be_read_are_no_roles(path: Path, error: Exception) -> None:
    class Broken(Recorder):
        async def holds(self, member: Member, role: str) -> bool:
            raise error

    async with flowing(path, platform=Broken(), grants=GROUP) as flow:
        await flow.door.accept([incoming(1, pressed(1))])
        await flow.until(done=1)
        assert flow.seen == [(pressed(1), frozenset())]


async def test_a_failing_handler_of_an_event_that_waited_for_roles_is_tried_again(path: Path) -> None:
    def fail(_: Ledger, __: object) -> None:
        raise ZeroDivisionError

    async with flowing(path, fail, grants=GROUP) as flow:
        await flow.door.accept([incoming(1, pressed(1))])
        await flow.until(failed=1)
        assert len(flow.seen) == TRIES


async def test_roles_that_a_fresh_event_carries_are_believed_where_the_platform_vouches_for_them(path: Path) -> None:
    vouching = Recorder(capabilities=Capabilities(4000, 3500, carries_roles=True))
    async with flowing(path, platform=vouching, grants=GROUP) as flow:
        await flow.door.accept([incoming(1, pressed(1, roles=("R", "S"))), incoming(2, pressed(2, roles=("S",)))])
        await flow.until(done=2)
        assert [roles for _, roles in flow.seen] == [frozenset({Role.APPROVER}), frozenset()]
        assert vouching.asked == []
    plain = Recorder()
    async with flowing(path, platform=plain, grants=GROUP) as flow:
        await flow.door.accept([incoming(3, pressed(3, roles=("R",)))])
        await flow.until(done=3)
        assert [roles for _, roles in flow.seen] == [frozenset()]


async def test_many_who_wait_for_their_roles_are_all_served(path: Path) -> None:
    members = [Member("telegram", "1", str(n)) for n in range(100)]
    platform = Recorder()
    async with flowing(path, platform=platform, grants=GROUP) as flow:
        await flow.door.accept([incoming(n, pressed(n, member)) for n, member in enumerate(members)])
        await flow.until(done=100)
        assert len(platform.asked) == 100


async def test_a_stop_leaves_what_waits_for_roles_to_the_next_start(path: Path) -> None:
    class Silent(Recorder):
        async def holds(self, member: Member, role: str) -> bool:
            self.asked.append((member, role))
            await asyncio.Event().wait()
            return True

    platform = Silent()
    async with flowing(path, platform=platform, grants=GROUP) as flow:
        await flow.door.accept([incoming(1, pressed(1))])

        async def asked() -> bool:
            return len(platform.asked) == 1

        await until(asked)
        async with asyncio.timeout(DEADLINE):
            await flow.engine.stop()
        assert await flow.counts() == {"new": 1}
