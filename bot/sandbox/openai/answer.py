"""What the local model says: what a rule says, else a polite sentence, in the shape that was asked for."""

from __future__ import annotations

import json
import re
from typing import Any

from bot.sandbox.frame import Json
from bot.sandbox.openai.request import Completion

_CHINESE = re.compile("[\u3400-\u9fff]")
_SENTENCES = {
    "en": "Thank you for your message. We are looking into it and will get back to you here.",
    "zh": "感谢您的留言，我们正在核实，稍后会在这里回复您。",
}
_SHORT = {"en": "A question", "zh": "一个问题"}
_DEPTH = 12


def language_of(text: str) -> str:
    """`zh` where the text has Chinese characters, else `en`."""
    return "zh" if _CHINESE.search(text) else "en"


def default_content(asked: Completion) -> str:
    """A polite sentence in the question's language, as an object where JSON was asked for."""
    language = language_of(asked.question)
    wanted = asked.response_format
    if wanted["type"] == "json_object":
        return json.dumps({"text": _SENTENCES[language], "language": language}, ensure_ascii=False)
    if wanted["type"] == "json_schema":
        schema = wanted["json_schema"].get("schema", {})
        return json.dumps(_Builder(schema, language).value(schema, "", 0), ensure_ascii=False)
    return _SENTENCES[language]


class _Builder:
    """Makes the plainest value that fits a schema."""

    def __init__(self, root: dict[str, Any], language: str) -> None:
        self.root = root
        self.language = language

    def value(self, schema: dict[str, Any], name: str, depth: int) -> Json:
        schema = self.resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self.preferred(schema["enum"])
        for key in ("anyOf", "oneOf", "allOf"):
            if options := schema.get(key):
                return self.value(self.first(options), name, depth + 1) if depth < _DEPTH else None
        makers = {"object": self.object, "array": self.array, "string": self.string}
        kind = self.kind(schema)
        if kind in makers and depth < _DEPTH:
            return makers[kind](schema, name, depth)
        if kind in ("integer", "number"):
            return self.number(schema)
        return False if kind == "boolean" else None

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        seen = 0
        while isinstance(schema.get("$ref"), str) and seen < _DEPTH:
            target: Any = self.root
            for part in schema["$ref"].removeprefix("#").strip("/").split("/"):
                target = target.get(part, {}) if part else target
            schema, seen = target, seen + 1
        return schema

    def preferred(self, options: list[Json]) -> Json:
        """The question's own language where languages are offered, else the first."""
        return self.language if self.language in options else options[0]

    def first(self, options: list[dict[str, Any]]) -> dict[str, Any]:
        return next((o for o in map(self.resolved, options) if self.kind(o) != "null"), options[0])

    def kind(self, schema: dict[str, Any]) -> str:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            return next((str(one) for one in kind if one != "null"), "null")
        return str(kind)

    def object(self, schema: dict[str, Any], _name: str, depth: int) -> Json:
        return {key: self.value(part, key, depth + 1) for key, part in schema.get("properties", {}).items()}

    def array(self, schema: dict[str, Any], name: str, depth: int) -> Json:
        return [self.value(schema.get("items", {}), name, depth + 1) for _ in range(schema.get("minItems", 0))]

    def string(self, schema: dict[str, Any], name: str, _depth: int) -> Json:
        if name in ("language", "lang", "locale"):
            return self.language
        text = _SENTENCES[self.language]
        most = schema.get("maxLength", len(text))
        text = text if most >= len(text) else _SHORT[self.language][:most]
        return text.ljust(schema.get("minLength", 0), ".")

    def number(self, schema: dict[str, Any]) -> Json:
        least = schema.get("minimum", schema.get("exclusiveMinimum"))
        if least is None:
            return min(0, schema.get("maximum", 0))
        return least + 1 if "exclusiveMinimum" in schema and "minimum" not in schema else least


def tokens(text: str) -> int:
    """About how many tokens a text has: one a Chinese character, one for four others."""
    chinese = len(_CHINESE.findall(text))
    return chinese + (len(text) - chinese + 3) // 4


def cut_to(text: str, limit: int | None) -> tuple[str, str]:
    """The text within so many tokens, and the reason why it ends (`stop` or `length`)."""
    if limit is None or tokens(text) <= limit:
        return text, "stop"
    chinese = others = 0
    for end, sign in enumerate(text):
        if _CHINESE.match(sign):
            chinese += 1
        else:
            others += 1
        if chinese + (others + 3) // 4 > limit:
            return text[:end], "length"
    return text, "stop"
