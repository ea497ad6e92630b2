"""Discord's refusals, with its own numbers and words (developer documentation, "JSON Error Codes")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.sandbox.frame import Json

Path = tuple[str | int, ...]
"""Where in the request body something is wrong, from the outside in."""


class ApiError(Exception):
    """A request that Discord refuses: HTTP status, Discord's number and its sentence, and the faulty fields."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        errors: Json = None,
        headers: dict[str, str] | None = None,
        extra: dict[str, Json] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body: dict[str, Json] = {"message": message, "code": code}
        if errors is not None:
            self.body["errors"] = errors
        self.body.update(extra or {})


@dataclass
class FormErrors:
    """Faulty fields, gathered, in the nested shape of error 50035."""

    faults: list[tuple[Path, str, str]] = field(default_factory=list)

    def add(self, path: Sequence[str | int], code: str, message: str) -> None:
        """Note that the field at `path` is wrong (`code` is a word such as BASE_TYPE_REQUIRED)."""
        self.faults.append((tuple(path), code, message))

    def tree(self) -> dict[str, Json]:
        """`{"embeds": {"0": {"title": {"_errors": [{"code", "message"}]}}}}`."""
        root: dict[str, Json] = {}
        for path, code, message in self.faults:
            node = root
            for part in path:
                node = node.setdefault(str(part), {})
            node.setdefault("_errors", []).append({"code": code, "message": message})
        return root

    def check(self) -> None:
        """Raise error 50035 if anything was noted."""
        if self.faults:
            raise ApiError(400, 50035, "Invalid Form Body", errors=self.tree())


def invalid_form(path: Sequence[str | int], code: str, message: str) -> ApiError:
    """Error 50035 for one field."""
    form = FormErrors()
    form.add(path, code, message)
    return ApiError(400, 50035, "Invalid Form Body", errors=form.tree())


def too_long(path: Sequence[str | int], limit: int) -> ApiError:
    """Error 50035: a text longer than `limit` characters."""
    return invalid_form(path, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")


def required(path: Sequence[str | int]) -> ApiError:
    """Error 50035: a field is missing."""
    return invalid_form(path, "BASE_TYPE_REQUIRED", "This field is required")


def not_found() -> ApiError:
    """404: there is no such path."""
    return ApiError(404, 0, "404: Not Found")


def method_not_allowed() -> ApiError:
    """405: the path is there, the verb is not."""
    return ApiError(405, 0, "405: Method Not Allowed")


def unauthorized() -> ApiError:
    """401: no valid bot token."""
    return ApiError(401, 0, "401: Unauthorized")


def unknown(what: str) -> ApiError:
    """404 for a thing that is not there; `what` is Discord's word for it."""
    codes = {
        "Application": 10002,
        "Channel": 10003,
        "Guild": 10004,
        "Member": 10007,
        "Message": 10008,
        "Role": 10011,
        "User": 10013,
        "Emoji": 10014,
        "Webhook": 10015,
        "interaction": 10062,
        "application command": 10063,
    }
    return ApiError(404, codes[what], f"Unknown {what}")


def missing_access() -> ApiError:
    """403: the bot may not see this."""
    return ApiError(403, 50001, "Missing Access")


def missing_permissions(why: str = "") -> ApiError:
    """403: the bot sees this but may not do it; `why` is what only the local server adds."""
    return ApiError(403, 50013, "Missing Permissions" + (f" ({why})" if why else ""))
