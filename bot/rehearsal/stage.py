"""Everything that a rehearsal runs on: sandbox, bot, their clocks and files; started together and always ended."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.rehearsal.client import ControlClient
from bot.rehearsal.config import bot_settings, sample_settings
from bot.rehearsal.errors import RehearsalError
from bot.rehearsal.fields import moment_of
from bot.rehearsal.processes import READY_LINE, SANDBOX_LINE, Process, bot_process, printed_by, sandbox_process
from bot.rehearsal.relay import Relay
from bot.rehearsal.scenario import PLATFORMS, Participant, Service
from bot.rehearsal.toml_text import to_toml
from bot.rehearsal.values import Json

CLOCK_SECONDS = 0.4
"""How long the bot may take to notice that its clock was moved: it reads the file every tenth of a second."""
FAILPOINTS = "HERALD_FAILPOINTS"
_MODEL = "model"
_BASE_URL = "HERALD_OPENAI__BASE_URL"
_BEACONS = "HERALD_GIVEAWAYS__BEACON_URLS"


@dataclass(frozen=True)
class Plan:
    """What is to be started. `journal` is written by the sandbox; `environment` goes to the bot beside the rest.

    Whatever the bot and the sandbox have written is copied to `keep` at the end.
    """

    journal: Path | None = None
    limits: str = "none"
    sample: Path | None = None
    members: Mapping[str, Participant] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    platforms: Sequence[str] = PLATFORMS
    environment: Mapping[str, str] = field(default_factory=dict)
    keep: Path | None = None


_manifests: dict[str, Json] = {}


async def slack_manifest() -> Json:
    """What the bot wants to be pasted into Slack's page for apps; asked for once, since it takes seconds.

    Raises RehearsalError.
    """
    if "slack" not in _manifests:
        printed = await printed_by("-m", "bot", "manifest", "slack")
        try:
            _manifests["slack"] = json.loads(printed)
        except ValueError as error:
            raise RehearsalError(f"herald manifest slack prints no JSON: {error}") from error
    return _manifests["slack"]


class Stage:
    """A running sandbox and its bot."""

    def __init__(self, folder: Path, control: ControlClient, sandbox: Process, relays: Mapping[str, Relay]) -> None:
        self.folder = folder
        self.control = control
        self.sandbox = sandbox
        self.relays = relays
        """Before servers of the sandbox that can be stopped: `model`, and a beacon's mirrors `drand/a`, `drand/b`."""
        self.settings: dict[str, Any] = {}
        self.people: dict[str, str] = {}
        """Member ids by the members' names."""
        self.roles: dict[str, str] = {}
        """The ids of a platform's own roles, by `platform:name`."""
        self.bot: Process | None = None
        self._offset = 0.0

    @property
    def database(self) -> Path:
        """The bot's database."""
        return self.folder / "data" / "herald.db"

    @property
    def undo_seconds(self) -> float:
        """How long an approved reply is held."""
        return float(self.settings.get("review", {}).get("undo_seconds", 10.0))

    @property
    def prepared_bot(self) -> Process:
        """The bot's process, running or not. Raises RehearsalError before `prepare`."""
        if self.bot is None:
            raise RehearsalError("the bot is not prepared yet")
        return self.bot

    async def prepare(self, plan: Plan) -> None:
        """Make the members, write the bot's settings and clock, and get the bot's process ready to start."""
        info = await self.control.get("info", {})
        roles: dict[str, list[str]] = {}
        for name, member in plan.members.items():
            principals = await (self._make_member if member.count is None else self._make_crowd)(name, member)
            for role in member.roles:
                roles.setdefault(role, []).extend(principals)
        if "slack" in plan.platforms:
            await self.control.post("manifest", {"platform": "slack", "manifest": await slack_manifest()})
        channels = info.get("channels") or json.loads(info.get("HERALD_CHANNELS", "{}"))
        self.settings = bot_settings(sample_settings(plan.sample), channels, plan.platforms, roles, plan.config)
        (self.folder / "herald.toml").write_text(to_toml(self.settings), encoding="utf-8")
        (self.folder / "data").mkdir(exist_ok=True)
        self._write_clock()
        self.bot = bot_process(await self._environment(info, plan), self.folder / "bot.log")

    async def _make_crowd(self, name: str, member: Participant) -> list[str]:
        fields = {"platform": member.platform, "tenant": member.tenant, "prefix": name, "count": member.count}
        roles = list(member.platform_roles) if member.platform_roles is not None else None
        since = {"joined_at": self.moment(member.joined_at), "created": self.moment(member.created)}
        made = await self.control.post("crowd", {**fields, "roles": roles, **since})
        self.people |= {f"{name}{number}": str(one) for number, one in enumerate(made["ids"], 1)}
        return [f"{member.platform}:{made['tenant']}:{one}" for one in made["ids"]]

    async def _make_member(self, name: str, member: Participant) -> list[str]:
        fields = {"platform": member.platform, "member": name, "tenant": member.tenant, "name": member.name}
        roles = list(member.platform_roles) if member.platform_roles is not None else None
        more = member.model_dump(include={"boosting", "is_bot"}) | {"roles": roles}
        more |= {"joined_at": self.moment(member.joined_at), "created": self.moment(member.created)}
        made = await self.control.post("member", fields | more)
        self.people[name] = str(made["member_id"])
        self.roles |= {f"{member.platform}:{role}": str(one) for role, one in (made.get("roles") or {}).items()}
        return [f"{member.platform}:{made['tenant']}:{made['member_id']}"]

    async def _environment(self, info: Mapping[str, Any], plan: Plan) -> dict[str, str]:
        given = {name: value for name, value in info.items() if name.startswith("HERALD_") and isinstance(value, str)}
        unused = tuple(f"HERALD_{platform.upper()}_" for platform in PLATFORMS if platform not in plan.platforms)
        kept = {name: value for name, value in given.items() if not name.startswith(unused)}
        kept["HERALD_CHANNELS"] = json.dumps(self.settings["channels"])
        kept |= {_BASE_URL: self.relays[_MODEL].url} if _MODEL in self.relays else {}
        mirrors = [relay.url for name, relay in self.relays.items() if name.startswith("drand/")]
        kept |= {_BEACONS: json.dumps(mirrors)} if mirrors else {}
        own = {
            "HERALD_CONFIG": str(self.folder / "herald.toml"),
            "HERALD_DATA_DIR": str(self.folder / "data"),
            "HERALD_CLOCK_FILE": str(self.folder / "clock"),
            "HERALD_LIMITS": plan.limits,
        }
        return kept | own | dict(plan.environment)

    def moment(self, value: str | float | None) -> str | float | None:
        """A moment of a scenario as the sandbox takes it, by its clock."""
        return moment_of(value, time.time() + self._offset)

    async def start_bot(self) -> None:
        """Start the bot and wait until it is connected everywhere."""
        await self.prepared_bot.start(READY_LINE)

    async def advance(self, seconds: float, to: float | None = None) -> None:
        """Move both clocks forward, by `seconds` or `to` a moment in UTC seconds. Raises RehearsalError where that is
        over."""
        if to is not None:
            seconds = to - time.time() - self._offset
            if seconds < 0:
                raise RehearsalError(f"clocks only move forward, and this moment is over since {-seconds:.0f} s")
        self._offset += seconds
        await self.control.post("advance", {"seconds": seconds})
        self._write_clock()
        if self.bot is not None and self.bot.running:
            # Else what happens next would look to the bot as if it had happened at the old time.
            await asyncio.sleep(CLOCK_SECONDS)

    async def serve(self, step: Service) -> None:
        """Restart, kill, stop or start the bot, the local model server, the local beacon (`drand`) or one mirror of it
        (`drand/a`). Raises RehearsalError for any other."""
        if step.service == "bot":
            await self._serve_bot(step)
            return
        found = [relay for name, relay in self.relays.items() if step.service in (name, name.partition("/")[0])]
        if not found:
            known = ", ".join(["bot", "drand", *self.relays])
            raise RehearsalError(f"{step.service} does not run in this rehearsal: stopped and started can be {known}")
        for relay in found:
            if step.verb != "start":
                await relay.stop()
            if step.verb in ("start", "restart"):
                await relay.start()

    async def kill_at(self, point: str, act: Callable[[], Awaitable[None]], within: float) -> None:
        """Kill the bot at a failpoint: it is started anew with that armed (`NAME[/ABOUT][:TURN]`), `act` makes it go
        there, and once it is dead it is started as before. Raises RehearsalError where it does not die there."""
        bot = self.prepared_bot
        await bot.stop()
        name, _, turn = point.partition(":")
        await bot.start(READY_LINE, {FAILPOINTS: f"{name}=kill:{turn or 1}"})
        await act()
        if not await bot.ended(within):
            raise RehearsalError(f"the bot did not come to {point} within {within:g} s")
        reached = f"failpoint {name.partition('/')[0]} reached"
        if reached not in bot.last_lines():
            last = "\n".join(bot.last_lines())
            raise RehearsalError(f"the bot ended, but not at {point}. It wrote last:\n{last}")
        await self.start_bot()

    async def _serve_bot(self, step: Service) -> None:
        bot = self.prepared_bot
        if step.verb == "kill":
            await bot.kill()
        elif step.verb in ("stop", "restart"):
            await bot.stop()
        if (step.verb in ("start", "restart") or step.revive) and not bot.running:
            await self.start_bot()

    def _write_clock(self) -> None:
        # Replaced in one step: the bot may read at any moment.
        fresh = self.folder / "clock.new"
        fresh.write_text(f"{self._offset}\n", encoding="utf-8")
        fresh.replace(self.folder / "clock")

    async def close(self) -> None:
        """End the bot."""
        if self.bot is not None and self.bot.running:
            await self.bot.stop()


@asynccontextmanager
async def opened_stage(plan: Plan) -> AsyncIterator[Stage]:
    """A sandbox with a bot prepared but not started. On leaving, every process has ended and every file is gone."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="herald-rehearsal-")))
        if plan.keep is not None:
            stack.callback(shutil.copytree, folder, plan.keep, dirs_exist_ok=True)
        sandbox = sandbox_process(plan.journal or folder / "journal.jsonl", plan.limits, folder / "sandbox.log")
        _push_end(stack, sandbox.stop)
        line = await sandbox.start(SANDBOX_LINE)
        base = line.removeprefix(SANDBOX_LINE).strip()
        control = await stack.enter_async_context(ControlClient(base))
        info = await control.get("info", {})
        relays = {name: Relay(address) for name, address in _stoppable(info).items()}
        for relay in relays.values():
            _push_end(stack, relay.stop)
            await relay.start()
        stage = Stage(folder, control, sandbox, relays)
        _push_end(stack, stage.close)
        await stage.prepare(plan)
        yield stage


def _stoppable(info: Mapping[str, Any]) -> dict[str, str]:
    """The addresses of the sandbox's servers that a rehearsal can stop, by the names that scenarios give them."""
    found = {_MODEL: str(info[_BASE_URL])} if _BASE_URL in info else {}
    mirrors = [str(address) for address in json.loads(info.get(_BEACONS, "[]"))]
    return found | {f"drand/{address.rsplit('/', 1)[1]}": address for address in mirrors}


def _push_end(stack: AsyncExitStack, end: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Have `end` awaited on leaving, to its end even where the rehearsal is being cancelled again meanwhile."""

    async def finish() -> None:
        task = asyncio.create_task(end())
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await task
            raise

    stack.push_async_callback(finish)
