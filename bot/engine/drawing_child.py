"""`python -m bot.engine.drawing_child JOB ...`: work on a large list beside the program, which goes on meanwhile.

`build LIST TREE` reads the list's bytes from stdin; `draw` and `proof` read their arguments as JSON from there. The
answer is one JSON object on stdout: `{"done": ...}`, `{"wrong": why}` for a list that is not one, or `{"failed": why}`.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from bot.engine.drawing_files import Alone, Hashing, block_roots, build, draw, proof

_CHUNK = 1 << 18
_HASH = 32
_LENGTH = struct.Struct(">Q")
_OWN = 3
"""Every so manieth part of a list is hashed here, the others by the helper: there is more to do here than to hash."""


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
    hashing: Hashing = Helped() if hasattr(os, "fork") else Alone()
    return asdict(build(chunks, Path(sys.argv[2]), Path(sys.argv[3]), hashing))


def _draw() -> object:
    job = json.load(sys.stdin)
    return draw(Path(job["list"]), bytes.fromhex(job["key"]), job["count"])


def _proof() -> object:
    job = json.load(sys.stdin)
    proof(Path(job["list"]), Path(job["proof"]), job["before"], job["after"])
    return None


_JOBS: dict[str, Callable[[], object]] = {"build": _build, "draw": _draw, "proof": _proof}


class Helped:
    """Hashes a list with another process's help, which ends when this one does.

    Parts go to it through one pipe, and all that it found comes back through another when there are no more of them:
    so neither can wait for the other while that one waits for it.
    """

    def __init__(self) -> None:
        reading, out = os.pipe()
        back, writing = os.pipe()
        self._helper = os.fork()
        if not self._helper:
            os.close(out)
            os.close(back)
            _help(os.fdopen(reading, "rb"), os.fdopen(writing, "wb"))
        os.close(reading)
        os.close(writing)
        self._out, self._back = os.fdopen(out, "wb"), os.fdopen(back, "rb")
        self._parts: list[list[bytes] | int] = []
        """The roots of each part, or how many of them the helper will tell."""

    def add(self, text: bytes) -> None:
        """The next lines."""
        if len(self._parts) % _OWN == 0:
            self._parts.append(block_roots(text))
        else:
            self._out.write(_LENGTH.pack(len(text)) + text)
            self._out.flush()
            self._parts.append(-(-text.count(b"\n") // 64))

    def roots(self) -> list[bytes]:
        """Of each 64 lines, and of what was left. Raises ChildProcessError where the helper died."""
        self._out.close()
        told = self._back.read()
        os.waitpid(self._helper, 0)
        found: list[bytes] = []
        at = 0
        for part in self._parts:
            if isinstance(part, int):
                found += [told[start : start + _HASH] for start in range(at, at + part * _HASH, _HASH)]
                at += part * _HASH
            else:
                found += part
        if at != len(told):
            raise ChildProcessError("the helper did not hash all")
        return found


def _help(parts: BinaryIO, back: BinaryIO) -> None:
    """The helper: hash what comes until there is no more, tell, and end."""
    code = 1
    try:
        os.close(sys.stdin.fileno())
        os.close(sys.stdout.fileno())
        found = []
        while length := parts.read(_LENGTH.size):
            found += block_roots(parts.read(*_LENGTH.unpack(length)))
        back.write(b"".join(found))
        back.flush()
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
