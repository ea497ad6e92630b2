"""From the door to the handlers: stored before anything is answered, handled in order, never lost, never stuck."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.chat.events import ButtonPressed, ChannelMoved, Event, FormSubmitted
from bot.chat.messages import Accepted, Answer, FieldErrors
from bot.chat.ports import Incoming, Position, StoreUnavailable
from bot.engine import router as routing
from bot.engine.router import TRIES

from .flow import ANA, deleted, flowing, incoming, pressed
from .world import ROOM, Ledger, Recorder, until


async def test_events_are_on_disk_when_the_door_answers(path: Path) -> None:
    async with flowing(path, started=False) as flow:
        batch = [incoming(n, deleted(n), Position("c", n)) for n in range(3)] + [incoming(3, None)]
        assert await flow.door.accept(batch) == [Accepted()] * 4
        assert await flow.counts() == {"new": 3, "ignored": 1}
        assert await flow.door.position("c") == 2
        assert await flow.door.position("other") is None


async def test_a_copy_is_answered_and_handled_once(path: Path) -> None:
    async with flowing(path) as flow:
        for _ in range(3):
            assert await flow.door.accept([incoming(1, deleted(1)), incoming(1, deleted(1))]) == [Accepted()] * 2
        await flow.until(done=1)
        assert flow.numbers() == ["1"]


async def test_of_copies_that_come_at_once_one_is_stored(path: Path) -> None:
    """Attack 7."""
    async with flowing(path) as flow:
        await asyncio.gather(*(flow.door.accept([incoming(1, deleted(1))]) for _ in range(100)))
        await flow.until(done=1)
        assert flow.numbers() == ["1"]


async def test_what_cannot_be_stored_is_not_acknowledged_and_is_accepted_later(path: Path) -> None:
    async with flowing(path) as flow:
        flow.engine.store.full = True
        with pytest.raises(StoreUnavailable):
            await flow.door.accept([incoming(1, deleted(1))])
        flow.engine.store.full = False
        await flow.door.accept([incoming(1, deleted(1))])
        await flow.until(done=1)


async def test_a_really_full_disk_is_not_acknowledged_and_the_platforms_copy_is_stored_later(path: Path) -> None:
    """F10, through SQLite itself."""
    async with flowing(path) as flow:
        await flow.door.accept([incoming(1, deleted(1))])
        await flow.until(done=1)

        def limit(connection: Any) -> None:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}").scalar_one()

        await flow.engine.store.write(limit)
        batch = [
            Incoming("telegram:1", "2", "x" * 500_000, deleted(2), Position("c", 2)),
            incoming(3, deleted(3), Position("c", 3)),
        ]
        with pytest.raises(StoreUnavailable, match="full"):
            await flow.door.accept(batch)
        assert await flow.door.position("c") is None
        assert await flow.counts() == {"done": 1}
        await flow.engine.store.write(
            lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1000000").scalar_one()
        )
        await flow.door.accept(batch)
        await flow.until(done=3)
        assert flow.numbers() == ["1", "2", "3"]


async def test_a_refused_form_is_done_with_its_answer(path: Path) -> None:
    wrong = FieldErrors({"text": "empty"})

    async def refuse(event: Any) -> Answer:
        return wrong if isinstance(event, FormSubmitted) else Accepted()

    form = FormSubmitted(ROOM, ANA, "Ana", "payload", {"text": ""})
    async with flowing(path, answer=refuse) as flow:
        assert await flow.door.accept([incoming(1, form), incoming(2, pressed(2))]) == [wrong, Accepted()]
        await flow.until(done=2)
        assert [type(event) for event, _ in flow.seen] == [ButtonPressed]


@pytest.mark.parametrize("error", [StoreUnavailable("locked"), ZeroDivisionError()])
async def test_without_an_immediate_answer_the_event_is_stored_all_the_same(path: Path, error: Exception) -> None:
    async def fail(_: object) -> Answer:
        raise error

    async with flowing(path, answer=fail) as flow:
        assert await flow.door.accept([incoming(1, pressed(1))]) == [Accepted()]
        await flow.until(done=1)


async def test_an_immediate_answer_that_takes_too_long_is_not_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: object) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    monkeypatch.setattr("bot.engine.inbox.ANSWER_SECONDS", 0.01)
    async with flowing(path, answer=never) as flow:
        assert await flow.door.accept([incoming(1, pressed(1))]) == [Accepted()]
        await flow.until(done=1)


async def test_events_are_handled_in_the_order_in_which_they_came(path: Path) -> None:
    async with flowing(path) as flow:
        for start in range(0, 300, 30):
            await flow.door.accept([incoming(n, deleted(n)) for n in range(start, start + 30)])
        await flow.until(done=300)
        assert flow.numbers() == [str(n) for n in range(300)]


async def test_a_failing_handler_is_tried_three_times_and_others_are_served(path: Path) -> None:
    def fail(_: Ledger, event: Any) -> None:
        if event.message_id in {"2", "4"}:
            raise ZeroDivisionError

    async with flowing(path, fail) as flow:
        await flow.door.accept([incoming(n, deleted(n)) for n in range(6)])
        await flow.until(done=4, failed=2)
        assert flow.numbers().count("2") == TRIES
        assert flow.numbers().count("4") == TRIES
        await flow.door.accept([incoming(9, deleted(9))])
        await flow.until(done=5, failed=2)


async def test_a_handler_that_recovers_has_its_effects_once(path: Path) -> None:
    failures = iter([True, True, False])

    def fail(ledger: Ledger, _: object) -> None:
        ledger.work.facts.set("count", str(int(ledger.work.facts.get("count") or 0) + 1))
        if next(failures):
            raise ZeroDivisionError

    async with flowing(path, fail) as flow:
        await flow.door.accept([incoming(1, deleted(1))])
        await flow.until(done=1)
        assert await flow.engine.read(lambda work: work.facts.get("count")) == "1"


async def test_an_event_without_a_handler_is_done(path: Path) -> None:
    async with flowing(path) as flow:
        await flow.door.accept([incoming(1, ChannelMoved(ROOM, ROOM))])
        await flow.until(done=1)


async def test_what_was_not_handled_before_a_restart_is_read_again(path: Path) -> None:
    async with flowing(path, started=False) as flow:
        await flow.door.accept([incoming(n, deleted(n)) for n in range(5)])
    platform = Recorder()
    platform.parsed = {f"raw {n}": deleted(n) for n in range(5) if n != 3}
    async with flowing(path, platform=platform) as flow:
        await flow.until(done=4, ignored=1)
        assert flow.numbers() == ["0", "1", "2", "4"]


async def test_events_of_a_platform_that_is_no_longer_there_are_ignored(path: Path) -> None:
    async with flowing(path, started=False) as flow:
        await flow.door.accept([Incoming("discord:1", "1", "raw", deleted(1))])
    async with flowing(path) as flow:
        await flow.until(ignored=1)


async def test_a_backlog_beyond_what_is_remembered_is_parsed_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "REMEMBERED", 16)
    platform = Recorder()
    platform.parsed = {f"raw {n}": deleted(n) for n in range(60)}
    async with flowing(path, platform=platform, started=False) as flow:
        for start in range(0, 60, 20):
            await flow.door.accept([incoming(n, deleted(n)) for n in range(start, start + 20)])
        flow.engine.tasks.append(asyncio.create_task(flow.router.run()))
        await flow.until(done=60)
        assert flow.numbers() == [str(n) for n in range(60)]


async def test_an_event_that_cannot_be_prepared_does_not_take_the_others_with_it(path: Path) -> None:
    async def prepare(events: list[Event]) -> list[Any]:
        if any(event == deleted(2) for event in events):
            raise ZeroDivisionError
        return [None] * len(events)

    async with flowing(path, prepare=prepare, started=False) as flow:
        await flow.door.accept([incoming(n, deleted(n)) for n in range(5)])
        flow.engine.tasks.append(asyncio.create_task(flow.router.run()))
        await flow.until(done=4, failed=1)
        assert flow.numbers() == ["0", "1", "3", "4"]


async def test_a_store_that_comes_back_finds_every_event_still_there(path: Path) -> None:
    def fail_once(_: Ledger, event: Any) -> None:
        if event.message_id == "1" and flow.numbers().count("1") == 1:
            raise ZeroDivisionError

    platform = Recorder()
    platform.parsed = {f"raw {n}": deleted(n) for n in range(3)}
    async with flowing(path, fail_once, platform=platform, started=False) as flow:
        await flow.door.accept([incoming(n, deleted(n)) for n in range(3)])
        flow.engine.tasks.append(asyncio.create_task(flow.router.run()))

        async def failed_once() -> bool:
            return (await flow.counts()).get("done") == 2

        await until(failed_once)
        flow.engine.store.full = True

        async def noticed() -> bool:
            return "events wait" in caught.text

        with LogText() as caught:
            await until(noticed)
        flow.engine.store.full = False
        await flow.until(done=3)


class LogText:
    """What is logged meanwhile."""

    def __enter__(self) -> LogText:
        import logging

        self.lines: list[str] = []
        self._handler = logging.Handler()
        self._handler.emit = lambda record: self.lines.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("herald").addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        import logging

        logging.getLogger("herald").removeHandler(self._handler)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@pytest.mark.parametrize(
    ("each", "turns"),
    [
        (0.0, [32, 64, 128, 256, 256, 164]),  # no time passes: as many as may be
        (0.0001, [32, 64, 128, 256, 256, 164]),  # up to 256 in half of what a turn may take
        (0.0003, [32, 64, 128, 128, 128, 128, 128, 128, 36]),  # 128 take more than half of it
        (0.001, [32, 32] + 26 * [32] + [4]),  # 32 take more than half of it
        (0.01, 28 * [32] + [4]),
    ],
)
async def test_a_turn_takes_as_many_as_take_a_moment(path: Path, each: float, turns: list[int]) -> None:
    """Each turn has its price; but what is to be sent waits for the writer while one lasts."""
    sizes: list[int] = []

    async def prepare(events: list[Event]) -> list[Any]:
        sizes.append(len(events))
        return [None] * len(events)

    def handler(_: Ledger, event: Event) -> None:
        flow.engine.clock.at += each

    async with flowing(path, handler, prepare=prepare, started=False) as flow:
        await flow.door.accept([incoming(number, deleted(number)) for number in range(900)])
        flow.engine.tasks.append(asyncio.create_task(flow.router.run()))
        await flow.until(done=900)
    assert sizes == turns
    assert flow.numbers() == [str(number) for number in range(900)]
