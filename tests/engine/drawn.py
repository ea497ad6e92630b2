"""Lists and their files, for trying draws."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from bot.domain.fdraw import Entry, Freeze, Terms, commitment, drand
from bot.domain.fdraw_proof import BeaconUsed
from bot.domain.fdraw_tree import root_of
from bot.engine.drawing import Pages

SEED = bytes(range(32))
SIGNATURE = bytes(48)
BEACON = BeaconUsed("drand", "0" * 64, 7, SIGNATURE.hex(), hashlib.sha256(SIGNATURE).hexdigest())
TERMS = Terms("g-1", 3, 2, commitment(SEED), drand(7, "0" * 64))


def entries_of(size: int) -> list[Entry]:
    dice = random.Random(size)
    tickets = sorted(f"{dice.getrandbits(128):032x}" for _ in range(size))
    return [(ticket, dice.choice((1, 7, 100, 1_000_000))) for ticket in tickets]


def frozen(entries: Sequence[Entry], terms: Terms = TERMS) -> Freeze:
    return Freeze(terms, len(entries), sum(weight for _, weight in entries), root_of(entries).hex())


class Book:
    """A list in the database, read in pages; how often it was."""

    def __init__(self, entries: Sequence[Entry], page: int = 50) -> None:
        self.entries, self.page, self.read = entries, page, 0

    async def __call__(self) -> AsyncIterator[Sequence[Entry]]:
        self.read += 1
        for start in range(0, len(self.entries), self.page):
            await asyncio.sleep(0)
            yield self.entries[start : start + self.page]


def unread() -> Pages:
    raise AssertionError("the list is there and need not be read again")


def file_of(drawer_folder: Path, kind: str) -> Path:
    return drawer_folder / f"g-1.{kind}"


def modes(folder: Path) -> dict[str, int]:
    """What is in a folder, and who may read it."""
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


def flip(path: Path) -> None:
    """One bit, near the beginning, where a ticket stands; the time of the file stays."""
    before, body = path.stat(), bytearray(path.read_bytes())
    body[100] ^= 1
    path.write_bytes(body)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
