"""Timers, members' choices, prompts and facts."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.parts import part_of
from bot.domain.places import Channel, Member
from bot.storage.work import Work

from .conftest import NOW, Bench

ROOM = Channel("telegram", "1", "-100")
ANA, BEN = Member("telegram", "1", "7"), Member("telegram", "1", "8")


async def keys(bench: Bench, now: float, busy: list[int] | None = None, count: int = 10) -> list[str]:
    return [timer.key for timer in await bench.read(lambda work: work.timers.due(now, busy or [], count))]


async def test_timers_are_due_in_order_of_time(bench: Bench) -> None:
    for key, due in (("c", NOW + 3), ("a", NOW + 1), ("b", NOW + 2)):
        await bench.write(lambda work, key=key, due=due: work.timers.set("draft", key, due))
    assert await keys(bench, NOW) == []
    assert await keys(bench, NOW + 2) == ["a", "b"]
    assert await keys(bench, NOW + 9, count=2) == ["a", "b"]


async def test_busy_timers_are_left_alone(bench: Bench) -> None:
    await bench.write(lambda work: work.timers.set("draft", "a", NOW))
    (timer,) = await bench.read(lambda work: work.timers.due(NOW, [], 9))
    assert await keys(bench, NOW, [timer.id]) == []
    assert await keys(bench, NOW, [timer.id + 1]) == ["a"]


async def test_setting_a_timer_again_moves_it(bench: Bench) -> None:
    await bench.write(lambda work: work.timers.set("draft", "a", NOW))
    await bench.write(lambda work: work.timers.set("draft", "a", NOW + 5))
    await bench.write(lambda work: work.timers.set("other", "a", NOW + 9))
    assert await keys(bench, NOW) == []
    assert await keys(bench, NOW + 9) == ["a", "a"]


async def test_a_timer_that_was_set_anew_while_it_ran_stays(bench: Bench) -> None:
    await bench.write(lambda work: work.timers.set("draft", "a", NOW))
    (running,) = await bench.read(lambda work: work.timers.due(NOW, [], 9))
    await bench.write(lambda work: work.timers.set("draft", "a", NOW + 1))
    assert not await bench.write(lambda work: work.timers.end(running))
    await bench.write(lambda work: work.timers.later(running, NOW + 99))
    assert await keys(bench, NOW + 1) == ["a"]
    (again,) = await bench.read(lambda work: work.timers.due(NOW + 1, [], 9))
    assert [await bench.write(lambda work: work.timers.end(again)) for _ in range(2)] == [True, False]
    assert await keys(bench, NOW + 9) == []


async def test_only_timers_of_some_parts_can_be_read(bench: Bench) -> None:
    for number in range(20):
        await bench.write(lambda work, number=number: work.timers.set("draft", str(number), NOW + number))
    some = {part_of(f"draft:{number}") for number in range(0, 20, 2)}
    wanted = [number for number in range(20) if part_of(f"draft:{number}") in some]
    found = await bench.read(lambda work: work.timers.due(NOW + 99, [], 99, some))
    assert [int(timer.key) for timer in found] == wanted
    busy = [timer.id for timer in found[:3]]
    assert await bench.read(lambda work: work.timers.next_due(busy, some)) == NOW + wanted[3]
    assert await bench.read(lambda work: work.timers.due(NOW + 99, [], 99, [])) == []


async def test_a_failed_timer_comes_later_and_counts(bench: Bench) -> None:
    await bench.write(lambda work: work.timers.set("draft", "a", NOW))
    (timer,) = await bench.read(lambda work: work.timers.due(NOW, [], 9))
    await bench.write(lambda work: work.timers.later(timer, NOW + 4))
    assert await keys(bench, NOW + 3) == []
    (again,) = await bench.read(lambda work: work.timers.due(NOW + 4, [], 9))
    assert (again.tries, again.id) == (1, timer.id)


async def test_a_dropped_timer_is_gone(bench: Bench) -> None:
    await bench.write(lambda work: work.timers.set("draft", "a", NOW))
    await bench.write(lambda work: work.timers.drop("draft", "a"))
    assert await keys(bench, NOW) == []


async def test_languages_are_chosen_by_member(bench: Bench) -> None:
    assert await bench.read(lambda work: work.people.language(ANA)) is None
    await bench.write(lambda work: work.people.choose_language(ANA, "zh"))
    await bench.write(lambda work: work.people.choose_language(ANA, "en"))
    assert await bench.read(lambda work: work.people.language(ANA)) == "en"
    assert await bench.read(lambda work: work.people.language(replace(ANA, platform="slack"))) is None


async def test_a_language_holds_from_the_moment_in_which_it_is_chosen(bench: Bench) -> None:
    def unit(work: Work) -> list[str | None]:
        before = work.people.language(ANA)
        work.people.choose_language(ANA, "zh")
        return [before, work.people.language(ANA), work.people.language(BEN)]

    assert await bench.write(unit) == [None, "zh", None]


async def test_zones_and_languages_are_chosen_apart(bench: Bench) -> None:
    assert await bench.read(lambda work: work.people.zone(ANA)) is None
    await bench.write(lambda work: work.people.choose_zone(ANA, "Asia/Shanghai"))
    assert await bench.read(lambda work: work.people.language(ANA)) is None
    await bench.write(lambda work: work.people.choose_language(ANA, "zh"))
    await bench.write(lambda work: work.people.choose_zone(ANA, "Europe/Berlin"))
    assert await bench.read(lambda work: work.people.language(ANA)) == "zh"
    assert await bench.read(lambda work: work.people.zone(ANA)) == "Europe/Berlin"
    assert await bench.read(lambda work: work.people.zone(BEN)) is None
    await bench.write(lambda work: work.people.choose_zone(ANA, ""))
    assert await bench.read(lambda work: work.people.zone(ANA)) is None
    assert await bench.read(lambda work: work.people.language(ANA)) == "zh"


async def test_only_the_one_who_was_asked_answers_a_prompt(bench: Bench) -> None:
    row = await bench.write(lambda work: work.prompts.add(ROOM, ANA, "payload", "text", NOW))

    async def found(channel: Channel, message: str, member: Member) -> bool:
        return await bench.read(lambda work: work.prompts.answered_by(channel, message, member)) is not None

    assert not await found(ROOM, "m1", ANA)
    await bench.write(lambda work: work.prompts.posted(row, "m1"))
    assert await found(ROOM, "m1", ANA)
    assert not await found(ROOM, "m1", BEN)
    assert not await found(ROOM, "m2", ANA)
    assert not await found(replace(ROOM, channel_id="-5"), "m1", ANA)
    await bench.write(lambda work: work.prompts.end(row))
    assert not await found(ROOM, "m1", ANA)


async def test_facts_are_kept_and_forgotten(bench: Bench) -> None:
    assert await bench.read(lambda work: work.facts.get("paused")) is None
    await bench.write(lambda work: work.facts.set("paused", "Ana"))
    await bench.write(lambda work: work.facts.set("paused", "Ben"))
    assert await bench.read(lambda work: work.facts.get("paused")) == "Ben"
    await bench.write(lambda work: work.facts.forget("paused"))
    assert await bench.read(lambda work: work.facts.get("paused")) is None
