"""The interactions endpoint: interactions posted to the application instead of dispatched over the gateway.

How this server reads the documentation ("Receiving and Responding to Interactions", "Preparing for Interactions"):

* Every request is signed with Ed25519 over timestamp and body, and the application knows the public key.
* At set-up a PING must be answered with a PONG, and another one, with a wrong signature, with 401.
* The HTTP answer (200) within three seconds is the interaction's initial response, held to the same rules as one that
  comes to the callback path; 202 says that it will come there. There is no second try.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Callable, Coroutine

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.sandbox.discord.model import Interaction
from bot.sandbox.discord.world import World
from bot.sandbox.frame import ControlError, Frame, Json
from bot.sandbox.hooks import Delivery, Hooks, Outcome, loopback_url

SECONDS = 3.0
_PING, _PONG = 1, 1
_LATER = 202


class Endpoint:
    """The application's interactions endpoint; `world.interactions_url` is "" where it has none."""

    def __init__(self, frame: Frame, world: World, hooks: Hooks) -> None:
        self._frame = frame
        self._world = world
        self._hooks = hooks
        # The same in every run, so that a bot's settings stay good.
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"herald sandbox discord").digest())
        world.public_key = self._key.public_key().public_bytes_raw().hex()
        self._tasks: set[asyncio.Task[None]] = set()
        self.answer: Callable[[Interaction, Json], bool] = lambda _it, _body: False
        """Carries an initial response out; False where Discord does not take it."""

    @property
    def is_set(self) -> bool:
        """Whether interactions go there."""
        return bool(self._world.interactions_url)

    async def set(self, url: str, kind: str | None) -> Json:
        """Use that address from now on ("": the gateway again). Raises `ControlError` where it cannot be verified."""
        if kind not in (None, "interactions"):
            raise ControlError(f"Discord has an endpoint for interactions only, not for {kind}")
        if url:
            loopback_url(url)
            pong = await self._ping(url, forged=False)
            answer = pong.json()
            if pong.status != 200 or not isinstance(answer, dict) or answer.get("type") != _PONG:
                raise ControlError(f"{_REFUSED}: a PING was answered with {_words(pong)}")
            forged = await self._ping(url, forged=True)
            if forged.status != 401:
                raise ControlError(f"{_REFUSED}: a wrong signature was answered with {_words(forged)} instead of 401")
        self._world.interactions_url = url
        return {"public_key": self._world.public_key} if url else {}

    def deliver(self, it: Interaction, body: Json) -> None:
        """Post an interaction; `it.answered` is set in the end, whatever comes of it."""
        self._run(self._deliver(it, body))

    def inject(self, body: Json) -> None:
        """Post anything as it stands; the answer changes nothing."""
        self._run(self._inject(body))

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End what is on its way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._hooks.close()

    async def _inject(self, body: Json) -> None:
        self._frame.journal.event("discord", "INTERACTION_CREATE", body, injected=True)
        await self._post(self._world.interactions_url, body)

    async def _deliver(self, it: Interaction, body: Json) -> None:
        self._frame.journal.event("discord", "INTERACTION_CREATE", body)
        outcome = await self._post(self._world.interactions_url, body)
        if outcome.status == _LATER:
            return
        answer = outcome.json() if outcome.status == 200 else None
        if not isinstance(answer, dict) or not self.answer(it, answer):
            it.answered.set()

    async def _ping(self, url: str, *, forged: bool) -> Outcome:
        body = {
            "id": self._world.snowflake(),
            "application_id": self._world.application_id,
            "type": _PING,
            "token": secrets.token_urlsafe(96),
            "version": 1,
            "entitlements": [],
        }
        self._frame.journal.event("discord", "PING", body)
        return await self._post(url, body, forged=forged)

    async def _post(self, url: str, body: Json, *, forged: bool = False) -> Outcome:
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
        stamp = str(int(self._frame.clock.now()))
        signature = secrets.token_hex(64) if forged else self._key.sign(stamp.encode() + data).hex()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Discord-Interactions/1.0 (+https://discord.com)",
            "X-Signature-Ed25519": signature,
            "X-Signature-Timestamp": stamp,
        }
        identity = {"id": body.get("id") if isinstance(body, dict) else None}
        return await self._hooks.post(Delivery(url, "interactions", data, headers, identity))


_REFUSED = "the specified interactions endpoint URL could not be verified"


def _words(outcome: Outcome) -> str:
    return f"{outcome.why} {outcome.text[:200]!r}" if outcome.status is not None else outcome.why
