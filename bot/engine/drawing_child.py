"""`python -m bot.engine.drawing_child JOB ...`: work on a large list beside the program, which goes on meanwhile.

`build LIST TREE` reads the list's bytes from stdin; `draw` and `proof` read their arguments as JSON from there. The
answer is one JSON object on stdout: `{"done": ...}`, `{"wrong": why}` for a list that is not one, or `{"failed": why}`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from bot.engine.drawing_files import build, draw, proof

_CHUNK = 1 << 18


def main() -> None:
    """Do it, and say what came of it."""
    try:
        answer: dict[str, object] = {"done": _JOBS[sys.argv[1]]()}
    except ValueError as error:
        answer = {"wrong": str(error)}
    except Exception as error:
        answer = {"failed": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(answer))


def _build() -> object:
    chunks = iter(lambda: os.read(sys.stdin.fileno(), _CHUNK), b"")
    return asdict(build(chunks, Path(sys.argv[2]), Path(sys.argv[3])))


def _draw() -> object:
    job = json.load(sys.stdin)
    return draw(Path(job["list"]), bytes.fromhex(job["key"]), job["count"])


def _proof() -> object:
    job = json.load(sys.stdin)
    proof(Path(job["list"]), Path(job["proof"]), job["before"], job["after"])
    return None


_JOBS: dict[str, Callable[[], object]] = {"build": _build, "draw": _draw, "proof": _proof}

if __name__ == "__main__":
    main()
