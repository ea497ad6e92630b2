"""Reading untrusted JSON: each function gives a value of one type whatever stands there, and never raises."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

DISCORD_EPOCH_MS = 1_420_070_400_000
"""The first second of 2015, from which snowflakes count (Discord reference, "Snowflakes")."""
LARGEST_SNOWFLAKE = 2**63 - 1
"""Snowflakes are unsigned, but none reaches the sign bit before 2084, and databases count signed."""

Json = Mapping[str, object]

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def mapping(holder: Json, key: str) -> Json:
    """The object under `key`; empty when there is none."""
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def mappings(holder: Json, key: str) -> Sequence[Json]:
    """The objects of the list under `key`; what is no object is left out."""
    value = holder.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(holder: Json, key: str) -> str:
    """The string under `key`, storable as UTF-8; empty when there is none."""
    value = holder.get(key)
    return storable(value) if isinstance(value, str) else ""


def storable(value: str) -> str:
    """The same text with halves of surrogate pairs, which no encoding can keep, as U+FFFD."""
    return _LONE_SURROGATE.sub("\ufffd", value)


def number(holder: Json, key: str) -> int | None:
    """The whole number under `key`; true and false are none."""
    value = holder.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def snowflake(holder: Json, key: str) -> str | None:
    """The id under `key` as Discord writes it: decimal digits without leading zeros."""
    value = holder.get(key)
    return value if isinstance(value, str) and is_snowflake(value) else None


def snowflakes(holder: Json, key: str) -> tuple[str, ...]:
    """The ids of the list under `key`."""
    value = holder.get(key)
    return (
        tuple(item for item in value if isinstance(item, str) and is_snowflake(item)) if isinstance(value, list) else ()
    )


def is_snowflake(value: str) -> bool:
    """Whether this is a Discord id."""
    decimal = 0 < len(value) <= 19 and value.isascii() and value.isdecimal() and value[0] != "0"
    return decimal and int(value) <= LARGEST_SNOWFLAKE


def seconds_of(snowflake_id: str) -> float:
    """When this id was given out, in UTC seconds."""
    return ((int(snowflake_id) >> 22) + DISCORD_EPOCH_MS) / 1000


def seconds(holder: Json, key: str) -> float | None:
    """The ISO 8601 time under `key` in UTC seconds."""
    try:
        moment = datetime.fromisoformat(text(holder, key))
        return moment.timestamp() if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
