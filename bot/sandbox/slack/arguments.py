"""The arguments of Web API methods: decoded as each method's description has them, and held to it."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import jsonschema_rs

from bot.sandbox.frame import Json
from bot.sandbox.slack import blockkit
from bot.sandbox.slack.errors import SlackError

_FOLDER = Path(__file__).parent / "schema"
_STRUCTURES = {"array", "object"}
_EVERYWHERE = {"token", "team_id"}
_CONTENT = {"text", "blocks", "attachments", "markdown_text"}
_TRUE, _FALSE = {"true", "1"}, {"false", "0", ""}

_STRING, _NUMBER, _BOOLEAN = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
_OBJECTS: dict[str, Json] = {"type": "array", "items": {"type": "object"}}
_PAGED = {"limit": _NUMBER, "cursor": _STRING}


def _plain(required: Mapping[str, Json], optional: Mapping[str, Json] | None = None) -> dict[str, Json]:
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


# Methods that the generated description does not hold, from their pages under docs.slack.dev/reference/methods.
_DOCUMENTED: dict[str, Json] = {
    "api.test": {"type": "object"},
    "apps.connections.open": _plain({}),
    "bots.info": _plain({}, {"bot": _STRING}),
    "conversations.join": _plain({"channel": _STRING}),
    "files.completeUploadExternal": _plain(
        {"files": _OBJECTS},
        dict.fromkeys(("channel_id", "channels", "thread_ts", "initial_comment"), _STRING) | {"blocks": _OBJECTS},
    ),
    "files.getUploadURLExternal": _plain(
        {"filename": _STRING, "length": _NUMBER}, {"alt_txt": _STRING, "snippet_type": _STRING}
    ),
    "files.info": _plain({"file": _STRING}, {**_PAGED, "count": _NUMBER, "page": _NUMBER}),
    "pins.list": _plain({"channel": _STRING}),
    "pins.remove": _plain({"channel": _STRING, "timestamp": _STRING}),
    "team.info": _plain({}, {"team": _STRING, "domain": _STRING}),
    "usergroups.list": _plain({}, dict.fromkeys(("include_count", "include_disabled", "include_users"), _BOOLEAN)),
    "usergroups.users.list": _plain({"usergroup": _STRING}, {"include_disabled": _BOOLEAN}),
    "users.conversations": _plain({}, {**_PAGED, "exclude_archived": _BOOLEAN, "types": _STRING, "user": _STRING}),
}


class Arguments:
    """Decodes and checks what a method is called with."""

    def __init__(self) -> None:
        document = json.loads((_FOLDER / "arguments.json").read_text(encoding="utf-8"))
        self.methods = frozenset(json.loads((_FOLDER / "methods.json").read_text(encoding="utf-8")))
        self._definitions = document["definitions"]
        self._roots: dict[str, Json] = {m: {"$ref": f"#/definitions/{n}"} for m, n in document["methods"].items()}
        self._roots |= _DOCUMENTED
        known = self._definitions["KnownBlock"]["anyOf"]
        names = [part["$ref"].rsplit("/", 1)[1] for part in known]
        self._blocks = {kind: name for name in names for kind in self._kinds(self._definitions[name])}
        self._validator = functools.cache(self._compile)
        self._properties = functools.cache(self._find_properties)

    def decode(self, method: str, given: Mapping[str, Json]) -> dict[str, Json]:
        """Arguments as their types: form and query hold strings only, structures as JSON text.

        Raises SlackError where JSON text cannot be read.
        """
        types = self._properties(method) if method in self._roots else {}
        return {name: self._value(name, value, types.get(name, {"string"})) for name, value in given.items()}

    def check(self, method: str, arguments: Mapping[str, Json]) -> None:
        """Hold decoded arguments to the method's description; raises SlackError as Slack would."""
        mine = {name: value for name, value in arguments.items() if name not in _EVERYWHERE}
        if method == "api.test":
            return
        types = self._properties(method)
        unknown = sorted(name for name in mine if name not in types)
        if unknown:
            raise SlackError("invalid_arguments", *(f"unknown argument: {name}" for name in unknown))
        if mine.get("blocks"):
            self.check_blocks(mine["blocks"])
        if isinstance(mine.get("view"), dict):
            self.check_view(mine["view"])
        missing = self._missing(method, mine)
        if missing:
            raise SlackError("invalid_arguments", *missing)
        if {"text", "blocks"} <= types.keys() and not mine.keys() & _CONTENT:
            raise SlackError("no_text")
        if not self._validator(("method", method)).is_valid(mine):
            raise SlackError("invalid_arguments", *self._nearest(method, mine))

    def check_blocks(self, blocks: list[Json], code: str = "invalid_blocks") -> None:
        """Hold a message's blocks to Block Kit; raises SlackError `code`."""
        problems = self._shape(blocks, "/blocks") or blockkit.message_errors(blocks)
        if problems:
            raise SlackError(code, *problems, errors=problems)

    def check_view(self, view: Json) -> None:
        """Hold a view to Block Kit; raises SlackError."""
        if not isinstance(view, dict):
            raise SlackError("invalid_arguments", "`view` is not an object [json-pointer:/view]")
        blocks = view.get("blocks")
        problems = self._shape(blocks, "/view/blocks") if isinstance(blocks, list) else []
        kind = {"modal": "ModalView", "home": "HomeView"}.get(str(view.get("type")))
        if not kind:
            raise SlackError("invalid_arguments", "unsupported type of view [json-pointer:/view/type]")
        problems = problems or _words(self._validator(("definition", kind)).iter_errors(view), "/view")
        problems = problems or blockkit.view_errors(view)
        if problems:
            raise SlackError("invalid_arguments", *problems)

    def _shape(self, blocks: list[Json], where: str) -> list[str]:
        problems: list[str] = []
        for number, block in enumerate(blocks):
            name = self._blocks.get(str(block.get("type"))) if isinstance(block, dict) else None
            if not name:
                problems.append(f"unsupported type [json-pointer:{where}/{number}/type]")
            else:
                found = self._validator(("definition", name)).iter_errors(block)
                problems += _words(found, f"{where}/{number}")
        return problems

    def _missing(self, method: str, arguments: Mapping[str, Json]) -> list[str]:
        root = self._resolve(self._roots[method])
        options = [set(option.get("required", ())) for option in root.get("anyOf", [root])]
        return [f"missing required field: {name}" for name in sorted(set.intersection(*options) - arguments.keys())]

    def _nearest(self, method: str, arguments: Mapping[str, Json]) -> list[str]:
        """What is wrong by that one of a method's ways of calling it which fits best."""
        root = self._resolve(self._roots[method])
        ways = [self._validator(("way", f"{method} {number}")) for number in range(len(root.get("anyOf", [root])))]
        return min((_words(way.iter_errors(arguments)) for way in ways), key=len)

    def _value(self, name: str, value: Json, types: set[str]) -> Json:
        if not isinstance(value, str) or ("string" in types and not types & _STRUCTURES):
            return value
        if types & _STRUCTURES:
            return _structure(name, value, bare="string" in types)
        if "boolean" in types and value.lower() in _TRUE | _FALSE:
            return value.lower() in _TRUE
        if types & {"number", "integer"}:
            try:
                return json.loads(value)
            except ValueError:
                return value
        return value

    def _find_properties(self, method: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        root = self._resolve(self._roots[method])
        for option in root.get("anyOf", [root]):
            for name, schema in self._resolve(option).get("properties", {}).items():
                found.setdefault(name, set()).update(self._types(schema))
        return found

    def _kinds(self, schema: Json) -> set[str]:
        """The values of `type` that a block's schema is for."""
        parts = [self._resolve(part) for part in schema.get("anyOf", schema.get("allOf", [schema]))]
        return {part["properties"]["type"]["const"] for part in parts}

    def _types(self, schema: Json) -> set[str]:
        schema = self._resolve(schema)
        if "anyOf" in schema:
            return set().union(*(self._types(option) for option in schema["anyOf"]))
        kinds = schema.get("type", [])
        return {kinds} if isinstance(kinds, str) else set(kinds)

    def _resolve(self, schema: Json) -> Json:
        while "$ref" in schema:
            schema = self._definitions[schema["$ref"].rsplit("/", 1)[1]]
        return schema

    def _compile(self, key: tuple[str, str]) -> jsonschema_rs.Draft7Validator:
        kind, name = key
        root = {"$ref": f"#/definitions/{name}"} if kind == "definition" else self._roots[name.split()[0]]
        if kind == "way":
            whole = self._resolve(root)
            root = whole.get("anyOf", [whole])[int(name.split()[1])]
        return jsonschema_rs.Draft7Validator({**root, "definitions": self._definitions})


def _structure(name: str, value: str, *, bare: bool) -> Json:
    try:
        return json.loads(value)
    except ValueError:
        if bare:
            return value
        code = {"blocks": "invalid_blocks_format", "metadata": "invalid_metadata_format"}
        raise SlackError(code.get(name, "invalid_arguments"), f"`{name}` is not JSON text") from None


def _words(problems: Iterable[jsonschema_rs.ValidationError], where: str = "") -> list[str]:
    return [
        f"{problem.message[:300]} [json-pointer:{where}{''.join(f'/{part}' for part in problem.instance_path)}]"
        for problem in problems
    ]
