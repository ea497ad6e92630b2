"""Slack's HTTP mode: requests with a signature, answered after what they brought is stored.

Sources: docs.slack.dev, "Verifying requests from Slack", "Events API: Request URLs", "Handling user interaction".
Nothing of a request is read before its signature holds, and nothing of a refused one is ever logged.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from slack_bolt.response import BoltResponse
from slack_sdk.signature import Clock, SignatureVerifier

from bot.chat.bodies import BadBody, read_json
from bot.chat.ports import HttpReply, HttpRequest, StoreUnavailable
from bot.integrations.slack.parse import Context, is_foreign, items, string

log = logging.getLogger("herald.slack")

PATHS = ("/slack/events", "/slack/interactive", "/slack/commands")
"""All three answer everything: one of them is enough, and no app is set up wrongly by choosing another."""
MOST_FIELDS = 64
"""Fields of a form; Slack sends about fifteen."""
FORM_BYTES = 256 * 1024
"""The longest form: twice what a modal with our longest draft in Chinese comes to. Undoing its quoting costs time."""
COUNT_EVERY = 60.0
"""Seconds between two lines in the log about refused requests."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")

Receive = Callable[[dict[str, Any]], Awaitable[BoltResponse]]


class Hooks:
    """Answers Slack's requests to one app.

    `context` says whose they must be (asked for at each request, it may have to be learnt first) and `receive` stores a
    payload; both are given together by `hear`, which raises SendError while Slack cannot say who we are. `now` is UTC
    seconds, `monotonic` only spaces lines in the log.
    """

    def __init__(
        self,
        secret: str,
        hear: Callable[[], Awaitable[tuple[Context, Receive]]],
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._verifier = SignatureVerifier(secret, _Wall(now))
        self._hear = hear
        self._monotonic = monotonic
        self._refused = 0
        self._said = -COUNT_EVERY

    async def answer(self, request: HttpRequest) -> HttpReply:
        """Answer one request. Raises StoreUnavailable."""
        if not self.is_signed(request):
            self._count()
            return HttpReply(401)
        try:
            payload = read_payload(request)
        except ValueError:  # also a body that is no UTF-8
            return HttpReply(400)
        if payload is None:
            return HttpReply(200)
        if string(payload, "type") == "url_verification":
            return HttpReply(200, string(payload, "challenge").encode())
        context, receive = await self._hear()
        if is_foreign(payload, context) and not _is_authorized(payload, context):
            return HttpReply(403)
        stored = await receive(payload)
        if stored.status != 200:
            raise StoreUnavailable("an event could not be stored")
        body = stored.body.encode() if stored.body else b""
        return HttpReply(200, body, "application/json; charset=utf-8") if body else HttpReply(200)

    def is_signed(self, request: HttpRequest) -> bool:
        """Whether Slack signed it within five minutes of now, earlier or later. Never raises."""
        stamp = request.headers.get("x-slack-request-timestamp", "")
        signature = request.headers.get("x-slack-signature", "")
        if len(stamp) > 12 or len(signature) > 67:
            return False
        if not (_TIMESTAMP.fullmatch(stamp) and _SIGNATURE.fullmatch(signature)):
            return False
        try:
            return self._verifier.is_valid(request.body, stamp, signature)
        except Exception as error:  # the verifier raises whatever odd input makes it stumble over
            log.debug("a signature could not be checked: %s", type(error).__name__)
            return False

    def _count(self) -> None:
        """One line at once, then at most one a minute with how many there were."""
        self._refused += 1
        now = self._monotonic()
        if now - self._said >= COUNT_EVERY:
            log.warning(
                "%d request(s) to Slack's address refused: no valid signature. Somebody guesses, our clock is off by "
                "more than five minutes, or HERALD_SLACK__SIGNING_SECRET is another app's",
                self._refused,
            )
            self._refused, self._said = 0, now


class _Wall(Clock):
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def now(self) -> float:
        """UTC seconds."""
        return self._now()


def read_payload(request: HttpRequest) -> dict[str, Any] | None:
    """What a request says, in the shape in which Socket Mode says it; None where there is nothing to do.

    Raises ValueError where it is none of Slack's.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return _object(request.body)
    if kind != "application/x-www-form-urlencoded" or len(request.body) > FORM_BYTES:
        raise BadBody("neither JSON nor a form of Slack's size")
    pairs = parse_qsl(request.body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadBody("a field twice")
    if "payload" in fields:
        return _object(fields["payload"].encode())
    if "command" in fields:
        return dict(fields)
    if fields.get("ssl_check") == "1":
        return None
    raise BadBody("a form without a payload")


def _object(body: bytes) -> dict[str, Any]:
    value = read_json(body)
    if isinstance(value, dict):
        return value
    raise BadBody("no object")


def _is_authorized(payload: object, context: Context) -> bool:
    """Whether it was sent to us for another workspace's sake: a channel that is shared between workspaces."""
    if context.app_id and string(payload, "api_app_id") not in ("", context.app_id):
        return False
    return any(string(one, "team_id") == context.team_id for one in items(payload, "authorizations"))
