"""What a chat completion asks for: checked like OpenAI's own server does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs

from bot.sandbox.frame import Json

MODELS = ("sandbox-mini", "sandbox-large")
API_KEY = "sk-sandbox-0123456789"

_SCHEMA = json.loads((Path(__file__).parent / "schema" / "chat.json").read_text("utf-8"))
_VALIDATOR = jsonschema_rs.validator_for(_SCHEMA)
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


class Refusal(Exception):
    """An error answer: HTTP status and OpenAI's error object."""

    def __init__(
        self, status: int, message: str, kind: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


def invalid(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    """HTTP 400 as OpenAI answers it."""
    return Refusal(400, message, "invalid_request_error", param=param, code=code)


_BY_STATUS: dict[int, tuple[str, str | None, str]] = {
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "unsupported_country_region_territory", "This request is not allowed here."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached. Please try again later."),
    503: ("service_unavailable_error", None, "The engine is currently overloaded, please try again later."),
}


def by_status(status: int) -> Refusal:
    """The error that goes with an HTTP status."""
    fallback = ("server_error", None, "The server had an error while processing your request. Sorry about that!")
    kind, code, message = _BY_STATUS.get(
        status, fallback if status >= 500 else ("invalid_request_error", None, "Bad request.")
    )
    return Refusal(status, message, kind, code=code)


@dataclass(frozen=True)
class Completion:
    """A request that was found valid."""

    model: str
    messages: list[dict[str, Any]]
    response_format: dict[str, Any]
    stream: bool
    include_usage: bool
    limit: int | None
    """The most tokens that the answer may have."""
    choices: int

    @property
    def text(self) -> str:
        """All messages' texts, one a line."""
        return "\n".join(text_of(message) for message in self.messages)

    @property
    def question(self) -> str:
        """The last message of the user."""
        return next((text_of(m) for m in reversed(self.messages) if m["role"] == "user"), "")


def text_of(message: dict[str, Any]) -> str:
    """A message's text, of all its parts."""
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content)
    return content or ""


def check_key(authorization: str | None) -> None:
    """Raises `Refusal` (401) unless the header carries the sandbox's key."""
    if not authorization or not authorization.startswith("Bearer "):
        raise Refusal(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using "
            "Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            "invalid_request_error",
        )
    if authorization.removeprefix("Bearer ") != API_KEY:
        raise Refusal(401, "Incorrect API key provided: ***.", "invalid_request_error", code="invalid_api_key")


def read(body: bytes) -> tuple[Json, Completion]:
    """The decoded body and what it asks for. Raises `Refusal`."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise invalid("We could not parse the JSON body of your request.") from None
    _check(given)
    if given["model"] not in MODELS:
        raise Refusal(
            404,
            f"The model `{given['model']}` does not exist or you do not have access to it.",
            "invalid_request_error",
            code="model_not_found",
        )
    options = given.get("stream_options") or {}
    if options and not given.get("stream"):
        raise invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    limits = [given[name] for name in ("max_completion_tokens", "max_tokens") if given.get(name) is not None]
    if len(limits) == 2:
        raise invalid(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", "max_tokens"
        )
    if limits and limits[0] < 1:
        raise invalid("Invalid 'max_tokens': integer below minimum value. Expected a value >= 1.", "max_tokens")
    asked = Completion(
        model=given["model"],
        messages=given["messages"],
        response_format=given.get("response_format") or {"type": "text"},
        stream=bool(given.get("stream")),
        include_usage=bool(options.get("include_usage")),
        limit=limits[0] if limits else None,
        choices=given.get("n") or 1,
    )
    _check_format(asked)
    return given, asked


def _check(given: Json) -> None:
    if not isinstance(given, dict):
        raise invalid("The body must be a JSON object.")
    for name in ("model", "messages"):
        if name not in given:
            raise invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    for name in given:
        if name not in _KNOWN:
            raise invalid(f"Unrecognized request argument supplied: {name}")
    if (error := next(_VALIDATOR.iter_errors(given), None)) is not None:
        param = ".".join(str(part) for part in error.instance_path) or None
        raise invalid(f"Invalid value for '{param}': {error.message}"[:500], param, "invalid_value")


def _known_names(name: str) -> set[str]:
    schema = _SCHEMA["$defs"][name]
    found: set[str] = set(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        found |= set(part.get("properties", {}))
        if "$ref" in part:
            found |= _known_names(part["$ref"].rpartition("/")[2])
    return found


_KNOWN = frozenset(_known_names("CreateChatCompletionRequest"))


def _check_format(asked: Completion) -> None:
    wanted = asked.response_format
    if wanted["type"] == "json_object" and "json" not in asked.text.lower():
        raise invalid(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            "messages",
        )
    if wanted["type"] != "json_schema":
        return
    described = wanted["json_schema"]
    if not described["name"] or len(described["name"]) > 64 or set(described["name"]) - _NAME:
        raise invalid(
            "Invalid 'response_format.json_schema.name': a-z, A-Z, 0-9, _ and -, at most 64.", "response_format"
        )
    schema = described.get("schema", {})
    try:
        jsonschema_rs.validator_for(schema)
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise _bad_schema(described["name"], f"{error}"[:200]) from None
    if described.get("strict"):
        _check_strict(described["name"], schema, ())


def _bad_schema(name: str, problem: str) -> Refusal:
    return invalid(f"Invalid schema for response_format '{name}': {problem}", "response_format", "invalid_json_schema")


def _check_strict(name: str, schema: Json, place: tuple[str, ...]) -> None:
    """Strict schemas close every object and require every property, on every level."""
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("properties"), dict):
        _check_closed(name, schema, place)
    for key in ("properties", "$defs", "definitions"):
        for field, inner in (schema.get(key) or {}).items():
            _check_strict(name, inner, (*place, key, field))
    for number, inner in enumerate(schema.get("anyOf") or []):
        _check_strict(name, inner, (*place, "anyOf", str(number)))
    _check_strict(name, schema.get("items"), (*place, "items"))


def _check_closed(name: str, schema: dict[str, Any], place: tuple[str, ...]) -> None:
    if schema.get("additionalProperties") is not False:
        raise _bad_schema(
            name, f"In context={place}, 'additionalProperties' is required to be supplied and to be false."
        )
    if missing := sorted(set(schema["properties"]) - set(schema.get("required", []))):
        raise _bad_schema(
            name,
            f"In context={place}, 'required' is required to be supplied and to be an array including every key in "
            f"properties. Missing '{missing[0]}'.",
        )
