"""Make the compact tables: `python -m bot.sandbox.telegram.schema.compact BIG.json > api.json`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

_LENGTH = re.compile(r"\d+-(\d+) (characters|bytes)(?! after entit)")
_FIXED = re.compile(r"(?:always|must be) [\"“]?([a-z_]+)[\"”]?$")
_QUOTED = re.compile(r"[\"“]([^\"”]+)[\"”]")


def line(field: dict[str, Any]) -> str:
    """A field of the big table as one line of text (the notation is explained in SOURCE.md)."""
    text = ("!" if field["required"] else "") + "|".join(field["types"])
    described = field["description"]
    if field["types"] == ["String"]:
        if fixed := _FIXED.search(described):
            return f'{text}="{fixed[1]}"'
        if length := _LENGTH.search(described):
            return f"{text}<={length[1]}{'b' if length[2] == 'bytes' else ''}"
    return text


def fields_of(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of a method or a type of the big table."""
    found: list[dict[str, Any]] = entry.get("fields", [])
    return found


def names(field: dict[str, Any]) -> set[str]:
    """The types that a field is made of, without "Array of"."""
    return {kind.replace("Array of ", "") for kind in field["types"]}


def compact(big: dict[str, Any]) -> dict[str, Any]:
    """The methods, the types that their parameters reach, and the kinds of updates, reactions and entities."""
    types, todo, reached = big["types"], set[str](), dict[str, Any]()
    methods = {}
    for name, method in big["methods"].items():
        fields = fields_of(method)
        methods[name] = {field["name"]: line(field) for field in fields}
        todo |= {kind for field in fields for kind in names(field)}
    while todo:
        name = todo.pop()
        if name in reached or name not in types or name == "InputFile":
            continue
        kind = types[name]
        if "subtypes" in kind:
            reached[name] = kind["subtypes"]
            todo |= set(kind["subtypes"])
            continue
        reached[name] = {field["name"]: line(field) for field in fields_of(kind)}
        todo |= {part for field in fields_of(kind) for part in names(field)}
    described = {
        (kind, field["name"]): field["description"] for kind in types for field in types[kind].get("fields", [])
    }
    return {
        "version": big["version"],
        "methods": methods,
        "types": dict(sorted(reached.items())),
        "updates": [field["name"] for field in types["Update"]["fields"] if field["name"] != "update_id"],
        "reactions": _QUOTED.findall(described["ReactionTypeEmoji", "emoji"]),
        "entities": _QUOTED.findall(described["MessageEntity", "type"]),
    }


if __name__ == "__main__":
    print(json.dumps(compact(json.loads(Path(sys.argv[1]).read_text("utf-8"))), ensure_ascii=False, indent=1))  # noqa: T201
