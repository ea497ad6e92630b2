"""A sandbox, and bots over one data directory that may be killed and started again with other failpoints."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.domain.failpoints import VARIABLE, Point
from bot.rehearsal.client import ControlClient
from bot.rehearsal.config import bot_settings, sample_settings
from bot.rehearsal.errors import RehearsalError
from bot.rehearsal.journal import Changed, Created, Pressed, decode
from bot.rehearsal.processes import READY_LINE, SANDBOX_LINE, Child, Process, clean_environment, sandbox_process
from bot.rehearsal.scenario import PLATFORMS
from bot.rehearsal.toml_text import to_toml

from .forked import Nursery, nursery

PATIENCE = 60.0
"""Seconds until something that must happen counts as not happening; nothing here is fast or slow by this."""
LOOK = 0.05
APPROVER = "ana"


async def until(what: str, look: Callable[[], object], seconds: float = PATIENCE) -> Any:
    """Look until there is something, and return it."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not (found := look()):
        assert loop.time() < end, f"not within {seconds:.0f} s: {what}"
        await asyncio.sleep(LOOK)
    return found


class Bot(Process):
    """One run of the bot, forked from a nursery where one is given."""

    def __init__(
        self, environment: Mapping[str, str], log: Path, nursery: Nursery | None = None, role: str = ""
    ) -> None:
        arguments = ("-m", "bot", "run", *(("--role", role) if role else ()))
        super().__init__("bot", arguments, clean_environment() | dict(environment), log)
        self.log = log
        self._nursery = nursery

    async def _spawn(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Child:
        if self._nursery is None:
            return await super()._spawn(arguments, environment)
        return await self._nursery.spawn(arguments, environment)

    @property
    def code(self) -> int | None:
        """The exit code once it has ended; negative for a signal."""
        return self._child.returncode if self._child else None

    def said(self, line: str) -> bool:
        """Whether it has written such a line."""
        return self.log.exists() and line in self.log.read_text(errors="replace").splitlines()

    async def ready(self) -> None:
        """Start it and wait until it is connected."""
        await self.start(READY_LINE)

    async def begin(self, line: str = READY_LINE) -> None:
        """Start it and wait until it says so or has ended: a failpoint may come before it is ready."""
        with suppress(RehearsalError):
            await self.start(line)

    async def exit_code(self) -> int:
        """Wait for its end; its exit code."""
        await until("the bot ends", lambda: not self.running)
        await self._wait()
        assert self.code is not None
        return self.code

    async def killed_at(self, point: Point) -> None:
        """Wait until the failpoint has killed it. A kill from elsewhere does not count."""
        code = await self.exit_code()
        assert self.said(f"failpoint {point.value} reached"), "\n".join(self.last_lines())
        assert code == -9


@dataclass
class World:
    """One platform's community with its bot. `said` is the generator's own list: texts by message id."""

    folder: Path
    platform: str
    control: ControlClient
    settings: dict[str, Any]
    environment: dict[str, str]
    said: dict[str, str] = field(default_factory=dict)
    bots: list[Bot] = field(default_factory=list)
    nursery: Nursery | None = None
    data: str = "data"
    """The data directory of runs that are started from now on."""
    query: Callable[[str, tuple[object, ...]], list[tuple[Any, ...]]] | None = None
    """How to read the bot's database where it is not the file in there."""

    @property
    def database(self) -> Path:
        return self.folder / self.data / "herald.db"

    def bot(self, points: str = "", role: str = "", **environment: str) -> Bot:
        """The next run of the bot, not started yet."""
        given = {**self.environment, "HERALD_DATA_DIR": str(self.folder / self.data), **environment}
        given |= {VARIABLE: points} if points else {}
        self.bots.append(Bot(given, self.folder / f"bot{len(self.bots)}.log", self.nursery, role))
        return self.bots[-1]

    async def say(self, text: str, member: str = "lin") -> str:
        """A member writes; the message's id."""
        fields = {"platform": self.platform, "channel": "community", "member": member, "text": text}
        message = str((await self.control.post("say", fields))["message_id"])
        self.said[message] = text
        return message

    async def click(self, card: str, button: str) -> None:
        """The approver presses a button of a card."""
        fields = {"platform": self.platform, "channel": "review", "message_id": card, "member": APPROVER}
        await self.control.post("click", fields | {"button": button})

    async def review(self) -> list[dict[str, Any]]:
        """What the approver sees among the cards."""
        return await self.control.seen(self.platform, "review", APPROVER, None)

    async def offering(self, action: str, about: str) -> str:
        """The message id of the card that offers this action and shows this text."""
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE
        while True:
            seen = await self.review()
            for message in seen:
                offers = {part for button in message["buttons"] for part in str(button["id"]).split("|")}
                if action in offers and about in message["text"]:
                    return str(message["id"])
            assert loop.time() < end, f"no card about {about!r} offers {action}: {json.dumps(seen, ensure_ascii=False)}"
            await asyncio.sleep(LOOK)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the bot's database holds; nothing where it is not made yet."""
        if self.query is not None:
            return self.query(query, values)
        if not self.database.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)) as database:
            try:
                return database.execute(query, values).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def count(self, query: str, *values: object) -> int:
        """The number that a query gives."""
        found = self.rows(query, *values)
        return int(found[0][0]) if found else 0

    def comments(self) -> int:
        return self.count("SELECT count(*) FROM comments WHERE NOT early")

    def settled(self) -> bool:
        """Whether every comment that was said is a row, and nothing is under way."""
        busy = (
            "SELECT (SELECT count(*) FROM inbox WHERE state = 'new')"
            " + (SELECT count(*) FROM timers WHERE kind = 'draft')"
            " + (SELECT count(*) FROM outbox WHERE state IN ('pending', 'claimed', 'sending') OR look_at IS NOT NULL)"
        )
        return self.comments() >= len(self.said) and self.count(busy) == 0

    def journal(self) -> list[dict[str, Any]]:
        """The sandbox's journal so far, whole lines only."""
        text = (self.folder / "journal.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def happened(self) -> list[Created | Changed | Pressed]:
        """What the bot made and changed and who pressed what, by the journal."""
        found = (decode(row) for row in self.journal())
        return [one for one in found if isinstance(one, Created | Changed | Pressed)]

    def replies(self, message: str) -> list[Created]:
        """What the bot has written in answer to a message."""
        room = str(self.settings["channels"][f"{self.platform}/community"])
        made = [one for one in self.happened() if isinstance(one, Created)]
        found = {one.message: one for one in made if one.message.channel == room and one.answers == message}
        return list(found.values())  # a request repeated with its nonce is answered with the same message


@asynccontextmanager
async def opened(
    folder: Path, platform: str, wishes: Mapping[str, Any] | None = None, *, forked: bool = False
) -> AsyncIterator[World]:
    """A running sandbox and everything to run bots beside it; all of them have ended on leaving.

    With `forked` the bots come from a nursery, which is quicker where there are more than a few of them.
    """
    async with AsyncExitStack() as stack:
        sandbox = sandbox_process(folder / "journal.jsonl", "none", folder / "sandbox.log")
        stack.push_async_callback(sandbox.stop)
        base = (await sandbox.start(SANDBOX_LINE)).removeprefix(SANDBOX_LINE).strip()
        control = await stack.enter_async_context(ControlClient(base))
        made = await control.post("member", {"platform": platform, "member": APPROVER})
        info = await control.get("info", {})
        grants = {"approver": [f"{platform}:{made['tenant']}:{made['member_id']}"]}
        settings = bot_settings(sample_settings(), info["channels"], [platform], grants, wishes or {})
        (folder / "herald.toml").write_text(to_toml(settings), encoding="utf-8")
        world = World(folder, platform, control, settings, _environment(info, platform, folder))
        if forked:
            world.nursery = await stack.enter_async_context(nursery())
        stack.push_async_callback(_end, world)
        yield world


def _environment(info: Mapping[str, Any], platform: str, folder: Path) -> dict[str, str]:
    others = tuple(f"HERALD_{name.upper()}_" for name in PLATFORMS if name != platform)
    given = {name: value for name, value in info["env"].items() if not name.startswith(others)}
    channels = {name: value for name, value in info["channels"].items() if name.startswith(f"{platform}/")}
    return given | {
        "HERALD_CONFIG": str(folder / "herald.toml"),
        "HERALD_DATA_DIR": str(folder / "data"),
        "HERALD_CHANNELS": json.dumps(channels),
        "HERALD_LIMITS": "none",
        "HERALD_DRAFTING__DRAFTER": "embedded",
    }


async def _end(world: World) -> None:
    for bot in world.bots:
        await bot.kill()
