"""What went wrong with a Web API call: surely not done, surely refused, or unclear.

Source of the lists: the error tables of chat.postMessage and chat.update (docs.slack.dev), RELIABILITY.md section 0.4.
"""

from __future__ import annotations

import math
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError

from bot.chat.ports import NotSent, Refused, SendError, Unclear
from bot.integrations.slack.parse import string

UNAUTHORIZED = "unauthorized"
"""The `code` of every refusal that only a new token mends."""
GONE = "gone"
"""The `code` of a refusal because the message is not there (any more)."""

NO_TIME_GIVEN = 30.0
"""Seconds to wait after a rate limit that does not say how long: half of the minute that Slack counts in."""

_LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_UNAUTHORIZED = frozenset(
    {"invalid_auth", "account_inactive", "token_revoked", "token_expired", "not_authed", "not_allowed_token_type"}
)
_UNCLEAR = frozenset({"internal_error", "fatal_error", "request_timeout", "service_unavailable"})
"""Slack: "it's possible some aspect of the operation succeeded before the error was raised"."""


def classify(error: Exception) -> SendError:
    """The SendError for whatever an SDK call raised."""
    match error:
        case SendError():
            return error
        case SlackApiError():
            return _answered(error)
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return NotSent(f"Slack cannot be reached ({type(error).__name__})")
    return Unclear(f"Slack gave no clear answer ({type(error).__name__})")


def refusal(status: int, code: str, headers: Any) -> SendError:  # noqa: ANN401 - the SDK's mapping
    """The SendError for an answer with this HTTP status and Slack error code (empty: the body held none)."""
    if status == 429 or code in _LIMITED:
        return NotSent("Slack asks to wait", retry_after=_retry_after(headers))
    if status >= 500 or code in _UNCLEAR or status == 408:
        return Unclear(f"Slack answered {code or status}")
    if code in _UNAUTHORIZED or (status == 401 and not code):
        return Refused(f"Slack does not accept the token ({code or status})", UNAUTHORIZED)
    if code == "message_not_found":
        return Refused("Slack has no such message", GONE)
    if code:
        return Refused(f"Slack refused: {code}", code)
    return Refused(f"Slack answered HTTP {status}", f"http_{status}") if status >= 400 else Unclear("a broken answer")


def _answered(error: SlackApiError) -> SendError:
    # `response` is the SDK's own or, after unreadable JSON, aiohttp's: one says status_code, the other status.
    response: Any = error.response
    status: int = getattr(response, "status_code", None) or getattr(response, "status", None) or 0
    return refusal(status, string(getattr(response, "data", None), "error"), getattr(response, "headers", {}))


def _retry_after(headers: Any) -> float:  # noqa: ANN401 - the SDK's mapping
    value: Any = next((headers[key] for key in ("Retry-After", "retry-after") if key in headers), None)
    value = value[0] if isinstance(value, list) and value else value
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return NO_TIME_GIVEN
    return max(1.0, seconds) if math.isfinite(seconds) else NO_TIME_GIVEN
