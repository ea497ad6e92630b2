"""Every text that Herald says, in English and Chinese, from one catalogue per language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from functools import cache, lru_cache
from pathlib import Path

from babel import Locale
from babel.dates import format_timedelta

Value = str | int | float
LANGUAGES = ("en", "zh")


class Catalogue:
    """Texts by key. A text with plural forms is a table by CLDR category, chosen by its argument `count`."""

    def __init__(self) -> None:
        self._texts = {language: _load(language) for language in LANGUAGES}

    def say(self, language: str, key: str, **args: Value) -> str:
        """The text with its arguments filled in. Raises KeyError for a key that no catalogue has."""
        text = self._texts[language][key]
        if isinstance(text, Mapping):
            text = text.get(_plural_form(language, float(args["count"])), text["other"])
        return text.format(**args)

    def has(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in self._texts["en"]

    def ago(self, language: str, seconds: float) -> str:
        """A span of time up to now, rounded as people say it."""
        return format_timedelta(
            -timedelta(seconds=max(seconds, 0.0)), add_direction=True, locale=language, granularity="second"
        )

    def span(self, language: str, seconds: float) -> str:
        """How long something lasts, rounded as people say it."""
        return format_timedelta(timedelta(seconds=max(seconds, 0.0)), locale=language, granularity="second")

    def keys(self, language: str) -> Mapping[str, str | Mapping[str, str]]:
        """The whole catalogue of a language, for tests and tools."""
        return self._texts[language]


@lru_cache(maxsize=1024)
def _plural_form(language: str, number: float) -> str:
    """The CLDR category of a number."""
    return Locale.parse(language).plural_form(number)


@cache
def _load(language: str) -> dict[str, str | Mapping[str, str]]:
    found: dict[str, str | Mapping[str, str]] = {}
    for path in sorted(Path(__file__).parent.glob(f"*{language}.toml")):
        _flatten(tomllib.loads(path.read_text(encoding="utf-8")), "", found)
    return found


def _flatten(table: Mapping[str, object], prefix: str, found: dict[str, str | Mapping[str, str]]) -> None:
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, str):
            found[key] = value
        elif isinstance(value, Mapping) and "other" in value:
            found[key] = {rule: str(text) for rule, text in value.items()}
        elif isinstance(value, Mapping):
            _flatten(value, f"{key}.", found)


def choose(wanted: str | None, languages: tuple[str, ...]) -> str | None:
    """The one of our languages that a locale (`zh-CN`, `en_GB`) asks for, or None."""
    short = (wanted or "").replace("_", "-").partition("-")[0].lower()
    return short if short in languages else None
