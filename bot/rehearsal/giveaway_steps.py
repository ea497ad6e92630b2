"""The steps of scenarios that are about giveaways: crowds that press, who has entered, and the proof of a draw."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bot.rehearsal.durations import Seconds
from bot.rehearsal.fields import Place, Texts, Words


class ClickMany(Words):
    """A crowd presses a button (label, id, or action), many at once; with `of`, so many of them whom `seed` picks."""

    by: str
    on: str
    button: str
    of: int | None = Field(None, ge=1)
    seed: int = 1
    at_once: int = Field(64, ge=1, le=2000)


class Entrants(Words):
    """Who has entered, left or was refused, by the journal alone: who pressed `enter` or `leave` under any card of the
    giveaway whose cards `on` names, and what each was told privately.

    `beside` is a text on the cards after which the number of entries stands; it must be the same on all of them.
    """

    on: Texts
    entered: int | None = Field(None, ge=0)
    left: int | None = Field(None, ge=0)
    refused: int | None = Field(None, ge=0)
    beside: str | None = None
    within: Seconds = 10.0


class Verify(Words):
    """The newest proof of a draw in a channel is checked by the verifier, which runs as a process of its own.

    `winners` are places that somebody holds, `entries` a number, or `entered` for as many as the journal has; whoever
    is on the final list must have pressed `enter` and been told the code of that very ticket. The freeze hash must
    stand in the message named by `freeze`, the commitment in those named by `announced`, as they were first posted.
    `as` gives names: of `as: draw`, `{draw.freeze_hash}` and the like stand for what the proof says, and `draw1`,
    `draw2`, ... for the winners, wherever members are named; `{draw1.platform}` says where each is.
    """

    place: Place = Field(alias="in")
    seen_by: str | None = None
    file: str = "*.json"
    name: str = Field("proof", alias="as")
    of: str | None = None
    """A card of the giveaway; another's proof in the same channel is passed over."""
    winners: int | None = Field(None, ge=0)
    entries: int | Literal["entered"] | None = None
    rerolls: int | None = Field(None, ge=0)
    beacon: Literal["drand", "none"] = "drand"
    delayed: bool | None = None
    """Whether the round of the draw is another than the announced one (`announced` tells which)."""
    freeze: str | None = None
    announced: Texts = ()
    erased: int = Field(0, ge=0)
    """How many of the winners may be nobody's any more."""
    within: Seconds = 30.0
