"""The fault run: `./test faults`. Every failpoint on every platform, kills at random, stops, broken links.

    ./test faults                                        everything, in at most twenty minutes
    ./test faults --tenth                                what plain ./test runs of it
    ./test faults --seed 7                               with other turns and times
    ./test faults --platform slack --only inbox.written  one group of it

Exit code 1 when anything was lost, doubled or wrong, or a place could not be reached.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from .campaign import campaign
from .forked import Nursery, nursery
from .giveaways import PLATFORM, chosen, giveaways
from .links import break_links
from .places import ALL
from .plans import Plan, tenth, whole
from .verdict import HEAD, Verdict, summed

SEVERAL, TIMES = "telegram", 4
"""Where several processes are played: where nobody can look up what arrived; and how often each thing happens."""


def arguments(given: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="./test faults", description="Kill, stop and starve the bot.")
    parser.add_argument("--seed", type=int, default=1, help="turns and times come from it (default 1)")
    parser.add_argument("--tenth", action="store_true", help="a tenth of everything, drawn by the seed")
    parser.add_argument("--platform", choices=ALL, action="append", help="only this one; may be repeated")
    parser.add_argument("--only", action="append", help="only groups of this name (* is a wildcard); may be repeated")
    parser.add_argument("--json", type=Path, help="write the table to this file")
    parser.add_argument("--keep", type=Path, help="keep journals, databases and logs in this folder")
    return parser.parse_args(given)


def tell(line: str) -> None:
    """A line of the table, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def play(
    plans: Sequence[Plan],
    folder: Path,
    seed: int,
    say: Callable[[str], None],
    company: Sequence[str] = (),
    draws: Sequence[tuple[str, str]] = (),
) -> list[Verdict]:
    """All plans side by side, what happens to several processes by these names, and these deaths of giveaways (phase,
    failpoint); the verdicts of all groups."""
    async with nursery() as nurse, asyncio.TaskGroup() as group:
        tasks = [group.create_task(_deaths(plan, folder, nurse, seed, say)) for plan in plans if plan.dies]
        tasks += [
            group.create_task(
                break_links(folder / f"{plan.platform}-links", plan.platform, nurse, seed, say, plan.links)
            )
            for plan in plans
        ]
        if company:
            tasks.append(group.create_task(_company(folder / "several", nurse, seed, say, company)))
        tasks.append(group.create_task(giveaways(draws, say)))
    return [verdict for task in tasks for verdict in task.result()]


async def _deaths(plan: Plan, folder: Path, nurse: Nursery, seed: int, say: Callable[[str], None]) -> list[Verdict]:
    async with campaign(folder / plan.platform, plan.platform, nurse, seed, say) as run:
        await run.acquaint()
        for place in plan.places:
            if not place.fresh:
                await run.place(place, plan.kills)
        if plan.random:
            await run.at_random(plan.random)
        if plan.stops:
            await run.suspended(plan.stops)
        if plan.terms:
            await run.terminated(plan.terms)
        run.acknowledged()
        for place in plan.places:
            if place.fresh:
                await run.place(place, plan.kills)
        return run.verdicts


async def _company(
    folder: Path, nurse: Nursery, seed: int, say: Callable[[str], None], names: Sequence[str]
) -> list[Verdict]:
    sys.path.append(str(Path(__file__).parents[1]))
    from .several import happenings, several  # which need both servers

    async with several(folder, SEVERAL, nurse, seed, say) as run:
        for name, happen in happenings(run, TIMES).items():
            if any(fnmatch(name, pattern) for pattern in names):
                await happen()
        await run.stop()
        return run.verdicts


async def _until_told(playing: Coroutine[Any, Any, list[Verdict]]) -> list[Verdict]:
    """SIGTERM ends a run like Ctrl-C: with it everything that it has started."""
    task = asyncio.ensure_future(playing)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def main(given: list[str]) -> int:
    """Play what the command line wants; the exit code."""
    options = arguments(given)
    platforms = options.platform or ALL
    plans = [tenth(name, options.seed) if options.tenth else whole(name) for name in platforms]
    if options.only:
        plans = [plan.only(options.only) for plan in plans]
    names = options.only or ([] if options.tenth else ["several: *", "giveaway: *"])
    company = [name for name in names if name.startswith("several")] if SEVERAL in platforms else []
    draws = chosen(names) if PLATFORM in platforms else []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="herald-faults-") as temporary:
        tell(HEAD)
        verdicts = asyncio.run(
            _until_told(play(plans, options.keep or Path(temporary), options.seed, tell, company, draws))
        )
    tell(summed(verdicts, options.seed, time.monotonic() - began))
    if options.json:
        options.json.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1) + "\n")
    return 0 if all(verdict.clean for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
