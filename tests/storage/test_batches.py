"""What units of one batch need not read again: never something that one of them has changed, or that was taken back."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection

from bot.domain.delivery import Step
from bot.domain.giveaways import State
from bot.domain.places import Channel
from bot.storage.outbox import Order
from bot.storage.work import Work

from .conftest import NOW, Bench
from .test_giveaways import SEED, giveaway

ROOM = Channel("telegram", "1", "-100")


async def together(bench: Bench, *units: Callable[[Work], object]) -> list[object]:
    def at_now(unit: Callable[[Work], object]) -> Callable[[Connection], object]:
        return lambda connection: unit(Work(connection, NOW))

    return await bench.store.write_many([at_now(unit) for unit in units])


def state(work: Work) -> State:
    found = work.giveaways.named("w.one")
    assert found is not None
    return found.state


def paused(work: Work) -> None:
    found = work.giveaways.named("w.one")
    assert found is not None
    work.giveaways.swap(found, replace(found, state=State.PAUSED, revision=found.revision + 1))


def failing(unit: Callable[[Work], object]) -> Callable[[Work], None]:
    def fails(work: Work) -> None:
        unit(work)
        state(work)
        raise ZeroDivisionError

    return fails


async def test_what_one_unit_changes_the_next_one_sees(bench: Bench) -> None:
    await bench.write(lambda work: work.giveaways.add(giveaway(state=State.OPEN), SEED))
    assert await together(bench, state, paused, state) == [State.OPEN, None, State.PAUSED]
    assert await bench.read(state) is State.PAUSED


async def test_what_is_taken_back_nobody_has_seen(bench: Bench) -> None:
    await bench.write(lambda work: work.giveaways.add(giveaway(state=State.OPEN), SEED))
    before, error, after = await together(bench, state, failing(paused), state)
    assert (before, type(error), after) == (State.OPEN, ZeroDivisionError, State.OPEN)


async def test_the_next_batch_knows_nothing_of_this_one(bench: Bench) -> None:
    await bench.write(lambda work: work.giveaways.add(giveaway(state=State.OPEN), SEED))
    await together(bench, state)
    await bench.write(paused)
    assert await together(bench, state) == [State.PAUSED]


async def shown(bench: Bench) -> int:
    """A giveaway with a card that nobody edits; its number."""

    def unit(work: Work) -> int:
        number = work.giveaways.add(giveaway(state=State.OPEN), SEED)
        post = work.giveaway_posts.add(number, ROOM, "card")
        work.live.follow(f"giveaway:{post}", ROOM, "m1", "shown", NOW)
        return number

    return await bench.write(unit)


def edited(number: int) -> Callable[[Work], int]:
    """Have the cards edited that rest, as whoever asks for them does; how many."""

    def unit(work: Work) -> int:
        resting = work.giveaway_posts.resting("giveaway", number)
        for post in resting:
            work.outbox.add(Order(secrets.token_hex(8), "giveaway", post.name, ROOM))
        return len(resting)

    return unit


async def test_one_edit_waits_however_many_ask(bench: Bench) -> None:
    number = await shown(bench)
    assert await together(bench, edited(number), edited(number), edited(number)) == [1, 0, 0]
    assert await together(bench, edited(number)) == [0]


async def test_an_edit_that_was_taken_back_or_called_off_is_asked_for_again(bench: Bench) -> None:
    number = await shown(bench)

    def called_off(work: Work) -> bool:
        return work.outbox.by_person(work.live.waiting(f"giveaway:{number}") or 0, Step.CANCEL)

    error, *rest = await together(bench, failing(edited(number)), edited(number), called_off, edited(number))
    assert isinstance(error, ZeroDivisionError)
    assert rest == [1, True, 1]


async def test_a_card_that_was_posted_meanwhile_rests(bench: Bench) -> None:
    number = await shown(bench)

    def posted(work: Work) -> None:
        post = work.giveaway_posts.add(number, ROOM, "card")
        work.live.follow(f"giveaway:{post}", ROOM, "m2", "shown", NOW)

    assert await together(bench, edited(number), edited(number), posted, edited(number)) == [1, 0, None, 1]


async def test_between_batches_nothing_is_remembered(bench: Bench) -> None:
    number = await shown(bench)
    await together(bench, edited(number))

    def begun(work: Work) -> None:
        (row,) = [found.id for found in work.outbox.ready("telegram", 9)]
        work.outbox.begin(work.outbox.claim([row]))

    await bench.write(begun)
    assert await bench.write(edited(number)) == 1
