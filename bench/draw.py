"""A draw among very many: how long its parts take against hashing the list once, and what the program notices of it.

The yardstick is what no implementation can go below: one core hashes every entry once, in plain Python. Then the list
is frozen (from pages, as they come from the database), a hundred names are drawn and the proof file is written, while
a task looks how long it waits for the loop at worst. Where there is a verifier it checks that proof; and entrants ask
for their way to the root. Memory is that of this process, which holds the entries too, and of all that it starts.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from bench.world import resident_mb
from bot.domain.fdraw import QUICKNET, Entry, Terms, commitment, drand
from bot.domain.fdraw_proof import BeaconUsed
from bot.domain.fdraw_tree import root_from
from bot.engine.drawing import Drawer

PAGE = 5000
WINNERS, ALTERNATES = 60, 40
ASKING = 2000
"""Entrants who ask for their ticket's way to the root."""
ROUND = 12_345_678
T = TypeVar("T")
VERIFIER = Path(__file__).parents[1] / "bot" / "verifier" / "verify.py"


async def measure(folder: Path, count: int) -> dict[str, float]:
    """Freeze, draw and prove a list of so many weighted entries."""
    entries = _entries(count)
    hashing = _hashing(entries)
    gc.collect()
    gc.freeze()  # as the bot does after its start; and these entries stand for a database, which is not looked through
    watch = _Watch()
    watching = asyncio.create_task(watch.run())
    try:
        figures = await _draw(folder, entries, hashing)
    finally:
        watching.cancel()
        await asyncio.wait([watching])
    proof = folder / "g-bench.proof.json"
    return figures | {
        "draw_blocked_ms_max": 1000 * watch.longest,
        "draw_resident_mb_max": watch.most,
        "draw_proof_mb": proof.stat().st_size / 2**20,
        **(await _verified(proof, figures["draw_seconds"]) if VERIFIER.exists() else {}),
    }


def _entries(count: int) -> list[Entry]:
    dice = random.Random(7)
    tickets = sorted(f"{dice.getrandbits(128):032x}" for _ in range(count))
    return [(ticket, dice.choice((1, 1, 1, 2, 5, 1000))) for ticket in tickets]


def _hashing(entries: Sequence[Entry]) -> float:
    """Seconds for the hash of each entry, on one core."""
    lines = [b"\0%b\0%d" % (ticket.encode(), weight) for ticket, weight in entries]
    begun = time.perf_counter()
    for line in lines:
        hashlib.sha256(line).digest()
    return time.perf_counter() - begun


async def _pages(entries: Sequence[Entry]) -> AsyncIterator[Sequence[Entry]]:
    for start in range(0, len(entries), PAGE):
        yield entries[start : start + PAGE]


async def _draw(folder: Path, entries: Sequence[Entry], hashing: float) -> dict[str, float]:
    drawer, seed, signature = Drawer(folder), bytes(range(32)), bytes(48)
    value = hashlib.sha256(signature).digest()
    terms = Terms("g-bench", WINNERS, ALTERNATES, commitment(seed), drand(ROUND))
    used = BeaconUsed("drand", QUICKNET, ROUND, signature.hex(), value.hex())
    freeze, freezing = await _timed(drawer.freeze(terms, _pages(entries)))
    order, drawing = await _timed(drawer.draw(freeze, seed, value, lambda: _pages(entries)))
    writing = drawer.proof(freeze, seed, used, order, (), (), pages=lambda: _pages(entries))
    _, proving = await _timed(writing)
    begun = time.perf_counter()
    step = max(1, len(entries) // ASKING)
    for index in range(0, step * ASKING, step):
        ticket, weight = entries[index % len(entries)]
        found = await drawer.inclusion(freeze, ticket, lambda: _pages(entries))
        path = [bytes.fromhex(one) for one in found.path] if found else []
        root = root_from(ticket, weight, index % len(entries), len(entries), path)
        if root is None or root.hex() != freeze.root:
            raise AssertionError(f"entry {index} could not prove to be in the list")
    asking = time.perf_counter() - begun
    return {
        "draw_entries": float(len(entries)),
        "draw_hashing_seconds": hashing,
        "draw_freeze_seconds": freezing,
        "draw_order_seconds": drawing,
        "draw_proof_seconds": proving,
        "draw_seconds": freezing + drawing + proving,
        "draw_to_hashing_ratio": (freezing + drawing + proving) / hashing,
        "draw_tickets_shown_per_second": ASKING / asking,
    }


async def _timed(work: Awaitable[T]) -> tuple[T, float]:
    begun = time.perf_counter()
    found = await work
    return found, time.perf_counter() - begun


class _Watch:
    """How long the loop was not there for others, and how much memory this process and its children held."""

    def __init__(self) -> None:
        self.longest = self.most = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        number = 0
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.002)
            self.longest = max(self.longest, time.perf_counter() - begun - 0.002)
            number += 1
            if number % 10 == 0:
                self.most = max(self.most, sum(map(_memory, (os.getpid(), *_children()))))


def _children() -> list[int]:
    """Threads start processes too: each has a list of its own."""
    found: list[int] = []
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        with suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return found


def _memory(pid: int) -> float:
    try:
        return resident_mb(pid)
    except (OSError, StopIteration):
        return 0.0  # it has just ended


async def _verified(proof: Path, drawing: float) -> dict[str, float]:
    """The verifier on its own, as anyone runs it."""
    begun = time.perf_counter()
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, str(VERIFIER), str(proof)), stdout=asyncio.subprocess.DEVNULL
    )
    code = await child.wait()
    took = time.perf_counter() - begun
    return {"verify_valid": float(code == 0), "verify_seconds": took, "verify_to_draw_ratio": took / drawing}
