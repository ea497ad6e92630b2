"""Socket Mode: envelopes, their acknowledgements and their redelivery.

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
import json
import time
import uuid
from dataclasses import dataclass, field

from bot.sandbox.frame import Frame, Json
from bot.sandbox.slack.connections import PATH, Connection, Connections, Notice

ACK_SECONDS = 3.0
RETRY_DELAYS = (0.0, 60.0, 300.0)
_TICK = 0.05
_RETRIED = "events_api"


@dataclass(eq=False)
class Envelope:
    """Something to push: `due` (frame's clock) while it waits, `sent_at` (monotonic) while its ack is awaited."""

    kind: str
    payload: Json
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    accepts_response: bool = False
    injected: bool = False
    attempt: int = 0
    due: float | None = None
    sent_at: float | None = None
    connection: Connection | None = None
    ack: asyncio.Future[Json] | None = None

    def wire(self) -> Json:
        """The frame's JSON."""
        base = {"envelope_id": self.id, "type": self.kind, "payload": self.payload}
        base["accepts_response_payload"] = self.accepts_response
        if self.kind != _RETRIED:
            return base
        return base | {"retry_attempt": self.attempt, "retry_reason": "timeout" if self.attempt else ""}


class SocketMode:
    """What is pushed to the app, until it is acknowledged or given up. It listens to its `connections`."""

    def __init__(self, frame: Frame) -> None:
        self.connections = Connections(frame, self)
        self._frame = frame
        self._envelopes: dict[str, Envelope] = {}
        self._wake = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many events wait for another attempt."""
        return sum(envelope.due is not None for envelope in self._envelopes.values())

    @property
    def unacknowledged(self) -> int:
        """How many envelopes may still be acknowledged."""
        return len(self._envelopes)

    def push(self, payload: Json) -> None:
        """Push an Events API payload, now or when somebody is there to hear it."""
        envelope = Envelope(_RETRIED, payload)
        self._envelopes[envelope.id] = envelope
        self._watch()
        self._send(envelope)

    async def ask(self, kind: str, payload: Json, *, accepts_response: bool) -> Json:
        """Push an interaction or command; its ack's payload ({} where it had none), or None if none came in time."""
        envelope = Envelope(kind, payload, accepts_response=accepts_response)
        envelope.ack = asyncio.get_running_loop().create_future()
        if not self.connections.send(envelope):
            return None
        self._envelopes[envelope.id] = envelope
        try:
            return await asyncio.wait_for(envelope.ack, ACK_SECONDS)
        except TimeoutError:
            return None
        finally:
            self._envelopes.pop(envelope.id, None)

    def tell(self, kind: str, payload: Json) -> None:
        """Push something that nobody waits for and that is never sent again (view_closed)."""
        self.connections.send(Envelope(kind, payload))

    def inject(self, event: Json) -> bool:
        """Push any frame as it stands, unwatched. False where no connection is open."""
        kind = event.get("type") if isinstance(event, dict) else None
        return self.connections.send(Notice(str(kind or "raw"), event, injected=True)) is not None

    async def close(self) -> None:
        """End the watching task and every connection."""
        if self._watcher:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await self.connections.close()

    def opened(self) -> None:
        """A connection came: what waits is sent soon."""
        now = self._frame.clock.now()
        for envelope in self._envelopes.values():
            if envelope.due is not None:
                envelope.due = now
        self._wake.set()

    def heard(self, text: str) -> None:
        """Take an acknowledgement; anything else is ignored, as Slack does."""
        try:
            answer = json.loads(text)
        except ValueError:
            return
        identity = answer.get("envelope_id") if isinstance(answer, dict) else None
        # Which pushes were acknowledged is wanted by whoever compares the journal with the bot's own store.
        self._frame.journal.request("slack", "WS", PATH, query={}, body=answer, status=None, response=None)
        envelope = self._envelopes.pop(str(identity), None)
        if envelope and envelope.ack and not envelope.ack.done():
            envelope.ack.set_result(answer.get("payload") or {})

    def closed(self, connection: Connection) -> None:
        """A connection went: its unacknowledged events go to another one."""
        others = bool(self.connections.usable)
        for envelope in [e for e in self._envelopes.values() if e.connection is connection and e.kind == _RETRIED]:
            self._fail(envelope, at_once=others)

    def _send(self, envelope: Envelope) -> None:
        envelope.due = envelope.sent_at = None
        envelope.connection = self.connections.send(envelope)
        if not envelope.connection:
            self._fail(envelope)

    def _fail(self, envelope: Envelope, *, at_once: bool = False) -> None:
        """An attempt came to nothing: plan the next one, or give the event up."""
        envelope.connection = envelope.sent_at = None
        if envelope.attempt >= len(RETRY_DELAYS):
            del self._envelopes[envelope.id]
            return
        delay = 0.0 if at_once else RETRY_DELAYS[envelope.attempt]
        envelope.attempt += 1
        envelope.due = self._frame.clock.now() + delay
        self._watch()

    def _watch(self) -> None:
        self._wake.set()
        if not self._watcher or self._watcher.done():
            self._watcher = asyncio.get_running_loop().create_task(self._retry())

    async def _retry(self) -> None:
        while True:
            await self._wake.wait()
            events = [envelope for envelope in self._envelopes.values() if envelope.kind == _RETRIED]
            for envelope in events:
                self._review(envelope)
            if not events:
                self._wake.clear()
                continue
            await asyncio.sleep(_TICK)

    def _review(self, envelope: Envelope) -> None:
        if envelope.sent_at is not None and time.monotonic() - envelope.sent_at > ACK_SECONDS:
            self._fail(envelope)
        if envelope.due is not None and envelope.due <= self._frame.clock.now():
            self._send(envelope)
