"""Passing answers: after the commit, from memory, one after the other, in time, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.chat.messages import Notice
from bot.chat.ports import NotSent, Refused, Unclear
from bot.domain.places import Member
from bot.engine import passing, router
from bot.engine.passing import AT_ONCE, LATEST, MOST, Voice
from bot.engine.router import TRIES
from bot.engine.timers import TimerLoop
from bot.storage.store import attempt
from bot.storage.timers import Timer
from bot.storage.work import Passing, Work

from .flow import Flow, flowing, incoming, pressed
from .platforms import Call, Held, Recorder, failing
from .world import ROOM, Engine, Ledger, make_engine, until


def word(text: str, who: str = "7") -> Passing:
    return Passing(Notice(text, Member("telegram", "1", who), passing=True), ROOM, {"handle": text})


def texts(platform: Recorder, who: str | None = None) -> list[str]:
    told = [call.message for call in platform.done if isinstance(call.message, Notice)]
    return [notice.text for notice in told if who in {None, notice.member.user_id}]


@asynccontextmanager
async def speaking(path: Path, *, started: bool = True) -> AsyncIterator[tuple[Engine, Voice[Ledger]]]:
    engine = await make_engine(path)
    voice = Voice(engine.core, engine.platform, engine.limiter, 10.0)
    if started:
        engine.tasks.append(asyncio.create_task(voice.run()))
        await asyncio.sleep(0)
    try:
        yield engine, voice
    finally:
        await engine.stop()
        await engine.store.close()


async def quiet(voice: Voice[Ledger]) -> None:
    async def is_quiet() -> bool:
        return voice.idle

    await until(is_quiet)


async def said(flow: Flow, count: int) -> None:
    """Wait until so much is said, and nothing is left: what is committed is handed over only after that."""

    async def is_said() -> bool:
        return len(texts(flow.engine.platform)) >= count

    await until(is_said)
    await quiet(flow.voice)


# ---- when


def says(ledger: Ledger, event: Any) -> None:
    assert ledger.work.say(word(event.payload))


async def test_it_is_said_once_the_event_is_done(path: Path) -> None:
    done: list[int] = []

    async def look(platform: Recorder, call: Call) -> str:
        done.append((await flow.counts()).get("done", 0))
        platform.done.append(call)
        return ""

    async with flowing(path, says) as flow:
        flow.engine.platform.fates.extend([look] * 3)
        for number in range(3):
            await flow.door.accept([incoming(number, pressed(number))])
        await flow.until(done=3)
        await said(flow, 3)
        assert texts(flow.engine.platform) == ["0", "1", "2"]
        assert all(count > at for at, count in enumerate(done))


def says_and_fails(ledger: Ledger, event: Any) -> None:
    says(ledger, event)
    if event.payload == "1":
        raise ValueError("a bug in a handler")


def says_in_vain(ledger: Ledger, event: Any) -> None:
    """Part of the unit is taken back, and with it what was to be said."""

    def part() -> None:
        says(ledger, event)
        raise ValueError("taken back")

    assert isinstance(ledger.work.isolated(part), ValueError)
    ledger.work.say(word("kept"))


async def failing_unit(path: Path) -> None:
    async with flowing(path, says_and_fails) as flow:
        await flow.door.accept([incoming(number, pressed(number)) for number in range(3)])
        await flow.until(done=2, failed=1)
        await said(flow, 2)
        assert sorted(texts(flow.engine.platform)) == ["0", "2"]
        assert len([event for event, _ in flow.seen if getattr(event, "payload", "") == "1"]) == TRIES


async def failing_part(path: Path) -> None:
    async with flowing(path, says_in_vain) as flow:
        await flow.door.accept([incoming(1, pressed(1))])
        await flow.until(done=1)
        await said(flow, 1)
        assert texts(flow.engine.platform) == ["kept"]


async def failing_commit(path: Path) -> None:
    """The whole group fails once: what its units said is said when they have run again, and not twice."""
    async with flowing(path, says, started=False) as flow:
        flow.engine.platform.parsed["raw 1"] = pressed(1)
        await flow.door.accept([incoming(1, pressed(1))])
        broken = [True]

        def handler(ledger: Ledger, event: Any) -> None:
            says(ledger, event)
            if broken.pop() if broken else False:
                ledger.work._connection.exec_driver_sql("SELECT no_such_column")

        flow.engine.core.registry.events[type(pressed(1))] = handler
        flow.engine.tasks += [asyncio.create_task(one.run()) for one in (flow.router, flow.voice)]
        await flow.until(done=1)
        await said(flow, 1)
        assert texts(flow.engine.platform) == ["1"]


Scene = Callable[[Path], Awaitable[None]]


@pytest.mark.parametrize("scene", [failing_unit, failing_part, failing_commit])
async def test_what_did_not_happen_is_not_told(path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "RETRY_SECONDS", 0.01)
    await scene(path)


async def test_what_time_brings_about_is_no_direct_answer(path: Path) -> None:
    said: list[bool] = []

    async def fire(timer: Timer) -> Callable[[Ledger], None]:
        return lambda ledger: said.append(ledger.work.say(word(timer.key)))

    async with speaking(path) as (engine, _):
        engine.core.registry.timer("job", fire)
        engine.tasks.append(asyncio.create_task(TimerLoop(engine.core).run()))
        await engine.write(lambda work: work.timers.set("job", "due", engine.clock.at))

        async def over() -> bool:
            return said == [False]

        await until(over)


async def test_elsewhere_nobody_would_say_it(path: Path) -> None:
    async with speaking(path) as (engine, _):
        assert not await engine.write(lambda work: work.say(word("lost")))


# ---- how many


async def flood(path: Path) -> None:
    """Of one member's answers one is under way, the newest wait; others are told meanwhile."""
    async with speaking(path) as (engine, voice):
        held = Held()
        engine.platform.fates.append(held)
        for number in range(50):
            voice.say(word(str(number)))
        voice.say(word("mei", "8"))

        async def mei_knows() -> bool:
            return texts(engine.platform) == ["mei"]

        await until(mei_knows)
        assert len(engine.platform.calls) == 2
        held.go.set()
        await quiet(voice)
        assert texts(engine.platform, "7") == ["0", *(str(number) for number in range(50 - MOST, 50))]
        assert voice.counts == {"said": 2 + MOST, "crowded": 49 - MOST}


async def crowd(path: Path) -> None:
    """Only so many requests at once."""
    async with speaking(path) as (engine, voice):
        gate = Held()
        engine.platform.fates.extend([gate] * 300)
        for number in range(300):
            voice.say(word("hello", str(number)))
        async with asyncio.timeout(30):
            await gate.arrived.wait()
        await asyncio.sleep(0)
        assert len(engine.platform.calls) == AT_ONCE
        gate.go.set()
        await quiet(voice)
        assert len(texts(engine.platform)) == 300


@pytest.mark.parametrize("scene", [flood, crowd])
async def test_nobody_fills_memory_or_holds_up_others(path: Path, scene: Scene) -> None:
    await scene(path)


async def test_where_everybody_waits_those_who_waited_longest_go_without(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "ROOM", 10)
    async with speaking(path, started=False) as (engine, voice):
        for number in range(15):
            voice.say(word("hello", str(number)))
        engine.tasks.append(asyncio.create_task(voice.run()))
        await quiet(voice)
        assert voice.counts == {"said": 10, "late": 5}
        assert not texts(engine.platform, "0")


# ---- what goes wrong


@pytest.mark.parametrize("error", [Refused("gone", "404"), Unclear("cut off"), ValueError("a secret")])
async def test_what_fails_is_not_repeated(path: Path, error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    async with speaking(path) as (engine, voice):
        engine.platform.fates.append(failing(error))
        voice.say(word("one"))
        voice.say(word("two"))
        await quiet(voice)
        assert texts(engine.platform) == ["two"]
        assert voice.counts == {"failed": 1, "said": 1}
        assert "a passing answer on telegram" in caplog.text
        assert "a secret" not in caplog.text


async def test_what_was_surely_not_sent_is_tried_again_soon(path: Path) -> None:
    async with speaking(path) as (engine, voice):
        engine.platform.fates.append(failing(NotSent("not answered yet")))
        voice.say(word("one"))
        await _calls(engine, 1)
        engine.clock.at += passing.AGAIN
        await quiet(voice)
        assert texts(engine.platform) == ["one"]


@pytest.mark.parametrize(("wait", "told"), [(3.0, ["one"]), (60.0, [])])
async def test_what_a_platform_tells_us_to_wait_is_obeyed_and_kept(path: Path, wait: float, told: list[str]) -> None:
    """Whatever would come too late then is dropped."""
    async with speaking(path) as (engine, voice):
        engine.platform.fates.append(failing(NotSent("slow down", wait, "bot")))
        voice.say(word("one"))
        await _calls(engine, 1)

        async def kept() -> bool:
            blocks = await engine.read(lambda work: work.blocks.of("telegram", work.now))
            return [(block.destination, block.until) for block in blocks] == [("", engine.clock.at + wait)]

        await until(kept)
        voice.say(word("other", "8"))
        await asyncio.sleep(0.02)
        assert len(engine.platform.calls) == 1
        engine.clock.at += wait
        await quiet(voice)
        assert sorted(texts(engine.platform)) == sorted([*told, *(["other"] if told else [])])


async def _calls(engine: Engine, count: int) -> None:
    async def there() -> bool:
        return len(engine.platform.calls) == count

    await until(there)


async def test_nothing_is_said_to_a_platform_that_is_down_but_a_probe(path: Path) -> None:
    async with speaking(path) as (engine, voice):
        engine.platform.fates.extend([failing(Unclear("down"))] * 20)
        for number in range(20):
            voice.say(word("hello", str(number)))
        await quiet(voice)
        calls = len(engine.platform.calls)
        assert engine.limiter.broken_since() is not None
        for number in range(20, 30):
            voice.say(word("hello", str(number)))
        await asyncio.sleep(0.02)
        assert len(engine.platform.calls) == calls
        engine.clock.at += 1.0  # the first probe finds it well again
        await quiet(voice)
        assert engine.limiter.broken_since() is None
        assert voice.counts == {"failed": 20, "said": 10}


async def test_what_waits_too_long_is_dropped(path: Path) -> None:
    async with speaking(path) as (engine, voice):
        held = Held()
        engine.platform.fates.append(held)
        voice.say(word("under way"))
        voice.say(word("late"))
        async with asyncio.timeout(30):
            await held.arrived.wait()
        engine.clock.at += LATEST
        held.go.set()
        await quiet(voice)
        assert texts(engine.platform) == ["under way"]
        assert voice.counts == {"said": 1, "late": 1}


# ---- the end


async def test_a_stop_lets_what_waits_be_said(path: Path) -> None:
    async with speaking(path) as (engine, voice):
        held = Held()
        engine.platform.fates.append(held)
        for number in range(3):
            voice.say(word(str(number)))
        async with asyncio.timeout(30):
            await held.arrived.wait()
        speaker = engine.tasks.pop()
        speaker.cancel()
        await asyncio.sleep(0)
        voice.say(word("too late"))
        held.go.set()
        await asyncio.wait([speaker])
        assert texts(engine.platform) == ["0", "1", "2"]


async def test_a_stop_waits_for_nobody_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "DRAIN_SECONDS", 0.05)
    async with speaking(path) as (engine, voice):
        engine.platform.fates.append(Held())
        voice.say(word("under way"))
        voice.say(word("waits"))
        await _calls(engine, 1)
        await engine.stop()
        assert not texts(engine.platform)


# ---- mutants


def said_at_once(self: Work, one: Passing) -> bool:
    """Before the commit, whatever becomes of it."""
    assert self._passing is not None
    LOOPS[0].call_soon_threadsafe(VOICES[0].say, one)
    return True


LOOPS: list[asyncio.AbstractEventLoop] = []
VOICES: list[Voice[Ledger]] = []


def never_taken_back(self: Work, call: Callable[[], None]) -> Exception | None:
    return attempt(self._connection, lambda _: call())[1]


MUTANTS: dict[str, tuple[Any, str, Any, Scene]] = {
    "before the commit": (Work, "say", said_at_once, failing_unit),
    "a part that is taken back": (Work, "isolated", never_taken_back, failing_part),
    "no limit for one member": (passing, "MOST", 10**6, flood),
    "no limit for all": (passing, "AT_ONCE", 10**6, crowd),
}


@pytest.mark.parametrize("name", MUTANTS)
async def test_a_mutant_is_caught(path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, mutant, scene = MUTANTS[name]
    monkeypatch.setattr(router, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(passing, "DRAIN_SECONDS", 0.05)
    monkeypatch.setattr(owner, attribute, mutant)
    made = Voice.__init__

    def remembered(self: Voice[Ledger], *parts: Any) -> None:
        made(self, *parts)
        VOICES[:], LOOPS[:] = [self], [asyncio.get_running_loop()]

    monkeypatch.setattr(Voice, "__init__", remembered)
    with pytest.raises(AssertionError):
        await scene(path)
