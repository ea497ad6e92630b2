"""Lengths of time as people write them in scenarios: `500ms`, `5s`, `10m`, `2h`, `3d`, `1h30m`, or plain seconds."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration(value: object) -> float:
    """Seconds of a written length of time; numbers are seconds already. Raises ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    if isinstance(value, str):
        text = value.replace(" ", "")
        parts = _PART.findall(text)
        if parts and "".join(number + unit for number, unit in parts) == text:
            return sum(float(number) * _UNITS[unit] for number, unit in parts)
    raise ValueError(f"{value!r} is no length of time: write it like 500ms, 5s, 10m, 2h or 3d")


Seconds = Annotated[float, BeforeValidator(parse_duration)]
"""A field that takes a written length of time and holds seconds."""
