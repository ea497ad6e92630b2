"""What a rehearsal prints: one line per step, what was seen where a step failed, and a summary."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TextIO

_LONGEST = 160


class Transcript:
    """Writes a rehearsal's lines to a stream, by default standard output."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout

    @property
    def on_terminal(self) -> bool:
        """Whether a person watches this on a terminal."""
        return self._out.isatty()

    @property
    def stream(self) -> TextIO:
        """Where the lines go."""
        return self._out

    def line(self, text: str = "") -> None:
        """One line as it stands."""
        self._out.write(text + "\n")
        self._out.flush()

    def step(self, what: str, seconds: float, *, ok: bool = True) -> None:
        """A step that was played, with how long it took."""
        self.line(f"  {'ok  ' if ok else 'FAIL'} {seconds * 1000:7.0f} ms  {shorten(what)}")

    def detail(self, lines: Iterable[str]) -> None:
        """Lines that belong to the step above."""
        for text in lines:
            for part in text.splitlines() or [""]:
                self.line("                   " + part)


def shorten(text: str, limit: int = _LONGEST) -> str:
    """The text on one line, cut at `limit` characters."""
    flat = text.replace("\n", "⏎")
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
