"""`python -m bot.sandbox [--port P] [--journal FILE] [--limits published|none]`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from bot.sandbox.server import serve


def main(argv: list[str] | None = None) -> int:
    """Run the sandbox until it is told to stop; 1 where it cannot start."""
    parser = argparse.ArgumentParser(
        prog="python -m bot.sandbox", description="Local Slack, Discord, Telegram, OpenAI and drand."
    )
    parser.add_argument("--port", type=int, default=8765, help="port on 127.0.0.1; 0: any free one")
    parser.add_argument("--journal", type=Path, help="write everything that goes over the wire to this file")
    parser.add_argument(
        "--limits",
        choices=("published", "none"),
        default="published",
        help="whether the platforms' published rate limits are enforced (default %(default)s)",
    )
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(args.port, args.journal, args.limits == "published"))
    except OSError as error:
        print(f"the sandbox cannot start: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
