"""What `herald rehearse` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bot.rehearsal.errors import RehearsalError


@dataclass(frozen=True, slots=True)
class Options:
    """A scenario to play (None with no comments: all built-in ones), or comments to feed.

    `approve` is `all`, `none` or `first:N`. `journal` and `report` are files to write; `sample` replaces the sample
    community's settings; `only` keeps the built-in scenarios whose name holds that text. With `keep`, the bot's
    database and the logs of bot and sandbox are left in that folder (of the last scenario, where several are played).
    """

    scenario: Path | None = None
    comments: Path | None = None
    platform: str | None = None
    approve: str = "all"
    knowledge: Path | None = None
    limits: Literal["published", "none"] = "none"
    journal: Path | None = None
    report: Path | None = None
    sample: Path | None = None
    only: str | None = None
    keep: Path | None = None


def approvals(approve: str) -> int | None:
    """How many cards are to be approved; None for all. Raises RehearsalError for another word."""
    kind, _, count = approve.partition(":")
    if approve == "all":
        return None
    if approve == "none":
        return 0
    if kind == "first" and count.isdecimal():
        return int(count)
    raise RehearsalError(f"--approve takes all, none or first:N, not {approve!r}")
