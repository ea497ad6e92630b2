"""What somebody typed behind `/poll`: the question and the options in quotes, and flags around them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.polls import Kind, Refused, Restrictions


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked for. Times and places are as they were typed; nothing of it has been looked up."""

    question: str
    options: tuple[str, ...]
    """Empty for kinds that have options of their own (RATING, CONSENT), and for OPEN where members begin."""
    kind: Kind = Kind.SINGLE
    limit: int = 1
    anonymous: bool = False
    hidden: bool = False
    fixed: bool = False
    native: bool = False
    approval: bool = False
    correct: int = 0
    """The number (from 1) of a quiz's right option."""
    explanation: str = ""
    restrictions: Restrictions = Restrictions()
    ends: str = ""
    """When it ends: a duration or a point in time, for `locales.times.read_time`."""
    starts: str = ""
    every: str = ""
    """How it comes again, for `locales.times.read_rule`."""
    places: tuple[str, ...] = ()
    """`#general` and `@telegram`, in lower case; empty: where it was typed."""
    remind: bool = True


def read(text: str) -> Asked | Refused:
    """Read a poll. Whatever is not understood is refused, naming it: nothing is guessed."""
    raise NotImplementedError(text)
