"""YAML with line numbers, in the reading of YAML 1.2: `on`, `yes` and `2026-01-01` are texts, keys may not repeat."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml

from bot.rehearsal.errors import BadScenario
from bot.rehearsal.values import Json

Path = tuple[str | int, ...]
"""Where a value is in a document, from the outside in."""

_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = {"", "~", "null", "Null", "NULL"}
_INTEGER = re.compile(r"[-+]?[0-9]+$")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_DEEPEST = 50


@dataclass
class Document:
    """The value of a YAML text, and the line (from 1) where each part of it begins."""

    value: Json
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """The line of the innermost part of `path` that is in the document."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_yaml(text: str, name: str) -> Document:
    """Read one document. Raises BadScenario with `name` and the line."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise BadScenario(f"{where}: this is no YAML: {getattr(error, 'problem', None) or error}") from error
    document = Document(None)
    if root is not None:
        document.value = _value(root, (), document, name)
    return document


def _value(node: yaml.Node, path: Path, document: Document, name: str) -> Json:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if len(path) > _DEEPEST:
        raise BadScenario(f"{name}:{node.start_mark.line + 1}: nested too deeply")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document, name)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, index), document, name) for index, child in enumerate(node.value)]
    return _scalar(node)


def _mapping(node: yaml.MappingNode, path: Path, document: Document, name: str) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise BadScenario(f"{name}:{line}: a key must be a word; put quotes around texts that begin with a brace")
        key = str(key_node.value)
        if key in found:
            raise BadScenario(f"{name}:{line}: {key} is given twice")
        document.lines[(*path, key)] = line
        found[key] = _value(value_node, (*path, key), document, name)
    return found


def _scalar(node: yaml.Node) -> Json:
    text = str(node.value)
    if getattr(node, "style", None) is not None or node.tag == "!":
        return text
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text in _NULLS:
        return None
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _NUMBER.match(text) else text
