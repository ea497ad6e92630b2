"""The Bot API behind python-telegram-bot's `Bot`: raw dictionaries in and out, failures as the ports name them."""

from __future__ import annotations

import logging
from typing import Any

from telegram import Bot

from bot.chat.ports import Unclear
from bot.integrations.telegram.errors import classify
from bot.integrations.telegram.http import AiohttpRequest

# At DEBUG the SDK writes its base address, token included, and every message's text; httpx writes addresses at INFO.
logging.getLogger("telegram").setLevel(logging.INFO)
logging.getLogger("httpx").setLevel(logging.WARNING)


class Client:
    """Calls methods of the Bot API for one bot.

    Answers stay dictionaries: turning them into the SDK's objects costs more than the request, and one malformed update
    would make it refuse a whole batch.
    """

    def __init__(self, token: str, api_url: str, timeout: float) -> None:
        """Take the token, an address such as https://api.telegram.org, and the deadline of a call in seconds."""
        base = api_url.rstrip("/")
        self._timeout = timeout
        self._requests = AiohttpRequest(timeout)
        self._polls = AiohttpRequest(timeout, pool=2)
        self._bot = Bot(
            token,
            base_url=f"{base}/bot",
            base_file_url=f"{base}/file/bot",
            request=self._requests,
            get_updates_request=self._polls,
        )

    async def call(self, method: str, **parameters: object) -> object:
        """Call a method such as `deleteMessage` once. Raises NotSent, Refused, Unclear."""
        return await self._call(method, parameters, self._timeout)

    async def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method that answers with an object, such as `getMe`. Raises as `call`."""
        answer = await self._call(method, parameters, self._timeout)
        if not isinstance(answer, dict):
            raise Unclear(f"{method} did not answer with an object")
        return answer

    async def updates(self, offset: int | None, seconds: int, kinds: list[str]) -> list[Any]:
        """Wait up to so many seconds for updates from `offset` on; earlier ones are thereby confirmed."""
        parameters: dict[str, object] = {"offset": offset, "timeout": seconds, "allowed_updates": kinds}
        answer = await self._call("getUpdates", parameters, seconds + self._timeout)
        if not isinstance(answer, list):
            raise Unclear("getUpdates did not answer with a list")
        return answer

    async def close(self) -> None:
        """Close all connections."""
        # Not through the SDK's own shutdown(): it skips backends that its initialize() has not seen.
        await self._requests.shutdown()
        await self._polls.shutdown()

    async def _call(self, method: str, parameters: dict[str, object], seconds: float) -> object:
        try:
            # The underscore keeps the SDK from warning that it has its own method of this name; it drops it on the way.
            answer: object = await self._bot.do_api_request(f"{method}_", api_kwargs=parameters, read_timeout=seconds)
        except Exception as error:
            failure = classify(error)
        else:
            return answer
        raise failure  # outside of the handler: the cause's own words and frames hold the token
