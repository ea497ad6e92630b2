"""The fault run: `./test faults`. Every failpoint on every platform, kills at random, stops, broken links.

    ./test faults                                        everything
    ./test faults --seed 7                               with other turns and times
    ./test faults --platform slack --only inbox.written  one group of it
    ./test faults --json FILE                            the table as JSON, too

Exit code 1 when anything was lost, doubled or wrong, or a place could not be reached.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path

from .campaign import campaign
from .forked import Nursery, nursery
from .links import break_links
from .places import ALL, places
from .verdict import HEAD, Verdict

TIMED = ("random kill", "SIGSTOP", "SIGTERM under load")


def arguments(given: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="./test faults", description="Kill, stop and starve the bot.")
    parser.add_argument("--seed", type=int, default=1, help="turns and times come from it (default 1)")
    parser.add_argument("--platform", choices=ALL, action="append", help="only this one; may be repeated")
    parser.add_argument("--only", action="append", help="only groups of this name (* is a wildcard); may be repeated")
    parser.add_argument("--kills", type=int, default=5, help="at each failpoint of each platform (default 5)")
    parser.add_argument("--random", type=int, default=102, help="kills at random, in all (default 102)")
    parser.add_argument("--stops", type=int, default=21, help="SIGSTOPs, in all (default 21)")
    parser.add_argument("--terms", type=int, default=21, help="SIGTERMs under load, in all (default 21)")
    parser.add_argument("--json", type=Path, help="write the table to this file")
    parser.add_argument("--keep", type=Path, help="keep journals, databases and logs in this folder")
    return parser.parse_args(given)


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def play(options: argparse.Namespace, folder: Path) -> list[Verdict]:
    """All platforms side by side; the verdicts of all groups."""
    platforms = options.platform or ALL
    async with nursery() as nurse, asyncio.TaskGroup() as group:
        tasks = [group.create_task(_platform(options, folder / name, name, nurse)) for name in platforms]
        tasks += [group.create_task(_links(options, folder / f"{name}-links", name, nurse)) for name in platforms]
    return [verdict for task in tasks for verdict in task.result()]


async def _links(options: argparse.Namespace, folder: Path, name: str, nurse: Nursery) -> list[Verdict]:
    return await break_links(folder, name, nurse, options.seed, tell, lambda group: _wanted(options, group))


def _wanted(options: argparse.Namespace, group: str) -> bool:
    return not options.only or any(fnmatch(group, pattern) for pattern in options.only)


async def _platform(options: argparse.Namespace, folder: Path, name: str, nurse: Nursery) -> list[Verdict]:
    def wanted(group: str) -> bool:
        return _wanted(options, group)

    if not any(map(wanted, [*(place.name for place in places(name)), *TIMED])):
        return []
    async with campaign(folder, name, nurse, options.seed, tell) as run:
        kept = [place for place in places(name) if wanted(place.name)]
        for place in kept:
            if not place.fresh:
                await run.place(place, options.kills)
        if wanted("random kill"):
            await run.at_random(options.random // len(ALL))
        if wanted("SIGSTOP"):
            await run.suspended(options.stops // len(ALL))
        if wanted("SIGTERM under load"):
            await run.terminated(options.terms // len(ALL))
        run.acknowledged()
        for place in kept:
            if place.fresh:
                await run.place(place, options.kills)
        return run.verdicts


def summed(verdicts: list[Verdict], seed: int, seconds: float) -> str:
    """The totals, and for each group that failed the command that plays it again."""
    hits = sum(verdict.counted for verdict in verdicts)
    lines = [
        f"seed {seed}: {len(verdicts)} groups, {hits} hits, {sum(v.comments for v in verdicts)} comments,"
        f" {sum(v.asked for v in verdicts)} replies put to a person in {seconds:.0f} s;"
        f" lost {sum(len(v.lost) for v in verdicts)}, doubled {sum(len(v.doubled) for v in verdicts)},"
        f" wrong {sum(len(v.wrong) for v in verdicts)}"
    ]
    again = [verdict for verdict in verdicts if not verdict.clean]
    lines += [f"again: ./test faults --seed {seed} --platform {v.platform} --only '{v.name}'" for v in again]
    return "\n".join(lines)


def main(given: list[str]) -> int:
    options = arguments(given)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="herald-faults-") as temporary:
        tell(HEAD)
        verdicts = asyncio.run(play(options, options.keep or Path(temporary)))
    tell(summed(verdicts, options.seed, time.monotonic() - began))
    if options.json:
        options.json.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1) + "\n")
    return 0 if all(verdict.clean for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
