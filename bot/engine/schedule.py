"""Who goes next: one class of urgency after the other, and fairly among the destinations of a class."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bot.domain.delivery import Urgency

Go = Callable[["Candidate"], bool | None]
"""Whether the first candidate of a destination goes now; None: nobody of its class may."""
MANY = 10_000
"""Destinations whose turn is remembered."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row of the outbox that is due. `destination` is the channel's id, `urgency` one of `Urgency`."""

    id: int
    destination: str
    urgency: int


class Turns:
    """Deficit round robin among the destinations of one class; a message costs one turn.

    Whoever has gone stands behind all the others. Whoever could not go when it was its turn keeps its place, and goes
    first once it can. So between two messages of a destination that waits, each other one goes at most once.
    """

    def __init__(self) -> None:
        self._turns: dict[str, int] = {}
        self._next = itertools.count()

    def serve(self, candidates: Iterable[Candidate], room: int, go: Go) -> list[Candidate]:
        """Those that went, at most `room`."""
        waiting: dict[str, deque[Candidate]] = {}
        for one in candidates:
            waiting.setdefault(one.destination, deque()).append(one)
        heap = [(self._turn(name), name) for name in waiting]
        heapq.heapify(heap)
        went: list[Candidate] = []
        while heap and len(went) < room:
            _, name = heapq.heappop(heap)
            queue = waiting[name]
            goes = go(queue[0])
            if goes is None:
                break
            if not goes:
                continue
            went.append(queue.popleft())
            self._turns[name] = next(self._next)
            if queue:
                heapq.heappush(heap, (self._turns[name], name))
        self._forget(waiting)
        return went

    def _turn(self, name: str) -> int:
        turn = self._turns.get(name)
        if turn is None:
            turn = self._turns[name] = next(self._next)
        return turn

    def _forget(self, present: Iterable[str]) -> None:
        if len(self._turns) > MANY:
            self._turns = {name: self._turns[name] for name in present}


class Schedule:
    """Strict priority between the classes, turns inside of each."""

    def __init__(self) -> None:
        self._classes = {urgency: Turns() for urgency in Urgency}

    def serve(self, candidates: Iterable[Candidate], room: int, kept: int, go: Go) -> list[Candidate]:
        """Those that went, the most urgent first. Of `room` senders `kept` are only for the three upper classes."""
        classes: dict[Urgency, list[Candidate]] = {urgency: [] for urgency in Urgency}
        for one in candidates:
            classes[urgency_of(one)].append(one)
        went: list[Candidate] = []
        for urgency, some in classes.items():
            free = room - len(went) - (kept if urgency > Urgency.ALERT else 0)
            if some and free > 0:
                went += self._classes[urgency].serve(some, free, go)
        return went


def urgency_of(candidate: Candidate) -> Urgency:
    """Its class; what lies outside of them belongs to the nearest."""
    urgency = candidate.urgency
    return urgency if isinstance(urgency, Urgency) else Urgency(min(max(urgency, Urgency.ANSWER), Urgency.BROADCAST))
