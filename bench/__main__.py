"""`python -m bench [PART...] [--json FILE] [--quick]`: how fast, and against what. Without parts: all of them."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench import broadcast, cost, draw, giveaways, ingest, kernel, polls, telegram, workers

Measure = Callable[[Path], Awaitable[dict[str, float]]]


def parts(*, quick: bool) -> dict[str, Measure]:
    """The measurements by name; quick ones are of a tenth of the size."""
    few = 10 if quick else 1
    return {
        "kernel": lambda folder: kernel.measure(folder, 10_000 // few),
        "telegram": lambda folder: telegram.measure(folder, 3000 // few),
        "cost": cost.measure,
        "ingest": lambda folder: ingest.measure(folder, 1000, 600 / few),
        "broadcast": lambda folder: broadcast.measure(folder, 6000 // few),
        "polls": lambda folder: polls.measure(folder, 10 if quick else 300),
        "draw": lambda folder: draw.measure(folder, 20_000 if quick else 1_000_000),
        "giveaways": lambda folder: giveaways.measure(folder, 100_000 // few),
        "workers": lambda folder: workers.measure(folder, 600 // few),
    }


def main() -> None:
    """Run the measurements and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts(quick=False)))
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    arguments = parser.parse_args()
    known = parts(quick=arguments.quick)
    if unknown := set(arguments.parts) - known.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    figures: dict[str, float] = {}
    for name in arguments.parts or known:
        with tempfile.TemporaryDirectory() as folder:
            found = asyncio.run(_measured(known[name], Path(folder)))
        for figure, value in found.items():
            print(f"{figure:42} {value:12.3f}", flush=True)
        figures |= found
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


async def _measured(measure: Measure, folder: Path) -> dict[str, float]:
    return await measure(folder)


if __name__ == "__main__":
    main()
