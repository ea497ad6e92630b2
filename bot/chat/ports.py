"""The ports: what the engine asks of a platform and of a model, and what it offers them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel

from bot.chat.events import Event, ReplyHandle
from bot.chat.messages import Answer, Notice, Outgoing
from bot.domain.places import Channel, Member


@dataclass(frozen=True, slots=True)
class PollLimits:
    """What a platform's own polls can hold: characters, options, seconds."""

    question: int
    option: int
    options: int
    longest: float
    shortest: float
    hides: bool
    """Results can be hidden until the end."""
    quiz: bool
    fixes: bool
    """Votes can be made final."""
    punctual: bool = False
    """They end by themselves at the second that they were told."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform can do; handlers look here and never at its name."""

    max_reply: int
    """The longest reply, in `units`."""
    max_draft: int
    """The longest draft that a review card shows whole, in `units`."""
    units: Literal["codepoints", "utf16"] = "codepoints"
    forms: bool = True
    """Forms open as dialogs; otherwise a Prompt with one field takes their place."""
    threads: bool = True
    """A reply can be put under the message it answers."""
    private: bool = True
    """One person can be shown something in a public channel."""
    delete: bool = True
    carries_roles: bool = False
    """Live events name all platform roles of whoever caused them."""
    polls: PollLimits | None = None
    """Its own polls, whose votes it tells us; None where it has none."""
    max_file: int = 10 * 1024 * 1024
    """The largest Document, in bytes; a larger one is Refused with code TOO_LARGE."""
    boosts: bool = False
    """Who boosts the tenant can be told."""
    tells_joined: bool = False
    """Events or standings say since when somebody is a member."""
    tells_created: bool = False
    """They say when an account was made."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a source has been read; `cursor` names it (a channel, the bot's updates), `value` only grows."""

    cursor: str
    value: int


@dataclass(frozen=True, slots=True)
class Incoming:
    """One raw event on its way to the store.

    `source` names who numbers `external_id` (`telegram:<bot id>`, `slack:<team>`, `discord:<guild>`); together they
    are unique, and a second copy changes nothing. `event` is None where we have no use for it: it is stored as ignored.
    """

    source: str
    external_id: str
    raw: str
    event: Event | None
    position: Position | None = None


class StoreUnavailable(Exception):
    """Events could not be stored: do not acknowledge them, the platform keeps them."""


class Sink(Protocol):
    """Where integrations hand events. Returns only when they are on disk."""

    async def accept(self, batch: Sequence[Incoming]) -> list[Answer]:
        """Store all events with their positions in one commit, then give each its immediate answer, in order.

        Raises StoreUnavailable: nothing of the batch was stored.
        """

    async def position(self, cursor: str) -> int | None:
        """How far this cursor was read before, or None."""

    async def gap(self, cursor: str, until: int | None) -> None:
        """Say that from its position to `until` this cursor is being read back, or (None) that it is whole again.

        It is shown to people and changes nothing else. Raises StoreUnavailable.
        """

    async def remember(self, name: str, value: str) -> None:
        """Keep a small fact beyond a restart, in place of the one before; on disk when this returns.

        `name` begins with the platform's name and a colon. Raises StoreUnavailable.
        """

    async def recall(self, name: str) -> str | None:
        """The fact that was kept under this name, or None. Raises StoreUnavailable."""


UNREACHABLE: Final = "unreachable"
"""The code of Refused by `notify` where somebody takes no message in private: a direct notice cannot reach them."""
TOO_LONG: Final = "too_long"
"""The code of Refused for a text that one message does not hold."""
TOO_LARGE: Final = "too_large"
"""The code of Refused for a file beyond `Capabilities.max_file`."""


class SendError(Exception):
    """A message was not, or perhaps not, taken by the platform."""


class NotSent(SendError):
    """Surely not done, and worth another try: refused before the connection stood, or rate limited.

    `retry_after` are the seconds the platform told us to wait, `scope` whether it meant this destination or the whole
    bot.
    """

    def __init__(
        self, reason: str, retry_after: float | None = None, scope: Literal["destination", "bot"] = "destination"
    ) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.scope = scope


class Refused(SendError):
    """Surely not done, and no other try will help: a definite 4xx. `code` is the platform's own."""

    def __init__(self, reason: str, code: str = "") -> None:
        super().__init__(reason)
        self.code = code


class Unclear(SendError):
    """It may have been done: no answer, a cut connection, a 5xx."""


@dataclass(frozen=True, slots=True)
class Sought:
    """A message that may or may not have arrived: what `send` was called with, and when (UTC seconds)."""

    message: Outgoing
    to: Channel
    key: str
    started_at: float


@dataclass(frozen=True, slots=True)
class LimitSeen:
    """What a platform's answer said about one of its rate limits."""

    bucket: str
    """The platform's own name of it."""
    destination: str
    """The channel that it was learned from; empty when it holds for the whole bot."""
    limit: int
    remaining: int
    reset_after: float
    """Seconds until `limit` requests are allowed again."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A platform's request to us. Header names are in lower case; the body is at most 1 MiB and not yet trusted."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What it is answered."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


Hook = Callable[[HttpRequest], Awaitable[HttpReply]]
"""Answers one request of a platform, after what it brought is stored. Raises StoreUnavailable: it answers 503."""


class PlatformDown(Exception):
    """The platform cannot go on without a person: a bad token, another poller. `str()` says what to do."""


class Platform(Protocol):
    """A chat platform. Everything that it can do beyond this is one of the small protocols below."""

    @property
    def name(self) -> str:
        """`slack`, `discord`, `telegram`."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def parse(self, raw: str) -> Event | None:
        """Read a stored raw event again. Never raises: what cannot be read is None."""

    async def run(self, sink: Sink, ready: Callable[[], None]) -> None:
        """Connect, call `ready` once, and hand over events until cancelled. Raises PlatformDown."""

    async def send(self, message: Outgoing, to: Channel, key: str) -> str:
        """Create a message, at most once per call; its id. `key` is the delivery id (at most 25 ASCII characters).

        The id is empty where the platform knows that an earlier request of this key made it, and that it has been
        deleted since: it was sent, and there is nothing to edit.

        Raises NotSent, Refused, Unclear. Ends within its request timeout (10 s).
        """

    async def edit(self, message: Outgoing, at: Channel, message_id: str) -> None:
        """Replace a message that we sent. An unchanged one is a success. Raises as `send`."""

    async def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class Deletes(Protocol):
    """Platforms where our own messages can be deleted."""

    async def delete(self, at: Channel, message_id: str) -> None:
        """Delete a message that we sent; one that is gone is a success. Raises as `send`."""


@runtime_checkable
class EndsPolls(Protocol):
    """Platforms with polls of their own."""

    async def end_poll(self, at: Channel, message_id: str) -> None:
        """End one of our polls; one that has ended or is gone is a success. Raises as `send`."""


@runtime_checkable
class ReadsVotes(Protocol):
    """Platforms where the votes of our own polls can be read again, since some may have been missed."""

    async def votes(self, at: Channel, message_id: str, options: int) -> Mapping[str, tuple[int, ...]]:
        """All present votes: user id to the chosen positions (from 0) of so many options. Raises SendError."""


@runtime_checkable
class Finds(Protocol):
    """Platforms where a sent message can be looked up by its delivery id."""

    async def find(self, sought: Sought) -> str | None:
        """The id of the message that a `send` with an unknown outcome made, or None: it is surely not there.

        Asked only when nothing of that request can land any more. Raises as `send` when it cannot be told now; Refused
        when it can never be told.
        """


@runtime_checkable
class ReportsLimits(Protocol):
    """Platforms whose answers name their rate limits."""

    def on_limits(self, call: Callable[[LimitSeen], None]) -> None:
        """Have `call` hear of each limit that an answer names, in the loop, at once."""


@runtime_checkable
class HearsHttp(Protocol):
    """Platforms that can deliver their events as HTTP requests to us."""

    def hooks(self, sink: Sink) -> Mapping[str, Hook]:
        """What to answer under which path (`/slack/events`); empty when the settings want no such delivery."""


@runtime_checkable
class Notifies(Protocol):
    """Platforms where one person can be told something."""

    async def notify(self, notice: Notice, at: Channel, reply: ReplyHandle, key: str = "") -> None:
        """Tell it as privately as the platform allows. Raises as `send`.

        `key` is the delivery id; where a platform takes keys, a direct notice comes once however often it is sent.
        A direct notice raises Refused with code UNREACHABLE for who cannot be reached, and TOO_LONG.
        """


@runtime_checkable
class ReadsRoles(Protocol):
    """Platforms with roles of their own that rights can be granted to."""

    async def holds(self, member: Member, role: str) -> bool:
        """Whether the member holds this platform role now, freshly read. Raises SendError when that cannot be read.

        `role` is a Discord role id, a Slack user group id, or `administrator@<chat id>` on Telegram.
        """


@runtime_checkable
class Links(Protocol):
    """Platforms whose messages have an address."""

    async def link(self, at: Channel, message_id: str) -> str | None:
        """The https address of a message, for anybody who may see it; None where it has none. Raises SendError."""


@runtime_checkable
class Registers(Protocol):
    """Platforms where commands are announced by the bot."""

    async def register(self, commands: Sequence[CommandSpec]) -> None:
        """Make these the bot's commands. Raises SendError."""


@runtime_checkable
class ChecksSetup(Protocol):
    """Platforms that can say what is wrong with their set-up."""

    async def check(self, channels: Sequence[Channel]) -> list[SetupFault]:
        """Faults of token, intents, scopes and of the bot's rights in these channels; empty when all is well."""


@dataclass(frozen=True, slots=True)
class SetupFault:
    """Something that must be mended: catalogue keys with their arguments (`doctor.<key>`, `doctor.<key>.fix`).

    A `hint` need not be: everything works without, only not as well.
    """

    key: str
    args: Mapping[str, str]
    hint: bool = False


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A command as a platform announces it. Descriptions by language (`en`, `zh`), at most 100 characters."""

    name: str
    descriptions: Mapping[str, str]
    usage: str
    """The hint behind the name, e.g. `<id> [reason]`; empty when the command takes nothing."""
    staff: bool
    localized: Mapping[str, str] = field(default_factory=dict)
    """The name in other languages (`zh`: `投票`), where a platform can show it so."""


T = TypeVar("T", bound=BaseModel)


class ModelFailed(Exception):
    """The model gave nothing usable; `str()` is a short reason word for logs and cards (`timeout`, `refused`...)."""


class Model(Protocol):
    """A language model."""

    @property
    def name(self) -> str:
        """For the card and the decision log."""

    async def complete(self, system: str, user: str, shape: type[T]) -> T:
        """One structured answer. Raises ModelFailed, always within 30 s."""

    async def close(self) -> None:
        """Let go of connections."""
