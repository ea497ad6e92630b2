"""One sandbox process for all of these tests, driven over the wire only, and a sink that remembers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from bot.chat.events import Event
from bot.chat.messages import Accepted, Answer
from bot.chat.ports import Incoming, StoreUnavailable
from bot.domain.places import Channel
from bot.integrations.slack import SlackConfig, SlackPlatform

PATIENCE = 20.0


class RecordingSink:
    """Stores in memory what it is given, each external id once; refuses the next `refusals` events."""

    def __init__(self, positions: dict[str, int] | None = None) -> None:
        self.stored: list[Incoming] = []
        self.positions = positions if positions is not None else {}
        self.facts: dict[str, str] = {}
        self.gaps: list[tuple[str, int | None]] = []
        self.refused: list[Incoming] = []
        self.refusals = 0
        self.answer: Callable[[Event | None], Answer] = lambda _event: Accepted()
        self._ids: set[str] = set()
        self._changed = asyncio.Condition()

    async def accept(self, batch: Sequence[Incoming]) -> list[Answer]:
        async with self._changed:
            self._changed.notify_all()
            if self.refusals:
                self.refusals -= 1
                self.refused += batch
                raise StoreUnavailable("the test's disk is full")
            for incoming in batch:
                if incoming.position:
                    cursor, value = incoming.position.cursor, incoming.position.value
                    self.positions[cursor] = max(value, self.positions.get(cursor, 0))
                if incoming.external_id not in self._ids:
                    self._ids.add(incoming.external_id)
                    self.stored.append(incoming)
            return [self.answer(incoming.event) for incoming in batch]

    async def position(self, cursor: str) -> int | None:
        return self.positions.get(cursor)

    async def gap(self, cursor: str, until: int | None) -> None:
        async with self._changed:
            self._changed.notify_all()
            self.gaps.append((cursor, until))

    async def remember(self, name: str, value: str) -> None:
        self.facts[name] = value

    async def recall(self, name: str) -> str | None:
        return self.facts.get(name)

    async def until(self, found: Callable[[], Any]) -> Any:
        """The first truthy answer of `found`."""
        async with asyncio.timeout(PATIENCE), self._changed:
            while not (answer := found()):
                await self._changed.wait()
            return answer

    def events(self, kind: type, **attributes: object) -> list[Any]:
        """All stored events of this kind with these attributes."""
        found = (incoming.event for incoming in self.stored if isinstance(incoming.event, kind))
        return [event for event in found if all(getattr(event, key) == value for key, value in attributes.items())]

    async def event(self, kind: type, **attributes: object) -> Any:
        """The first such event, once it is there."""
        return (await self.until(lambda: self.events(kind, **attributes)))[0]


@dataclass
class Stage:
    """The sandbox, as the people in it use it."""

    url: str
    session: aiohttp.ClientSession
    config: SlackConfig
    community: Channel
    review: Channel

    async def control(self, call: str, **arguments: Any) -> dict[str, Any]:
        async with self.session.post(f"{self.url}/control/{call}", json={"platform": "slack"} | arguments) as answer:
            body: dict[str, Any] = await answer.json()
            assert answer.status == 200, body
            return body

    async def say(self, text: str, member: str = "ana", **more: Any) -> str:
        said = await self.control("say", channel="community", member=member, text=text, **more)
        return str(said["message_id"])

    async def sees(self, member: str, channel: str = "community") -> list[dict[str, Any]]:
        query = {"platform": "slack", "channel": channel, "member": member}
        async with self.session.get(f"{self.url}/control/channel", params=query) as answer:
            messages: list[dict[str, Any]] = (await answer.json())["messages"]
            return messages

    async def journal(self, after: int = 0) -> list[dict[str, Any]]:
        async with self.session.get(f"{self.url}/control/journal", params={"after": str(after)}) as answer:
            body = await answer.json()
            rows: list[dict[str, Any]] = body["journal"] if isinstance(body, dict) else body
            return rows

    async def mark(self) -> int:
        return max((row["seq"] for row in await self.journal()), default=0)

    async def requests(self, method: str, after: int) -> list[dict[str, Any]]:
        return [row for row in await self.journal(after) if row.get("path") == f"/api/{method}"]

    async def until_seen(self, member: str, found: Callable[[dict[str, Any]], bool], channel: str = "community") -> Any:
        """The first message that `member` sees there and `found` accepts; asks again until there is one."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for message in await self.sees(member, channel):
                    if found(message):
                        return message

    @asynccontextmanager
    async def running(self, sink: RecordingSink, **changes: Any) -> AsyncIterator[SlackPlatform]:
        """A connected platform; afterwards it is stopped, and nothing of it may be left."""
        config = SlackConfig(**{field: getattr(self.config, field) for field in SlackConfig.__slots__} | changes)
        platform, ready = SlackPlatform(config), asyncio.Event()
        before = asyncio.all_tasks()
        running = asyncio.ensure_future(platform.run(sink, ready.set))
        try:
            waiting = asyncio.ensure_future(ready.wait())
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if running.done():
                running.result()
            yield platform
        finally:
            running.cancel()
            async with asyncio.timeout(5):  # what `run` promises for its end
                await asyncio.gather(running, return_exceptions=True)
            await platform.close()
            assert not {task for task in asyncio.all_tasks() - before if not task.done()}


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """A sandbox of our own, without rate limits."""
    command = [sys.executable, "-m", "bot.sandbox", "--port", "0", "--limits", "none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


@pytest.fixture
async def stage(address: str) -> AsyncIterator[Stage]:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{address}/control/info") as answer:
            info = await answer.json()
        env, ids = info["env"], info["channels"]
        config = SlackConfig(
            bot_token=env["HERALD_SLACK__BOT_TOKEN"],
            app_token=env["HERALD_SLACK__APP_TOKEN"],
            api_url=env["HERALD_SLACK__API_URL"],
            watched=(ids["slack/community"],),
        )
        form = aiohttp.FormData({"token": config.bot_token})
        async with session.post(f"{config.api_url}auth.test", data=form) as answer:
            team = (await answer.json())["team_id"]
        places = [Channel("slack", team, ids[f"slack/{name}"]) for name in ("community", "review")]
        yield Stage(address, session, config, *places)


@pytest.fixture
def sink() -> RecordingSink:
    return RecordingSink()
