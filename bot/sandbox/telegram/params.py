"""A call's parameters, decoded and checked by the Bot API's tables.

The tables are compiled once into small functions. Forms hold text only, so that numbers, booleans and structures are
read by the type that the table gives a parameter. Telegram ignores parameters that it does not know; we refuse them,
since a bot that sends them has misread the API.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.sandbox.frame import Json
from bot.sandbox.telegram.errors import ApiError, bad

Check = Callable[[Json], str | None]
"""Takes a value; says what is wrong with it, or None."""
Params = dict[str, Any]

_INTEGER = re.compile(r"-?\d{1,19}$")
_LINE = re.compile(r'(!?)([^<=]+)(?:<=(\d+)(b?)|="([a-z_]+)")?$')
_TOO_LONG = {
    "callback_data": "BUTTON_DATA_INVALID",
    "command": "BOT_COMMAND_INVALID",
    "question": "poll question length must not exceed 300",
    "callback_query_id": "query is too old and response timeout expired or query ID is invalid",
}
_MISSING = {
    "chat_id": "chat_id is empty",
    "from_chat_id": "chat_id is empty",
    "text": "message text is empty",
    "message_id": "message identifier is not specified",
    "document": "there is no document in the request",
    "photo": "there is no photo in the request",
    "user_id": "invalid user_id specified",
    "action": "wrong parameter action in request",
    "question": "poll question must be non-empty",
}


@dataclass(frozen=True)
class Upload:
    """A file that came with the call."""

    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True)
class Field:
    """One parameter of a method."""

    types: tuple[str, ...]
    required: bool
    check: Check


class Tables:
    """Every method of the Bot API with compiled checks of its parameters."""

    def __init__(self) -> None:
        tables = json.loads((Path(__file__).parent / "schema" / "api.json").read_text("utf-8"))
        self.updates: frozenset[str] = frozenset(tables["updates"])
        self.reactions: frozenset[str] = frozenset(tables["reactions"])
        self.entities: frozenset[str] = frozenset(tables["entities"])
        self._types: dict[str, Any] = tables["types"]
        self._compiled: dict[str, Check] = {}
        self.names = {name.lower(): name for name in tables["methods"]}
        self._methods = {
            name: {field: self._field(field, line) for field, line in fields.items()}
            for name, fields in tables["methods"].items()
        }

    def read(self, method: str, given: Mapping[str, Json], files: Mapping[str, Upload]) -> Params:
        """The call's parameters with their proper types; files stand in as `Upload`. Raises `ApiError` (400)."""
        fields = self._methods[method]
        params: Params = {}
        for name, value in given.items():
            field = fields.get(name)
            if field is None:
                raise bad(f"parameter {name} is unknown to {method}")
            decoded = _decode(name, field, value)
            if (problem := field.check(decoded)) is not None:
                raise bad(f"can't parse {name}: {problem}")
            params[name] = decoded
        for name, upload in files.items():
            if name in fields and "InputFile" in fields[name].types:
                params[name] = upload
        for name, field in fields.items():
            if field.required and name not in params:
                raise bad(_MISSING.get(name, f"{name} is not specified"))
        return params

    def _field(self, name: str, line: str) -> Field:
        parsed = _LINE.match(line)
        if parsed is None:
            raise ValueError(f"schema/api.json: cannot read {name}: {line}")
        required, kinds, length, in_bytes, fixed = parsed.groups()
        types = tuple(kinds.split("|"))
        if fixed:
            return Field(types, bool(required), _fixed(fixed))
        if length:
            return Field(types, bool(required), _short(name, int(length), bool(in_bytes)))
        return Field(types, bool(required), self._any(types))

    def _any(self, types: tuple[str, ...]) -> Check:
        checks = [self._one(name) for name in types]
        if len(checks) == 1:
            return checks[0]

        def check(value: Json) -> str | None:
            problems = [problem for one in checks if (problem := one(value)) is not None]
            if len(problems) < len(checks):
                return None
            return next((p for p in problems if not p.startswith("Lacks")), problems[0])

        return check

    def _one(self, name: str) -> Check:
        if name.startswith("Array of "):
            return _array(self._one(name.removeprefix("Array of ")))
        if name in _PRIMITIVES:
            return _PRIMITIVES[name]

        def check(value: Json) -> str | None:
            # Types refer to themselves: they are looked up when called.
            return self._named(name)(value)

        return check

    def _named(self, name: str) -> Check:
        if name not in self._compiled:
            kind = self._types[name]
            self._compiled[name] = self._any(tuple(kind)) if isinstance(kind, list) else self._object(name, kind)
        return self._compiled[name]

    def _object(self, name: str, lines: Mapping[str, str]) -> Check:
        fields = {field: self._field(field, line) for field, line in lines.items()}
        required = [field for field, spec in fields.items() if spec.required]

        def check(value: Json) -> str | None:
            if not isinstance(value, dict):
                return f"expected an Object of type {name}"
            for key in required:
                if key not in value:
                    return f'Lacks field "{key}" of {name}'
            for key, part in value.items():
                if key not in fields:
                    return f'Field "{key}" is unknown to {name}'
                if (problem := fields[key].check(part)) is not None:
                    return f'Field "{key}" of {name}: {problem}'
            return None

        return check


def _array(each: Check) -> Check:
    def check(value: Json) -> str | None:
        if not isinstance(value, list):
            return "expected an Array"
        return next((problem for item in value if (problem := each(item)) is not None), None)

    return check


def _fixed(word: str) -> Check:
    return lambda value: None if value == word else f'must be "{word}"'


def _short(name: str, longest: int, in_bytes: bool) -> Check:
    def check(value: Json) -> str | None:
        if not isinstance(value, str):
            return "must be of type String"
        if (len(value.encode("utf-8", "surrogatepass")) if in_bytes else len(value)) > longest:
            raise bad(_TOO_LONG.get(name, f"{name} is too long"))
        if name == "callback_data" and not value:
            raise bad("BUTTON_DATA_INVALID")
        return None

    return check


def _is_integer(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


_PRIMITIVES: dict[str, Check] = {
    "Integer": lambda value: None if _is_integer(value) else "must be of type Integer",
    "String": lambda value: None if isinstance(value, str) else "must be of type String",
    "Boolean": lambda value: None if isinstance(value, bool) else "must be of type Boolean",
    "True": lambda value: None if value is True else "must be True",
    "Float": lambda value: None if isinstance(value, float) or _is_integer(value) else "must be of type Float",
    "InputFile": lambda value: "a file must be uploaded as multipart/form-data",
}
_WORDS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def _decode(name: str, field: Field, value: Json) -> Json:
    """The value by its table type: forms hold text, and structures may be JSON text in JSON bodies too."""
    if not isinstance(value, str) or field.types[0] in ("String", "InputFile"):
        return value
    if field.types[0] == "Integer":
        return int(value) if _INTEGER.match(value) else value
    if field.types[0] == "Boolean":
        return _WORDS.get(value.lower(), value)
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise bad(f"can't parse {name.replace('_', ' ')} JSON object") from None


def decode_object(text: bytes) -> dict[str, Json]:
    """A JSON body. Raises `ApiError` where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise bad("can't parse JSON in the request body") from None
    if not isinstance(value, dict):
        raise bad("the request body must be a JSON object")
    return value


__all__ = ["ApiError", "Params", "Tables", "Upload", "decode_object"]
