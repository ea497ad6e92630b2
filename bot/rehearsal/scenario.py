"""A scenario: who takes part, what they do in which order, and what must be seen after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator

from bot.rehearsal.durations import Seconds
from bot.rehearsal.fields import Moment, Pattern, Place, Texts, When, Words, Zone, listed
from bot.rehearsal.giveaway_steps import ClickMany, Entrants, Verify

PLATFORMS = ("slack", "discord", "telegram")
"""The platforms that the sandbox has."""


class Participant(Words):
    """A member who takes part. `roles` are the bot's own, granted by member id; `platform_roles` the platform's.

    With `count` it is a crowd of so many members, called after it with numbers from 1: `fans1`, `fans2`, ...
    """

    platform: Literal["slack", "discord", "telegram"]
    tenant: str | None = None
    roles: tuple[str, ...] = ()
    platform_roles: tuple[str, ...] | None = None
    name: str | None = None
    joined_at: When = None
    created: When = None
    boosting: bool | None = None
    is_bot: bool | None = None
    count: int | None = Field(None, ge=1, le=100_000)


class PollRules(Words):
    """A poll whose votes the player counts itself. `options` are their texts, in order, as messages show them.

    `kind` says what a press does; a quiz, a rating and the like are `single`. `fixed`: the first vote stays.
    """

    options: Annotated[tuple[str, ...], Field(min_length=1)]
    kind: Literal["single", "multiple", "ranked"] = "single"
    limit: int | None = Field(None, ge=1)
    fixed: bool = False


class Say(Words):
    """A member writes a message; `as` names it."""

    by: str
    place: Place = Field(alias="in")
    text: str = ""
    reply_to: str | None = None
    attachment: Any = None
    name: str | None = Field(None, alias="as")


class Command(Words):
    """A member types a slash command; `as` names the form that it opens."""

    by: str
    place: Place = Field(alias="in")
    text: str
    name: str | None = Field(None, alias="as")


class Click(Words):
    """A member presses a button (label, id, or action); `as` names the form that it opens.

    A press of `vote:N` counts in the player's own count of `poll` (by default the only one) if it is `counted`.
    """

    by: str
    on: str
    button: str
    name: str | None = Field(None, alias="as")
    poll: str | None = None
    counted: bool = True
    forged: bool | None = None
    """Whether `button` is sent as data, whatever stands under the message (Telegram); such a click is not counted."""


class Submit(Words):
    """A member fills in a form and sends it: the named one, or else the newest that is open for that member."""

    by: str
    on: str | None = None
    values: dict[str, Any]


class Vote(Words):
    """A native poll vote; options are indexes from 0, an empty list takes the vote back. It counts like a `click`."""

    by: str
    on: str
    options: Annotated[tuple[int | str, ...], BeforeValidator(listed)]
    poll: str | None = None
    counted: bool = True


class VoteMany(Words):
    """A crowd votes, many at once: each member presses `vote:N` under the message, or votes in it if it is `native`.

    `choices` are the proportions in which options are chosen first ([3, 2, 5]: of 100 members 30, 20 and 50); without
    it everybody draws. Who chooses what hangs on `seed`. Each chooses `picks` different options, one after the other.
    With `of`, only so many of the crowd vote. Votes that must not count (too late) are not `counted`.
    """

    by: str
    on: str
    choices: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    picks: int = Field(1, ge=1)
    of: int | None = Field(None, ge=1)
    seed: int = 1
    poll: str | None = None
    counted: bool = True
    native: bool = False
    at_once: int = Field(64, ge=1, le=2000)


class React(Words):
    """A reaction is added or removed."""

    by: str
    on: str
    emoji: str
    remove: bool | None = None


class Edit(Words):
    """A member changes a message, by default its author."""

    on: str
    text: str
    by: str | None = None


class Delete(Words):
    """A member deletes a message, by default its author."""

    on: str
    by: str | None = None


class ChangeMember(Words):
    """A member of the platform is added or changed; `roles` are the platform's own."""

    by: str = Field(alias="member")
    platform: str | None = None
    tenant: str | None = None
    name: str | None = None
    roles: tuple[str, ...] | None = None
    joined_at: When = None
    created: When = None
    boosting: bool | None = None
    blocked: bool | None = None
    is_bot: bool | None = None
    left: bool | None = None


class Raw(Words):
    """Any event is pushed as it stands."""

    platform: str
    event: Any
    tenant: str | None = None


class Fault(Words):
    """A platform misbehaves from now on."""

    platform: str
    kind: str
    times: int | None = None
    seconds: Seconds | None = None
    match: str | None = None
    tenant: str | None = None

    @field_validator("kind", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int) else value


class Model(Words):
    """What the local model server answers from now on."""

    match: str | None = None
    reply: Any = None
    status: int | None = None
    delay: Seconds | None = None


class Advance(Words):
    """The bot's clock and the sandbox's move forward: by `seconds`, or to a moment on the wall clock of a `zone`."""

    seconds: Seconds = 0.0
    to: Moment | None = None
    zone: Zone = "UTC"

    def at(self) -> float | None:
        """The moment in UTC seconds, where one is given."""
        return None if self.to is None else self.to.replace(tzinfo=ZoneInfo(self.zone)).timestamp()


class Service(Words):
    """`restart`, `kill`, `stop` or `start` of `bot`, `model`, `drand`, or one of its mirrors (`drand/a`, `drand/b`)."""

    verb: Literal["restart", "kill", "stop", "start"]
    service: str
    revive: bool = False
    """Of a killed bot that no later step starts: start it again at once."""


class PollSeen(Words):
    """A native poll as members see it: `question` is contained in its question, the rest is equal. `votes` are by
    option, null where results are hidden."""

    question: str | None = None
    options: tuple[str, ...] | None = None
    votes: tuple[int | None, ...] | None = None
    closed: bool | None = None
    total: int | None = None


class Expect(Words):
    """What must be seen in a channel; see `bot.rehearsal.expecting` for what is looked at and how it matches."""

    place: Place = Field(alias="in")
    seen_by: str | None = None
    contains: Texts = ()
    not_contains: Texts = ()
    reply_to: str | None = None
    count: int | None = Field(None, ge=0)
    buttons: Texts = ()
    without_buttons: Texts = ()
    within: Seconds = 5.0
    name: str | None = Field(None, alias="as")
    private: bool | None = None
    author: str | None = None
    gone: str | None = None
    """The message of that name must have disappeared from the channel; nothing else is looked at."""
    file: Texts = ()
    """Patterns like `*.png`: for each, a document or picture with such a name or title hangs on the message."""
    poll: PollSeen | bool | None = None
    """Whether it is a native poll, or how it looks."""
    take: dict[str, Pattern] = Field(default_factory=dict)
    """Words to take from its text and its buttons' ids, by patterns (the first group, or all that fits):
    `{code: "[0-9]{6}"}` puts what fits in the place of `{code}` in later texts, values and buttons."""


class ExpectNone(Expect):
    """What must not be seen for the whole time."""

    within: Seconds = 1.0


class Tally(Words):
    """The numbers beside the options on messages, as they last went over the wire, against what they must be.

    `equals` is `votes` (the player's own count), `nothing` (no option may show a number) or the numbers themselves.
    `edits` is how often each message may have been edited at most since it was posted.
    """

    on: Texts
    poll: str | None = None
    equals: Literal["votes", "nothing"] | tuple[int, ...] = "votes"
    within: Seconds = 10.0
    edits: int | None = Field(None, ge=0)


Looks = Expect | Tally | Entrants | Verify
"""Steps that only look."""


class Together(Words):
    """Acts at the same moment."""

    steps: tuple[Step, ...]


class KillAt(Words):
    """`kill: {at: NAME, while: [...]}`: the bot is started anew with that failpoint armed (`NAME`, `NAME/ABOUT`,
    `NAME:TURN`); the steps are played, it must die there by SIGKILL, and is started again."""

    at: str = Field(pattern=r"^[a-z_.]+(/\w+)?(:[1-9]\d*)?$")
    steps: tuple[Step, ...] = Field((), alias="while")
    within: Seconds = 30.0


class Repeat(Words):
    """Steps that are played several times."""

    times: int = Field(ge=0, le=100_000)
    steps: tuple[Step, ...]


Step = (
    Say | Command | Click | Submit | Vote | VoteMany | React | Edit | Delete | ChangeMember | Raw | Fault | Model
    | Advance | Service | Expect | ExpectNone | Tally | ClickMany | Entrants | Verify | Together | KillAt | Repeat
)  # fmt: skip

MODELS: dict[str, type[Words]] = {
    "say": Say,
    "command": Command,
    "click": Click,
    "submit": Submit,
    "vote": Vote,
    "vote_many": VoteMany,
    "react": React,
    "edit": Edit,
    "delete": Delete,
    "member": ChangeMember,
    "raw": Raw,
    "fault": Fault,
    "model": Model,
    "expect": Expect,
    "expect_none": ExpectNone,
    "tally": Tally,
    "click_many": ClickMany,
    "entrants": Entrants,
    "verify": Verify,
}
"""Steps whose body is a mapping of fields."""


def find_member(members: Mapping[str, Participant], name: str) -> Participant | None:
    """Who is called so: a member who is listed, or one of a listed crowd."""
    known = members.get(name)
    if known is not None:
        return known if known.count is None else None
    crowd = name.rstrip("0123456789")
    number, group = name[len(crowd) :], members.get(crowd)
    inside = group is not None and group.count is not None and number.isdecimal() and 1 <= int(number) <= group.count
    return group if inside and not number.startswith("0") else None


class Scenario(Words):
    """A whole scenario, ready to be played. `same_person` lists members who are one person and count once."""

    name: str
    config: dict[str, Any] = Field(default_factory=dict)
    members: dict[str, Participant] = Field(default_factory=dict)
    polls: dict[str, PollRules] = Field(default_factory=dict)
    same_person: tuple[tuple[str, ...], ...] = ()
    steps: tuple[Step, ...]

    def member(self, name: str | None) -> Participant | None:
        """The member of that name, or the crowd that somebody called so is in."""
        return find_member(self.members, name or "")


def unrolled(steps: tuple[Step, ...]) -> list[Step]:
    """The steps in the order in which they are played, repetitions written out."""
    flat: list[Step] = []
    for step in steps:
        if isinstance(step, Repeat):
            flat += unrolled(step.steps) * step.times
        else:
            flat.append(step)
    return _revived(flat, started=False)[0]


def _revived(steps: Sequence[Step], *, started: bool) -> tuple[list[Step], bool]:
    """The steps with killed bots coming back at once where no later step starts them (`started`: one does)."""
    flat = list(steps)
    for index in range(len(flat) - 1, -1, -1):
        step = flat[index]
        if isinstance(step, Together):
            inside, started = _revived(step.steps, started=started)
            flat[index] = step.model_copy(update={"steps": tuple(inside)})
        elif isinstance(step, Service) and step.service == "bot":
            flat[index] = step.model_copy(update={"revive": step.verb == "kill" and not started})
            started = started or step.verb in ("start", "restart")
    return flat, started
