"""What the commands of the command line do with an application."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bot import app as application
from bot import logs
from bot.assembly import Duty
from bot.chat.ports import PlatformDown, StoreUnavailable
from bot.domain import failpoints
from bot.drafting.entries import KnowledgeFault
from bot.drafting.knowledge import Knowledge, answerable
from bot.drafting.prompts import PromptFault
from bot.locales import Catalogue
from bot.settings import EXAMPLE_FILE, Settings, SettingsFault, config_file, exposed, load

FAULTS = (SettingsFault, KnowledgeFault, PromptFault, StoreUnavailable, PlatformDown, failpoints.FailpointFault)
log = logging.getLogger("herald")

SWITCH_SECONDS = 0.0005
"""How long the loop and the threads beside it keep each other waiting.

Where the database is a server, each statement of a transaction comes back to the loop. With Python's own 5 ms a
transaction of a hundred statements lasts half a second beside a thread that makes drafts, and nearly every other one
that begins meanwhile has to begin again. In the SQLite file it is the writer's thread that stands back after each
statement, while the loop is busy.
"""
SANDBOX_LINE = "sandbox listening on "
PORT = 8420


def say(line: str) -> None:
    """A line to standard output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def complain(error: Exception) -> int:
    """A fault in as many lines as it has, to standard error; the exit code."""
    for line in str(error).splitlines():
        sys.stderr.write(f"herald: {line}\n")
    return 1


def secrets_of(settings: Settings) -> list[str]:
    """All secrets of an installation, to be masked in logs."""
    found = (
        settings.slack.bot_token,
        settings.slack.app_token,
        settings.slack.signing_secret,
        settings.discord.token,
        settings.telegram.token,
        settings.telegram.webhook_secret,
        settings.openai.api_key,
        settings.database_url,
        settings.redis_url,
    )
    return [*(secret.get_secret_value() for secret in found), *_passwords(settings)]


def _passwords(settings: Settings) -> Iterator[str]:
    """Those in addresses: a server's words may repeat them without the rest."""
    for url in (settings.database_url, settings.redis_url):
        with suppress(ValueError):
            password = urlsplit(url.get_secret_value()).password or ""
            yield from {password, unquote(password)}


async def run_bot(duty: Duty = "all") -> int:
    """`herald run`: exit code 0 after a stop, 1 with one line for each thing to mend."""
    try:
        settings = await asyncio.to_thread(load)
        if settings.configured():
            return await _run(settings, duty)
        if duty != "all" or settings.database_url.get_secret_value():
            raise SettingsFault(
                ["no platform has a token: set one in the settings, or leave out --role and database_url"]
            )
        return await _run_beside_sandbox()
    except FAULTS as error:
        return complain(error)


async def _run(settings: Settings, duty: Duty) -> int:
    logs.configure(settings.log_level, settings.log_format, secrets_of(settings))
    failpoints.arm(os.environ)
    file = config_file(os.environ)
    if await asyncio.to_thread(exposed, file):
        log.warning("%s holds tokens and others on this machine can read it: chmod 600 %s", file, file)
    if settings.redis_url.get_secret_value() and not settings.database_url.get_secret_value():
        log.warning("redis_url is not used: it serves several processes on one PostgreSQL database (database_url)")
    sys.setswitchinterval(SWITCH_SECONDS)
    app = await asyncio.to_thread(application.build, settings, duty)
    gc.collect()
    gc.freeze()  # what was built at start stays: the collector need not look at it again and again
    task = asyncio.create_task(app.run(say))
    _stop_on_signals(task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return 0
    return 0


def _stop_on_signals(stop: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


async def _run_beside_sandbox() -> int:
    """No token anywhere: the sandbox and the bot as two processes, and a page to look at."""
    stopping = asyncio.Event()
    _stop_on_signals(stopping.set)
    with tempfile.TemporaryDirectory(prefix="herald-") as folder:  # the sandbox forgets, so the bot must not remember
        return await _play(Path(folder), stopping)


async def _play(data: Path, stopping: asyncio.Event) -> int:
    sandbox = await _start(["sandbox", "--port", os.environ.get("HERALD_SANDBOX_PORT", str(PORT))], os.environ)
    bot = None
    try:
        line = await _line(sandbox, SANDBOX_LINE)
        if line is None:
            return complain(RuntimeError("the sandbox did not start; is its port in use?"))
        base = line.removeprefix(SANDBOX_LINE).strip()
        bot = await _start(["run"], {**await _environment(base), "HERALD_DATA_DIR": str(data)})
        if await _line(bot, "herald ready") is None:
            return complain(RuntimeError("the bot did not start; its own words are above"))
        say(_greeting(base))
        feeder = asyncio.create_task(_sample_comments(base, stopping))
        await _first(stopping.wait(), bot.wait(), sandbox.wait())
        feeder.cancel()
        with suppress(asyncio.CancelledError):
            await feeder
        return 0 if stopping.is_set() else 1
    finally:
        for process in (bot, sandbox):
            if process is not None:
                await _end(process)


async def _first(*waits: object) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]  # type: ignore[call-overload]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _start(arguments: list[str], environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        env=dict(environment),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches us alone, and we stop them in order
    )


async def _line(process: asyncio.subprocess.Process, beginning: str) -> str | None:
    """The first line of its output that begins so, or None if it ends before."""
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode():
        if line.startswith(beginning):
            return line
    return None


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(9):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _environment(base: str) -> dict[str, str]:
    """What points the bot at the sandbox: the sample community, with the sandbox's addresses and channels over it."""
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(f"{base}/control/info") as answer:
        info = await answer.json()
        approver = await _team(session, base)
    told = {name: value for name, value in info.items() if name.startswith("HERALD_") and isinstance(value, str)}
    defaults = {"HERALD_CONFIG": str(EXAMPLE_FILE), "HERALD_ROLES__APPROVER": json.dumps(approver)}
    if "HERALD_OPENAI__MODEL" in told and "HERALD_DRAFTING__DRAFTER" not in os.environ:
        defaults["HERALD_DRAFTING__DRAFTER"] = "embedded"
    return {**os.environ, **defaults, **told}


async def _team(session: object, base: str) -> list[str]:
    """Ana may decide on every platform."""
    import aiohttp

    assert isinstance(session, aiohttp.ClientSession)
    found = []
    for platform in ("slack", "discord", "telegram"):
        body = {"platform": platform, "member": "ana", "name": "Ana"}
        async with session.post(f"{base}/control/member", json=body) as answer:
            member = await answer.json()
            found.append(f"{platform}:{member['tenant']}:{member['member_id']}")
    return found


def _greeting(base: str) -> str:
    return (
        f"\nherald: everything is running locally. Open {base}\n"
        f"  - {base}/?channel=review is where cards arrive; as “ana” you may approve, edit and reject them.\n"
        f"  - {base}/?channel=community is where members write and get their answers.\n"
        f"herald：一切都在本机运行。请打开 {base}\n"
        f"  - {base}/?channel=review 是卡片所在的审核频道，以 ana 的身份批准、修改或驳回。\n"
        f"  - {base}/?channel=community 是成员发言和收到答复的地方。\n"
        "Ctrl-C ends it. 按 Ctrl-C 结束。"
    )


async def _sample_comments(base: str, stopping: asyncio.Event) -> None:
    """Members of the sample community write, one every few seconds."""
    import aiohttp

    lines = await asyncio.to_thread((EXAMPLE_FILE.parent / "comments.jsonl").read_text, encoding="utf-8")
    async with aiohttp.ClientSession() as session:
        for number, line in enumerate(lines.splitlines()):
            said = json.loads(line)
            platform = ("telegram", "slack", "discord")[number % 3]
            body = {"platform": platform, "channel": "community", "member": said["member"], "text": said["text"]}
            async with session.post(f"{base}/control/say", json=body):
                pass
            with suppress(TimeoutError):
                async with asyncio.timeout(1 if number < 6 else 8):
                    await stopping.wait()


def health() -> str | None:
    """What is wrong with the bot that runs on this installation's data folder, or None: for container health checks."""
    try:
        alive = load().data_dir / application.ALIVE
        age = time.time() - alive.stat().st_mtime
    except SettingsFault as fault:
        return str(fault)
    except OSError:
        return "no bot has run here"
    return None if age < application.ALIVE_SECONDS else f"the bot was last alive {age:.0f} s ago"


def manifest_of(platform: str) -> str:
    """`herald manifest`: what to paste where."""
    specs = application.command_specs(application.make_registry(), Catalogue())
    if platform == "slack":
        from bot.integrations.slack.manifest import manifest

        return json.dumps(manifest(specs, "Herald", http=_is_http()), indent=2, ensure_ascii=False)
    if platform == "telegram":
        return "\n".join(f"{spec.name} - {spec.descriptions['en']}" for spec in specs)
    texts, steps = Catalogue(), ("intents", "scopes", "permissions", "http")
    return "\n".join(texts.say("en", f"manifest.discord.{step}") for step in steps)


def _is_http() -> bool:
    """Whether Slack shall deliver by requests; settings that cannot be used say nothing about it."""
    try:
        return load().slack.mode == "http"
    except SettingsFault:
        return False


def search_knowledge(question: str | None, file: Path | None, path: Path | None, *, as_json: bool) -> Iterator[str]:
    """`herald knowledge search`: a line for each question. Raises ValueError with one clear line."""
    try:
        knowledge = Knowledge(path or load().knowledge.path)
    except FAULTS as error:
        raise ValueError(str(error)) from error
    for text in [question] if question is not None else _questions(file or Path()):
        hits = knowledge.search(text or "")
        found = [{"id": hit.entry.id, "score": round(hit.score, 6)} for hit in hits]
        if as_json:
            yield json.dumps({"text": text, "answerable": answerable(hits), "hits": found}, ensure_ascii=False)
        else:
            yield f"{text}  ({'answerable' if answerable(hits) else 'not answerable'})"
            yield from (f"  {hit.score:8.3f}  {hit.entry.id}  {hit.entry.title}" for hit in hits)


def _questions(file: Path) -> Iterator[str]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            yield str(json.loads(line)["text"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file}, line {number}: not a JSON object with text") from error
