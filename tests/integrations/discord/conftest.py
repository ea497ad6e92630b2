"""A local Discord in a process of its own, a platform connected to it, and a sink that writes down what comes in."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import pytest

from bot.chat.events import Event
from bot.chat.messages import Accepted, Answer
from bot.chat.ports import Incoming, StoreUnavailable
from bot.domain.places import Channel
from bot.integrations.discord import DiscordConfig, DiscordPlatform
from bot.integrations.discord.logins import Clocks

PATIENCE = 20.0
T = TypeVar("T", bound=Event)


@dataclass
class RecordingSink:
    """Keeps what it is given, once per source and id, with the positions; as a database would."""

    kept: list[Incoming] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    gaps: list[tuple[str, int | None]] = field(default_factory=list)
    again: list[Incoming] = field(default_factory=list)
    answer: Callable[[Event | None], Answer] = lambda _: Accepted()
    down: bool = False
    refused: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def accept(self, batch: Sequence[Incoming]) -> list[Answer]:
        if self.down:
            self.refused += 1
            async with self._changed:
                self._changed.notify_all()
            raise StoreUnavailable
        known = {(one.source, one.external_id) for one in self.kept}
        for one in batch:
            if (one.source, one.external_id) not in known:
                self.kept.append(one)
            else:
                self.again.append(one)
            if one.position:
                before = self.positions.get(one.position.cursor, 0)
                self.positions[one.position.cursor] = max(before, one.position.value)
        async with self._changed:
            self._changed.notify_all()
        return [self.answer(one.event) for one in batch]

    async def position(self, cursor: str) -> int | None:
        return self.positions.get(cursor)

    async def gap(self, cursor: str, until: int | None) -> None:
        self.gaps.append((cursor, until))
        async with self._changed:
            self._changed.notify_all()

    async def remember(self, name: str, value: str) -> None:
        self.facts[name] = value
        async with self._changed:
            self._changed.notify_all()

    async def recall(self, name: str) -> str | None:
        return self.facts.get(name)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(holds)

    async def first(self, kind: type[T], where: Callable[[T], bool] = lambda _: True) -> T:
        def found() -> list[T]:
            return [one.event for one in self.kept if isinstance(one.event, kind) and where(one.event)]

        await self.until(lambda: bool(found()))
        return found()[0]


class Sandbox:
    """The control interface of the local servers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.info: dict[str, Any] = {}

    async def __call__(self, call: str, **body: Any) -> Any:
        sent = {"platform": "discord", **body}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/control/{call}", json=sent) as response,
        ):
            answer = await response.json()
            assert response.status < 300, (call, body, answer)
            return answer

    async def get(self, path: str, **query: Any) -> Any:
        async with aiohttp.ClientSession() as session, session.get(self.url + path, params=query) as response:
            answer = await response.json()
            assert response.status < 300, (path, query, answer)
            return answer

    async def seen(self, channel: str, member: str = "ana") -> list[dict[str, Any]]:
        """What this member sees in a channel."""
        answer = await self.get("/control/channel", platform="discord", channel=channel, member=member)
        found: list[dict[str, Any]] = answer["messages"]
        return found

    async def thread(self, channel: str, message_id: str) -> str:
        """Start a thread at a message, with the bot's own token; its id."""
        env = self.info["env"]
        headers = {"Authorization": f"Bot {env['HERALD_DISCORD__TOKEN']}"}
        url = f"{env['HERALD_DISCORD__API_URL']}/channels/{channel}/messages/{message_id}/threads"
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(url, json={"name": "a thread"}) as response,
        ):
            answer = await response.json()
            assert response.status < 300, answer
            return str(answer["id"])

    async def requests(self, method: str, path: str) -> list[dict[str, Any]]:
        """The requests to Discord so far whose method and path are like these."""
        journal = await self.get("/control/journal", after=0)
        lines = journal["entries"] if isinstance(journal, dict) else journal
        return [
            line
            for line in lines
            if line["platform"] == "discord"
            and line["direction"] == "request"
            and line["method"] == method
            and re.search(path, line["path"])
        ]

    def channel(self, name: str = "community") -> Channel:
        """The address of a sample channel; the tenant plays no part in sending."""
        return Channel("discord", "1", str(self.info["channels"][f"discord/{name}"]))

    def config(self, **changes: Any) -> DiscordConfig:
        """A configuration that points here and watches the community channel."""
        env = self.info["env"]
        given: dict[str, Any] = {
            "token": env["HERALD_DISCORD__TOKEN"],
            "api_url": env["HERALD_DISCORD__API_URL"],
            "gateway_url": env["HERALD_DISCORD__GATEWAY_URL"],
            "watched": (self.channel().channel_id,),
        }
        return DiscordConfig(**{**given, **changes})


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """The local servers, in a process that ends with the tests."""
    command = [sys.executable, "-m", "bot.sandbox", "--port", "0", "--limits", "none"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        listening = re.search(r"http://\S+", process.stdout.readline())
        assert listening, "the sandbox did not start"
        with urllib.request.urlopen(listening.group() + "/control/info", timeout=10):
            yield listening.group().rstrip("/")
    finally:
        process.terminate()
        process.wait(timeout=10)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
async def sandbox(sandbox_url: str) -> Sandbox:
    found = Sandbox(sandbox_url)
    found.info = await found.get("/control/info")
    return found


@pytest.fixture
def sink() -> RecordingSink:
    return RecordingSink()


@asynccontextmanager
async def running(
    config: DiscordConfig, sink: RecordingSink, clocks: Clocks | None = None
) -> AsyncIterator[DiscordPlatform]:
    """A platform that is ready, until the end of the block."""
    platform, ready = DiscordPlatform(config, clocks=clocks), asyncio.Event()
    task = asyncio.create_task(platform.run(sink, ready.set))
    waiting = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait([task, waiting], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        assert ready.is_set()
        yield platform
    finally:
        waiting.cancel()
        task.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait([task])


@pytest.fixture
async def platform(sandbox: Sandbox, sink: RecordingSink) -> AsyncIterator[DiscordPlatform]:
    async with running(sandbox.config(), sink) as connected:
        yield connected
