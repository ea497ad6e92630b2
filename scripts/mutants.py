"""Change the engine and the rules in small ways, and see whether a test notices: `python scripts/mutants.py`.

mutmut (settings in pyproject.toml) makes the mutants in a folder of its own and runs the tests that reach each.
Of the thousands that there are a sample is tried, so many of each module's in proportion, chosen by `--seed`. Printed:
how many were killed, and every one that lives, to be looked at with `mutmut show NAME`. The figures of each module are
those of the sample. A mutant that no selected test reaches counts as alive.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

FOLDER = Path("mutants")
KILLED = {1: "killed", 3: "killed", 36: "timeout", 24: "timeout", -24: "timeout", 152: "timeout", 255: "timeout"}
"""What mutmut's exit codes mean; everything else lives."""


def main() -> int:
    """0 when at least so many per cent of the sample were killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=400, help="how many mutants to try")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--wanted", type=float, default=80.0, help="per cent that must be killed")
    parser.add_argument("--children", default="2", help="how many at once")
    parser.add_argument("parts", nargs="*", help="parts of names; all without them")
    arguments = parser.parse_args()
    run("nothing.of.this.name", arguments.children)  # makes all of them, and learns which tests reach which
    names = [
        name for name in sorted(exit_codes()) if not arguments.parts or any(part in name for part in arguments.parts)
    ]
    sample = random.Random(arguments.seed).sample(names, min(arguments.sample, len(names)))  # noqa: S311
    run(*sample, arguments.children)
    return report(sample, exit_codes(), arguments.wanted, len(names))


def say(line: str) -> None:
    """A line to standard output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run(*arguments: str) -> None:
    """mutmut on these names; the last argument says how many at once."""
    *names, children = arguments
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", children, *names]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words


def exit_codes() -> dict[str, int | None]:
    """What the tests made of each mutant so far."""
    found: dict[str, int | None] = {}
    for file in FOLDER.rglob("*.meta"):
        found |= json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def report(sample: list[str], codes: dict[str, int | None], wanted: float, total: int) -> int:
    """Print the figures and all that live."""
    alive = [name for name in sorted(sample) if codes.get(name) not in KILLED]
    modules = Counter(module(name) for name in sample)
    living = Counter(module(name) for name in alive)
    for name, count in sorted(modules.items()):
        say(f"{name:32} {count - living[name]:4} of {count:4} killed")
    share = 100 * (len(sample) - len(alive)) / max(len(sample), 1)
    say(f"{share:.1f} % of {len(sample)} killed, out of {total} mutants")
    for name in alive:
        say(f"lives ({codes.get(name)}): {name}")
    return 0 if share >= wanted else 1


def module(name: str) -> str:
    """`bot.engine.limiter` of `bot.engine.limiter.xǁLimiterǁchoose__mutmut_3`"""
    return ".".join(name.split(".")[:3])


if __name__ == "__main__":
    sys.exit(main())
