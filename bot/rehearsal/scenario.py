"""A scenario: who takes part, what they do in which order, and what must be seen after it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from bot.rehearsal.durations import Seconds

PLATFORMS = ("slack", "discord", "telegram")
"""The platforms that the sandbox has."""


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""One text or a list of texts."""

Place = Annotated[str, Field(pattern=r"^[a-z]+/.+$")]
"""`platform/channel`."""


class _Words(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Participant(_Words):
    """A member who takes part. `roles` are the bot's own, granted by member id; `platform_roles` the platform's."""

    platform: Literal["slack", "discord", "telegram"]
    tenant: str | None = None
    roles: tuple[str, ...] = ()
    platform_roles: tuple[str, ...] | None = None
    name: str | None = None
    joined_at: Any = None
    is_bot: bool | None = None


class Say(_Words):
    """A member writes a message; `as` names it."""

    by: str
    place: Place = Field(alias="in")
    text: str = ""
    reply_to: str | None = None
    attachment: Any = None
    name: str | None = Field(None, alias="as")


class Command(_Words):
    """A member types a slash command; `as` names the form that it opens."""

    by: str
    place: Place = Field(alias="in")
    text: str
    name: str | None = Field(None, alias="as")


class Click(_Words):
    """A member presses a button (label, id, or action); `as` names the form that it opens."""

    by: str
    on: str
    button: str
    name: str | None = Field(None, alias="as")


class Submit(_Words):
    """A member fills in a form and sends it: the named one, or else the newest that is open for that member."""

    by: str
    on: str | None = None
    values: dict[str, Any]


class Vote(_Words):
    """A native poll vote; options are indexes from 0, an empty list takes the vote back."""

    by: str
    on: str
    options: Annotated[tuple[int | str, ...], BeforeValidator(_listed)]


class React(_Words):
    """A reaction is added or removed."""

    by: str
    on: str
    emoji: str
    remove: bool | None = None


class Edit(_Words):
    """A member changes a message, by default its author."""

    on: str
    text: str
    by: str | None = None


class Delete(_Words):
    """A member deletes a message, by default its author."""

    on: str
    by: str | None = None


class ChangeMember(_Words):
    """A member of the platform is added or changed; `roles` are the platform's own."""

    by: str = Field(alias="member")
    platform: str | None = None
    tenant: str | None = None
    name: str | None = None
    roles: tuple[str, ...] | None = None
    joined_at: Any = None
    is_bot: bool | None = None
    left: bool | None = None


class Raw(_Words):
    """Any event is pushed as it stands."""

    platform: str
    event: Any
    tenant: str | None = None


class Fault(_Words):
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


class Model(_Words):
    """What the local model server answers from now on."""

    match: str | None = None
    reply: Any = None
    status: int | None = None
    delay: Seconds | None = None


class Advance(_Words):
    """The bot's clock and the sandbox's move forward."""

    seconds: Seconds


class Service(_Words):
    """`restart`, `kill`, `stop` or `start` of `bot` or `model`."""

    verb: Literal["restart", "kill", "stop", "start"]
    service: str
    revive: bool = False
    """Of a killed bot that no later step starts: start it again at once."""


class Expect(_Words):
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


class ExpectNone(Expect):
    """What must not be seen for the whole time."""

    within: Seconds = 1.0


class Together(_Words):
    """Acts at the same moment."""

    steps: tuple[Step, ...]


class Repeat(_Words):
    """Steps that are played several times."""

    times: int = Field(ge=0, le=100_000)
    steps: tuple[Step, ...]


Step = (
    Say | Command | Click | Submit | Vote | React | Edit | Delete | ChangeMember | Raw | Fault | Model | Advance
    | Service | Expect | ExpectNone | Together | Repeat
)  # fmt: skip

MODELS: dict[str, type[_Words]] = {
    "say": Say,
    "command": Command,
    "click": Click,
    "submit": Submit,
    "vote": Vote,
    "react": React,
    "edit": Edit,
    "delete": Delete,
    "member": ChangeMember,
    "raw": Raw,
    "fault": Fault,
    "model": Model,
    "expect": Expect,
    "expect_none": ExpectNone,
}
"""Steps whose body is a mapping of fields."""


class Scenario(_Words):
    """A whole scenario, ready to be played."""

    name: str
    config: dict[str, Any] = Field(default_factory=dict)
    members: dict[str, Participant] = Field(default_factory=dict)
    steps: tuple[Step, ...]


def unrolled(steps: tuple[Step, ...]) -> list[Step]:
    """The steps in the order in which they are played, repetitions written out."""
    flat: list[Step] = []
    for step in steps:
        if isinstance(step, Repeat):
            flat += unrolled(step.steps) * step.times
        else:
            flat.append(step)
    started = False
    for index in range(len(flat) - 1, -1, -1):
        step = flat[index]
        if isinstance(step, Service) and step.service == "bot":
            # A killed bot comes back at once where the scenario does not start it itself.
            flat[index] = step.model_copy(update={"revive": step.verb == "kill" and not started})
            started = started or step.verb in ("start", "restart")
    return flat
