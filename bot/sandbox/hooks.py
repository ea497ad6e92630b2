"""Deliveries over HTTP: a platform posts to the bot's address and hears whether it was taken.

A fault hits a delivery only when its `match` names one, as the beginning of `delivery/<kind> <body>`: `delivery` hits
all, `delivery/events` the events of Slack. `slow` delivers late, `reset` cuts the connection in the middle of the
request, `swallow_reply` delivers and never hears the answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

from bot.sandbox.frame import ControlError, Fault, FaultKind, Faults, Frame, Json

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_FAULTS: tuple[FaultKind, ...] = ("slow", "reset", "swallow_reply")
_SLOW_SECONDS = 2.0
_LONGEST_ANSWER = 1 << 20
TIMEOUT, CONNECTION = "timeout", "connection"


@dataclass(frozen=True)
class Outcome:
    """What the bot answered: `status` None where nothing came, and then `problem` is `TIMEOUT` or `CONNECTION`."""

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    why: str = ""
    """The problem in words, for a person."""

    @property
    def ok(self) -> bool:
        """Whether the bot took the delivery."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The answer's body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Json:
        """The answer's body, None where it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True)
class Delivery:
    """One request to the bot. `kind` is what it is of (`events`); `identity` tells it from others in the journal."""

    url: str
    kind: str
    body: bytes
    headers: Mapping[str, str]
    identity: Json


class Hooks:
    """Posts a platform's deliveries, each within `seconds`."""

    def __init__(self, frame: Frame, platform: str, faults: Faults, seconds: float) -> None:
        self._frame = frame
        self._platform = platform
        self._faults = faults
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def post(self, delivery: Delivery) -> Outcome:
        """Deliver once and write down what came of it."""
        fault = self._fault(delivery)
        if fault and fault.kind == "slow":
            await asyncio.sleep(_SLOW_SECONDS if fault.seconds is None else fault.seconds)
        outcome = await self._ask(delivery, broken=fault is not None and fault.kind == "reset")
        kind = fault.kind if fault else None
        path = f"/{self._platform}/{delivery.kind}"
        shown = outcome.json() if outcome.body else None
        answer = outcome.text if shown is None and outcome.body else shown
        self._frame.journal.hook(path, delivery.identity, outcome.status, answer, kind)
        if kind == "swallow_reply":
            return Outcome(None, problem=TIMEOUT, why="the answer was lost")
        return outcome

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _fault(self, delivery: Delivery) -> Fault | None:
        if not self._faults.pending:
            return None
        text = f"delivery/{delivery.kind} {delivery.body.decode('utf-8', 'replace')}"
        return self._faults.take(_FAULTS, text, delivery=True)

    async def _ask(self, delivery: Delivery, *, broken: bool) -> Outcome:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        headers = dict(delivery.headers)
        data: bytes | AsyncIterator[bytes] = delivery.body
        if broken:
            headers["Content-Length"] = str(len(delivery.body))
            data = _cut_short(delivery.body)
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._session.post(delivery.url, data=data, headers=headers, allow_redirects=False) as response,
            ):
                body = await response.content.read(_LONGEST_ANSWER)
                while len(body) < _LONGEST_ANSWER and (more := await response.content.read(_LONGEST_ANSWER)):
                    body += more
                return Outcome(response.status, body, response.headers, why=f"{response.status} {response.reason}")
        except TimeoutError:
            return Outcome(None, problem=TIMEOUT, why="Read timeout expired")
        except (aiohttp.ClientError, OSError) as error:
            return Outcome(None, problem=CONNECTION, why=str(error) or type(error).__name__)


async def _cut_short(body: bytes) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]
    raise ConnectionResetError("cut on purpose")


def loopback_url(url: str) -> str:
    """The address, if it leads to this computer. Raises `ControlError`.

    The real platforms demand https and a public name. Nothing leaves this computer, so plain http is taken instead.
    """
    target = urlsplit(url)
    if target.scheme not in ("http", "https") or target.hostname not in _LOOPBACK:
        raise ControlError(f"{url!r} does not lead to this computer: the sandbox posts to 127.0.0.1 and localhost only")
    return url
