"""One sandbox process for all of these tests, driven over HTTP only, and a sink that remembers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from bot.chat.messages import Accepted, Answer
from bot.chat.ports import Incoming, StoreUnavailable
from bot.domain.places import Channel, Member
from bot.integrations.telegram import TelegramConfig, TelegramPlatform

PATIENCE = 20.0


class RecordingSink:
    """Keeps what it was given; `broken` makes it refuse as a full disk would."""

    def __init__(self, position: int | None = None) -> None:
        self.batches: list[list[Incoming]] = []
        self.positions: dict[str, int] = {} if position is None else {"": position}
        self.facts: dict[str, str] = {}
        self.gaps: list[tuple[str, int | None]] = []
        self.broken = False
        self.refused: list[list[Incoming]] = []
        self._changed = asyncio.Condition()

    async def accept(self, batch: Sequence[Incoming]) -> list[Answer]:
        async with self._changed:
            self._changed.notify_all()
            if self.broken:
                self.refused.append(list(batch))
                raise StoreUnavailable("the test's disk is full")
            self.batches.append(list(batch))
            for incoming in batch:
                if incoming.position:
                    self.positions[incoming.position.cursor] = incoming.position.value
        return [Accepted() for _ in batch]

    async def position(self, cursor: str) -> int | None:
        return self.positions.get(cursor, self.positions.get(""))

    async def gap(self, cursor: str, until: int | None) -> None:
        async with self._changed:
            self._changed.notify_all()
            self.gaps.append((cursor, until))

    async def remember(self, name: str, value: str) -> None:
        self.facts[name] = value

    async def recall(self, name: str) -> str | None:
        return self.facts.get(name)

    @property
    def incoming(self) -> list[Incoming]:
        return [incoming for batch in self.batches for incoming in batch]

    async def until(self, found: Callable[[RecordingSink], Any]) -> Any:
        """The first truthy answer of `found`."""
        async with asyncio.timeout(PATIENCE), self._changed:
            while not (answer := found(self)):
                await self._changed.wait()
            return answer

    async def event(self, kind: type, **attributes: object) -> Any:
        """The first event of this kind with these attributes."""

        def search(sink: RecordingSink) -> Any:
            for incoming in sink.incoming:
                event = incoming.event
                if isinstance(event, kind) and all(getattr(event, k) == v for k, v in attributes.items()):
                    return event
            return None

        return await self.until(search)


@dataclass
class Stage:
    """The sandbox as people use it."""

    url: str
    info: dict[str, Any]
    session: aiohttp.ClientSession
    clicks: list[asyncio.Task[Any]] = field(default_factory=list)

    @property
    def token(self) -> str:
        return str(self.info["HERALD_TELEGRAM__TOKEN"])

    @property
    def tenant(self) -> str:
        return self.token.split(":")[0]

    def channel(self, name: str = "community") -> Channel:
        return Channel("telegram", self.tenant, str(self.info["channels"][f"telegram/{name}"]))

    def config(self, **changes: Any) -> TelegramConfig:
        fields = {"token": self.token, "api_url": self.url, "poll_timeout": 5, "request_timeout": 5.0}
        return TelegramConfig(**(fields | changes))

    async def control(self, call: str, **body: object) -> dict[str, Any]:
        async with self.session.post(f"{self.url}/control/{call}", json={"platform": "telegram", **body}) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def say(self, member: str, text: str, channel: str = "community", **more: object) -> str:
        return str((await self.control("say", channel=channel, member=member, text=text, **more))["message_id"])

    def click(self, member: str, message_id: str, button: str, channel: str = "review") -> None:
        """Press a button; like a person's app, the press waits for its answer while the test goes on."""
        body = {"channel": channel, "message_id": message_id, "member": member, "button": button}
        self.clicks.append(asyncio.create_task(self.control("click", **body)))

    async def messages(self, channel: str = "community", member: str = "onlooker") -> dict[str, dict[str, Any]]:
        """What a member sees there, by message id."""
        query = {"platform": "telegram", "channel": channel, "member": member}
        async with self.session.get(f"{self.url}/control/channel", params=query) as response:
            assert response.status == 200, await response.text()
            return {str(message["id"]): message for message in (await response.json())["messages"]}

    async def journal(self, after: int = 0) -> list[dict[str, Any]]:
        async with self.session.get(f"{self.url}/control/journal", params={"after": after}) as response:
            found = await response.json(content_type=None)
        return list(found["journal"] if isinstance(found, dict) else found)

    async def calls(self, method: str) -> list[dict[str, Any]]:
        """The bodies of our requests to a method of the Bot API, oldest first."""
        lines = [line for line in await self.journal() if line.get("direction") == "request"]
        return [line for line in lines if line["path"].endswith(f"/{method}")]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bot.sandbox", "--port", "0", "--limits", "none"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield next(line.split()[-1] for line in process.stdout if line.startswith("sandbox listening on"))
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


@pytest.fixture
async def stage(sandbox: str) -> AsyncIterator[Stage]:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{sandbox}/control/info") as response:
            info = await response.json()
        stage = Stage(sandbox, info, session)
        yield stage
        await asyncio.gather(*stage.clicks)


Make = Callable[..., TelegramPlatform]


@pytest.fixture
async def make(stage: Stage) -> AsyncIterator[Make]:
    """Makes platforms with changed settings; they are closed when the test ends."""
    made: list[TelegramPlatform] = []

    def build(**changes: Any) -> TelegramPlatform:
        made.append(TelegramPlatform(stage.config(**changes)))
        return made[-1]

    yield build
    for platform in made:
        await platform.close()


@pytest.fixture
def platform(make: Make) -> TelegramPlatform:
    """A platform that sends; it does not poll."""
    return make()


@asynccontextmanager
async def polling(platform: TelegramPlatform, sink: RecordingSink) -> AsyncIterator[None]:
    """Let the platform poll until the block ends; what it raised comes out."""
    ready = asyncio.Event()
    task = asyncio.create_task(platform.run(sink, ready.set))
    try:
        waiting = asyncio.create_task(ready.wait())
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if task.done():
            task.result()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def sink(stage: Stage, platform: TelegramPlatform) -> AsyncIterator[RecordingSink]:
    """A sink that the platform is already polling for."""
    sink = RecordingSink()
    async with polling(platform, sink):
        yield sink


def member(stage: Stage, user_id: str) -> Member:
    return Member("telegram", stage.tenant, user_id)
