"""`herald rehearse`: plays scenarios, or feeds comments, with the real bot against the sandbox."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from bot.rehearsal.errors import RehearsalError, StepFailed
from bot.rehearsal.feed import run_feed
from bot.rehearsal.loading import builtin_scenarios, load_scenarios
from bot.rehearsal.options import Options
from bot.rehearsal.player import Player
from bot.rehearsal.scenario import Scenario
from bot.rehearsal.stage import Plan, Stage, opened_stage
from bot.rehearsal.transcript import Transcript

INTERRUPTED = 130
"""The exit code after Ctrl-C or SIGTERM, as shells know it."""

_BOT_LINES = 12


async def rehearse(options: Options, transcript: Transcript | None = None) -> int:
    """Do what the options ask for and print a transcript.

    0 if everything went as written, 1 if not, 2 where the rehearsal could not take place, 130 when interrupted.
    Processes and files that it made are gone in every case.
    """
    out = transcript or Transcript()
    try:
        return await _interruptible(_rehearse(options, out), out)
    except RehearsalError as error:
        out.line(f"the rehearsal cannot take place: {error}")
        return 2


async def _interruptible(work: Coroutine[Any, Any, int], transcript: Transcript) -> int:
    """Do the work in a task that Ctrl-C and SIGTERM cancel, so that everything is ended in order."""
    loop, task = asyncio.get_running_loop(), asyncio.create_task(work)
    signals = (signal.SIGINT, signal.SIGTERM)
    stopped = asyncio.Event()

    def stop() -> None:
        stopped.set()
        task.cancel()

    handled = [number for number in signals if _handled(loop, number, stop)]
    try:
        return await task
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise
        transcript.line("interrupted")
        return INTERRUPTED
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def _handled(loop: asyncio.AbstractEventLoop, number: signal.Signals, stop: Callable[[], None]) -> bool:
    """Whether this thread and system let us handle the signal."""
    with suppress(NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(number, stop)
        return True
    return False


async def _rehearse(options: Options, transcript: Transcript) -> int:
    if options.comments is not None:
        return await run_feed(options, transcript)
    scenarios = _scenarios(options)
    if options.journal is not None:
        options.journal.unlink(missing_ok=True)
    failed = [scenario.name for scenario in scenarios if not await play(scenario, options, transcript)]
    transcript.line(f"{len(scenarios) - len(failed)} of {len(scenarios)} scenarios went as written")
    for name in failed:
        transcript.line(f"  failed: {name}")
    return 1 if failed else 0


def _scenarios(options: Options) -> list[Scenario]:
    files = [options.scenario] if options.scenario else builtin_scenarios()
    found = [scenario for file in files for scenario in load_scenarios(file)]
    chosen = [scenario for scenario in found if options.only is None or options.only in scenario.name]
    if not chosen:
        raise RehearsalError("there is no such scenario")
    return chosen


async def play(scenario: Scenario, options: Options, transcript: Transcript) -> bool:
    """Play one scenario on a stage of its own; whether it went as written. Raises RehearsalError."""
    transcript.line(f"scenario: {scenario.name}")
    began = time.monotonic()
    plan = Plan(options.journal, options.limits, options.sample, scenario.members, scenario.config, keep=options.keep)
    async with opened_stage(plan) as stage:
        await stage.start_bot()
        transcript.step("sandbox and bot are ready", time.monotonic() - began)
        try:
            await Player(scenario, stage, transcript).play()
        except StepFailed:
            transcript.detail(_bot_state(stage))
            return False
    return True


def _bot_state(stage: Stage) -> list[str]:
    """What the bot wrote last, and whether it is gone although it should not be."""
    bot = stage.prepared_bot
    state = "the bot wrote last:" if bot.running else "the bot is not running. It wrote last:"
    lines = bot.last_lines()[-_BOT_LINES:]
    return [state, *lines] if lines or not bot.running else []
