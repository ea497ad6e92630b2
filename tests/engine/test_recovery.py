"""What dead and stuck workers leave, where several work on one store: taken up after a lease, by one's own clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.chat.messages import Reply
from bot.domain.delivery import Deadlines, DeliveryState
from bot.engine.claiming import Begun
from bot.engine.registry import Checking, Create, Doubtful, Sent
from bot.engine.schedule import Candidate
from bot.storage.outbox import Delivery
from bot.storage.work import Work

from .world import DEADLINE, Engine, Finder, Held, Recorder, make_engine, until

S = DeliveryState
LEASE = Deadlines().lease


@asynccontextmanager
async def two(path: Path, platform: Recorder | None = None) -> AsyncIterator[tuple[Engine, Engine]]:
    """Two workers on one store and one platform, neither started."""
    first = await make_engine(path, platform=platform)
    second = await make_engine(path, platform=first.platform, clock=first.clock)
    try:
        yield first, second
    finally:
        for engine in (first, second):
            engine.store.resume()
            await engine.stop()
            await engine.store.close()


async def left_in_sending(engine: Engine, kind: str = "reply") -> tuple[int, Held]:
    """A row whose worker is suspended in the middle of its request."""
    held = Held()
    engine.platform.fates.append(held)
    engine.start()
    row = await engine.order(kind)
    async with asyncio.timeout(DEADLINE):
        await held.arrived.wait()
    await engine.store.halt()
    return row, held


async def left_in_claimed(engine: Engine) -> int:
    row = await engine.order()
    await engine.write(lambda work: work.outbox.claim([row]))
    return row


async def reaped(engine: Engine, seconds: float) -> None:
    """Another worker looks, and looks again so much later."""
    await engine.reaper.look()
    engine.clock.at += seconds
    await engine.reaper.look()


async def test_what_was_claimed_and_not_begun_goes_back(path: Path) -> None:
    async with two(path) as (first, second):
        row = await left_in_claimed(first)
        await reaped(second, LEASE - 0.01)
        assert (await second.row(row)).state is S.CLAIMED
        second.clock.at += 0.01
        await second.reaper.look()
        assert (await second.row(row)).state is S.PENDING
        second.start()
        await second.until(row, S.SENT)


async def test_what_was_being_sent_is_in_doubt_and_never_simply_sent_again(path: Path) -> None:
    """I7, and rule 5: an expired lease on a row in `sending` means uncertain."""
    async with two(path) as (first, second):
        row, held = await left_in_sending(first)
        await reaped(second, LEASE)
        assert (await second.row(row)).state is S.UNCERTAIN
        assert [type(became) for _, became in second.told] == [Doubtful]
        held.go.set()
        first.store.resume()
        await second.until(row, S.SENT)  # its answer came after all, and nobody had decided
        assert len(second.platform.done) == 1


async def test_where_the_platform_can_be_asked_it_is(path: Path) -> None:
    async with two(path, Finder()) as (first, second):
        row, held = await left_in_sending(first)
        await reaped(second, LEASE)
        assert [type(became) for _, became in second.told] == [Checking]
        left = await second.row(row)
        assert left.look_at == second.clock.at + Deadlines().quiet
        second.platform.done.append(second.platform.calls[0])  # it landed
        second.start()
        second.clock.at = left.look_at
        await second.until(row, S.SENT)
        assert second.told[-1] == (row, Sent(second.platform.calls[0].message_id))
        assert len(second.platform.calls) == 1
        held.go.set()


async def test_a_card_that_was_being_sent_is_sent_again(path: Path) -> None:
    async with two(path) as (first, second):
        row, held = await left_in_sending(first, "card")
        await reaped(second, LEASE)
        assert (await second.row(row)).state is S.PENDING
        second.start()
        await second.until(row, S.SENT)
        held.go.set()


async def test_a_claim_by_another_begins_its_time_anew(path: Path) -> None:
    async with two(path) as (first, second):
        row = await left_in_claimed(first)
        await reaped(second, LEASE - 1)

        def claimed_again(work: Work) -> list[Delivery]:
            work.outbox.release(work.outbox.get(row), work.now)
            return work.outbox.claim([row])

        await first.write(claimed_again)
        await reaped(second, LEASE - 1)
        assert (await second.row(row)).state is S.CLAIMED
        second.clock.at += 1
        await second.reaper.look()
        assert (await second.row(row)).state is S.PENDING


async def test_a_wall_clock_that_jumps_ends_no_lease(path: Path) -> None:
    async with two(path) as (first, second):
        row = await left_in_claimed(first)
        await second.reaper.look()
        second.clock.now = lambda: second.clock.at + 86_400  # type: ignore[method-assign]
        await second.reaper.look()
        assert (await second.row(row)).state is S.CLAIMED


async def test_a_worker_does_not_take_from_itself(path: Path) -> None:
    """What it sent and cannot write down, because the store is full, is not in doubt."""
    async with two(path) as (first, _):
        held = Held()
        first.platform.fates.append(held)
        first.start()
        row = await first.order()
        async with asyncio.timeout(DEADLINE):
            await held.arrived.wait()
        await reaped(first, 10 * LEASE)
        assert (await first.row(row)).state is S.SENDING
        held.go.set()
        await first.until(row, S.SENT)


@pytest.mark.parametrize("finds", [Finder, Recorder])
async def test_whoever_was_suspended_before_its_request_does_not_send(
    path: Path, finds: Callable[[], Recorder]
) -> None:
    """F3: suspended between the mark and the request for longer than its lease; the look at the clock is the last."""
    async with two(path, finds()) as (first, second):
        row = await first.order()
        (claimed,) = await first.write(lambda work: work.outbox.begin(work.outbox.claim([row])))
        expires = first.clock.monotonic() + LEASE
        await reaped(second, LEASE)
        assert (await first.row(row)).state is S.UNCERTAIN
        (chosen,) = first.limiter.choose([Candidate(row, claimed.to.channel_id, claimed.priority)], 1)
        await first.courier._deliver(Begun(claimed, Create(Reply(claimed.text), claimed.to), chosen), expires)
        assert first.platform.calls == []
        assert (await first.row(row)).state is S.UNCERTAIN


async def test_the_reaper_keeps_watching_by_itself(path: Path) -> None:
    async with two(path) as (first, second):
        row = await left_in_claimed(first)
        second.tasks.append(asyncio.create_task(second.reaper.run()))

        async def watched() -> bool:
            return bool(second.reaper._watched)

        await until(watched)
        second.clock.at += LEASE
        await second.until(row, S.PENDING)
