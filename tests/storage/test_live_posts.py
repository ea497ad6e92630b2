"""Which messages that change often are to be edited now."""

from __future__ import annotations

import pytest

from bot.domain.delivery import Step
from bot.domain.places import Channel
from bot.storage.live import Post
from bot.storage.outbox import Order
from bot.storage.work import Work

from .conftest import NOW, Bench

ROOM = Channel("telegram", "1", "-100")
NAMES = [f"poll:{number}" for number in range(1, 6)]


async def resting(bench: Bench, *names: str) -> list[Post]:
    return sorted(await bench.read(lambda work: work.live.resting(names)), key=lambda post: post.name)


async def test_those_that_are_posted_and_have_no_edit_waiting(bench: Bench) -> None:
    def unit(work: Work) -> None:
        for name in NAMES[:4]:
            work.live.follow(name, ROOM, "" if name == "poll:4" else "m" + name[-1], "shown", NOW)
        work.outbox.add(Order("k2", "poll", "poll:2", ROOM))
        work.outbox.add(Order("k3", "poll", "poll:3", ROOM))
        (row,) = [found.id for found in work.outbox.ready("telegram", 9) if found.id == 2]
        work.outbox.begin(work.outbox.claim([row]))

    await bench.write(unit)
    assert await resting(bench, *NAMES) == [
        Post("poll:1", ROOM, "m1", "shown", NOW),
        Post("poll:3", ROOM, "m3", "shown", NOW),  # its edit is being made already, and may show less
    ]
    assert await resting(bench, "poll:3") == [Post("poll:3", ROOM, "m3", "shown", NOW)]
    assert await resting(bench) == []


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 9])
async def test_any_number_of_rows_is_claimed_and_begun(bench: Bench, count: int) -> None:
    def unit(work: Work) -> list[str]:
        rows = [work.outbox.add(Order(f"k{number}", "notice", f"l{number}", ROOM)) or 0 for number in range(10)]
        claimed = work.outbox.claim(rows[:count])
        begun = work.outbox.begin(claimed)
        assert [row.id for row in begun] == rows[:count]
        assert work.outbox.claim(rows[:count]) == [] and work.outbox.begin(claimed) == []
        assert work.outbox.by_person(begun[0].id, Step.CANCEL) is False
        return [work.outbox.get(row).state.value for row in rows]

    assert await bench.write(unit) == ["sending"] * count + ["pending"] * (10 - count)
