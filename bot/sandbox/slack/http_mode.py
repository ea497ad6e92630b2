"""Request URLs: events, interactions and slash commands posted to the app instead of pushed over Socket Mode.

How this server reads the documentation (docs.slack.dev/apis/events-api, .../interactivity/handling-user-interaction,
.../authentication/verifying-requests-from-slack):

* Everything is signed: `X-Slack-Signature` is `v0=` and the HMAC-SHA256 of `v0:<timestamp>:<body>` with the secret.
* The address for events proves itself at set-up by answering `url_verification` with its challenge.
* An event that was not answered with 2xx within three seconds is sent again almost at once, after a minute and after
  five more (by the frame's clock), with `x-slack-retry-num` and `-reason`, unless the answer has `x-slack-no-retry: 1`.
* More than 95 % failed deliveries of at least 1,000 within an hour turn the events off, until an address is set again.
* Interactions and commands are sent once; the body of their answer is what an acknowledgement carries elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import hmac
import itertools
import json
import logging
import uuid
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode

from bot.sandbox.frame import ControlError, Frame, Json
from bot.sandbox.hooks import CONNECTION, TIMEOUT, Delivery, Hooks, Outcome, loopback_url
from bot.sandbox.slack.state import APP_ID, make_id

log = logging.getLogger(__name__)

SECONDS = 3.0
RETRY_DELAYS = (0.0, 60.0, 300.0)
FAILURE_WINDOW = 3600.0
FAILURES_AT_MOST = 0.95
FAILURES_FROM = 1000
KINDS = {"events": "events_api", "interactivity": "interactive", "commands": "slash_commands"}
"""What a request URL can be for, and the journal's word for what goes there."""
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"
_REASONS = {TIMEOUT: "http_timeout", CONNECTION: "connection_failed"}


@dataclass(frozen=True)
class Ack:
    """What the app said to an interaction or command: `payload` ({}: nothing more), or None and Slack's word `why`."""

    payload: dict[str, Json] | None
    why: str = ""


@dataclass(eq=False)
class _Event:
    """An event on its way."""

    payload: Json
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempt: int = 0
    reason: str = ""
    injected: bool = False


class Health:
    """Counts what became of the deliveries of the last hour, minute by minute."""

    def __init__(self) -> None:
        self._minutes: deque[list[float]] = deque()

    def count(self, now: float, *, ok: bool) -> bool:
        """Count a delivery; False where the events are to be turned off."""
        if not self._minutes or self._minutes[-1][0] < now - 60:
            self._minutes.append([now, 0, 0])
        self._minutes[-1][1] += 1
        self._minutes[-1][2] += not ok
        while self._minutes[0][0] < now - FAILURE_WINDOW:
            self._minutes.popleft()
        made, failed = (sum(minute[part] for minute in self._minutes) for part in (1, 2))
        return made < FAILURES_FROM or failed <= FAILURES_AT_MOST * made


class HttpMode:
    """The app's request URLs, by what they are for, and what is on its way to them."""

    def __init__(self, frame: Frame, hooks: Hooks, secret: str) -> None:
        self._frame = frame
        self._hooks = hooks
        self._secret = secret
        self.urls: dict[str, str] = {}
        self.disabled = False
        """Whether too many deliveries failed."""
        self._health = Health()
        self._tasks: set[asyncio.Task[None]] = set()
        self._later: list[tuple[float, int, _Event]] = []
        self._number = itertools.count()
        self._wake = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        frame.clock.on_advance(self._wake.set)

    @property
    def waiting(self) -> int:
        """How many events wait for another attempt."""
        return len(self._later)

    async def set(self, url: str, kind: str | None) -> Json:
        """Use an address ("": none) for one of `KINDS`, or for all. Raises `ControlError` where it proves nothing."""
        if kind is not None and kind not in KINDS:
            raise ControlError(f"Slack has request URLs for {', '.join(KINDS)}, not for {kind}")
        kinds = [kind] if kind else [*KINDS]
        if not url:
            for one in kinds:
                self.urls.pop(one, None)
            return {}
        loopback_url(url)
        if "events" in kinds:
            await self._verify(url)
            self.disabled, self._health = False, Health()
        self.urls |= dict.fromkeys(kinds, url)
        return {"set": kinds}

    def push(self, payload: Json, *, injected: bool = False) -> None:
        """Deliver an event."""
        if not self.disabled:
            self._start(_Event(payload, injected=injected))

    async def ask(self, kind: str, payload: Json) -> Ack:
        """Deliver an interaction or command (`kind` as in the journal), and what the app answers."""
        outcome = await self._post_form(kind, payload)
        if not outcome.ok:
            return Ack(None, "operation_timeout" if outcome.problem == TIMEOUT else "dispatch_failed")
        return Ack(_answered(outcome))

    def tell(self, kind: str, payload: Json) -> None:
        """Deliver something whose answer changes nothing (view_closed)."""
        self._run(self._tell(kind, payload))

    def inject(self, event: Json) -> bool:
        """Deliver anything to the address for events, or as the envelope's kind says; False without an address."""
        kind = event.get("type") if isinstance(event, dict) and "payload" in event else "events_api"
        place = next((name for name, wire in KINDS.items() if wire == kind), "events")
        if place not in self.urls:
            return False
        payload = event["payload"] if isinstance(event, dict) and "payload" in event else event
        if place == "events":
            self._start(_Event(payload, injected=True))
        else:
            self._run(self._tell(KINDS[place], payload, injected=True))
        return True

    async def close(self) -> None:
        """End what is on its way."""
        tasks = [*self._tasks, *([self._watcher] if self._watcher else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._hooks.close()

    async def _verify(self, url: str) -> None:
        challenge = uuid.uuid4().hex
        body = json.dumps({"token": _token(), "challenge": challenge, "type": "url_verification"}).encode()
        outcome = await self._post(url, "events", body, _JSON, {"type": "url_verification"})
        given = outcome.json()
        read = {outcome.text.strip(), *parse_qs(outcome.text).get("challenge", ())}
        if isinstance(given, dict):
            read.add(str(given.get("challenge")))
        if not outcome.ok or challenge not in read:
            shown = outcome.why if not outcome.ok else f"its answer was {outcome.text[:200]!r}"
            raise ControlError(f"your URL didn't respond with the value of the `challenge` parameter: {shown}")

    def _start(self, event: _Event) -> None:
        self._run(self._deliver(event))

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, event: _Event) -> None:
        url = self.urls.get("events")
        if url is None or self.disabled:
            return
        envelope = _envelope("events_api", event.payload, event.id)
        envelope |= {"retry_attempt": event.attempt, "retry_reason": event.reason}
        self._frame.journal.event("slack", "events_api", envelope, injected=event.injected)
        retry = {"x-slack-retry-num": str(event.attempt), "x-slack-retry-reason": event.reason}
        raw = event.payload if isinstance(event.payload, str) else json.dumps(event.payload)
        identity = {"envelope_id": event.id, "event_id": _get(event.payload, "event_id"), "retry": event.attempt}
        body = raw.encode("utf-8", "backslashreplace")
        outcome = await self._post(url, "events", body, _JSON, identity, retry if event.attempt else {})
        healthy = self._health.count(self._frame.clock.now(), ok=outcome.ok)
        if not healthy and not self.disabled:
            self.disabled = True
            log.warning("slack: event subscriptions are turned off, more than 95 %% of the deliveries failed")
        if not outcome.ok and outcome.headers.get("x-slack-no-retry") != "1":
            self._plan(event, _REASONS.get(outcome.problem, "http_error"))

    def _plan(self, event: _Event, reason: str) -> None:
        if event.attempt >= len(RETRY_DELAYS):
            return
        due = self._frame.clock.now() + RETRY_DELAYS[event.attempt]
        event.attempt, event.reason = event.attempt + 1, reason
        heapq.heappush(self._later, (due, next(self._number), event))
        self._wake.set()
        if self._watcher is None:
            self._watcher = asyncio.get_running_loop().create_task(self._retry())

    async def _retry(self) -> None:
        while True:
            self._wake.clear()
            now = self._frame.clock.now()
            while self._later and self._later[0][0] <= now:
                self._start(heapq.heappop(self._later)[2])
            wait = self._later[0][0] - now if self._later else None
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                continue

    async def _tell(self, kind: str, payload: Json, *, injected: bool = False) -> None:
        await self._post_form(kind, payload, injected=injected)

    async def _post_form(self, kind: str, payload: Json, *, injected: bool = False) -> Outcome:
        place = next(name for name, wire in KINDS.items() if wire == kind)
        envelope = _envelope(kind, payload, str(uuid.uuid4()))
        self._frame.journal.event("slack", kind, envelope, injected=injected)
        form = payload if place == "commands" else {"payload": json.dumps(payload)}
        url = self.urls.get(place, "")
        identity = {"envelope_id": envelope["envelope_id"], "trigger_id": _get(payload, "trigger_id")}
        return await self._post(url, place, urlencode(form).encode(), _FORM, identity)

    async def _post(
        self, url: str, kind: str, body: bytes, content_type: str, identity: Json, more: dict[str, str] | None = None
    ) -> Outcome:
        stamp = str(int(self._frame.clock.now()))
        headers = {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": sign(self._secret, stamp, body),
            **(more or {}),
        }
        return await self._hooks.post(Delivery(url, kind, body, headers, identity))


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The signature of a request, as Slack makes it."""
    base = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


def _token() -> str:
    return make_id("verification", APP_ID)


def _envelope(kind: str, payload: Json, identity: str) -> dict[str, Json]:
    return {"envelope_id": identity, "type": kind, "payload": payload, "accepts_response_payload": kind != "events_api"}


def _get(payload: Json, name: str) -> Json:
    return payload.get(name) if isinstance(payload, dict) else None


def _answered(outcome: Outcome) -> dict[str, Json]:
    """The acknowledgement in an answer's body: JSON, or the text that a command's answer shows."""
    if not outcome.text.strip():
        return {}
    given = outcome.json()
    return given if isinstance(given, dict) else {"text": outcome.text}
