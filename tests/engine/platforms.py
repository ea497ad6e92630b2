"""Chat platforms in memory: they do what fate says, and one of them can be asked what arrived."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.chat.events import Event, ReplyHandle
from bot.chat.messages import Card, Line, Notice, Outgoing, Reply
from bot.chat.ports import Capabilities, Sink, Sought
from bot.domain.places import Channel, Member


@dataclass
class Call:
    """A request that reached the platform."""

    what: str
    to: Channel
    message: Outgoing | Notice | None
    key: str
    message_id: str


Deed = Callable[["Recorder", Call], Awaitable[str]]
"""What the platform does with a request: it may record it, answer, raise, or never answer."""


class Recorder:
    """A chat platform in memory. `fates` say what happens to the next requests; without one they succeed."""

    def __init__(self, name: str = "telegram", capabilities: Capabilities | None = None) -> None:
        self._name = name
        self._capabilities = capabilities or Capabilities(4096, 3500, "utf16", forms=False)
        self._numbers = itertools.count(1)
        self.calls: list[Call] = []
        self.done: list[Call] = []
        self.fates: deque[Deed] = deque()
        self.roles: dict[str, set[str]] = {}
        self.asked: list[tuple[Member, str]] = []
        self.parsed: dict[str, Event] = {}

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def parse(self, raw: str) -> Event | None:
        return self.parsed.get(raw)

    async def run(self, sink: Sink, ready: Callable[[], None]) -> None:
        ready()

    async def close(self) -> None:
        """Nothing to let go of."""

    async def send(self, message: Outgoing, to: Channel, key: str) -> str:
        return await self._take(Call("send", to, message, key, f"m{next(self._numbers)}"))

    async def edit(self, message: Outgoing, at: Channel, message_id: str) -> None:
        await self._take(Call("edit", at, message, "", message_id))

    async def delete(self, at: Channel, message_id: str) -> None:
        await self._take(Call("delete", at, None, "", message_id))

    async def end_poll(self, at: Channel, message_id: str) -> None:
        await self._take(Call("end_poll", at, None, "", message_id))

    async def notify(self, notice: Notice, at: Channel, reply: ReplyHandle, key: str = "") -> None:
        await self._take(Call("notify", at, notice, "", ""))

    async def holds(self, member: Member, role: str) -> bool:
        self.asked.append((member, role))
        return role in self.roles.get(str(member), set())

    async def _take(self, call: Call) -> str:
        self.calls.append(call)
        deed = self.fates.popleft() if self.fates else do_it
        return await deed(self, call)

    def sent(self, kind: type[Outgoing] | None = None) -> list[Call]:
        return [c for c in self.done if c.what == "send" and (kind is None or isinstance(c.message, kind))]


Look = Callable[["Finder", Sought], Awaitable[str | None]]


class Finder(Recorder):
    """One that can be asked what arrived. `looks` say what happens to the next questions."""

    def __init__(self, name: str = "telegram", capabilities: Capabilities | None = None) -> None:
        super().__init__(name, capabilities)
        self.looks: deque[Look] = deque()
        self.sought: list[Sought] = []
        self.native: dict[str, dict[str, tuple[int, ...]]] = {}
        """Votes of native polls by message and user."""

    async def votes(self, at: Channel, message_id: str, options: int) -> dict[str, tuple[int, ...]]:
        return self.native.get(message_id, {})

    async def find(self, sought: Sought) -> str | None:
        self.sought.append(sought)
        look = self.looks.popleft() if self.looks else truly
        return await look(self, sought)

    def there(self, key: str) -> str | None:
        return next((call.message_id for call in self.done if call.key == key), None)


async def truly(platform: Finder, sought: Sought) -> str | None:
    """As it is."""
    return platform.there(sought.key)


def unknown(error: Exception) -> Look:
    """It cannot be told."""

    async def look(platform: Finder, sought: Sought) -> str | None:
        raise error

    return look


class HeldLook:
    """A question that waits until the test lets it be answered as things were when it was asked."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, platform: Finder, sought: Sought) -> str | None:
        found = platform.there(sought.key)
        self.arrived.set()
        await self.go.wait()
        return found


async def do_it(platform: Recorder, call: Call) -> str:
    """As it should be."""
    platform.done.append(call)
    return call.message_id


def failing(error: Exception, *, after: bool = False) -> Deed:
    """Raise; with `after` the deed was done all the same."""

    async def deed(platform: Recorder, call: Call) -> str:
        if after:
            platform.done.append(call)
        raise error

    return deed


def hanging(*, after: bool = False) -> Deed:
    """Never answer; with `after` the deed was done all the same."""

    async def deed(platform: Recorder, call: Call) -> str:
        if after:
            platform.done.append(call)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return deed


def _on(is_it: Callable[[Call], bool], deed: Deed) -> Deed:
    """The same for the next request of a kind; others before it succeed."""

    async def wrapped(platform: Recorder, call: Call) -> str:
        if is_it(call):
            return await deed(platform, call)
        platform.fates.appendleft(wrapped)
        return await do_it(platform, call)

    return wrapped


def on_reply(deed: Deed) -> Deed:
    """The same for the next request that is about a reply."""
    return _on(lambda call: isinstance(call.message, Reply) or call.what == "delete", deed)


def on_card(deed: Deed) -> Deed:
    """The same for the next card that is made."""
    return _on(lambda call: isinstance(call.message, Card) and call.what == "send", deed)


def on_line(deed: Deed) -> Deed:
    """The same for the next line that is said."""
    return _on(lambda call: isinstance(call.message, Line) and call.what == "send", deed)


class Held:
    """A request that waits until the test lets it go on."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, platform: Recorder, call: Call) -> str:
        self.arrived.set()
        await self.go.wait()
        return await do_it(platform, call)
