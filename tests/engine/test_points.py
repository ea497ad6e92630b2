"""The points at which a fault can be asked for: each is passed where its name says, and told what it is about."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.chat.ports import Refused, Unclear
from bot.domain import failpoints
from bot.domain.delivery import DeliveryState
from bot.domain.failpoints import VARIABLE, Point, arm
from bot.engine.registry import Registry
from bot.engine.timers import TimerLoop

from .flow import deleted, flowing, incoming
from .test_timers import fire
from .world import Finder, Ledger, failing, make_engine, running, until

S = DeliveryState


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The points that are passed, in their order; nothing happens at any of them."""
    points: list[str] = []

    def note(point: Point, about: str) -> None:
        points.append(f"{Point(point).value}/{about}" if about else Point(point).value)

    arm({VARIABLE: "start.locked=raise"})
    monkeypatch.setattr(failpoints, "_reached", note)
    yield points
    arm({})


def of(points: list[str], *kinds: str) -> list[str]:
    return [one for one in points if one.startswith(kinds)]


BEGUN = ["outbox.sending/reply", "outbox.request/reply"]


async def test_a_delivery_and_a_stop(path: Path, passed: list[str]) -> None:
    async with running(path) as engine:
        row = await engine.order()
        await engine.until(row, S.SENT)
        await engine.stop()
    ways = of(passed, "outbox", "stop")
    assert ways[0] == "outbox.claimed"  # and whenever it was looked for more
    assert [one for one in ways if one != "outbox.claimed"] == [
        *BEGUN,
        "outbox.answered/reply",
        "outbox.confirming/reply",
        "outbox.confirmed/reply",
        "stop.draining",
    ]


async def test_a_delivery_that_fails(path: Path, passed: list[str]) -> None:
    async with running(path) as engine:
        engine.platform.fates.append(failing(Refused("no", "403")))
        row = await engine.order()
        await engine.until(row, S.FAILED)
        await engine.stop()
    ways = [one for one in of(passed, "outbox") if one != "outbox.claimed"]
    assert ways == [*BEGUN, "outbox.failed/reply", "outbox.settled/reply"]


async def test_a_look_up(path: Path, passed: list[str]) -> None:
    async with running(path, platform=Finder()) as engine:
        engine.platform.fates.append(failing(Unclear("cut off"), after=True))
        row = await engine.order()
        doubtful = await engine.until(row, S.UNCERTAIN)
        assert doubtful.look_at is not None
        engine.clock.at = doubtful.look_at + 1
        await engine.until(row, S.SENT)
        await until(lambda: _there(passed, "reconcile.settled"))
    assert of(passed, "reconcile") == ["reconcile.due", "reconcile.looked", "reconcile.settled"]


async def _there(passed: list[str], point: str) -> bool:
    return point in passed


async def test_an_event(path: Path, passed: list[str]) -> None:
    async with flowing(path) as flow:
        await flow.door.accept([incoming(1, deleted(1))])
        await flow.until(done=1)
        await until(lambda: _there(passed, "router.committed"))
    assert of(passed, "inbox") == ["inbox.answered", "inbox.written", "inbox.committed"]
    assert of(passed, "router", "handler") == [
        "router.prepared",
        "handler.before",
        "handler.after",
        "router.committed",
    ]


async def test_a_timer(path: Path, passed: list[str]) -> None:
    registry: Registry[Ledger] = Registry()
    registry.timer("job", fire)
    engine = await make_engine(path, registry=registry)
    engine.tasks.append(asyncio.create_task(TimerLoop(engine.core).run()))
    await engine.write(lambda work: work.timers.set("job", "a", engine.clock.at))
    await until(lambda: _there(passed, "timer.committed/job"))
    await engine.stop()
    await engine.store.close()
    assert of(passed, "timer") == ["timer.due/job", "timer.made/job", "timer.committed/job"]


async def test_a_start_after_a_death(path: Path, passed: list[str]) -> None:
    engine = await make_engine(path)
    await engine.recover()
    await engine.store.close()
    assert of(passed, "recover") == ["recover.begun", "recover.settled", "recover.committed"]
