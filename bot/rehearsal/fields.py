"""Kinds of fields of scenarios, each with the check that it brings."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bot.rehearsal.durations import parse_duration


class Words(BaseModel):
    """A part of a scenario: unknown words are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def listed(value: object) -> object:
    """A value as a list, if it is none."""
    return value if isinstance(value, list) else [value]


Texts = Annotated[tuple[str, ...], BeforeValidator(listed)]
"""One text or a list of texts."""


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is not None:
        raise ValueError("a moment is on the wall clock of the zone, like 2031-03-24 08:59")
    return moment


def _zone(value: object) -> str:
    try:
        return ZoneInfo(str(value)).key
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"there is no zone {value!r}") from error


Moment = Annotated[datetime, BeforeValidator(_moment)]
Zone = Annotated[str, BeforeValidator(_zone)]

Place = Annotated[str, Field(pattern=r"^([a-z]+|\{\w+\.platform\})/.+$")]
"""`platform/channel`; the platform may be that of somebody who was named meanwhile."""


def _ago(value: object) -> object:
    text = str(value)
    if text.endswith(" ago"):
        parse_duration(text.removesuffix(" ago"))
    elif isinstance(value, bool) or not isinstance(value, int | float):
        datetime.fromisoformat(text)
    return value


When = Annotated[str | float | None, BeforeValidator(_ago)]
"""A moment in the past: `3d ago`, UTC seconds since 1970, or ISO 8601."""


def moment_of(value: str | float | None, now: float) -> str | float | None:
    """A moment as the sandbox takes it: what is so long ago is counted from `now` (UTC seconds)."""
    if isinstance(value, str) and value.endswith(" ago"):
        return now - parse_duration(value.removesuffix(" ago"))
    return value


def _pattern(value: object) -> object:
    try:
        re.compile(str(value))
    except re.error as error:
        raise ValueError(f"{value!r} is no pattern: {error}") from error
    return value


Pattern = Annotated[str, BeforeValidator(_pattern)]
"""A regular expression."""
