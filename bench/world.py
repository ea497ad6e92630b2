"""The local servers and the bot as processes of their own, and what is seen of them from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp

DEADLINE = 120.0


class Slow(Exception):
    """A measurement did not end in time."""


@contextlib.asynccontextmanager
async def process(arguments: list[str], ready: str, environment: Mapping[str, str]) -> AsyncIterator[tuple[Any, str]]:
    """A child that has said that it is ready; ended on leaving."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(60):
            while not (line := (await child.stdout.readline()).decode()).startswith(ready):
                if not line:
                    raise Slow(f"{arguments} ended before it was ready")
        yield child, line
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


class World:
    """A running sandbox."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.session = session
        self._after = 0

    async def post(self, path: str, body: Mapping[str, object]) -> object:
        """A control call. Raises Slow when it is refused: nothing would be measured."""
        async with self.session.post(self.base + path, json=body) as answer:
            if answer.status != 200:
                raise Slow(f"{path}: {answer.status} {await answer.text()}")
            return await answer.json()

    async def environment(self) -> dict[str, str]:
        """What points a bot here."""
        async with self.session.get(f"{self.base}/control/info") as answer:
            return dict((await answer.json())["env"])

    async def say_many(self, platform: str, says: list[dict[str, str]]) -> None:
        """Members write all of these at once."""
        await self.post("/control/say_many", {"platform": platform, "says": says})

    async def populate(self, platform: str, count: int) -> list[str]:
        """So many places to write to: private chats on Telegram, channels elsewhere; their ids."""
        answer = await self.post("/control/populate", {"platform": platform, "count": count})
        assert isinstance(answer, dict)
        return [str(one) for one in answer["ids"]]

    async def say(self, texts: list[str], platform: str = "telegram") -> None:
        """Members write these, twenty-five of them in turn."""
        gate = asyncio.Semaphore(8)

        async def one(number: int, text: str) -> None:
            body = {"platform": platform, "channel": "community", "member": f"m{number % 25}", "text": text}
            async with gate:
                await self.post("/control/say", body)

        await asyncio.gather(*(one(number, text) for number, text in enumerate(texts)))

    async def sent(self, method: str) -> list[float]:
        """Times of calls of this method since the last look."""
        async with self.session.get(f"{self.base}/control/journal?after={self._after}") as answer:
            found = json.loads(await answer.read())
        rows = found["rows"] if isinstance(found, dict) else found
        if rows:
            self._after = rows[-1]["seq"]
        return [row["at"] for row in rows if row["direction"] == "request" and row["path"].endswith(method)]


@contextlib.asynccontextmanager
async def sandbox(journal: Path | None = None, limits: str = "none") -> AsyncIterator[World]:
    """A sandbox; without limits unless it is to enforce those that are `published`."""
    arguments = ["-m", "bot.sandbox", "--port", "0", "--limits", limits]
    arguments += ["--journal", str(journal)] if journal else []
    async with process(arguments, "sandbox listening on ", {}) as (_, line), aiohttp.ClientSession() as session:
        yield World(line.removeprefix("sandbox listening on ").strip(), session)


def herald(folder: Path, told: Mapping[str, str], platforms: tuple[str, ...]) -> dict[str, str]:
    """Environment of a Herald on these platforms with the sample community's knowledge."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "herald.toml"
    config.write_text("", encoding="utf-8")
    mine = {k: v for k, v in told.items() if not k.startswith(tuple(_others(platforms)))}
    return {
        **mine,
        "HERALD_CONFIG": str(config),
        "HERALD_DATA_DIR": str(folder / "data"),
        "HERALD_WATCH__CHANNELS": json.dumps([f"{name}/community" for name in platforms]),
        "HERALD_REVIEW__CHANNELS": json.dumps([f"{name}/review" for name in platforms]),
        "HERALD_KNOWLEDGE__PATH": str(Path(__file__).resolve().parent.parent / "config" / "knowledge"),
        "HERALD_LIMITS": "none",
        "HERALD_LOG_LEVEL": "WARNING",
    }


def _others(platforms: tuple[str, ...]) -> list[str]:
    return [f"HERALD_{name.upper()}__" for name in ("slack", "discord", "telegram") if name not in platforms]


async def until(folder: Path, query: str, wanted: int, seconds: float = DEADLINE) -> float:
    """The moment at which a query over the bot's database first counts this many; at most so many seconds from now."""
    end = time.monotonic() + seconds
    database = folder / "data" / "herald.db"
    while time.monotonic() < end:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            if connection.execute(query).fetchone()[0] >= wanted:
                return time.time()
        await asyncio.sleep(0.02)
    raise Slow(query)


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int, field: str = "VmRSS") -> float:
    """Resident memory of a process in MB; with `VmHWM` the most that it ever was."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024
