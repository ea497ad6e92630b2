"""Requests, and what can be wrong with them: a field dropped, of another type, over-long or unknown, another id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

LONG = "x" * 50_000
"""More than any platform takes in any text."""
UNKNOWN = "herald_made_this_up"
WRONG: dict[type, Any] = {str: {"wrong": 1}, bool: "wrong", int: "wrong", float: "wrong", list: "wrong", dict: "wrong"}
"""A value of a type that nobody can mean, by the type that was there."""

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Request:
    """A call of a bot, as a journal has it."""

    platform: str
    method: str
    path: str
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True)
class Mutant:
    """A request with one thing wrong: `kind` is what was done at `place`."""

    kind: str
    place: Place
    request: Request
    token: bool = True
    """Whether it is sent with the bot's token."""

    def __str__(self) -> str:
        where = "/".join(map(str, self.place)) or "(root)"
        return f"{self.request.platform} {self.request.method} {self.request.path}: {where} {self.kind}"


def places(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value inside with its place, parents first; of a list's items one of each shape."""
    yield place, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*place, name))
    elif isinstance(value, list):
        shapes = set()
        for number, inner in enumerate(value):
            kind = inner.get("type") if isinstance(inner, dict) else None
            shape = (*sorted(inner), str(kind)) if isinstance(inner, dict) else (type(inner).__name__,)
            if shape not in shapes:
                shapes.add(shape)
                yield from places(inner, (*place, number))


def changed(value: Any, place: Place, new: Any) -> Any:
    """A copy with `new` at a place."""
    if not place:
        return new
    copy = json.loads(json.dumps(value))
    holder = _holder(copy, place)
    holder[place[-1]] = new
    return copy


def _holder(value: Any, place: Place) -> Any:
    for part in place[:-1]:
        value = value[part]
    return value


def dropped(value: Any, place: Place) -> Any:
    """A copy without the field at a place."""
    copy = json.loads(json.dumps(value))
    del _holder(copy, place)[place[-1]]
    return copy


def body_mutants(request: Request) -> Iterator[Mutant]:
    """Everything that can be wrong with the body, whether the platform minds or not."""
    if not isinstance(request.body, dict | list):
        return
    for place, value in places(request.body):
        if place and isinstance(place[-1], str):
            yield Mutant("dropped", place, replace(request, body=dropped(request.body, place)))
        if place and type(value) in WRONG:
            wrong = changed(request.body, place, WRONG[type(value)])
            yield Mutant("of another type", place, replace(request, body=wrong))
        if isinstance(value, str):
            yield Mutant("over-long", place, replace(request, body=changed(request.body, place, value + LONG)))
        if isinstance(value, dict):
            more = changed(request.body, (*place, UNKNOWN), 1)
            yield Mutant("added", (*place, UNKNOWN), replace(request, body=more))
