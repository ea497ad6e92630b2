"""Live messages through the real courier: few edits, the newest state, and the last one soon."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.chat.messages import Outgoing, Reply
from bot.chat.ports import NotSent, Refused, Unclear
from bot.domain.delivery import FINAL, DeliveryState
from bot.engine.limiter import PUBLISHED, Limiter
from bot.engine.live import SPACING, Live
from bot.engine.registry import Lost, Registry
from bot.storage.work import Work

from .world import ROOM, Call, Deed, Engine, HandClock, Held, Ledger, Recorder, do_it, failing, running, until


@dataclass
class Poll:
    """A live message of tests: its state is a number."""

    engine: Engine
    live: Live[Ledger]
    clock: HandClock
    votes: dict[str, int]
    lost: list[tuple[str, Lost]]
    begun: list[float]
    """When each edit was made."""
    at: list[float] = field(default_factory=list)
    """When each edit reached the platform."""

    async def vote(self, name: str = "a") -> None:
        def unit(work: Work) -> None:
            self.votes[name] += 1
            self.live.changed(work, name)

        await self.engine.write(unit)

    async def finish(self, name: str = "a") -> None:
        await self.engine.write(lambda work: self.live.finish(work, name))

    def shown(self) -> list[str]:
        return [call.message.text for call in self.engine.platform.done if isinstance(call.message, Reply)]

    async def shows(self, text: str) -> None:
        """Wait, in time that passes, until the newest edit shows this."""

        async def there() -> bool:
            self.clock.at += 0.004
            return bool(self.shown()) and self.shown()[-1] == text

        await until(there)

    async def rest(self) -> None:
        """Until nothing more is to be done."""

        async def none() -> bool:
            self.clock.at += 0.01
            return not await self.engine.read(open_rows)

        await until(none)


def open_rows(work: Work) -> int:
    query = "SELECT count(*) FROM outbox WHERE state IN ('pending', 'claimed', 'sending')"
    return int(work._connection.exec_driver_sql(query).scalar_one())


def all_states(work: Work) -> list[str]:
    return [str(row[0]) for row in work._connection.exec_driver_sql("SELECT state FROM outbox ORDER BY id")]


@asynccontextmanager
async def polls(path: Path, *, limited: bool = False, follow: bool = True) -> AsyncIterator[Poll]:
    clock, votes, lost = HandClock(), {"a": 0, "b": 0}, list[tuple[str, Lost]]()
    registry: Registry[Ledger] = Registry()

    begun: list[float] = []

    def render(ledger: Ledger, name: str) -> Outgoing | None:
        begun.append(ledger.work.now)
        return Reply(f"{name}: {votes[name]}") if votes[name] >= 0 else None

    live = Live("poll", render, lambda _, name, why: lost.append((name, why)))
    live.register(registry)
    limiter = Limiter(PUBLISHED["telegram"] if limited else None, clock.monotonic, clock.now)
    platform = Recorder()
    async with running(path, clock=clock, registry=registry, limiter=limiter, platform=platform) as engine:
        poll = Poll(engine, live, clock, votes, lost, begun)

        async def noting(recorder: Recorder, call: Call) -> str:
            poll.at.append(clock.at)
            recorder.fates.appendleft(noting)
            return await do_it(recorder, call)

        platform.fates.append(noting)
        if follow:
            for name in votes:
                await engine.write(
                    lambda work, name=name: live.follow(work, name, ROOM, f"m-{name}", Reply(f"{name}: 0"))
                )
        yield poll


@pytest.fixture
async def poll(path: Path) -> AsyncIterator[Poll]:
    async with polls(path) as made:
        yield made


async def test_many_changes_are_one_edit_of_the_newest_state(poll: Poll) -> None:
    for _ in range(100):
        await poll.vote()
    assert poll.engine.platform.calls == []  # it was shown just now
    began = poll.clock.at
    await poll.shows("a: 100")
    await poll.rest()
    assert poll.shown() == ["a: 100"]
    assert poll.begun[0] >= began + SPACING - 1e-3
    assert [call.message_id for call in poll.engine.platform.done] == ["m-a"]


async def test_a_busy_message_is_edited_every_three_seconds_and_no_change_is_lost(poll: Poll) -> None:
    began = poll.clock.at
    for _ in range(150):
        await poll.vote()
        poll.clock.at += 0.2
    await poll.shows("a: 150")
    await poll.rest()
    assert all(later - earlier >= SPACING - 1e-3 for earlier, later in itertools.pairwise(poll.begun))
    assert len(poll.at) <= (poll.clock.at - began) / SPACING + 1
    assert poll.shown() == sorted(poll.shown(), key=lambda text: int(text.split()[1]))


async def test_what_is_shown_already_is_not_shown_again(poll: Poll) -> None:
    await poll.engine.write(lambda work: poll.live.changed(work, "a"))
    poll.clock.at += SPACING
    await poll.rest()
    assert poll.engine.platform.calls == []
    await poll.vote()
    await poll.shows("a: 1")
    await poll.engine.write(lambda work: poll.live.changed(work, "a"))
    poll.clock.at += SPACING
    await poll.rest()
    assert poll.shown() == ["a: 1"]


async def test_a_change_during_an_edit_is_shown_after_it(poll: Poll) -> None:
    held = Held()
    poll.engine.platform.fates.appendleft(held)
    await poll.vote()
    poll.clock.at += SPACING
    await held.arrived.wait()
    await poll.vote()
    held.go.set()
    await poll.shows("a: 2")
    assert poll.shown() == ["a: 1", "a: 2"]


async def test_the_last_state_is_shown_at_once_and_nothing_after_it(poll: Poll) -> None:
    await poll.vote()
    closed = poll.clock.at
    await poll.finish()
    await poll.shows("a: 1")
    await poll.vote()
    poll.clock.at += 60
    await poll.rest()
    assert poll.shown() == ["a: 1"]
    assert poll.at[0] < closed + 1
    assert await poll.engine.read(lambda work: work.live.get("poll:a")) is None
    assert await poll.engine.read(lambda work: work.live.get("poll:b")) is not None


async def test_the_last_state_goes_after_an_edit_under_way(poll: Poll) -> None:
    held = Held()
    poll.engine.platform.fates.appendleft(held)
    await poll.vote()
    poll.clock.at += SPACING
    await held.arrived.wait()
    await poll.vote()
    await poll.finish()
    held.go.set()
    await poll.shows("a: 2")
    await poll.rest()
    assert poll.shown() == ["a: 1", "a: 2"]
    assert DeliveryState.CANCELLED.value in await poll.engine.read(all_states)


async def test_a_last_state_that_is_shown_already_needs_no_edit(poll: Poll) -> None:
    await poll.finish()
    await poll.rest()
    assert poll.engine.platform.calls == []
    assert await poll.engine.read(lambda work: work.live.get("poll:a")) is None


@pytest.mark.parametrize(
    "fate",
    [
        failing(Unclear("no answer"), after=True),
        failing(Unclear("cut off")),
        failing(NotSent("refused before it stood")),
        failing(NotSent("429", 7.0)),
    ],
    ids=["done, no answer", "lost", "unreachable", "too fast"],
)
async def test_an_edit_that_went_wrong_is_made_again_with_what_is_new(poll: Poll, fate: Deed) -> None:
    poll.engine.platform.fates.appendleft(fate)
    await poll.vote()
    poll.clock.at += SPACING
    await poll.engine.after_calls(1)
    await poll.vote()
    await poll.shows("a: 2")
    await poll.rest()
    assert poll.shown()[-1] == "a: 2"


async def test_after_an_unclear_edit_the_old_state_is_shown_too(poll: Poll) -> None:
    """It may show the new one: that it looks unchanged to us proves nothing."""
    poll.engine.platform.fates.appendleft(failing(Unclear("no answer"), after=True))
    await poll.vote()
    poll.clock.at += SPACING
    await poll.engine.after_calls(1)
    poll.votes["a"] = 0
    await poll.shows("a: 0")


async def test_a_message_that_is_gone_is_left_alone(poll: Poll) -> None:
    poll.engine.platform.fates.appendleft(failing(Refused("deleted", "gone")))
    await poll.vote()
    poll.clock.at += SPACING
    await poll.engine.after_calls(1)
    assert poll.lost == [("a", Lost("deleted", "gone"))]
    await poll.vote()
    await poll.finish()
    poll.clock.at += 60
    await poll.rest()
    assert len(poll.engine.platform.calls) == 1


async def test_what_needs_no_edit_any_more_gets_none(poll: Poll) -> None:
    await poll.vote()
    poll.votes["a"] = -1
    poll.clock.at += SPACING
    await poll.rest()
    assert poll.engine.platform.calls == []


async def test_what_is_not_followed_is_not_edited(path: Path) -> None:
    async with polls(path, follow=False) as poll:
        await poll.vote()
        await poll.finish()
        assert await poll.engine.read(all_states) == []


async def test_messages_do_not_wait_for_each_other(poll: Poll) -> None:
    await poll.vote("a")
    await poll.vote("b")
    poll.clock.at += SPACING
    await poll.rest()
    assert sorted(poll.shown()) == ["a: 1", "b: 1"]


async def test_in_a_group_half_of_the_minute_is_used_and_the_last_state_comes_within_five_seconds(path: Path) -> None:
    async with polls(path, limited=True) as poll:
        for _ in range(1200):
            poll.clock.at += 0.1
            await poll.vote("a")
            await poll.vote("b")
        closed = poll.clock.at
        before = len(poll.at)
        await poll.finish("a")
        await poll.finish("b")
        await poll.shows(f"b: {poll.votes['b']}")
        assert max(poll.at) <= closed + 5
        assert poll.shown()[before:] == [f"a: {poll.votes['a']}", f"b: {poll.votes['b']}"]
        busiest = max(sum(begin <= at < begin + 60 for at in poll.at[:before]) for begin in poll.at[:before])
        assert 5 <= busiest <= 10


async def test_an_edit_that_a_dead_process_began_is_made_again(path: Path) -> None:
    async with polls(path) as poll:
        held = Held()
        poll.engine.platform.fates.appendleft(held)
        await poll.vote()
        poll.clock.at += SPACING
        await held.arrived.wait()
        await poll.engine.kill()
        held.go.set()
        assert poll.shown() == []
    async with polls(path, follow=False) as again:
        again.clock.at = poll.clock.at
        again.votes["a"] = 1
        await again.engine.recover()
        await again.shows("a: 1")
        await again.rest()
        assert set(await again.engine.read(all_states)) <= {state.value for state in FINAL}


async def test_what_changes_while_a_message_is_posted_is_shown_once_it_is_there(path: Path) -> None:
    """A message is followed from before its request: no vote on it is lost, however early it comes."""
    async with polls(path, follow=False) as poll:
        await poll.engine.write(lambda work: poll.live.posting(work, "a", ROOM, Reply("a: 0")))
        await poll.vote()
        await poll.finish("a")
        assert await poll.engine.read(all_states) == []  # there is nothing yet that could be edited
        began = poll.clock.at
        await poll.engine.write(lambda work: poll.live.posted(work, "a", "m-7"))
        await poll.shows("a: 1")
        (call,) = poll.engine.platform.done
        assert (call.to, call.message_id) == (ROOM, "m-7")
        assert poll.begun[0] >= began + SPACING


async def test_a_message_that_shows_the_newest_state_when_it_is_there_is_not_edited(path: Path) -> None:
    async with polls(path, follow=False) as poll:
        await poll.engine.write(lambda work: poll.live.posting(work, "a", ROOM, Reply("a: 0")))
        await poll.engine.write(lambda work: poll.live.posted(work, "a", "m-7"))
        await poll.rest()
        assert await poll.engine.read(all_states) == ["cancelled"]
        assert poll.engine.platform.calls == []
