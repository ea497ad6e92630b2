"""Which outcome of a request means what: surely not done, refused for good, or unclear (RELIABILITY section 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from bot.chat.ports import TOO_LARGE, NotSent, Refused, SendError, Unclear

UNKNOWN_MESSAGE: Final = 10008
OLD_EDITS: Final = 30046
"""Too many edits of messages older than an hour: waiting does not help within any useful time."""
ENTITY_TOO_LARGE: Final = 40005
REQUEST_TIMEOUT: Final = 408
TOO_MUCH: Final = 413
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
TOO_MANY: Final = 429

GONE: Final = "gone"
"""The code of Refused when the message to change is not there any more."""
NO_TOKEN: Final = "unauthorized"  # noqa: S105 - a code, no secret
"""The code of Refused when Discord does not take the token."""
CLOSED_TO_US: Final = frozenset({"10003", "10004", "50001", "50013"})
"""Unknown channel, unknown guild, missing access, missing permissions: the whole channel is out of reach."""
UNTOLD: Final = 60.0
"""Seconds to wait where we are turned away in front of Discord's API and are not told for how long."""

Scope = Literal["destination", "bot"]


@dataclass(frozen=True, slots=True)
class Response:
    """An answer over HTTP. `body` is the decoded JSON, or the text of what is none; empty is None."""

    status: int
    headers: Mapping[str, str]
    body: object

    @property
    def good(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300


def outcome(response: Response) -> object:
    """What the request gave. Raises NotSent, Refused, Unclear."""
    if not response.good:
        raise failure(response)
    if isinstance(response.body, str):
        raise Unclear(f"HTTP {response.status} with a body that cannot be read")
    return response.body


def failure(response: Response) -> SendError:
    """The error for an answer that is not a success."""
    status = response.status
    answer = response.body if isinstance(response.body, dict) else {}
    code = answer.get("code") or status
    if code == OLD_EDITS:
        return Refused(f"HTTP {status}, code {code}", str(code))
    if status == TOO_MANY:
        return NotSent("rate limited", retry_after(response), scope(response))
    if status == FORBIDDEN and isinstance(response.body, str):
        # Discord's API answers in JSON: this is the wall in front of it, and says nothing about the request.
        return NotSent("turned away in front of Discord (HTTP 403)", retry_after(response), "bot")
    if status == UNAUTHORIZED:
        return Refused("Discord does not accept the bot's token", NO_TOKEN)
    if status == REQUEST_TIMEOUT or not 400 <= status < 500:
        return Unclear(f"HTTP {status}")
    named = GONE if code == UNKNOWN_MESSAGE else TOO_LARGE if code in (ENTITY_TOO_LARGE, TOO_MUCH) else str(code)
    return Refused(f"HTTP {status}, code {code}", named)


def retry_after(response: Response) -> float:
    """The seconds to wait, in full: the longer of what body and header say, as the header has whole seconds only."""
    answer = response.body if isinstance(response.body, dict) else {}
    told = [seconds(answer.get("retry_after")), seconds(response.headers.get("Retry-After"))]
    return max((one for one in told if one is not None), default=UNTOLD)


def scope(response: Response) -> Scope:
    """Whom a 429 is about. One that is not JSON comes from the wall in front of Discord and is about the machine."""
    answer = response.body
    if not isinstance(answer, dict) or answer.get("global") is True:
        return "bot"
    everybody = response.headers.get("X-RateLimit-Global", "").lower() == "true"
    return "bot" if everybody or response.headers.get("X-RateLimit-Scope") == "global" else "destination"


def seconds(told: object) -> float | None:
    """A finite number of seconds, not negative; None for anything else."""
    if isinstance(told, bool) or not isinstance(told, int | float | str):
        return None
    try:
        value = float(told)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and value >= 0 else None
