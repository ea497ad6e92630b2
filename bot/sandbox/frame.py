"""What the local platform servers share: clock, journal, faults, and the shape of one platform.

A platform module knows only this frame, never another platform. `server.py` joins them on one port and offers the
control interface, which calls the `Platform` methods below.
"""

from __future__ import annotations

import asyncio
import json
import time
from array import array
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from operator import is_
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from aiohttp import web

Json = Any
"""A decoded JSON value: what a platform's wire carries is whatever the other side wrote."""

FaultKind = Literal[
    "429", "500", "slow", "swallow_reply", "reset", "disconnect", "deaf", "invalid_session", "wrong", "corrupt"
]


KEPT_CHARACTERS = 16_000_000
"""How much of the journal is kept in memory, as JSON text."""
KEPT_MESSAGES = 40_000
"""How many messages each platform keeps; of more, the oldest are forgotten, so that a load test may run for long."""
_EVERY = 256
_encode = json.JSONEncoder(ensure_ascii=False).encode


class ControlError(Exception):
    """A control call that cannot be carried out; `str()` says why. The server answers it with HTTP 400."""


class Clock:
    """The sandbox's clock: the machine's, moved forward by `/control/advance`."""

    def __init__(self) -> None:
        self.offset = 0.0
        self._listeners: list[Callable[[], None]] = []

    def now(self) -> float:
        """UTC seconds since 1970."""
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds`; whoever listens then does what has become due."""
        self.offset += seconds
        for listener in self._listeners:
            listener()

    def on_advance(self, listener: Callable[[], None]) -> None:
        """Have `listener` called after each `advance`."""
        self._listeners.append(listener)


class Journal:
    """Everything that went over the wire, in order; one JSON object a line when a file is given.

    Beside the rows of the platforms' own wires there is one for each HTTP request by which a platform told the bot of
    something: `"platform": "hook"`, its path `/slack/events` and the like, its body what identifies the delivery, and
    `status` and `response` what the bot answered (null: nothing). The event itself has its own row before that.

    In memory only the newest rows are kept, up to `KEPT_CHARACTERS` of JSON text; older ones are read from the file,
    and are gone where there is none.
    """

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        self._clock = clock
        self._path = path
        self._file: IO[bytes] | None = path.open("ab") if path else None
        self._position = self._file.tell() if self._file else 0
        self._marks = array("Q")
        """Where in the file each row begins whose number is a multiple of `_EVERY`, from row 0 (there is none) on."""
        self._count = 0
        self._kept: deque[str] = deque()
        self._characters = 0

    def request(  # noqa: PLR0913 - the columns of a row
        self,
        platform: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, Json],
        body: Json,
        status: int | None,
        response: Json,
        fault: str | None = None,
        injected: bool = False,
    ) -> None:
        """Write down a client's call and what the server answered (`path` with tokens already replaced by `***`).

        `injected`: the answer carries what `/control/raw` made, so that it need not conform to anything.
        """
        row = {
            "platform": platform,
            "direction": "request",
            "method": method,
            "path": path,
            "query": dict(query),
            "body": body,
            "status": status,
            "response": response,
        }
        self._write(row | ({"fault": fault} if fault else {}) | ({"injected": True} if injected else {}))

    def event(self, platform: str, kind: str, body: Json, *, injected: bool = False) -> None:
        """Write down what the server pushed; `injected` when `/control/raw` made it."""
        row = {"platform": platform, "direction": "event", "type": kind, "body": body}
        self._write(row | ({"injected": True} if injected else {}))

    def hook(self, path: str, body: Json, status: int | None, response: Json, fault: str | None = None) -> None:
        """Write down what the bot answered to a delivery over HTTP (`status` None: nothing that was understood)."""
        self.request("hook", "POST", path, query={}, body=body, status=status, response=response, fault=fault)

    @property
    def rows(self) -> list[dict[str, Json]]:
        """The rows that are kept in memory."""
        return [json.loads(line) for line in self._kept]

    def after(self, seq: int) -> list[str]:
        """The rows as JSON text whose `seq` is larger than the given one (the first row has 1)."""
        first = self._count - len(self._kept)
        if seq >= first:
            return list(islice(self._kept, seq - first, None))
        return [*self._from_file(seq, first), *self._kept]

    def _from_file(self, seq: int, until: int) -> Iterator[str]:
        """The rows numbered `seq` + 1 to `until`."""
        if self._path is None:
            return
        with self._path.open("rb") as file:
            file.seek(self._marks[seq // _EVERY])
            lines = islice(file, seq % _EVERY, until - seq // _EVERY * _EVERY)
            yield from (line.decode("utf-8").rstrip("\n") for line in lines)

    def _write(self, row: dict[str, Json]) -> None:
        if self._count % _EVERY == 0:
            self._marks.append(self._position)
        self._count += 1
        line = _encode({"seq": self._count, "at": round(self._clock.now(), 6), **row})
        if self._file:
            # A lone surrogate, as only garbage has it, is written as the JSON escape that it came as.
            data = line.encode("utf-8", "backslashreplace") + b"\n"
            self._position += len(data)
            self._file.write(data)
            self._file.flush()
        self._kept.append(line)
        self._characters += len(line)
        while self._characters > KEPT_CHARACTERS:
            self._characters -= len(self._kept.popleft())

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


@dataclass
class Fault:
    """A misbehaviour that was asked for: `times` calls (None: until `until`) whose path or body text holds `match`."""

    kind: FaultKind
    times: int | None = 1
    seconds: float | None = None
    match: str | None = None
    until: float | None = None
    late: float | None = None
    """With `swallow_reply`: the call is carried out only so many seconds after its client has left."""
    html: bool = False
    """With `429` on Discord: it comes from Cloudflare, in HTML and with nothing that Discord would have added."""

    @property
    def of_deliveries(self) -> bool:
        """Whether it is meant for deliveries over HTTP: its `match` is `delivery`, or begins with `delivery/`."""
        return self.match is not None and (self.match + "/").startswith("delivery/")


@dataclass
class Faults:
    """The faults of one platform, taken one by one as calls arrive. The frame's clock is the real one here:
    a fault of so many seconds lasts them in real time."""

    pending: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Ask for a misbehaviour from now on."""
        self.pending.append(fault)

    def forget(self, kind: FaultKind, match: str | None = None) -> None:
        """Take back the pending faults of that kind; with `match`, only those that were asked for with it."""
        self.pending = [f for f in self.pending if f.kind != kind or match not in (None, f.match)]

    def take(
        self, kinds: Iterable[FaultKind], text: str, *, named: str | None = None, delivery: bool = False
    ) -> Fault | None:
        """The first pending fault of one of `kinds` that fits a call whose path and body are `text`; counts it.

        With `named`, only a fault whose `match` holds that word: event polls are hit only when asked for by name.
        `delivery` says that it is one over HTTP, which only faults that name deliveries hit, and these nothing else.
        """
        wanted = set(kinds)
        self.pending = [f for f in self.pending if f.until is None or f.until > time.monotonic()]
        for fault in self.pending:
            if fault.of_deliveries != delivery:
                continue
            if named is not None and named not in (fault.match or ""):
                continue
            if fault.kind in wanted and (fault.match is None or fault.match in text):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self.pending.remove(fault)
                return fault
        return None


@dataclass(frozen=True)
class Content:
    """What is in a file that somebody sent."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True)
class Seen:
    """One message as a given member sees it in a channel (the control interface's message)."""

    id: str
    author: str
    text: str
    reply_to: str | None = None
    private_to: str | None = None
    buttons: tuple[dict[str, str], ...] = ()
    poll: Json = None
    """`{"question", "options": [{"text", "votes"}], "closed", "multiple", "total"}`; `votes` are null while hidden."""
    form: Json = None
    files: Json = None
    """`[{"id", "name", "type", "size"}]`: what hangs on it; a picture without a name has the one it was sent with."""

    @cached_property
    def encoded(self) -> str:
        """As JSON text; `poll`, `form` and `files` only where there is one."""
        shown = {name: getattr(self, name) for name in _SHOWN}
        return _encode(shown | {n: value for n in ("poll", "form", "files") if (value := getattr(self, n)) is not None})


_SHOWN = ("id", "author", "text", "reply_to", "private_to", "buttons")


class SeenCache:
    """Remembers how messages look, since scenarios look at channels of thousands of messages again and again."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[tuple[object, ...], Seen]] = {}

    def look(self, key: Hashable, parts: tuple[object, ...], make: Callable[[], Seen]) -> Seen:
        """How the message `key` looks: made anew unless all `parts` that its look depends on are the same objects."""
        kept = self._kept.get(key)
        if kept is not None and all(map(is_, kept[0], parts)):
            return kept[1]
        seen = make()
        if len(self._kept) >= 2 * KEPT_MESSAGES:
            self._kept.clear()
        self._kept[key] = (parts, seen)
        return seen


@dataclass
class Frame:
    """What every platform is built with."""

    clock: Clock
    journal: Journal
    limits: bool
    """Whether the platform's published rate limits are enforced."""
    base: str = ""
    """`http://127.0.0.1:PORT`, set before any request arrives."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Service(Protocol):
    """A local server that is no place for people: it only answers requests."""

    name: str
    faults: Faults

    def routes(self) -> list[web.RouteDef]:
        """Its HTTP routes."""

    def environment(self) -> dict[str, str]:
        """`HERALD_...` variables that point a bot here."""

    async def fault(self, fault: Fault) -> None:
        """Take on a fault. Raises `ControlError` for one that it does not have."""

    async def close(self) -> None:
        """End what is open."""


class Platform(Protocol):
    """A local platform. Members and channels are named or given by id; an unknown member's name makes the member.

    All control methods raise `ControlError` for what a person could not do there.
    """

    name: str
    faults: Faults
    published: Mapping[str, Json]
    """The rate limits that are enforced, as numbers: `calls` in `seconds`, with `burst` where it is a bucket; empty
    where none are."""

    def routes(self) -> list[web.RouteDef]:
        """The platform's own HTTP and WebSocket routes."""

    def environment(self) -> dict[str, str]:
        """`HERALD_...` variables that point a bot here (addresses and tokens)."""

    def channels(self) -> dict[str, str | int]:
        """Channel ids by short name (`community`, `review`, `general`) in the default tenant."""

    async def endpoint(self, url: str, kind: str | None) -> Json:
        """Deliver what happens by HTTP to `url` ("": no longer); `kind` says which deliveries, None all. Answers what
        the platform's web page would show; raises `ControlError` where the address does not prove itself."""

    def populate(self, count: int, prefix: str, tenant: str | None) -> list[str]:
        """Make `count` places that the bot may write to, each with its own budget of messages; their channel ids."""

    def member(self, member: str, fields: Mapping[str, Json], tenant: str | None) -> dict[str, str]:
        """Add or change a member; answers `{"member_id", "tenant"}`. With `quiet` the bot is not told of it."""

    async def say(self, call: Mapping[str, Json]) -> str:
        """A member writes (`channel, member, text, reply_to?, attachment?, tenant?`); the message's id."""

    async def command(self, call: Mapping[str, Json]) -> Json:
        """A slash command typed by a member (`channel, member, text, tenant?`)."""

    async def click(self, call: Mapping[str, Json]) -> Json:
        """Press a button (`channel, message_id, member, button`): its label, id, or the action in its payload
        (see `payloads.py`). Answers what the person saw at once: `{"toast"?, "form"?}`."""

    async def submit(self, call: Mapping[str, Json]) -> Json:
        """Fill in a form (`form_id, member, values`); field errors come back as `{"errors": {...}}`."""

    async def vote(self, call: Mapping[str, Json]) -> Json:
        """A native poll vote (`channel, message_id, member, options`: indexes from 0, empty retracts)."""

    async def react(self, call: Mapping[str, Json]) -> Json:
        """Add or remove a reaction (`channel, message_id, member, emoji, remove?`)."""

    async def edit(self, call: Mapping[str, Json]) -> Json:
        """A member changes a message (`channel, message_id, member, text`)."""

    async def delete(self, call: Mapping[str, Json]) -> Json:
        """A member deletes a message (`channel, message_id, member`)."""

    async def raw(self, event: Json) -> Json:
        """Push any event as it stands, journalled as injected."""

    def seen(self, channel: str, member: str | None, tenant: str | None) -> list[Seen]:
        """What that member sees in the channel now, oldest first: threads included, others' private notices not."""

    def file(self, identity: str, tenant: str | None) -> Content:
        """The file of that id, as `Seen.files` has it."""

    async def fault(self, fault: Fault) -> None:
        """Take on a fault; `disconnect`, `deaf` and `invalid_session` act on open connections at once."""

    async def close(self) -> None:
        """End open connections and tasks."""
