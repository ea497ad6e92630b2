"""The processes of a rehearsal: the sandbox and the bot, started, watched and always ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from bot.rehearsal.errors import RehearsalError

START_SECONDS = 60.0
"""How long a process may take until it says that it is ready."""
STOP_SECONDS = 10.0
"""How long a process may take to stop by itself after SIGTERM."""
SANDBOX_LINE = "sandbox listening on "
READY_LINE = "herald ready"

_KEPT_LINES = 30
_LINE_BYTES = 4 * 1024 * 1024
_HOME = Path(__file__).resolve().parents[2]


class Child(Protocol):
    """What is asked of a started process; asyncio's own are like that."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def returncode(self) -> int | None:
        """The exit code once it has ended, negative for a signal."""

    @property
    def stdout(self) -> asyncio.StreamReader | None:
        """What it writes."""

    @property
    def stderr(self) -> asyncio.StreamReader | None:
        """What it complains about."""

    async def wait(self) -> int:
        """Wait for its end; the exit code."""

    def send_signal(self, signal: int) -> None:
        """Send it a signal. Raises ProcessLookupError where it has ended."""


class Process:
    """A child process whose output is read all the time, its last lines kept, and all of it written to `log`."""

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._arguments = arguments
        self._environment = environment
        self._log = log
        self._child: Child | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._last: deque[str] = deque(maxlen=_KEPT_LINES)
        self._found: asyncio.Future[str] | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._child is not None and self._child.returncode is None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    def last_lines(self) -> tuple[str, ...]:
        """What it wrote last, errors included."""
        return tuple(self._last)

    async def start(self, ready: str, also: Mapping[str, str] | None = None) -> str:
        """Start it and wait for a line on its standard output that begins with `ready`; that line. `also` are more
        variables of its environment, for this once.

        Raises RehearsalError with the last lines when it ends before or does not say so in `START_SECONDS`.
        """
        if self.running:
            raise RehearsalError(f"the {self.name} runs already")
        self._last.clear()
        self._found = asyncio.get_running_loop().create_future()
        self._child = await self._spawn(self._arguments, {**self._environment, **(also or {})})
        self._readers = [
            asyncio.create_task(self._read(self._child.stdout, ready)),
            asyncio.create_task(self._read(self._child.stderr, None)),
        ]
        return await self._until_ready(self._found, ready)

    async def _spawn(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Child:
        # A session of its own: Ctrl-C reaches only the player, which ends its processes in order.
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
            start_new_session=True,
        )

    async def _until_ready(self, found: asyncio.Future[str], ready: str) -> str:
        ended = asyncio.create_task(self._wait())
        try:
            waited: set[asyncio.Future[Any]] = {found, ended}
            await asyncio.wait(waited, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)
        if found.done():
            return found.result()
        code = self._child.returncode if self._child else None
        await self.kill()
        how = f"ended with code {code}" if code is not None else f"was not ready within {START_SECONDS:.0f} s"
        lines = "\n".join(self._last) or "(it wrote nothing)"
        raise RehearsalError(f"the {self.name} {how} (waited for a line {ready!r}). It wrote last:\n{lines}")

    async def _read(self, stream: asyncio.StreamReader | None, ready: str | None) -> None:
        if stream is None:
            return
        with self._log.open("ab") as log:
            async for raw in stream:
                log.write(raw)
                log.flush()
                line = raw.decode(errors="replace").rstrip()
                self._last.append(line)
                if ready is not None and line.startswith(ready) and self._found and not self._found.done():
                    self._found.set_result(line)

    async def _wait(self) -> None:
        if self._child is not None:
            await self._child.wait()
            await asyncio.gather(*self._readers, return_exceptions=True)

    async def ended(self, within: float) -> bool:
        """Wait until it has ended by itself, at most so many seconds; whether it has."""
        try:
            await asyncio.wait_for(self._wait(), within)
        except TimeoutError:
            return False
        return True

    async def kill(self) -> None:
        """End it with SIGKILL, at once and unprepared."""
        await self._signal(signal.SIGKILL)
        await self._wait()

    async def stop(self) -> float:
        """End it with SIGTERM, after `STOP_SECONDS` with SIGKILL; how many seconds it took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._wait(), STOP_SECONDS)
        except TimeoutError:
            await self.kill()
        return loop.time() - began

    async def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.returncode is None:
            try:
                self._child.send_signal(number)
            except ProcessLookupError:
                return


def clean_environment() -> dict[str, str]:
    """This process's environment without any `HERALD_` variable, so that no real token or address gets in, and with
    this program importable from everywhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HERALD_")}
    paths = [str(_HOME), *filter(None, [kept.get("PYTHONPATH")])]
    return kept | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}


async def printed_by(*arguments: str) -> str:
    """What the program prints when it is called so, without any settings. Raises RehearsalError where it fails."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=clean_environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = await asyncio.wait_for(child.communicate(), START_SECONDS)
    except TimeoutError as error:
        raise RehearsalError(f"{' '.join(arguments)} did not answer within {START_SECONDS:.0f} s") from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise RehearsalError(f"{' '.join(arguments)} failed: {err.decode(errors='replace').strip()[-500:]}")
    return out.decode()


async def run_verifier(proof: Path) -> tuple[int, str]:
    """Check a proof by the file that anybody can have: the exit code, and what it says. It gets nothing of the bot."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(_HOME / "bot" / "verifier" / "verify.py"),
        str(proof),
        env={"PATH": os.environ.get("PATH", ""), "PYTHONUTF8": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        out, _ = await asyncio.wait_for(child.communicate(), START_SECONDS)
    except TimeoutError as error:
        raise RehearsalError(f"the verifier did not answer within {START_SECONDS:.0f} s") from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return child.returncode or 0, out.decode(errors="replace")


def sandbox_process(journal: Path, limits: str, log: Path) -> Process:
    """The sandbox on a free port; it says `sandbox listening on http://127.0.0.1:PORT`."""
    arguments = ("-m", "bot.sandbox", "--port", "0", "--journal", str(journal), "--limits", limits)
    return Process("sandbox", arguments, clean_environment(), log)


def bot_process(environment: Mapping[str, str], log: Path) -> Process:
    """The bot with exactly these `HERALD_` variables; it says `herald ready`."""
    return Process("bot", ("-m", "bot", "run"), clean_environment() | dict(environment), log)
