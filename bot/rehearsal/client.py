"""The sandbox's control interface, from the side of whoever plays people in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType

import aiohttp

from bot.rehearsal.errors import ControlRefused, RehearsalError
from bot.rehearsal.values import Json

CALL_SECONDS = 60.0
"""The longest that one control call may take: a click waits for what the bot shows at once."""


class ControlClient:
    """Calls `/control/...` of the sandbox at `base` (`http://127.0.0.1:PORT`). Use it as an async context manager."""

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/") + "/control/"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ControlClient:
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, call: str, fields: Mapping[str, Json]) -> Json:
        """One call; fields that are None are left out. Raises ControlRefused, and RehearsalError without an answer."""
        body = json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False)
        return await self._ask("POST", call, data=body.encode(), headers={"Content-Type": "application/json"})

    async def get(self, call: str, query: Mapping[str, str | None]) -> Json:
        """One look; parameters that are None are left out. Raises as `post`."""
        return await self._ask("GET", call, params={name: value for name, value in query.items() if value is not None})

    async def seen(self, platform: str, channel: str, member: str | None, tenant: str | None) -> list[dict[str, Json]]:
        """What a member sees in a channel now, oldest first."""
        query = {"platform": platform, "channel": channel, "member": member, "tenant": tenant}
        answer = await self.get("channel", query)
        return list(answer["messages"])

    async def journal(self, after: int) -> list[dict[str, Json]]:
        """The journal's rows behind the one with that number."""
        return list(await self.get("journal", {"after": str(after)}))

    async def _ask(self, method: str, call: str, **options: Json) -> Json:
        if self._session is None:
            raise RuntimeError("enter the client before calling it")
        try:
            async with self._session.request(method, self._base + call, **options) as response:
                text = await response.text()
                return _read(call, response.status, text)
        except (TimeoutError, aiohttp.ClientError) as error:
            reason = str(error) or type(error).__name__
            raise RehearsalError(f"the sandbox did not answer /control/{call}: {reason}") from error


def _read(call: str, status: int, text: str) -> Json:
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise RehearsalError(f"/control/{call} answered HTTP {status} without JSON: {text[:200]}") from error
    if status == 400 and isinstance(answer, dict) and "error" in answer:
        raise ControlRefused(str(answer["error"]))
    if status != 200:
        raise RehearsalError(f"/control/{call} answered HTTP {status}: {text[:200]}")
    return answer
