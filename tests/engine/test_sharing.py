"""One worker's part in shared limits, step by step: what it may do, and what it takes from the shared buckets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from bot.chat.processes import PaceUnavailable
from bot.engine.buckets import SHARE, Rate
from bot.engine.sharing import AGAIN, FRESH, LOOK, OTHERS, RETRY, RETRY_MOST, SOLE, Need, Sharing, View, cautious

RATE = Rate(10, 5.0, 3.0)
BOT, ROOM = Need("bot", RATE), Need("-1", Rate(1, 1.0, 1.0))
START = 1000.0


class Shared:
    """Buckets that say what they are told to say, and remember what they were asked."""

    def __init__(self) -> None:
        self.waits: dict[str, float] = {}
        self.asked: list[tuple[str, float, float, int]] = []
        self.emptied = 0
        self.down = False

    async def take(self, bucket: str, rate: float, burst: float, count: int) -> float:
        if self.down:
            raise PaceUnavailable("gone")
        self.asked.append((bucket, rate, burst, count))
        return self.waits.get(bucket, 0.0)

    async def empty(self) -> None:
        self.emptied += 1

    def names(self) -> list[str]:
        asked, self.asked = self.asked, []
        return [bucket for bucket, *_ in asked]


class Team:
    """Leases that are as a test says."""

    me = "a"

    def __init__(self, *live: str) -> None:
        self.live = frozenset(live)
        self.alone: frozenset[str] = frozenset()

    def held(self, prefix: str) -> frozenset[str]:
        return {"worker:": self.live, "alone:telegram:": self.alone}[prefix]

    def want(self, name: str) -> None:
        self.alone |= {name.removeprefix("alone:telegram:")}

    def renounce(self, name: str) -> None:
        self.alone -= {name.removeprefix("alone:telegram:")}


class Scene:
    """A worker `a` beside others."""

    def __init__(self, *live: str) -> None:
        self.at = START
        self.server, self.team = Shared(), Team(*(live or ("a", "b")))
        self.sharing = Sharing(self.server, self.team, "telegram", lambda: self.at)
        self.sharing.look(self.at)

    async def fetch(self, *wanted: Sequence[Need]) -> list[str]:
        for needs in wanted:
            assert self.use(*needs) == AGAIN
        await self.sharing.fetch()
        return self.server.names()

    def use(self, *needs: Need) -> float:
        return self.sharing.use(needs, self.at)

    def see(self) -> None:
        self.sharing.look(self.at)


async def test_a_token_is_taken_as_its_bucket_says_and_used_once() -> None:
    scene = Scene()
    assert scene.use(BOT) == AGAIN
    await scene.sharing.fetch()
    assert scene.server.asked == [("greeting", 1.0, 1.0, 1), ("bot", 2.0, 3.0, 1)]
    assert (scene.sharing.whole(scene.at), scene.use(BOT), scene.use(BOT)) == (0.0, 0.0, AGAIN)
    assert await scene.fetch() == ["greeting", "bot", "bot"]
    assert await scene.fetch() == []


async def test_tokens_that_are_there_are_not_taken_again() -> None:
    scene = Scene()
    assert await scene.fetch([BOT], [BOT]) == ["greeting", "bot", "bot"]
    assert await scene.fetch([BOT, ROOM]) == ["-1"]
    assert (scene.use(BOT, ROOM), scene.use(BOT), scene.use(ROOM)) == (0.0, 0.0, AGAIN)


async def test_a_token_grows_old_on_either_side() -> None:
    scene = Scene()
    await scene.fetch([BOT])
    scene.at += FRESH * 0.9
    assert scene.use(BOT) == 0.0
    await scene.fetch([BOT])
    scene.at += FRESH
    assert scene.use(BOT) == AGAIN
    assert await scene.fetch() == ["bot"]


async def test_what_was_denied_is_not_asked_for_before_its_time() -> None:
    scene = Scene()
    scene.server.waits["-1"] = 0.4
    assert await scene.fetch([BOT, ROOM], [BOT]) == ["greeting", "bot", "-1"]  # the second has the first one's
    assert scene.use(BOT, ROOM) == pytest.approx(0.4)
    scene.at += 0.3
    assert scene.use(ROOM) == pytest.approx(0.1)
    assert await scene.fetch() == []
    scene.at += 0.1
    scene.server.waits.clear()
    assert await scene.fetch([ROOM]) == ["-1"]
    assert scene.use(ROOM) == 0.0


async def test_the_whole_bot_waits_as_long_as_its_bucket_says() -> None:
    scene = Scene()
    scene.server.waits["bot"] = 0.2
    assert scene.sharing.whole(scene.at) == 0.0
    await scene.fetch([BOT])
    assert scene.sharing.whole(scene.at) == pytest.approx(0.2)
    scene.at += 1
    assert scene.sharing.whole(scene.at) == 0.0


async def test_only_so_many_wait_for_tokens_at_once() -> None:
    scene = Scene()
    for _ in range(15):
        scene.use(ROOM)
    assert scene.sharing.whole(scene.at) == 0.0
    scene.use(ROOM)
    assert scene.sharing.whole(scene.at) == AGAIN
    await scene.sharing.fetch()
    assert scene.sharing.whole(scene.at) == 0.0


async def test_what_is_owed_is_paid_first_and_until_it_is_paid() -> None:
    scene = Scene()
    scene.sharing.owe([BOT, ROOM])
    scene.server.waits["-1"] = 0.4
    assert await scene.fetch([BOT]) == ["greeting", "bot", "-1"]
    assert scene.use(BOT) == AGAIN
    scene.at += 0.5
    scene.server.waits.clear()
    assert await scene.fetch() == ["-1", "bot"]


async def test_who_is_admitted_has_taken_a_token_of_each() -> None:
    scene = Scene()
    assert await scene.sharing.admit([BOT, ROOM]) == 0.0
    assert scene.server.names() == ["bot", "-1"]
    scene.server.waits["bot"] = 0.3
    assert await scene.sharing.admit([BOT, ROOM]) == pytest.approx(0.3)
    assert scene.server.names() == ["bot"]
    scene.server.down = True
    scene.at += 1
    assert await scene.sharing.admit([BOT]) == RETRY
    assert scene.sharing.alone
    scene.server.down = False
    assert await scene.sharing.admit([BOT]) == RETRY
    assert scene.server.names() == []


async def test_who_is_cut_off_says_so_and_tries_again_ever_later() -> None:
    scene = Scene()
    await scene.fetch([BOT])
    scene.server.down = True
    scene.at += 1
    assert scene.sharing.takes
    await scene.fetch([ROOM])
    assert [scene.sharing.alone, scene.sharing.takes, scene.team.alone] == [True, False, {"a"}]
    assert scene.use(BOT) == AGAIN  # tokens of before are gone
    scene.server.down = False
    scene.at += 2 * RETRY - 0.1
    assert await scene.fetch() == []
    scene.at += 0.1
    assert await scene.fetch() == []
    assert (scene.sharing.alone, scene.team.alone, scene.server.emptied) == (False, frozenset(), 1)
    scene.see()
    scene.server.down = True
    await scene.fetch([ROOM])
    scene.server.down = False
    scene.at += 4 * RETRY - 0.1
    await scene.sharing.fetch()
    assert scene.sharing.alone
    scene.at += 0.1
    await scene.sharing.fetch()
    assert not scene.sharing.alone


async def test_a_loss_of_long_ago_counts_no_more_and_there_is_a_longest_wait() -> None:
    scene = Scene()

    async def lost() -> float:
        scene.server.down = True
        scene.use(ROOM)
        await scene.sharing.fetch()
        scene.server.down = False
        since = scene.at
        while scene.sharing.alone:
            scene.at += 0.5
            await scene.sharing.fetch()
        return scene.at - since

    assert [await lost() for _ in range(6)] == [4, 8, 16, 32, RETRY_MOST, RETRY_MOST]
    scene.at += 301
    assert await lost() == 4


def test_everybody_may_use_everything_while_all_can_reach_the_buckets() -> None:
    scene = Scene()
    assert (scene.sharing.part(scene.at), scene.sharing.pause(scene.at)) == (1.0, 0.0)
    assert all(scene.sharing.leave(str(room), scene.at) == 0.0 for room in range(20))


def test_who_does_not_see_itself_does_nothing() -> None:
    scene = Scene("b", "c")
    assert (scene.sharing.part(scene.at), scene.sharing.pause(scene.at)) == (0.0, OTHERS)


def test_those_who_are_not_alone_share_what_is_left() -> None:
    scene = Scene("a", "b", "c")
    scene.at += 60
    scene.team.alone = frozenset({"c", "gone"})
    scene.see()
    assert scene.sharing.part(scene.at) == pytest.approx(2 / 3)
    view = View(("a", "b", "c"), frozenset({"c"}))
    for room in map(str, range(30)):
        assert scene.sharing.leave(room, scene.at) == (OTHERS if view.owner(room) == "c" else 0.0)
    assert {view.owner(str(room)) for room in range(30)} == {"a", "b", "c"}


def test_who_has_just_begun_waits_until_it_has_seen_enough() -> None:
    scene = Scene()
    scene.at += 5
    scene.team.alone = frozenset({"b"})
    scene.see()
    assert scene.sharing.part(scene.at) == 0.0
    scene.at += 4.9
    assert scene.sharing.part(scene.at) == 0.0
    scene.at += 0.1
    assert scene.sharing.part(scene.at) == 0.5


async def test_who_is_alone_keeps_to_its_own_part_and_its_own_destinations() -> None:
    scene = Scene("a", "b")
    scene.server.down = True
    scene.use(ROOM)
    await scene.sharing.fetch()
    scene.see()
    assert scene.sharing.part(scene.at) == 0.0  # the others do not know it yet
    scene.at += 10
    scene.see()
    assert scene.sharing.part(scene.at) == 0.5
    view = View(("a", "b"), frozenset({"a"}))
    for room in map(str, range(30)):
        assert scene.sharing.leave(room, scene.at) == (0.0 if view.owner(room) == "a" else OTHERS)


async def test_when_somebody_is_back_the_buckets_are_emptied() -> None:
    scene = Scene()
    await scene.fetch()
    scene.team.alone = frozenset({"b"})
    scene.see()
    assert (await scene.fetch([BOT]), scene.server.emptied) == (["bot"], 0)
    scene.team.alone = frozenset()
    scene.see()
    assert await scene.sharing.admit([BOT]) == RETRY
    assert (await scene.fetch(), scene.server.emptied) == ([], 1)
    assert (await scene.fetch([BOT]), scene.server.emptied) == (["bot"], 1)


def test_the_owner_of_nothing_is_nobody() -> None:
    assert View((), frozenset()).owner("-1") == ""
    assert Scene("a", "b").sharing.look_again == LOOK


def test_a_cautious_limit_leaves_the_room_that_it_has_to_and_no_more() -> None:
    slow = cautious(Rate(20, 60.0, 5.0))
    assert [slow.count, slow.seconds, slow.burst] == pytest.approx([SHARE * 20, 60.0, 4.0])
    quick = cautious(Rate(10, 0.5, 10.0))
    assert [quick.count, quick.seconds, quick.burst] == pytest.approx([0.5 * 9.9 / 0.65, 0.5, 1.0])
    assert cautious(Rate(20, 60.0, 2.0)).burst == 2.0
    assert cautious(Rate(1, 1.0, 1.0)).burst == 1.0


async def test_a_single_process_shares_with_nobody() -> None:
    assert (SOLE.part(0), SOLE.pause(0), SOLE.leave("x", 0), SOLE.whole(0), SOLE.use([BOT], 0)) == (1.0, 0, 0, 0, 0)
    assert (SOLE.alone, SOLE.takes, SOLE.look_again) == (False, False, math.inf)
    assert await SOLE.admit([BOT]) == 0.0
