"""What the engine can do is what handlers register here; /help, command menus and manifests follow from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bot.chat.events import ButtonPressed, CommandInvoked, Event, FormSubmitted, ReplyHandle
from bot.chat.messages import Form, Notice, Outgoing
from bot.domain.places import Channel
from bot.domain.roles import Action
from bot.storage.outbox import Delivery
from bot.storage.timers import Timer

C = TypeVar("C")
"""The handlers' context: a unit of work with what the installation is made of."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make a new message."""

    message: Outgoing
    to: Channel


@dataclass(frozen=True, slots=True)
class Change:
    """Edit a message of ours. Repeating it is harmless."""

    message: Outgoing
    at: Channel
    message_id: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete a message of ours. Repeating it is harmless."""

    at: Channel
    message_id: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell one person."""

    notice: Notice
    at: Channel
    reply: ReplyHandle


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is no longer anything to send."""


@dataclass(frozen=True, slots=True)
class EndPoll:
    """End a native poll of ours. Repeating it is harmless."""

    at: Channel
    message_id: str


Act = Create | Change | Remove | Tell | EndPoll | Nothing
"""What the outbox does for a row."""


@dataclass(frozen=True, slots=True)
class Sent:
    """It is on the platform."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Checking:
    """It may be on the platform, which is going to be asked."""

    reason: str


@dataclass(frozen=True, slots=True)
class Absent:
    """The platform was asked and has it not: it is sent again."""


@dataclass(frozen=True, slots=True)
class Doubtful:
    """It may be on the platform, and only a person can tell."""

    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """It is surely not on the platform and will not be tried again."""

    reason: str
    code: str = ""


Outcome = Sent | Checking | Absent | Doubtful | Lost


@dataclass(frozen=True, slots=True)
class Kind(Generic[C]):
    """A kind of outgoing message: how its row becomes an act, and who hears of the outcome.

    `once` marks what must never be sent twice by itself: after an unclear outcome it is looked up, or put to a person.
    `private` marks what must not be quoted in a log.
    """

    prepare: Callable[[C, Delivery], Act]
    outcome: Callable[[C, Delivery, Outcome], None] | None
    once: bool
    private: bool = False


@dataclass(frozen=True, slots=True)
class Command(Generic[C]):
    """A command. `summary` is a catalogue key; `usage` the hint behind the name; `action` the right it takes.

    `form` is opened as the immediate answer where it gives one; `run` comes all the same, and later.
    """

    name: str
    run: Callable[[C, CommandInvoked], None]
    summary: str
    usage: str
    action: Action | None
    aliases: tuple[str, ...]
    form: Callable[[C, CommandInvoked], Form | None] | None = None


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a button's or a form's payload says, after it was verified: `vote:2` of view `x` is ("x", "vote", "2")."""

    view: str
    word: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Control(Generic[C]):
    """What the buttons and forms of one word do.

    `form` is the form that a press opens at once, `errors` what is wrong with a submitted one, by field. Both decide
    nothing: whatever happens is done by `pressed` and `submitted`, which come later and look at everything again.
    """

    pressed: Callable[[C, ButtonPressed, Pressed], None]
    submitted: Callable[[C, FormSubmitted, Pressed], None] | None = None
    form: Callable[[C, ButtonPressed, Pressed], Form | None] | None = None
    errors: Callable[[C, FormSubmitted, Pressed], Mapping[str, str]] | None = None


class Registry(Generic[C]):
    """Handlers by what they handle."""

    def __init__(self) -> None:
        self.events: dict[type[Any], Callable[[C, Any], None]] = {}
        self.commands: dict[str, Command[C]] = {}
        self._controls: dict[tuple[str, str], Control[C]] = {}
        self.kinds: dict[str, Kind[C]] = {}
        self.timers: dict[str, Callable[[Timer], Awaitable[Callable[[C], None]]]] = {}

    def on(self, kind: type[Event]) -> Callable[[Callable[[C, Any], None]], Callable[[C, Any], None]]:
        """Handle a kind of event."""

        def register(handler: Callable[[C, Any], None]) -> Callable[[C, Any], None]:
            if kind in self.events:
                raise ValueError(f"{kind.__name__} has a handler")
            self.events[kind] = handler
            return handler

        return register

    def command(
        self,
        name: str,
        summary: str,
        usage: str = "",
        action: Action | None = None,
        aliases: tuple[str, ...] = (),
        form: Callable[[C, CommandInvoked], Form | None] | None = None,
    ) -> Callable[[Callable[[C, CommandInvoked], None]], Callable[[C, CommandInvoked], None]]:
        """Handle a command."""

        def register(handler: Callable[[C, CommandInvoked], None]) -> Callable[[C, CommandInvoked], None]:
            self.commands[name] = Command(name, handler, summary, usage, action, aliases, form)
            return handler

        return register

    def find_command(self, name: str) -> Command[C] | None:
        """The command of this name or alias."""
        found = self.commands.get(name)
        return found or next((c for c in self.commands.values() if name in c.aliases), None)

    def control(self, word: str, control: Control[C], prefix: str = "") -> None:
        """Handle the buttons and forms of this word; with a `prefix` (`w.`) only those of views that begin so."""
        if (prefix, word) in self._controls:
            raise ValueError(f"the word {word} is taken")
        self._controls[prefix, word] = control

    def find_control(self, view: str, word: str) -> Control[C] | None:
        """What handles this word of this view: one word may mean different things of different things."""
        head, dot, _ = view.partition(".")
        return self._controls.get((head + dot if dot else "", word)) or self._controls.get(("", word))

    def outgoing(
        self,
        kind: str,
        prepare: Callable[[C, Delivery], Act],
        outcome: Callable[[C, Delivery, Outcome], None] | None = None,
        *,
        once: bool = False,
        private: bool = False,
    ) -> None:
        """Declare a kind of outgoing message."""
        self.kinds[kind] = Kind(prepare, outcome, once, private)

    def timer(self, kind: str, handler: Callable[[Timer], Awaitable[Callable[[C], None]]]) -> None:
        """Handle what is due: the awaited part may take its time; what it returns commits with the timer's end."""
        self.timers[kind] = handler
