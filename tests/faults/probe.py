"""A program that tells what it finds in its process, to compare forked ones with fresh ones."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import signal
import sys
import threading
from pathlib import Path


def _loop() -> str:
    try:
        return type(asyncio.get_running_loop()).__name__
    except RuntimeError:
        return "none"


def found() -> dict[str, object]:
    """What a program may depend on."""
    plain = {name: str(signal.getsignal(name)) for name in signal.valid_signals()}
    return {
        "arguments": sys.argv[1:],
        "settings": {name: value for name, value in os.environ.items() if name.startswith(("HERALD_", "PYTHON"))},
        "name": __name__,
        "folder": str(Path.cwd()),
        "threads": [threading.active_count(), len(list(Path("/proc/self/task").iterdir()))],
        "loop": _loop(),
        "signals": {str(int(name)): handler for name, handler in plain.items()},
        "masked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "collecting": gc.isenabled(),
        "session": os.getsid(0) == os.getpid(),
        "input": os.read(0, 1).decode(),
        "buffered": sys.stdout.line_buffering,
        "open": sorted(int(one.name) for one in Path("/proc/self/fd").iterdir() if _is_open(one)),
        "random": random.random(),
    }


def _is_open(link: Path) -> bool:
    try:
        return not str(link.readlink()).startswith("/proc/")
    except OSError:
        return False


if __name__ == "__main__":
    sys.stdout.write(json.dumps(found()) + "\n")
    sys.stdout.flush()
    if "wait" in sys.argv:
        signal.pause()
    sys.exit(7)
