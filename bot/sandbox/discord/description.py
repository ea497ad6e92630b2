"""Discord's own description of its HTTP API: which paths there are, and what a request to them may hold.

Requests are closed: a field that the description does not know is refused, except for what discord.py is known to add
and Discord is known to take (`forgive`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jsonschema_rs

from bot.sandbox.discord.errors import FormErrors
from bot.sandbox.frame import Json

_API = Path(__file__).with_name("schema") / "api.json"
_SNOWFLAKE = "#/components/schemas/SnowflakeType"


@dataclass(frozen=True)
class Operation:
    """One verb on one path of the description."""

    verb: str
    template: str
    spec: Mapping[str, Json]

    @property
    def key(self) -> tuple[str, str]:
        """What handlers are registered under."""
        return self.verb, self.template

    @property
    def open(self) -> bool:
        """Whether it may be called without the bot's token."""
        return bool(self.spec.get("open"))


@dataclass(frozen=True)
class Found:
    """A path that the description knows: the operation (None: another verb) and its path parameters."""

    operation: Operation | None
    parameters: dict[str, str]


def forgive(value: Json) -> Json:
    """What discord.py adds by itself and Discord takes although the description does not say so:
    `tts` and `nsfw` false, and integer ids in a message reference."""
    if isinstance(value, list):
        return [forgive(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: forgive(item) for key, item in value.items() if not (key in ("tts", "nsfw") and item is False)}
    reference = kept.get("message_reference")
    if isinstance(reference, dict):
        kept["message_reference"] = {k: str(v) if type(v) is int else v for k, v in reference.items()}
    return kept


class Description:
    """The description, read once; validators are compiled when a route is first used."""

    def __init__(self) -> None:
        self._doc: dict[str, Json] = json.loads(_API.read_text(encoding="utf-8"))
        patterns = [(template, _pattern(template)) for template in self._doc["paths"]]
        self._patterns = sorted(patterns, key=lambda pair: pair[0].count("{"))
        self._validators: dict[tuple[str, ...], jsonschema_rs.Draft202012Validator] = {}

    @cached_property
    def _closed(self) -> jsonschema_rs.Registry:
        doc = json.loads(json.dumps(self._doc))
        for schema in doc["components"]["schemas"].values():
            if schema.get("type") == "object" and "properties" in schema:
                schema.setdefault("additionalProperties", False)
        return jsonschema_rs.Registry([("spec:discord", doc)], draft=jsonschema_rs.Draft202012)

    def find(self, verb: str, path: str) -> Found | None:
        """The operation behind a path (without `/api/v10`); None when the description has no such path."""
        for template, pattern in self._patterns:
            if match := pattern.match(path):
                spec = self._doc["paths"][template].get(verb.lower())
                operation = Operation(verb.upper(), template, spec) if spec is not None else None
                return Found(operation, match.groupdict())
        return None

    def check_path(self, operation: Operation, parameters: Mapping[str, str]) -> None:
        """Raise error 50035 for a path parameter that is no snowflake."""
        form = FormErrors()
        for name, schema in operation.spec.get("path", {}).items():
            if schema.get("$ref") == _SNOWFLAKE and not parameters[name].isdecimal():
                form.add([name], "NUMBER_TYPE_COERCE", f'Value "{parameters[name]}" is not snowflake.')
        form.check()

    def check_query(self, operation: Operation, query: Mapping[str, str]) -> dict[str, Json]:
        """The known query parameters by their types; raises error 50035. Unknown ones are ignored, as Discord does."""
        form = FormErrors()
        typed: dict[str, Json] = {}
        for name, entry in operation.spec.get("query", {}).items():
            if name in query:
                typed[name] = _coerce(entry["schema"], query[name])
            elif entry.get("required"):
                form.add([name], "BASE_TYPE_REQUIRED", "This field is required")
        for name, value in typed.items():
            validator = self._validator((operation.template, operation.verb.lower(), "query", name, "schema"))
            _collect(validator.iter_errors(value), form, (name,))
        form.check()
        return typed

    def check_body(self, operation: Operation, body: Json) -> None:
        """Raise error 50035 for what the description does not allow in the body."""
        if "body" not in operation.spec:
            return
        validator = self._validator((operation.template, operation.verb.lower(), "body"))
        if not validator.is_valid(body):
            form = FormErrors()
            _collect(validator.iter_errors(body), form)
            form.check()

    def _validator(self, pointer: tuple[str, ...]) -> jsonschema_rs.Draft202012Validator:
        if pointer not in self._validators:
            escaped = "/".join(_escape(part) for part in pointer)
            self._validators[pointer] = jsonschema_rs.Draft202012Validator(
                {"$ref": f"spec:discord#/paths/{escaped}"}, registry=self._closed, validate_formats=True
            )
        return self._validators[pointer]


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{([^}]+)\}", r"(?P<\1>[^/]+)", template) + "$")


def _escape(part: str) -> str:
    """A key as a part of a JSON pointer inside a URI."""
    return part.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


def _coerce(schema: Mapping[str, Json], text: str) -> Json:
    if schema.get("type") == "boolean":
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d{1,20}", text):
        return int(text)
    return text


def _collect(
    errors: Iterator[jsonschema_rs.ValidationError] | list[jsonschema_rs.ValidationError],
    form: FormErrors,
    base: tuple[str | int, ...] = (),
) -> None:
    for error in errors:
        path = (*base, *error.instance_path)
        name, value = error.kind.name, error.kind.value
        if name in ("oneOf", "anyOf"):
            _collect_union(error, form, base)
        elif name == "required":
            form.add((*path, value), "BASE_TYPE_REQUIRED", "This field is required")
        elif name == "additionalProperties":
            for extra in value:
                form.add((*path, extra), "UNKNOWN_FIELD", "Discord's description has no such field here.")
        else:
            form.add(path, *_words(error, name, value))


def _collect_union(error: jsonschema_rs.ValidationError, form: FormErrors, base: tuple[str | int, ...]) -> None:
    """A value fits no branch of a union: speak about the branch that was meant, judged by its type."""
    at = list(error.instance_path)
    branches: list[list[jsonschema_rs.ValidationError]] = list(error.kind.value)
    meant = [branch for branch in branches if not any(_rules_out(e, at) for e in branch)]
    if meant:
        _collect(min(meant, key=len), form, base)
        return
    typed = isinstance(error.instance, dict) and "type" in error.instance
    path = (*base, *at, *(("type",) if typed else ()))
    form.add(path, "UNION_TYPE_CHOICES", "Value is none of the kinds that are allowed here.")


def _rules_out(error: jsonschema_rs.ValidationError, at: list[str | int]) -> bool:
    where, name = list(error.instance_path), error.kind.name
    return (name == "type" and where == at) or (name in ("enum", "const") and where in (at, [*at, "type"]))


def _words(error: jsonschema_rs.ValidationError, name: str, value: Json) -> tuple[str, str]:
    """Discord's word and sentence for a broken rule."""
    listed = {
        "maxLength": ("BASE_TYPE_MAX_LENGTH", f"Must be {value} or fewer in length."),
        "minLength": ("BASE_TYPE_BAD_LENGTH", f"Must be at least {value} in length."),
        "maxItems": ("BASE_TYPE_MAX_LENGTH", f"Must be {value} or fewer in length."),
        "minItems": ("BASE_TYPE_MIN_LENGTH", f"Must be {value} or more in length."),
        "maximum": ("NUMBER_TYPE_MAX", f"Value should be less than or equal to {value}."),
        "minimum": ("NUMBER_TYPE_MIN", f"Value should be greater than or equal to {value}."),
        "uniqueItems": ("SET_TYPE_ALREADY_CONTAINS_VALUE", "The set already contains this value"),
        "enum": ("BASE_TYPE_CHOICES", f"Value must be one of {value}."),
        "pattern": ("NUMBER_TYPE_COERCE", f"Value {json.dumps(error.instance)} is not snowflake."),
    }
    if name == "type" and error.instance is None:
        return "BASE_TYPE_REQUIRED", "This field is required"
    if name == "format" and value == "uri":
        return "URL_TYPE_INVALID_URL", "Not a well formed URL."
    return listed.get(name, ("BASE_TYPE_INVALID", error.message))
