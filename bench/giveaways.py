"""Entries: how fast they are taken against how fast events are stored at all, and whether each is counted once.

A giveaway stands in a room of each of three platforms. So many members enter it, one after the other by chance, some of
them twice, at seven tenths of the rate at which the same run stores bare events durably (`polls.bare_events`). An
entry's time is that from handing its press to the door until the platform is asked to tell the member the ticket code.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from bench.hall import HOST, LONGEST, ROOMS, Hall, hall, room_of
from bench.polls import DOUBLE, PART, TICK, bare_events
from bench.world import resident_mb
from bot.domain.giveaways import Giveaway, State
from bot.storage.work import Work

PLATFORMS = tuple(ROOMS)
ROUNDS = 5
BARE_SECONDS = 5.0
SPARE = 100


async def measure(folder: Path, members: int) -> dict[str, float]:
    """So many members enter; what it came to.

    In rounds, each at a rate that is measured just before it: a machine that others use too has no speed of its own.
    """
    dice = random.Random(6)
    presses = [who for who in range(members) for _ in range(2 if dice.random() < DOUBLE else 1)]
    dice.shuffle(presses)
    size = -(-len(presses) // ROUNDS)
    rounds: list[_Round] = []
    async with hall(_made(folder / "entries"), len(presses) + SPARE) as place:
        giveaway = await _start(place)
        memory = resident_mb(os.getpid())
        for number in range(ROUNDS):
            plain = await bare_events(_made(folder / f"bare{number}"), len(PLATFORMS), min(BARE_SECONDS, size / 1000))
            rounds.append(await _round(place, giveaway, presses[number * size : (number + 1) * size], plain))
        grown = resident_mb(os.getpid()) - memory
        counts = await place.store.read(lambda connection: Work(connection, 0.0).entries.counts(giveaway.id))
        waits = sorted(wait for one in rounds for wait in one.waits)
        broken = sum(fake.broken for fake in place.fakes.values())
    took, plain = sum(one.took for one in rounds), statistics.mean(one.plain for one in rounds)
    return {
        "entries_bare_events_per_second": plain,
        "entries_pressed": float(len(presses)),
        "entries_per_second": len(presses) / took,
        "entries_to_bare_ratio": statistics.mean(one.rate / one.plain for one in rounds),
        "entries_confirmed_ms_p50": 1000 * statistics.median(waits),
        "entries_confirmed_ms_p99": 1000 * waits[int(len(waits) * 0.99)],
        "entries_confirmed_ms_max": 1000 * waits[-1],
        "entries_behind_seconds": max(one.behind for one in rounds),
        "entries_cpu_seconds_per_1000": sum(one.cpu for one in rounds) * 1000 / len(presses),
        "entries_count_exact": float(counts.entries == members),
        "entries_limits_broken": float(broken),
        "entries_resident_mb_growth": grown,
    }


@dataclass(frozen=True)
class _Round:
    """What a part of the entries came to. Times in seconds."""

    plain: float
    """Bare events a second, just before."""
    rate: float
    """Entries a second."""
    took: float
    behind: float
    cpu: float
    waits: list[float]


async def _round(place: Hall, giveaway: Giveaway, presses: list[int], plain: float) -> _Round:
    first = next(place.numbers) + 1
    begun, cpu = time.monotonic(), time.process_time()
    last = await _stream(place, giveaway, presses, PART * plain)
    took = time.monotonic() - begun
    await place.answered(first, last, 3 * took + LONGEST)
    behind, cpu = time.monotonic() - begun - took, time.process_time() - cpu
    waits = [place.told[number] - place.begun[number] for number in range(first, last)]
    return _Round(plain, len(presses) / took, took, behind, cpu, waits)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


async def _start(place: Hall) -> Giveaway:
    """The host makes a giveaway in all rooms and confirms it; returns when it stands there."""
    preview = await place.command("start 30d 3w A box of tea in #general", "giveaway")
    confirm = next(button.payload for button in preview.buttons if "|confirm|" in button.payload)
    await place.press("discord", HOST, confirm, next(place.numbers))
    await place.until(lambda: all(fake.cards for fake in place.fakes.values()))
    (found,) = await place.store.read(lambda connection: Work(connection, 0.0).giveaways.page(frozenset(State), 1))
    return found


async def _stream(place: Hall, giveaway: Giveaway, presses: list[int], rate: float) -> int:
    """Enter so many times a second; the first number that was not used. Raises what the door raised."""
    payloads = {name: place.desk.signer.make(giveaway.name, "enter", room_of(name)) for name in PLATFORMS}
    begun, at, number = time.monotonic(), 0, 0
    async with asyncio.TaskGroup() as flying:
        while at < len(presses):
            while at < len(presses) and at < (time.monotonic() - begun) * rate:
                who, number = presses[at], next(place.numbers)
                platform = PLATFORMS[who % 3]
                flying.create_task(place.press(platform, f"u{who}", payloads[platform], number))
                at += 1
            await asyncio.sleep(TICK)
    return number + 1
