"""Socket Mode: the websockets on which Slack pushes envelopes, and their acknowledgements and redelivery.

How this server reads the documentation (docs.slack.dev/apis/events-api, "Error handling"; .../using-socket-mode):

* An envelope goes to one of the open connections, in turn, and is to be acknowledged within `ACK_SECONDS` of real time.
* An unacknowledged *event* is sent again after each of `RETRY_DELAYS` (by the frame's clock), with `retry_attempt` 1
  to 3, the same `envelope_id` and `event_id`, on whichever connection is open then. After the last one it is lost.
* A connection that closes leaves its unacknowledged events to the others, or to the next connection, which gets them
  as soon as it is open. An event that happens while none is open has failed its first attempt at once, and goes the
  same way: whoever stays away longer than the delays together misses it.
* Interactions and slash commands are never sent again: the person has seen an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
import uuid
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from bot.sandbox.frame import Frame, Json
from bot.sandbox.slack.state import APP_ID

ACK_SECONDS = 3.0
RETRY_DELAYS = (0.0, 60.0, 300.0)
MAX_CONNECTIONS = 10
TICKET_SECONDS = 60.0
PATH = "/slack/socket"
_TICK = 0.05
_RETRIED = "events_api"


@dataclass(eq=False)
class Envelope:
    """Something to push: `due` (frame's clock) while it waits, `sent_at` (monotonic) while its ack is awaited."""

    kind: str
    payload: Json
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    accepts_response: bool = False
    attempt: int = 0
    due: float | None = None
    sent_at: float | None = None
    connection: Connection | None = None
    ack: asyncio.Future[Json] | None = None

    def wire(self) -> dict[str, Json]:
        """The frame's JSON."""
        base = {"envelope_id": self.id, "type": self.kind, "payload": self.payload}
        base["accepts_response_payload"] = self.accepts_response
        if self.kind != _RETRIED:
            return base
        return base | {"retry_attempt": self.attempt, "retry_reason": "timeout" if self.attempt else ""}


@dataclass(eq=False)
class Connection:
    """One open websocket; `outgoing` holds what its writer sends next (None ends it)."""

    socket: web.WebSocketResponse
    outgoing: asyncio.Queue[Envelope | tuple[str, Json, bool] | None] = field(default_factory=asyncio.Queue)
    deaf_until: float = 0.0
    closing: bool = False

    @property
    def is_deaf(self) -> bool:
        """Whether a fault keeps envelopes from it (pings are still answered)."""
        return time.monotonic() < self.deaf_until


class SocketMode:
    """All connections of the app."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._tickets: dict[str, float] = {}
        self._connections: list[Connection] = []
        self._turn = itertools.count()
        self._envelopes: dict[str, Envelope] = {}
        self._wake = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def is_open(self) -> bool:
        """Whether any connection can be pushed to."""
        return bool(self._usable())

    @property
    def waiting(self) -> int:
        """How many events wait for another attempt."""
        return sum(envelope.due is not None for envelope in self._envelopes.values())

    @property
    def unacknowledged(self) -> int:
        """How many envelopes may still be acknowledged."""
        return len(self._envelopes)

    def ticket(self) -> str:
        """A websocket address that is good for one connection, for `TICKET_SECONDS`."""
        ticket = str(uuid.uuid4())
        self._tickets[ticket] = time.monotonic() + TICKET_SECONDS
        return f"{self._frame.base.replace('http', 'ws', 1)}{PATH}?ticket={ticket}&app_id={APP_ID}"

    def push(self, payload: Json) -> None:
        """Push an Events API payload, now or when somebody is there to hear it."""
        envelope = Envelope(_RETRIED, payload)
        self._envelopes[envelope.id] = envelope
        self._watch()
        self._send(envelope)

    async def ask(self, kind: str, payload: Json, *, accepts_response: bool) -> Json:
        """Push an interaction or command; its ack's payload ({} where it had none), or None if none came in time."""
        envelope = Envelope(kind, payload, accepts_response=accepts_response)
        if not self.is_open:
            return None
        envelope.ack = asyncio.get_running_loop().create_future()
        self._envelopes[envelope.id] = envelope
        self._send(envelope)
        try:
            return await asyncio.wait_for(envelope.ack, ACK_SECONDS)
        except TimeoutError:
            return None
        finally:
            self._envelopes.pop(envelope.id, None)

    def tell(self, kind: str, payload: Json) -> None:
        """Push something that nobody waits for and that is never sent again (view_closed)."""
        usable = self._usable()
        if usable:
            usable[next(self._turn) % len(usable)].outgoing.put_nowait(Envelope(kind, payload))

    def inject(self, event: Json) -> bool:
        """Push any frame as it stands, unasked and unwatched. False where no connection is open."""
        usable = self._usable()
        if usable:
            kind = event.get("type") if isinstance(event, dict) else None
            usable[0].outgoing.put_nowait((str(kind or "raw"), event, True))
        return bool(usable)

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """The websocket route."""
        expires = self._tickets.pop(request.query.get("ticket", ""), 0.0)
        if expires < time.monotonic():
            return web.json_response({"ok": False, "error": "invalid_ticket"}, status=403)
        connection = Connection(web.WebSocketResponse(heartbeat=30.0))
        await connection.socket.prepare(request)
        if len(self._connections) >= MAX_CONNECTIONS:
            connection.outgoing.put_nowait(("disconnect", self._goodbye("too_many_websockets"), False))
            connection.outgoing.put_nowait(None)
            await self._write(connection)
            return connection.socket
        await self._serve(connection)
        return connection.socket

    def disconnect(self, warn_seconds: float | None = None) -> None:
        """Tell every connection to come again and close it; with `warn_seconds`, warn that long before."""
        for connection in self._usable():
            if warn_seconds:
                connection.outgoing.put_nowait(("disconnect", self._goodbye("warning"), False))
                task = asyncio.get_running_loop().create_task(self._end_later(connection, warn_seconds))
                self._endings.add(task)
                task.add_done_callback(self._endings.discard)
            else:
                self._end(connection)

    def deafen(self, seconds: float) -> None:
        """Let the present connections live, but reach them with nothing, for so many real seconds."""
        for connection in self._connections:
            connection.deaf_until = time.monotonic() + seconds

    async def close(self) -> None:
        """Close every connection and end the watching task."""
        tasks = [task for task in (self._watcher, *self._endings) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self._connections):
            await connection.socket.close(code=1001)

    async def _serve(self, connection: Connection) -> None:
        self._connections.append(connection)
        connection.outgoing.put_nowait(("hello", self._hello(), False))
        writer = asyncio.get_running_loop().create_task(self._write(connection))
        self._revive()
        try:
            async for message in connection.socket:
                if message.type is WSMsgType.TEXT:
                    self._acknowledge(message.data)
        finally:
            self._connections.remove(connection)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._orphan(connection)

    async def _write(self, connection: Connection) -> None:
        with contextlib.suppress(ConnectionError):
            while (item := await connection.outgoing.get()) is not None:
                if isinstance(item, Envelope):
                    item.sent_at = time.monotonic()
                    if connection.is_deaf:
                        continue
                    kind, body, injected = item.kind, item.wire(), False
                else:
                    kind, body, injected = item
                self._frame.journal.event("slack", kind, body, injected=injected)
                await connection.socket.send_str(_text(body))
            await connection.socket.close()

    def _acknowledge(self, text: str) -> None:
        try:
            answer = json.loads(text)
        except ValueError:
            return
        envelope = self._envelopes.pop(answer.get("envelope_id", ""), None) if isinstance(answer, dict) else None
        # Which pushes were acknowledged is wanted by whoever compares the journal with the bot's own store.
        self._frame.journal.request("slack", "WS", PATH, query={}, body=answer, status=None, response=None)
        if envelope and envelope.ack and not envelope.ack.done():
            envelope.ack.set_result(answer.get("payload") or {})

    def _usable(self) -> list[Connection]:
        return [c for c in self._connections if not c.closing and not c.socket.closed]

    def _send(self, envelope: Envelope) -> None:
        usable = self._usable()
        if not usable:
            self._fail(envelope)
            return
        envelope.connection, envelope.due, envelope.sent_at = usable[next(self._turn) % len(usable)], None, None
        envelope.connection.outgoing.put_nowait(envelope)

    def _fail(self, envelope: Envelope, *, at_once: bool = False) -> None:
        """An attempt came to nothing: plan the next one, or give the event up."""
        envelope.connection = envelope.sent_at = None
        if envelope.kind != _RETRIED or envelope.attempt >= len(RETRY_DELAYS):
            self._envelopes.pop(envelope.id, None)
            return
        delay = 0.0 if at_once else RETRY_DELAYS[envelope.attempt]
        envelope.attempt += 1
        envelope.due = self._frame.clock.now() + delay
        self._watch()

    def _orphan(self, connection: Connection) -> None:
        others = bool(self._usable())
        for envelope in [e for e in self._envelopes.values() if e.connection is connection]:
            self._fail(envelope, at_once=others)

    def _revive(self) -> None:
        now = self._frame.clock.now()
        for envelope in self._envelopes.values():
            if envelope.due is not None:
                envelope.due = now
        self._wake.set()

    def _watch(self) -> None:
        self._wake.set()
        if not self._watcher or self._watcher.done():
            self._watcher = asyncio.get_running_loop().create_task(self._retry())

    async def _retry(self) -> None:
        while True:
            await self._wake.wait()
            for envelope in list(self._envelopes.values()):
                self._review(envelope)
            if not any(envelope.kind == _RETRIED for envelope in self._envelopes.values()):
                self._wake.clear()
                continue
            await asyncio.sleep(_TICK)

    def _review(self, envelope: Envelope) -> None:
        if envelope.kind != _RETRIED:
            return
        if envelope.sent_at is not None and time.monotonic() - envelope.sent_at > ACK_SECONDS:
            self._fail(envelope)
        if envelope.due is not None and envelope.due <= self._frame.clock.now():
            self._send(envelope)

    def _end(self, connection: Connection) -> None:
        connection.closing = True
        connection.outgoing.put_nowait(("disconnect", self._goodbye("refresh_requested"), False))
        connection.outgoing.put_nowait(None)

    async def _end_later(self, connection: Connection, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._end(connection)

    def _hello(self) -> Json:
        info = {"host": "applink-sandbox", "build_number": 1, "approximate_connection_time": 18060}
        count = len(self._connections)
        return {"type": "hello", "num_connections": count, "debug_info": info, "connection_info": {"app_id": APP_ID}}

    @staticmethod
    def _goodbye(reason: str) -> Json:
        return {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-sandbox"}}


def _text(body: Json) -> str:
    return body if isinstance(body, str) else json.dumps(body)
