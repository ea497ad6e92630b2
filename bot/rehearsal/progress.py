"""How far a feed is: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from bot.rehearsal.transcript import Transcript

LONG_FEED = 100
"""From so many comments on a feed is long enough to be worth a bar."""
LINE_SECONDS = 10.0


class Progress:
    """Shows the progress of a feed of `total` comments while it is entered."""

    def __init__(self, transcript: Transcript, total: int) -> None:
        self._transcript = transcript
        self._total = total
        self._last = ("", time.monotonic())
        self._rich: RichProgress | None = None
        if transcript.on_terminal and total >= LONG_FEED:
            columns = (
                TextColumn("stored"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.description}"),
            )
            self._rich = RichProgress(*columns, console=Console(file=transcript.stream), transient=True)
            self._task = self._rich.add_task("", total=total)

    def __enter__(self) -> Progress:
        if self._rich is not None:
            self._rich.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rich is not None:
            self._rich.stop()

    def show(self, stored: int, drafted: int, decided: int, sent: int) -> None:
        """Say how many comments are stored, drafted, decided and sent."""
        text = f"drafted {drafted}, decided {decided}, sent {sent}"
        if self._rich is not None:
            self._rich.update(self._task, completed=stored, description=text)
            return
        line, since = f"  stored {stored} of {self._total}, {text}", time.monotonic() - self._last[1]
        if since >= LINE_SECONDS and line != self._last[0]:
            self._last = (line, time.monotonic())
            self._transcript.line(line)
