"""Giveaways: what is given to whom, and what becomes of one from its preview to the last prize. Pure.

A giveaway is open in any number of channels and has one list. Every person is on it once: an entry belongs to a person
(linked accounts are one). How the winners are drawn is fdraw/1 (`fdraw`); here is who may be drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.domain.fdraw import NO_BEACON, drand
from bot.domain.places import Channel, Member

MAX_PRIZE = 200
MAX_ABOUT = 1000
MAX_SPONSOR = 100
MAX_PICTURE = 500
"""Characters of a picture's address."""
MAX_WINNERS = 10_000
MAX_ALTERNATES = 10_000
MAX_EXTRA = 100
"""Extra tickets that one role may bring."""
MAX_CAP = 1000
"""The most tickets that one person may have."""
MAX_BONUSES = 10
MAX_ROLES = 10
MAX_LISTED = 200
"""Members on an allow list, or on a block list."""
MAX_SECONDS = 366 * 86400.0
"""How long one may run in all."""
BEACON_SECONDS = 120.0
"""From the closing to the beacon's round (fdraw/1, 1)."""
LATE_SECONDS = 60.0
"""From a late freeze to the round that takes the place of the named one (fdraw/1, 6)."""


class State(StrEnum):
    """Where a giveaway stands."""

    PREVIEW = "preview"
    SCHEDULED = "scheduled"
    OPEN = "open"
    PAUSED = "paused"
    """Nobody enters or leaves; its clock runs on."""
    CLOSED = "closed"
    """Nobody enters any more; who is on the list is looked at once more."""
    FROZEN = "frozen"
    """The list is final and is being published, or the beacon is waited for."""
    DRAWN = "drawn"
    CANCELLED = "cancelled"


class EntryState(StrEnum):
    """Where somebody stands who wanted to enter."""

    CHECKING = "checking"
    """Their platform is being asked about them."""
    IN = "in"
    LEFT = "left"
    REFUSED = "refused"
    """A rule kept them out when they wanted to enter."""
    EXCLUDED = "excluded"
    """They were in, and a rule put them out again before the freeze."""


class WinState(StrEnum):
    """What became of a prize."""

    OFFERED = "offered"
    CLAIMED = "claimed"
    """The winner has said that they want it; it is not handed over yet."""
    HANDED = "handed"
    OUT = "out"
    """Re-rolled: not claimed in time, given up, or taken away for a public reason."""


@dataclass(frozen=True, slots=True)
class Bonus:
    """More tickets for who holds a role."""

    role: str
    extra: int


@dataclass(frozen=True, slots=True)
class Requirements:
    """Who may enter, and with how many tickets. All of it is named on the card, and checked again before the freeze."""

    roles: tuple[str, ...] = ()
    """Any one of these is enough. A role of Herald's (`viewer` ...), or a platform's own (`discord:G1:role:R1`)."""
    member_seconds: float = 0.0
    account_seconds: float = 0.0
    messages: int = 0
    """How many messages in the watched channels they must have written ..."""
    messages_seconds: float = 0.0
    """... within this time before they enter, or before the end."""
    poll: int = 0
    """The number of a poll that they must have answered (not an anonymous one)."""
    boosted: bool = False
    linked: bool = False
    """They must have linked accounts on two platforms."""
    allow: tuple[str, ...] = ()
    """Only these members (`platform:tenant:user`), where there are any."""
    block: tuple[str, ...] = ()
    cooldown_seconds: float = 0.0
    """Who won something within this time waits."""
    staff: bool = False
    """The team and the host may enter, which is said on the card; otherwise they may not."""
    bonuses: tuple[Bonus, ...] = ()
    cap: int = 0
    """The most tickets of one person; 0: what the bonuses add up to."""

    @property
    def every_role(self) -> tuple[str, ...]:
        """All roles that have to be known of somebody."""
        return tuple(dict.fromkeys([*self.roles, *(one.role for one in self.bonuses)]))

    @property
    def most(self) -> int:
        """The most tickets that anybody can have."""
        sum_of = 1 + sum(one.extra for one in self.bonuses)
        return min(sum_of, self.cap) if self.cap else sum_of


@dataclass(frozen=True, slots=True)
class Contest:
    """Who wrote a comment is entered by it: in this channel or thread, between two times (UTC seconds)."""

    channel: Channel
    since: float
    keyword: str = ""
    """What a comment must hold, if anything; case and width do not matter."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a giveaway is about; nothing of it changes by itself."""

    prize: str
    winners: int = 1
    alternates: int = 0
    about: str = ""
    sponsor: str = ""
    picture: str = ""
    requirements: Requirements = Requirements()
    claim_seconds: float = 0.0
    """How long a winner has to claim the prize; 0: it need not be claimed."""
    address: bool = False
    """Where it is sent to is asked of winners."""
    contest: Contest | None = None


@dataclass(frozen=True, slots=True)
class Giveaway:
    """A giveaway as it stands. Times are UTC seconds; 0.0 means never."""

    id: int
    name: str
    """The public id of fdraw/1, the name in its buttons' payloads and of its key: 14 characters, `w.` first."""
    offer: Offer
    state: State
    host: Member
    host_name: str
    language: str
    channels: tuple[Channel, ...]
    made_at: float
    commit: str
    """The commitment to its seed; the seed itself is kept apart (`storage.giveaways`)."""
    chain: str = ""
    """The beacon's chain (hex); empty: none (the organiser must be trusted)."""
    round: int = 0
    """The beacon's round as the list was frozen with; until then the announced one."""
    announced_round: int = 0
    opens_at: float = 0.0
    closes_at: float = 0.0
    opened_at: float = 0.0
    closed_at: float = 0.0
    frozen_at: float = 0.0
    published_at: float = 0.0
    """When the first room had the freeze text (its message's time)."""
    drawn_at: float = 0.0
    lasts: float = 0.0
    """Seconds from opening to closing, where it was told that way."""
    revision: int = 0
    """Grows with every change of the offer or of the times; writers compare it."""
    delayed: str = ""
    """Why the announced round could not be used; a catalogue word of `giveaway.delayed.*`."""
    void: str = ""
    """Why it was called off after the freeze: public, and the computed result with it."""

    @property
    def beacon(self) -> str:
        """The beacon as the freeze text names it."""
        return drand(self.round, self.chain) if self.chain else NO_BEACON

    @property
    def announced(self) -> str:
        """The beacon as the announcement named it."""
        return drand(self.announced_round, self.chain) if self.chain else NO_BEACON

    @property
    def discarded(self) -> bool:
        """It never was more than a preview: nobody but its maker is to know of it."""
        return self.state is State.CANCELLED and not self.opens_at


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody who wants to win. After their erasure only `ticket` and `weight` are left."""

    giveaway_id: int
    person: str
    """The person's name at the time of entering; after an erasure something that leads to nobody."""
    member: Member | None
    name: str
    place: str
    """Where they entered, `platform:channel`."""
    ticket: str
    salt: bytes = field(repr=False)
    """16 bytes, the ticket code in hex; empty after an erasure."""
    weight: int
    state: EntryState
    rule: str = ""
    """The rule that keeps them out."""
    granted: bool = False
    """The host let them in after an appeal: no rule keeps them out any more."""
    appealed: bool = False
    at: float = 0.0
    joined_at: float | None = None
    """Since when they were a member, and since when their account was there, where that was told (UTC seconds)."""
    account_made: float | None = None

    def let_in(self, weight: int, joined_at: float | None, account_made: float | None) -> Entry:
        """The same as no rule keeps it out. Made for every entry: `dataclasses.replace` takes twice as long."""
        return Entry(
            self.giveaway_id, self.person, self.member, self.name, self.place, self.ticket, self.salt, weight,
            EntryState.IN, "", self.granted, self.appealed, self.at, joined_at, account_made,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Win:
    """A place among the winners and who has it; each re-roll makes a new one."""

    id: int
    giveaway_id: int
    ticket: str
    person: str
    member: Member | None
    name: str
    state: WinState
    at: float
    until: float
    """When the claim ends; 0.0: never."""
    claimed_at: float = 0.0
    handed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of somebody who wants to enter. None: unknown."""

    roles: frozenset[str] | None = None
    """Those of `Requirements.every_role` that they hold."""
    joined_at: float | None = None
    account_made: float | None = None
    messages: int = 0
    answered: bool = False
    boosting: bool | None = None
    linked: bool = False
    won_at: float = 0.0
    """When they last won something."""
    staff: bool = False
    """One of the team, or the host."""
    present: bool = True
    is_bot: bool = False
    names: frozenset[str] = frozenset()
    """Addresses of all members that are this person."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why something is not done: a catalogue key `giveaway.refused.<why>` with its arguments."""

    why: str
    args: Mapping[str, str | int | float] = field(default_factory=dict)


RULES = (
    "bot", "gone", "staff", "block", "allow", "role", "unknown_role", "member_since", "unknown_member_since",
    "account_age", "unknown_account_age", "messages", "poll", "boosted", "unknown_boosted", "linked", "cooldown",
    "twice",
)  # fmt: skip
"""Every `why` that keeps somebody out, in the order in which they are looked at (`twice`: a second linked account)."""
