"""`python -m bench [--json FILE] [--messages N]`: how fast, and against what."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

from bench import cost, telegram


def main() -> None:
    """Run all measurements and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--messages", type=int, default=3000, help="messages in each run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(telegram.measure(Path(folder), arguments.messages))
        figures |= asyncio.run(cost.measure(Path(folder)))
    for name, value in figures.items():
        print(f"{name:42} {value:10.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
