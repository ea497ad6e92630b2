"""response_url: docs.slack.dev/interactivity/handling-user-interaction ("Message responses")."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from bot.sandbox.frame import KEPT_MESSAGES, Json
from bot.sandbox.slack.arguments import Arguments
from bot.sandbox.slack.core import Core, Place
from bot.sandbox.slack.errors import SlackError
from bot.sandbox.slack.state import Message

USES = 5
SECONDS = 1800.0
PATH = "/slack/response"
_FIELDS = {
    "text", "blocks", "attachments", "response_type", "replace_original", "delete_original", "thread_ts", "metadata",
    "mrkdwn", "unfurl_links", "unfurl_media", "link_names", "parse",
}  # fmt: skip


@dataclass
class _Url:
    place: Place
    member: str
    original: Message | None
    expires: float
    uses: int = 0


class ResponseUrls:
    """The response_urls given out with interactions and commands, and the answers posted to them."""

    def __init__(self, core: Core, arguments: Arguments) -> None:
        self._core = core
        self._arguments = arguments
        self._urls: OrderedDict[str, _Url] = OrderedDict()

    def give(self, place: Place, member: str, original: Message | None = None) -> str:
        """A new address; `original` is the message whose button was pressed."""
        now = self._core.frame.clock.now()
        while self._urls and (oldest := next(iter(self._urls))) and self._old(oldest, now):
            del self._urls[oldest]
        secret = secrets.token_urlsafe(18)
        self._urls[secret] = _Url(place, member, original, now + SECONDS)
        return f"{self._core.frame.base}{PATH}/{place.workspace.id}/{secret}"

    def _old(self, secret: str, now: float) -> bool:
        return self._urls[secret].expires < now or len(self._urls) >= KEPT_MESSAGES

    async def handle(self, request: web.Request) -> web.Response:
        """The route: 200 `ok`, or 4xx with a JSON error as Slack answers it."""
        body: Json = None
        answer: dict[str, Json]
        try:
            body = await request.json()
            made = self._answer(request.match_info["secret"], body)
            # The path does not say whose address it is, and so the row does.
            status, answer = HTTPStatus.OK, {"ok": True, "private_to": made.private_to if made else None}
        except ValueError:
            status, answer = HTTPStatus.BAD_REQUEST, {"ok": False, "error": "invalid_payload"}
        except SlackError as error:
            gone = error.code in ("used_url", "expired_url")
            status, answer = HTTPStatus.NOT_FOUND if gone else HTTPStatus.BAD_REQUEST, error.body()
        path = f"{PATH}/{request.match_info['team']}/***"
        self._core.frame.journal.request("slack", "POST", path, query={}, body=body, status=status, response=answer)
        return web.Response(text="ok") if status == HTTPStatus.OK else web.json_response(answer, status=status)

    def _answer(self, secret: str, body: Json) -> Message | None:
        url = self._urls.get(secret)
        if not url or self._core.frame.clock.now() > url.expires:
            raise SlackError("expired_url")
        if url.uses >= USES:
            raise SlackError("used_url")
        made = self.respond(url.place, url.member, body, url.original)
        url.uses += 1
        return made

    def respond(self, place: Place, member: str, body: Json, original: Message | None = None) -> Message | None:
        """Do what a message payload asks for: post (ephemeral unless `in_channel`), replace or delete.

        Raises SlackError.
        """
        self._check(body)
        here = original if original and place.channel.messages.get(original.ts) is original else None
        if body.get("delete_original"):
            if here:
                self._core.remove(place, here)
            return here
        content = {name: body.get(name) for name in ("blocks", "attachments")}
        if body.get("replace_original") and here:
            self._core.change(place, here, edited=False, text=body.get("text", ""), **content)
            return here
        private = None if body.get("response_type") == "in_channel" else member
        message = self._core.app_message(
            place, body.get("text", ""), thread_ts=body.get("thread_ts"), private_to=private, **content
        )
        return self._core.post(place, message)

    def _check(self, body: Json) -> None:
        if not isinstance(body, dict):
            raise SlackError("invalid_payload")
        unknown = sorted(body.keys() - _FIELDS)
        if unknown:
            raise SlackError("invalid_payload", *(f"unknown field: {name}" for name in unknown))
        if body.get("response_type") not in (None, "ephemeral", "in_channel"):
            raise SlackError("invalid_payload", "`response_type` is `ephemeral` or `in_channel`")
        if body.get("blocks"):
            self._arguments.check_blocks(body["blocks"])
        if not body.get("delete_original") and not any(body.get(n) for n in ("text", "blocks", "attachments")):
            raise SlackError("no_text")
