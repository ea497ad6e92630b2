"""Votes: how fast they are taken against how fast events are stored at all, and what large polls cost.

One poll stands in a room of each of three platforms. Its voters press at seven tenths of the rate at which the same run
stores bare events durably: the same presses, handed to the same door with the same immediate answer, of which nobody
takes any further notice. Each platform's connection hands over the next one when the one before is on disk. How many
more are stored when so many wait that a lot of them share each commit, and how many votes are taken then, is measured
beside it.

The votes come when they come, whether those before are answered or not. A vote's time is that from handing its press to
the door until the platform is asked to tell the voter privately what became of it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import statistics
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from bench.hall import HOST, LONGEST, ROOMS, Hall, hall, room_of
from bench.world import resident_mb
from bot.domain.places import Member
from bot.domain.polls import Kind, Option, Poll, Question, State
from bot.domain.tally import count
from bot.storage.schema import migrate
from bot.storage.sqlite import SqliteStore
from bot.storage.work import Work

VOTERS = 50_000
PART = 0.705
"""Of the rate of bare events: seven tenths and a little, for what passes at both ends."""
CROWDED = 64
"""Bare events that wait at once where many share a commit, and a quarter of the votes that do."""
TICK = 0.005
DOUBLE, AGAIN = 0.02, 0.01
"""Parts of the presses that are made twice at once, and of those that a platform delivers twice."""
WARM = 30.0
"""Seconds of votes after which memory is looked at for the first time: everything that is used is loaded then."""
OPTIONS = 4
SPARE = 100
"""Numbers for what the host does."""
PLATFORMS = tuple(ROOMS)


async def measure(folder: Path, seconds: float) -> dict[str, float]:
    """All of it: votes in an open poll for so long and in an anonymous one for a fifth of that, and large numbers."""
    short = min(seconds / 2, 20.0)
    bare = await bare_events(_made(folder / "bare"), len(PLATFORMS), short)
    crowded = await bare_events(_made(folder / "crowded"), CROWDED, short)
    most = await _most(_made(folder / "most"), 4 * CROWDED, short)
    figures = {
        "bare_events_per_second": bare,
        "bare_events_crowded_per_second": crowded,
        "votes_crowded_per_second": most,
    }
    figures |= await _votes(_made(folder / "named"), "", bare, seconds, "votes")
    figures |= await _votes(_made(folder / "anonymous"), "anonymous", bare, seconds / 5, "anonymous_votes")
    figures |= await _ranked(folder / "ranked.db")
    return figures | await _listed(_made(folder / "listed"))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


# ---- bare events


async def bare_events(folder: Path, waiting: int, seconds: float) -> float:
    """Presses a second that are stored and answered, and nothing else, for so long; so many wait for that at once."""
    numbers = itertools.count()
    async with hall(folder, int(seconds * 20_000), works=False) as place:
        payloads = {name: place.desk.signer.make("p.AAAAAAAAAAA", "vote:1", room_of(name)) for name in PLATFORMS}
        begun = time.monotonic()

        async def stream() -> None:
            while time.monotonic() - begun < seconds:
                number = next(numbers)
                platform = PLATFORMS[number % 3]
                await place.press(platform, f"u{number % VOTERS}", payloads[platform], number)

        await asyncio.gather(*(stream() for _ in range(waiting)))
        return next(numbers) / (time.monotonic() - begun)


# ---- votes


@dataclass(frozen=True, slots=True)
class _Press:
    voter: int
    option: int
    again: bool
    """The platform delivers it a second time."""


class Crowd:
    """Voters who press by chance, and what their ballots must be in the end: the option, or 0."""

    def __init__(self) -> None:
        self._dice = random.Random(4)
        self.ballots = array("B", bytes(VOTERS))

    def presses(self) -> Iterator[_Press]:
        """One after the other, without an end."""
        dice = self._dice
        while True:
            voter, option = dice.randrange(VOTERS), dice.randint(1, OPTIONS)
            for _ in range(2 if dice.random() < DOUBLE else 1):
                self.ballots[voter] = 0 if self.ballots[voter] == option else option
                yield _Press(voter, option, dice.random() < AGAIN)

    def tally(self) -> list[int]:
        """Votes of each option."""
        found = Counter(self.ballots)
        return [found[option] for option in range(1, OPTIONS + 1)]


async def _most(folder: Path, waiting: int, seconds: float) -> float:
    """Votes a second where so many voters wait for their answer at any time."""
    async with hall(folder, int(seconds * 10_000)) as place:
        poll = await place.make('"Where do we meet?" "Hangzhou" "Chengdu" "Online" "Nowhere"')
        payloads, presses = _payloads(place, poll), Crowd().presses()
        begun, done = time.monotonic(), 0

        async def voting() -> None:
            nonlocal done
            while time.monotonic() - begun < seconds:
                one, number = next(presses), next(place.numbers)
                platform = PLATFORMS[one.voter % 3]
                told = place.wait_for(number)
                await place.press(platform, f"u{one.voter}", payloads[platform, one.option], number)
                await told
                done += 1

        await asyncio.gather(*(voting() for _ in range(waiting)))
        return done / (time.monotonic() - begun)


def _payloads(place: Hall, poll: Poll) -> dict[tuple[str, int], str]:
    """What the buttons carry, by platform and option."""
    return {
        (platform, option): place.desk.signer.make(poll.name, f"vote:{option}", room_of(platform))
        for platform in PLATFORMS
        for option in range(1, OPTIONS + 1)
    }


async def _votes(folder: Path, flags: str, bare: float, seconds: float, name: str) -> dict[str, float]:
    crowd, rate = Crowd(), PART * bare
    room = int(rate * seconds * 1.1) + SPARE
    async with hall(folder, room) as place:
        poll = await place.make(f'"Where do we meet?" "Hangzhou" "Chengdu" "Online" "Nowhere" {flags}')
        begun = time.monotonic()
        first, memory = next(place.numbers) + 1, [(0.0, resident_mb(os.getpid()))]
        cpu = time.process_time()
        last = await _stream(place, poll, crowd, rate, seconds, memory)
        took = time.monotonic() - begun
        late = time.monotonic()
        await place.answered(first, last, 3 * seconds + LONGEST)
        late, cpu = time.monotonic() - late, time.process_time() - cpu
        waits = sorted(place.told[number] - place.begun[number] for number in range(first, last))
        closed = await _closed(place, poll)
        stored = await place.store.read(lambda connection: Work(connection, 0.0).ballots.groups(poll.id))
    tally = count(poll.question, stored).counts
    exact = [tally.get(option, 0) for option in range(1, OPTIONS + 1)] == crowd.tally()
    shown = all(_shown(place, platform) == crowd.tally() for platform in PLATFORMS)
    warm = [mb for at, mb in memory if at >= min(WARM, seconds / 4)]
    tenth = max(1, len(warm) // 10)
    return {
        f"{name}": float(last - first),
        f"{name}_per_second": (last - first) / took,
        f"{name}_to_bare_ratio": (last - first) / took / bare,
        f"{name}_confirmed_ms_p50": 1000 * statistics.median(waits),
        f"{name}_confirmed_ms_p99": 1000 * waits[int(len(waits) * 0.99)],
        f"{name}_confirmed_ms_max": 1000 * waits[-1],
        f"{name}_behind_seconds": late,
        f"{name}_cpu_seconds_per_1000": cpu * 1000 / (last - first),
        f"{name}_tally_exact": float(exact),
        f"{name}_final_cards_exact": float(shown),
        f"{name}_final_cards_seconds": closed,
        **{f"{name}_live_edits_per_minute_{one}": place.fakes[one].rate(begun, took) for one in PLATFORMS},
        f"{name}_limits_broken": float(sum(fake.broken for fake in place.fakes.values())),
        f"{name}_resident_mb_begin": statistics.mean(warm[:tenth]),
        f"{name}_resident_mb_growth": statistics.mean(warm[-tenth:]) - statistics.mean(warm[:tenth]),
    }


async def _stream(
    place: Hall, poll: Poll, crowd: Crowd, rate: float, seconds: float, memory: list[tuple[float, float]]
) -> int:
    """Press so many times a second for so long; the first number that was not used. Raises what the door raised."""
    payloads = _payloads(place, poll)
    flying: set[asyncio.Task[None]] = set()
    faults: list[BaseException] = []

    def landed(task: asyncio.Task[None]) -> None:
        flying.discard(task)
        if (fault := task.exception()) is not None:
            faults.append(fault)

    begun, presses = time.monotonic(), crowd.presses()
    pressed = 0
    number = 0
    while (at := time.monotonic() - begun) < seconds:
        if faults:
            raise faults[0]
        while pressed < at * rate:
            one, number = next(presses), next(place.numbers)
            platform = PLATFORMS[one.voter % 3]
            payload = payloads[platform, one.option]
            for again in range(2 if one.again else 1):
                pressing = place.press(platform, f"u{one.voter}", payload, number, again=bool(again))
                task = asyncio.create_task(pressing)
                flying.add(task)
                task.add_done_callback(landed)
            pressed += 1
        if at > len(memory):
            memory.append((at, resident_mb(os.getpid())))
        await asyncio.sleep(TICK)
    memory.append((seconds, resident_mb(os.getpid())))
    if flying:
        await asyncio.wait(flying)
    return number + 1


def _shown(place: Hall, platform: str) -> list[int]:
    """The numbers at the ends of a card's option lines."""
    (card,) = [card for card in place.fakes[platform].cards.values() if card.header.startswith("📊")]
    return [int("".join(letter for letter in line.rsplit("·", 1)[1] if letter.isdigit())) for line in card.details]


async def _closed(place: Hall, poll: Poll) -> float:
    """Close the poll; seconds until every card shows that."""
    begun = time.monotonic()
    await place.command(f"close {poll.id}")

    def over() -> bool:
        shown = [card for fake in place.fakes.values() for card in fake.cards.values() if card.header[0] == "📊"]
        return not any(card.buttons for card in shown)

    await place.until(over)
    return time.monotonic() - begun


# ---- large numbers


async def _ranked(path: Path) -> dict[str, float]:
    """100,000 ballots that rank some of twelve options in an order by chance, read and counted with all rounds."""
    dice = random.Random(5)
    question = Question("Which tea?", tuple(Option(number, f"Tea {number}") for number in range(1, 13)), Kind.RANKED)

    def fill(connection: Connection) -> None:
        work = Work(connection, 0.0)
        for voter in range(100_000):
            choice = tuple(dice.sample(range(1, 13), dice.randint(1, 12)))
            work.ballots.put(1, f"slack:1:u{voter}", choice, "slack:C1", f"slack:1:u{voter}", 0.0)

    await asyncio.to_thread(migrate, path)
    store = SqliteStore(path)
    await store.open()
    await store.write(fill)
    begun = time.monotonic()
    groups = await store.read(lambda connection: Work(connection, 0.0).ballots.groups(1))
    tally = await asyncio.to_thread(count, question, groups)
    took = time.monotonic() - begun
    await store.close()
    assert tally.voters == 100_000 and tally.ranked is not None
    return {"ranked_100000_12_seconds": took}


async def _listed(folder: Path) -> dict[str, float]:
    """The command `/poll list` with 10,000 past polls of ten votes each, from the door to the answer."""
    question = Question("Where do we meet?", tuple(Option(number, f"Place {number}") for number in range(1, 5)))
    host, rooms = Member("discord", "1", HOST), tuple(room_of(name) for name in PLATFORMS)

    def fill(connection: Connection) -> None:
        work = Work(connection, 0.0)
        for number in range(10_000):
            name = f"p.{number:011}"
            past = Poll(0, name, question, State.CLOSED, host, "Host", "en", rooms, 0.0, closed_at=1.0)
            poll = work.polls.add(past)
            for voter in range(10):
                member = f"slack:1:u{voter}"
                work.ballots.put(poll, member, (voter % 4 + 1,), "slack:C1", member, 0.0)

    waits = []
    async with hall(folder, SPARE) as place:
        await place.store.write(fill)
        for _ in range(20):
            begun = time.monotonic()
            listed = await place.command("list")
            assert "10000" in listed.text
            waits.append(1000 * (time.monotonic() - begun))
    return {"poll_list_10000_ms_p50": statistics.median(waits), "poll_list_10000_ms_max": max(waits)}
