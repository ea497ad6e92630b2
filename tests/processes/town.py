"""A community on all three platforms, with a bot of several processes on a real PostgreSQL and a real Redis.

What the bot did is judged by the sandbox's journal and the database against the list of what was said.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from bot.domain.failpoints import VARIABLE
from bot.rehearsal.client import ControlClient
from bot.rehearsal.config import bot_settings, sample_settings
from bot.rehearsal.errors import RehearsalError
from bot.rehearsal.journal import Created, decode
from bot.rehearsal.processes import READY_LINE, SANDBOX_LINE, Process, clean_environment, sandbox_process
from bot.rehearsal.toml_text import to_toml

PLATFORMS = ("telegram", "slack", "discord")
DESK = "slack"
"""Where the cards are."""
APPROVER = "ana"
PATIENCE = 120.0
"""Seconds until something that must happen counts as not happening."""
LOOK = 0.1
AGAIN = 6.0
"""Seconds after which a button that is still there is pressed again."""
QUESTION = "When will the jasmine tea be restocked? I mean tin number {}."
WISHES = {
    "review": {"undo_seconds": 0, "card_lines": False, "channels": [f"{DESK}/review"]},
    "delivery": {"request_timeout": 3, "grace": 1, "lease": 6},
    "processes": {"beat": 0.6, "lease": 2.5},
}
BUSY = (
    "SELECT (SELECT count(*) FROM inbox WHERE state = 'new') + (SELECT count(*) FROM timers WHERE kind = 'draft')"
    " + (SELECT count(*) FROM outbox WHERE state IN ('pending', 'claimed', 'sending', 'uncertain'))"
)


async def until(what: str, look: Callable[[], Awaitable[object]]) -> None:
    """Look until it is so."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE
    while not await look():
        assert loop.time() < end, f"not within {PATIENCE:.0f} s: {what}"
        await asyncio.sleep(LOOK)


class Herald(Process):
    """One process of the bot."""

    def __init__(self, role: str, environment: Mapping[str, str], log: Path) -> None:
        super().__init__(role, ("-m", "bot", "run", "--role", role), clean_environment() | dict(environment), log)
        self.log = log

    @property
    def code(self) -> int | None:
        """The exit code once it has ended; negative for a signal."""
        return self._child.returncode if self._child else None

    async def ready(self) -> str:
        """Start it; the line by which it says that it does its duty."""
        return await self.start(READY_LINE)

    def said(self) -> list[str]:
        """All that it has written."""
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []

    async def says(self, line: str) -> None:
        """Wait until it has written a line that holds this."""

        async def there() -> bool:
            return any(line in one for one in self.said())

        await until(f"{self.name} says {line!r}", there)

    async def killed(self) -> None:
        """Wait until its failpoint has killed it."""

        async def ended() -> bool:
            return not self.running

        await until(f"{self.name} is killed", ended)
        await self._wait()
        assert self.code == -9
        assert any(line.startswith("failpoint ") for line in self.said())

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._child is not None
        self._child.send_signal(number)


@dataclass
class Town:
    """The community and its bot. `said` are the texts of members by platform and message id."""

    folder: Path
    control: ControlClient
    environment: dict[str, str]
    rooms: dict[str, str]
    database: str
    said: dict[tuple[str, str], str] = field(default_factory=dict)
    heralds: list[Herald] = field(default_factory=list)
    pressed: dict[tuple[str, str], float] = field(default_factory=dict)

    def herald(self, role: str, points: str = "", **environment: str) -> Herald:
        """The next process of the bot, not started yet; each has a folder of its own."""
        number = len(self.heralds)
        given = {**self.environment, "HERALD_DATA_DIR": str(self.folder / f"data{number}"), **environment}
        given |= {VARIABLE: points} if points else {}
        self.heralds.append(Herald(role, given, self.folder / f"{number}-{role}.log"))
        return self.heralds[-1]

    async def started(self, *roles: str) -> list[Herald]:
        """So many processes, ready."""
        made = [self.herald(role) for role in roles]
        await asyncio.gather(*(one.ready() for one in made))
        return made

    async def say(self, platform: str) -> None:
        """A member asks something that nobody has asked before."""
        text = QUESTION.format(len(self.said) + 1)
        fields = {"platform": platform, "channel": "community", "member": "lin", "text": text}
        message = str((await self.control.post("say", fields))["message_id"])
        self.said[platform, message] = text

    async def talk(self, count: int) -> None:
        """Members ask so many questions, one after another, on all platforms in turn."""
        for number in range(count):
            await self.say(PLATFORMS[number % len(PLATFORMS)])
            await asyncio.sleep(0.05)

    async def approve(self) -> None:
        """The approver decides what is on the cards until cancelled; a bot that is not there is tried again later."""
        while True:
            with suppress(RehearsalError):
                seen = await self.control.seen(DESK, "review", APPROVER, None)
                await asyncio.gather(*(self._decide(card) for card in seen), return_exceptions=True)
            await asyncio.sleep(LOOK)

    async def _decide(self, card: Mapping[str, Any]) -> None:
        offers = {part: str(one["id"]) for one in card["buttons"] for part in str(one["id"]).split("|")}
        action = next((one for one in ("approve", "arrived") if one in offers), None)
        if action == "arrived" and not self._arrived(str(card["text"])):
            action = "again"
        now = asyncio.get_running_loop().time()
        key = (str(card["id"]), str(action))
        if action is None or now - self.pressed.get(key, -AGAIN) < AGAIN:
            return
        self.pressed[key] = now
        fields = {"platform": DESK, "channel": "review", "message_id": card["id"], "member": APPROVER}
        await self.control.post("click", fields | {"button": action})

    def _arrived(self, card: str) -> bool:
        """What a person does who is asked whether a reply arrived: looks."""
        asked = [key for key, text in self.said.items() if text in card]
        return any(self.replies()[key] for key in asked)

    def replies(self) -> Counter[tuple[str, str]]:
        """How many messages answer each question, by the journal."""
        text = (self.folder / "journal.jsonl").read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        made = {one.message: one for one in map(decode, rows) if isinstance(one, Created)}
        return Counter(
            (message.platform, str(one.answers))
            for message, one in made.items()
            if message.channel == self.rooms[message.platform]
        )

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database holds; nothing while it cannot be asked."""
        try:
            connection = await asyncpg.connect(self.database, timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return []
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close(timeout=5)

    async def answered(self) -> bool:
        """Whether every question has an answer, and nothing is under way."""
        return set(self.replies()) >= set(self.said) and await self.rows(BUSY) == [(0,)]

    async def verdict(self) -> None:
        """Wait until everything is answered; then: each question once, everything stored once."""
        await until("every question is answered", self.answered)
        assert self.replies() == Counter(dict.fromkeys(self.said, 1))
        stored = await self.rows("SELECT channel_id, message_id, text FROM comments WHERE NOT early")
        wanted = [(self.rooms[platform], message, text) for (platform, message), text in self.said.items()]
        assert sorted(stored) == sorted(wanted)
        failed = await self.rows("SELECT source, external_id, error FROM inbox WHERE state NOT IN ('done', 'ignored')")
        assert failed == []
        assert (
            await self.rows("SELECT draft_id FROM decisions WHERE action = 'approve' GROUP BY 1 HAVING count(*) > 1")
            == []
        )


@asynccontextmanager
async def opened(folder: Path, postgres_url: str, redis_url: str = "") -> AsyncIterator[Town]:
    """A running sandbox, an approver who decides, and everything to run bots beside it; all have ended on leaving."""
    async with AsyncExitStack() as stack:
        sandbox = sandbox_process(folder / "journal.jsonl", "none", folder / "sandbox.log")
        stack.push_async_callback(sandbox.stop)
        base = (await sandbox.start(SANDBOX_LINE)).removeprefix(SANDBOX_LINE).strip()
        control = await stack.enter_async_context(ControlClient(base))
        made = await control.post("member", {"platform": DESK, "member": APPROVER})
        info = await control.get("info", {})
        grants = {"approver": [f"{DESK}:{made['tenant']}:{made['member_id']}"]}
        settings = bot_settings(sample_settings(), info["channels"], PLATFORMS, grants, WISHES)
        (folder / "herald.toml").write_text(to_toml(settings), encoding="utf-8")
        environment = info["env"] | {
            "HERALD_CONFIG": str(folder / "herald.toml"),
            "HERALD_LIMITS": "none",
            "HERALD_DRAFTING__DRAFTER": "embedded",
            "HERALD_DATABASE_URL": postgres_url,
            "HERALD_REDIS_URL": redis_url,
        }
        rooms = {platform: str(settings["channels"][f"{platform}/community"]) for platform in PLATFORMS}
        town = Town(folder, control, environment, rooms, postgres_url)
        stack.push_async_callback(_end, town)
        approving = asyncio.create_task(town.approve())
        stack.push_async_callback(_cancel, approving)
        yield town


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _end(town: Town) -> None:
    for one in town.heralds:
        await one.kill()
