"""Make the compact schema: `python -m bot.sandbox.openai.schema.compact openapi.json > chat.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_ROOT = "CreateChatCompletionRequest"
_REFERENCE = "#/components/schemas/"
_DROPPED = {
    "description",
    "example",
    "examples",
    "title",
    "default",
    "deprecated",
    "externalDocs",
    "nullable",
    "format",
}


def stripped(schema: Any) -> Any:  # noqa: ANN401 - a schema is any JSON
    """A schema without what does not check anything; `nullable` as JSON Schema."""
    if isinstance(schema, list):
        return [stripped(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: stripped(value) for key, value in schema.items() if key not in _DROPPED and not key.startswith("x-")}
    if isinstance(schema.get("properties"), dict):
        out["properties"] = {name: stripped(part) for name, part in schema["properties"].items()}
    if isinstance(schema.get("$ref"), str):
        out["$ref"] = "#/$defs/" + schema["$ref"].removeprefix(_REFERENCE)
    out.pop("discriminator", None)
    return {"anyOf": [out, {"type": "null"}]} if schema.get("nullable") is True else out


def references(schema: Any) -> set[str]:  # noqa: ANN401
    """The names of the schemas that this one refers to."""
    if isinstance(schema, dict):
        own = {schema["$ref"].removeprefix("#/$defs/")} if isinstance(schema.get("$ref"), str) else set()
        return own.union(*(references(part) for part in schema.values()))
    return set().union(*(references(part) for part in schema)) if isinstance(schema, list) else set()


def compact(document: dict[str, Any]) -> dict[str, Any]:
    """The request's schema with its definitions, closed against unknown fields."""
    schemas, definitions, todo = document["components"]["schemas"], dict[str, Any](), {_ROOT}
    while todo:
        name = todo.pop()
        if name not in definitions:
            definitions[name] = stripped(schemas[name])
            todo |= references(definitions[name])
    parts = {part for schema in definitions.values() for entry in schema.get("allOf", []) for part in references(entry)}
    for name, schema in definitions.items():
        if schema.get("type") == "object" and "properties" in schema and name not in parts:
            schema.setdefault("additionalProperties", False)
    definitions[_ROOT]["unevaluatedProperties"] = False
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, "$ref": f"#/$defs/{_ROOT}", "$defs": dict(sorted(definitions.items()))}


if __name__ == "__main__":
    print(json.dumps(compact(json.loads(Path(sys.argv[1]).read_text("utf-8"))), indent=1))  # noqa: T201
