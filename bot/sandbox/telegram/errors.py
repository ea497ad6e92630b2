"""How the Bot API refuses a call."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A refusal: the HTTP status, Telegram's own words, and the wait in seconds where the bot is too fast."""

    def __init__(self, code: int, description: str, retry_after: int | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        body: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        return body | ({"parameters": {"retry_after": self.retry_after}} if self.retry_after is not None else {})

    def headers(self) -> dict[str, str]:
        """The answer's own headers."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


def bad(text: str) -> ApiError:
    """HTTP 400, in Telegram's form."""
    return ApiError(400, f"Bad Request: {text}")


def forbidden(text: str) -> ApiError:
    """HTTP 403, in Telegram's form."""
    return ApiError(403, f"Forbidden: {text}")


def too_fast(retry_after: int) -> ApiError:
    """HTTP 429 with the seconds to wait."""
    return ApiError(429, f"Too Many Requests: retry after {retry_after}", retry_after)
