"""Settings as TOML text (TOML 1.0, for values that JSON could hold)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from bot.rehearsal.values import Json

_BARE = re.compile(r"[A-Za-z0-9_-]+$")


def to_toml(settings: Mapping[str, Json]) -> str:
    """The settings as a TOML document. Entries that are None are left out, since TOML has no such value.

    Raises TypeError for a value that JSON could not hold either.
    """
    return "\n".join(_table(settings, ())) + "\n"


def _table(table: Mapping[str, Json], path: tuple[str, ...]) -> Iterator[str]:
    plain = {key: value for key, value in table.items() if value is not None and not isinstance(value, Mapping)}
    nested = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    if path and (plain or not nested):
        yield f"[{'.'.join(_key(part) for part in path)}]"
    for key, value in plain.items():
        yield f"{_key(key)} = {_value(value)}"
    for key, value in nested.items():
        yield from _table(value, (*path, key))


def _key(key: str) -> str:
    return key if _BARE.match(key) else _text(key)


def _value(value: Json) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, Mapping):
        pairs = (f"{_key(key)} = {_value(item)}" for key, item in value.items() if item is not None)
        return f"{{{', '.join(pairs)}}}"
    raise TypeError(f"{value!r} cannot be written as a setting")


def _text(text: str) -> str:
    # A JSON string is a TOML basic string but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
