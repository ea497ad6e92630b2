"""How much two workers on PostgreSQL and Redis deliver, compared with one, where making drafts takes the processor.

The work for each card is chosen so that finding an answer is nearly all of it: the knowledge base is large, its entries
look alike, and the questions are long. A card costs PostgreSQL, the local server and the gateway some processor time,
too, which two workers have to share where there are only two processors: if that were half of all, nobody could measure
two workers. The questions come from many rooms: one room's order is kept by one worker, so with few rooms one of the
two would get many more of them than the other. PostgreSQL and Redis are started as the tests do it.

On a machine that others use, too, the rates say little. What a card costs says more: with a processor for each, two
workers deliver `two_workers_ratio_by_cost` times as much as one. `starved` are threads of the workers that could have
run and had to wait for a processor, on average: where that is much, the machine was the limit, whatever the rates say.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.world import Slow, World, cpu_seconds, herald, process, sandbox

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from servers import Postgres, Redis

ROOMS = 600
WARM = 60
"""Questions before it is measured: they have everything loaded."""
ENTRIES = 15_000
WORDS = 400
ASKED = 80
"""Words of a question."""
DEADLINE = 300.0


@dataclass(frozen=True, slots=True)
class Speed:
    """Cards a second, what one costs the workers in ms of processor time, and how many threads had to wait for one."""

    rate: float
    cost: float
    starved: float


async def measure(folder: Path, count: int) -> dict[str, float]:
    """Cards a second with one worker and with two, their ratio, and what a card costs the workers in each case."""
    postgres, redis = Postgres(), Redis()
    try:
        postgres.start()
        redis.start()
        knowledge = folder / "knowledge.jsonl"
        await asyncio.to_thread(_write, knowledge)
        one, two = [await _speed(folder / str(number), knowledge, postgres, redis, number, count) for number in (1, 2)]
    finally:
        redis.discard()
        postgres.discard()
    return {
        "one_worker_cards_per_second": one.rate,
        "two_workers_cards_per_second": two.rate,
        "two_workers_ratio": two.rate / one.rate,
        "two_workers_ratio_by_cost": 2 * one.cost / two.cost,
        "one_worker_cpu_ms_per_card": one.cost,
        "two_workers_cpu_ms_per_card": two.cost,
        "one_worker_starved": one.starved,
        "two_workers_starved": two.starved,
    }


def _write(path: Path) -> None:
    """Entries that all look alike: a search has to weigh most of them."""
    dice = random.Random(1)
    words = [f"tea{number}" for number in range(WORDS)]
    with path.open("w", encoding="utf-8") as file:
        for number in range(ENTRIES):
            question, answer = " ".join(dice.choices(words, k=12)), " ".join(dice.choices(words, k=60))
            file.write(json.dumps({"id": str(number), "question": question, "answer": answer}) + "\n")


def _questions(count: int) -> list[str]:
    dice = random.Random(2)
    return [
        "When will " + " ".join(f"tea{dice.randrange(WORDS)}" for _ in range(ASKED)) + " be back?" for _ in range(count)
    ]


async def _speed(folder: Path, knowledge: Path, postgres: Postgres, redis: Redis, workers: int, count: int) -> Speed:
    url = postgres.url(postgres.create())
    redis.flush()
    async with sandbox() as world, AsyncExitStack() as stack:
        rooms = await world.populate("telegram", ROOMS)
        environment = _environment(folder, await world.environment(), rooms, knowledge)
        environment |= {"HERALD_DATABASE_URL": url, "HERALD_REDIS_URL": redis.url}
        gateway = environment | {"HERALD_DATA_DIR": str(folder / "gateway")}
        await stack.enter_async_context(process(["-m", "bot", "run", "--role", "gateway"], "herald ready", gateway))
        children: list[asyncio.subprocess.Process] = []
        for number in range(workers):
            mine = environment | {"HERALD_DATA_DIR": str(folder / f"worker{number}")}
            arguments = ["-m", "bot", "run", "--role", "worker"]
            child, _ = await stack.enter_async_context(process(arguments, "herald ready", mine))
            children.append(child)
        database = await asyncpg.connect(url)
        stack.push_async_callback(database.close)
        await _shared_out(database, workers)
        await _say(world, _questions(WARM))
        await _cards(database, WARM)
        for child in children:
            child.send_signal(signal.SIGSTOP)
        await _say(world, _questions(count))
        await _until(database, "SELECT count(*) FROM inbox", WARM + count)
        begun, cpu, delay = time.monotonic(), _all(cpu_seconds, children), _all(_delay_seconds, children)
        for child in children:
            child.send_signal(signal.SIGCONT)
        await _cards(database, WARM + count)
        took, cpu = time.monotonic() - begun, _all(cpu_seconds, children) - cpu
        speed = Speed(count / took, 1000 * cpu / count, (_all(_delay_seconds, children) - delay) / took)
        print(f"  {workers} workers: {speed.rate:.1f} cards/s, {cpu / took:.2f} processors busy with them", flush=True)
        return speed


def _all(seconds: Callable[[int], float], children: list[asyncio.subprocess.Process]) -> float:
    return sum(seconds(child.pid) for child in children)


def _delay_seconds(pid: int) -> float:
    """How long threads of a process were ready to run, and did not, in all (proc_pid_schedstat)."""
    found = 0.0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # a thread that has ended meanwhile
            found += int(file.read_text().split()[1]) / 1e9
    return found


def _environment(folder: Path, told: dict[str, str], rooms: list[str], knowledge: Path) -> dict[str, str]:
    channels = json.loads(told["HERALD_CHANNELS"]) | {f"telegram/{n}": room for n, room in enumerate(rooms)}
    return {
        **herald(folder, told, ("telegram",)),
        "HERALD_CHANNELS": json.dumps(channels),
        "HERALD_WATCH__CHANNELS": json.dumps([f"telegram/{n}" for n in range(len(rooms))]),
        "HERALD_REVIEW__CHANNELS": '["telegram/review"]',
        "HERALD_KNOWLEDGE__PATH": str(knowledge),
    }


async def _say(world: World, texts: list[str]) -> None:
    says = [
        {"channel": "private", "member": f"crowd{number % ROOMS + 1}", "text": text}
        for number, text in enumerate(texts)
    ]
    await world.say_many("telegram", says)


async def _shared_out(database: asyncpg.Connection, workers: int) -> None:
    """Wait until the parts are with that many workers, about evenly."""
    query = "SELECT count(*) FROM leases WHERE name LIKE 'part:%' AND holder <> '' GROUP BY holder"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        counts = [row[0] for row in await database.fetch(query)]
        if len(counts) == workers and sum(counts) == 64 and max(counts) - min(counts) <= 1:
            return
        await asyncio.sleep(0.2)
    raise Slow(f"parts are shared out as {counts}")


async def _cards(database: asyncpg.Connection, wanted: int) -> None:
    await _until(database, "SELECT count(*) FROM cards WHERE message_id IS NOT NULL", wanted)


async def _until(database: asyncpg.Connection, query: str, wanted: int) -> None:
    end = time.monotonic() + DEADLINE
    found = 0
    while time.monotonic() < end:
        found = await database.fetchval(query)
        if found >= wanted:
            return
        await asyncio.sleep(0.1)
    raise Slow(f"{found} of {wanted}: {query}")
