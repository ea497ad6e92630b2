"""What processes that share a database ask of each other: to wake up, and to keep to common limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Wakeup(Protocol):
    """How processes that share a database wake each other. The database is the truth: a lost call only costs time."""

    @property
    def well(self) -> bool:
        """Whether calls reach others at present; otherwise everybody looks often."""

    async def run(self, heard: Callable[[frozenset[str]], None]) -> None:
        """Hand over the topics that other processes woke, until cancelled. Never raises because the server is gone."""

    def call(self, topics: frozenset[str]) -> None:
        """Wake the others; returns at once, and loses the call when the server is gone."""


class SharedPace(Protocol):
    """Rate buckets that several processes share. After anything was forgotten they all begin empty."""

    async def take(self, bucket: str, rate: float, burst: float, count: int) -> float:
        """Take `count` tokens of a bucket that fills with `rate` a second up to `burst`.

        0.0: they are taken. Otherwise nothing is taken, and in so many seconds they may be there.
        Raises PaceUnavailable.
        """

    async def empty(self) -> None:
        """Have all buckets begin empty: something was sent that they do not know of. Raises PaceUnavailable."""


class PaceUnavailable(Exception):
    """The shared buckets cannot be reached: each process keeps to its own share of the limits."""
