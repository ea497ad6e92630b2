"""What each platform refuses, by its own description: required fields, types, lengths; and which fields are ids."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

import bot.sandbox

from .mutants import Mutant, Place, Request, body_mutants, changed, places

_SANDBOX = Path(bot.sandbox.__file__).parent
_LINE = re.compile(r'(!?)([^<=]+)(?:<=(\d+)(b?)|="([a-z_]+)")?$')
_PRIMITIVES: dict[str, Any] = {
    "Integer": {"type": "integer"},
    "String": {"type": "string"},
    "Boolean": {"type": "boolean"},
    "True": {"const": True},
    "Float": {"type": "number"},
    "InputFile": {},
}
OTHER_IDS: dict[str, dict[str, Any]] = {
    "slack": dict.fromkeys(("ts", "thread_ts"), "1111111111.000001")
    | dict.fromkeys(("channel", "user", "trigger_id"), "X00000000NO"),
    "discord": {"message_id": "100000000000000001", "channel_id": "100000000000000002"},
    "telegram": {"chat_id": -100_999, "message_id": 987_654, "callback_query_id": "987654"},
    "openai": {"model": "nobody-has-this-model"},
}
"""What an id is changed to; all other ids are the app's own."""
_FORGIVING = {"fail_if_not_exists": True, "allow_sending_without_reply": False}
"""Beside a reply's target: the value with which a platform insists that it exists."""
_LIMITED = {
    # Texts whose length the descriptions do not limit, but the documentation does: Slack's chat.postMessage and Block
    # Kit pages; Discord's "Create Message" (2,000 for a bot); sendMessage's "1-4096 characters after entities parsing".
    "slack": {
        "text", "value", "url", "action_id", "block_id", "private_metadata", "callback_id", "external_id",
        "initial_value",
    },
    "discord": {"content"},
    "telegram": {"text"},
    "openai": set(),
}  # fmt: skip
_FREE = ("event_payload",)
"""Below it the app writes what it likes."""


def _read(name: str) -> Any:
    return json.loads((_SANDBOX / name).read_text(encoding="utf-8"))


@cache
def _slack() -> Mapping[str, jsonschema_rs.Draft7Validator]:
    document = _read("slack/schema/arguments.json")
    return {
        method: jsonschema_rs.Draft7Validator(
            {"$ref": f"#/definitions/{name}", "definitions": document["definitions"] | {"Block": {"not": {}}}}
        )
        for method, name in document["methods"].items()
    }


@cache
def _telegram() -> Mapping[str, jsonschema_rs.Draft202012Validator]:
    tables = _read("telegram/schema/api.json")
    types = {
        name: {"anyOf": [_named(one) for one in kind]} if isinstance(kind, list) else _table(kind)
        for name, kind in tables["types"].items()
    }
    return {
        name: jsonschema_rs.Draft202012Validator({**_table(fields), "$defs": types})
        for name, fields in tables["methods"].items()
    }


def _table(fields: Mapping[str, str]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required = []
    for name, line in fields.items():
        found = _LINE.match(line)
        assert found, line
        needed, kinds, most, _, fixed = found.groups()
        properties[name] = {"const": fixed} if fixed else {"anyOf": [_named(kind) for kind in kinds.split("|")]}
        properties[name] |= {"maxLength": int(most)} if most else {}
        required += [name] if needed else []
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _named(kind: str) -> dict[str, Any]:
    if kind.startswith("Array of "):
        return {"type": "array", "items": _named(kind.removeprefix("Array of "))}
    return dict(_PRIMITIVES.get(kind, {"$ref": f"#/$defs/{kind}"}))


@cache
def _discord() -> tuple[dict[str, Any], jsonschema_rs.Registry]:
    document = _read("discord/schema/api.json")
    for schema in document["components"]["schemas"].values():
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return document, jsonschema_rs.Registry([("spec:own", document)], draft=jsonschema_rs.Draft202012)


def discord_route(request: Request) -> tuple[str, dict[str, str]]:
    """The template of a Discord path and its parameters."""
    path = request.path.removeprefix("/api/v10")
    for template in sorted(_discord()[0]["paths"], key=lambda one: one.count("{")):
        found = re.fullmatch(re.sub(r"\{([^}]+)\}", r"(?P<\1>[^/]+)", template), path)
        if found and request.method.lower() in _discord()[0]["paths"][template]:
            return template, found.groupdict()
    raise AssertionError(f"Discord's description has no {request.method} {path}")


@cache
def _discord_body(template: str, method: str) -> jsonschema_rs.Draft202012Validator | None:
    document, registry = _discord()
    if "body" not in document["paths"][template][method]:
        return None
    pointer = "/".join(
        part.replace("/", "~1").replace("{", "%7B").replace("}", "%7D") for part in ("paths", template, method, "body")
    )
    return jsonschema_rs.Draft202012Validator({"$ref": f"spec:own#/{pointer}"}, registry=registry)


@cache
def _openai() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_read("openai/schema/chat.json"))


def described(request: Request) -> bool:
    """Whether the platform's description allows the body."""
    if request.platform == "slack":
        return _slack()[request.path.removeprefix("/api/")].is_valid(request.body)
    if request.platform == "telegram":
        return _telegram()[request.path.rpartition("/")[2]].is_valid(request.body)
    if request.platform == "discord":
        validator = _discord_body(discord_route(request)[0], request.method.lower())
        return validator is None or validator.is_valid(request.body)
    return _openai().is_valid(request.body)


def must_refuse(request: Request) -> Iterator[Mutant]:
    """The request's mutants that the platform refuses; what is optional may go without harm and is not among them."""
    for mutant in body_mutants(request):
        if not described(mutant.request) or (mutant.kind == "over-long" and _is_limited(request, mutant.place)):
            yield mutant
    yield from _other_ids(request)
    yield from _other_path_ids(request)
    if request.platform == "discord":
        yield from _query_mutants(request)
    if _needs_token(request):
        yield Mutant("another's", ("token",), request, token=False)


def _needs_token(request: Request) -> bool:
    """Interactions are answered by their own token; Discord's description marks such paths as open."""
    if request.platform != "discord":
        return True
    return not _discord()[0]["paths"][discord_route(request)[0]][request.method.lower()].get("open")


def _is_limited(request: Request, place: Place) -> bool:
    if request.platform == "telegram" and len(place) > 1:
        return False
    return place[-1] in _LIMITED[request.platform] and not any(part in _FREE for part in place)


def _other_ids(request: Request) -> Iterator[Mutant]:
    known = OTHER_IDS[request.platform]
    if not isinstance(request.body, dict):
        return
    for place, value in places(request.body):
        if not place or place[-1] not in known or isinstance(value, dict | list) or any(p in _FREE for p in place):
            continue
        holder = request.body
        for part in place[:-1]:
            holder = holder[part]
        body = changed(request.body, place, known[str(place[-1])])
        for name in _FORGIVING.keys() & holder.keys():
            body = changed(body, (*place[:-1], name), _FORGIVING[name])
        yield Mutant("changed", place, replace(request, body=body))


def _other_path_ids(request: Request) -> Iterator[Mutant]:
    if request.platform == "telegram":
        path = request.path.replace("/bot***/", "/bot***/un")
        yield Mutant("changed", ("method",), replace(request, path=path))
    elif request.platform == "slack":
        yield Mutant("changed", ("method",), replace(request, path=request.path + "s"))
    elif request.platform == "discord":
        _, parameters = discord_route(request)
        for name, value in parameters.items():
            for kind, other in (("changed", "100000000000000003"), ("no id", "abc")):
                path = "/".join(other if part == value else part for part in request.path.split("/"))
                yield Mutant(kind, (name,), replace(request, path=path))


def _query_mutants(request: Request) -> Iterator[Mutant]:
    template, _ = discord_route(request)
    known = _discord()[0]["paths"][template][request.method.lower()].get("query", {})
    for name in request.query.keys() & known.keys():
        if known[name]["schema"].get("type") != "string":
            yield Mutant("of another type", (name,), replace(request, query={**request.query, name: "wrong"}))
