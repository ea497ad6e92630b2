"""Polls: what can be asked, and what becomes of a poll from its preview to its end. Pure.

A poll is asked in any number of channels and counted as one. Every person counts once: a ballot belongs to a voter,
which is a person's name in this poll (`ballots`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from bot.domain.places import Channel, Member

MAX_OPTIONS = 20
"""Buttons: 25 fit under a message of Slack and Discord, and some are needed for other things."""
MAX_QUESTION = 300
MAX_OPTION = 75
"""Characters of an option: what a Slack button shows whole. Telegram's and Discord's buttons take more."""
MAX_EXPLANATION = 200
MAX_SECONDS = 31 * 86400.0
"""How long a poll may be open in all: what every platform's own polls can do."""
MAX_EDITS = 10
"""Visible corrections of one poll; each is a line on its card."""
STARS = 5
"""The highest rating."""
YES, NO, ABSTAIN = 1, 2, 3
"""The options of a CONSENT poll."""
ANYBODY = "*"
"""Who added an option to an anonymous poll."""


class Kind(StrEnum):
    """What is asked for."""

    SINGLE = "single"
    MULTIPLE = "multiple"
    RANKED = "ranked"
    RATING = "rating"
    """One to five stars for the question; the options are the stars."""
    QUIZ = "quiz"
    CONSENT = "consent"
    """Yes, no, abstain; abstentions are shown and not counted for the majority."""
    OPEN = "open"
    """One option each, and members may add options."""


class State(StrEnum):
    """Where a poll stands."""

    PREVIEW = "preview"
    SCHEDULED = "scheduled"
    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class OptionState(StrEnum):
    """Whether an option can be chosen: a member's own may have to be let in first."""

    SHOWN = "shown"
    WAITING = "waiting"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Option:
    """Something to choose. Its number (from 1) never changes and is never given to another."""

    number: int
    text: str
    state: OptionState = OptionState.SHOWN
    by: str = ""
    """The member who added it, or ANYBODY where the poll is anonymous; empty: it was there from the start."""


@dataclass(frozen=True, slots=True)
class Restrictions:
    """Who may vote. All of it is named on the poll."""

    role: str = ""
    """A role of Herald's (`viewer` ...), or a platform's own as settings write it (`discord:G1:role:R1`)."""
    member_seconds: float = 0.0
    """For how long they must have been a member."""
    account_seconds: float = 0.0
    """How old their account must be."""

    @property
    def any(self) -> bool:
        """Whether anybody is kept out."""
        return bool(self.role or self.member_seconds or self.account_seconds)


@dataclass(frozen=True, slots=True)
class Question:
    """What a poll asks, and how; nothing of it changes by itself."""

    text: str
    options: tuple[Option, ...]
    kind: Kind = Kind.SINGLE
    limit: int = 1
    """How many options one ballot may hold (MULTIPLE); RANKED may rank all."""
    anonymous: bool = False
    hidden: bool = False
    """Nobody sees results before the end, hosts included."""
    fixed: bool = False
    """A vote cannot be changed or taken back."""
    native: bool = False
    """The platforms' own polls are preferred where they fit."""
    approval: bool = False
    """Options that members add wait for a host."""
    correct: int = 0
    """The number of a quiz's right option."""
    explanation: str = ""
    restrictions: Restrictions = Restrictions()

    def option(self, number: int) -> Option | None:
        """The option of this number."""
        return next((one for one in self.options if one.number == number), None)

    @property
    def shown(self) -> tuple[Option, ...]:
        """What can be chosen."""
        return tuple(one for one in self.options if one.state is OptionState.SHOWN)


@dataclass(frozen=True, slots=True)
class Series:
    """A poll that is asked again and again. `rule` is an RFC 5545 RRULE, read on the wall clock of `zone`."""

    rule: str
    zone: str


@dataclass(frozen=True, slots=True)
class Poll:
    """A poll as it stands. Times are UTC seconds; 0.0 means never."""

    id: int
    name: str
    """The random name in its buttons' payloads and in its key's file; at most 16 ASCII characters."""
    question: Question
    state: State
    host: Member
    host_name: str
    language: str
    channels: tuple[Channel, ...]
    made_at: float
    opens_at: float = 0.0
    closes_at: float = 0.0
    opened_at: float = 0.0
    closed_at: float = 0.0
    lasts: float = 0.0
    """Seconds from opening to closing, where it was told that way."""
    remind: bool = True
    series: Series | None = None
    revision: int = 0
    """Grows with every change of the question, of an option, or of the times; writers compare it."""
    edits: tuple[str, ...] = ()
    """Corrections made after the first vote, as they are shown on the poll."""

    @property
    def discarded(self) -> bool:
        """It never was more than a preview: nobody but its maker is to know of it."""
        return self.state is State.CANCELLED and not self.opens_at


@dataclass(frozen=True, slots=True)
class Refused:
    """Why something is not done: a catalogue key `poll.refused.<why>` with its arguments."""

    why: str
    args: dict[str, str | int | float] = field(default_factory=dict)


REFUSALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # a new question, and options
    ("no_question", ()),
    ("question_long", ("length", "limit")),
    ("few_options", ("count", "least")),
    ("many_options", ("count", "limit")),
    ("empty_option", ("number",)),
    ("option_long", ("number", "length", "limit")),
    ("duplicate", ("option", "number")),
    ("limit_range", ("limit", "count")),
    ("no_correct", ("count",)),
    ("explanation_long", ("length", "limit")),
    ("kind_options", ("count",)),
    # times
    ("time_past", ()),
    ("ends_first", ()),
    ("too_long", ("days",)),
    ("not_later", ()),
    ("endless", ()),
    # where a poll stands
    ("unconfirmed", ()),
    ("not_open", ()),
    ("already", ()),
    ("closed", ()),
    ("cancelled", ()),
    # changes of an open poll
    ("unchanged", ()),
    ("many_edits", ("limit",)),
    ("not_addable", ()),
    ("set_options", ()),
    ("own_option", ()),
    # votes
    ("no_option", ()),
    ("option_waiting", ()),
    ("option_refused", ()),
    ("twice", ()),
    ("limit", ("limit",)),
    ("fixed", ()),
    ("role", ("role",)),
    ("unknown_role", ("role",)),
    ("member_since", ("days",)),
    ("unknown_member_since", ("days",)),
    ("account_age", ("days",)),
    ("unknown_account_age", ("days",)),
)
"""Every `why` that the rules of polls (`polling`, `ballots`) give, with its arguments."""
