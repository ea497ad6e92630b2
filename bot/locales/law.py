"""What the law of some places says about prizes, as data: `law.toml`. Notes for people, and no legal advice."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType

from bot.locales import LANGUAGES

FILE = Path(__file__).with_name("law.toml")


@dataclass(frozen=True, slots=True)
class LawNote:
    """What one place says. Texts are by language."""

    id: str
    place: Mapping[str, str]
    note: Mapping[str, str]
    cap: int
    """The highest a single prize may be worth, in whole units of `currency`."""
    currency: str
    """As ISO 4217 writes it."""
    source: Mapping[str, str]
    article: str
    address: str
    in_force: date
    checked: date
    """When the facts were last compared with a source."""


@cache
def law_notes() -> Mapping[str, LawNote]:
    """All notes by the id of their place (`cn`), as `giveaways.law` names them."""
    return MappingProxyType(read_notes(FILE.read_text(encoding="utf-8")))


def read_notes(text: str) -> dict[str, LawNote]:
    """Notes from a table in TOML. Raises ValueError, naming the place, where a fact is missing, odd, or too many."""
    return {name: _note(name, table) for name, table in tomllib.loads(text).items()}


_FACTS = ("place", "note", "cap", "currency", "source", "article", "address", "in_force", "checked")


def _note(name: str, table: object) -> LawNote:
    if not isinstance(table, dict) or set(table) != set(_FACTS):
        raise ValueError(f"{name}: needs exactly {', '.join(_FACTS)}")
    cap, address, currency = table["cap"], _word(name, table, "address"), _word(name, table, "currency")
    if type(cap) is not int or cap <= 0:
        raise ValueError(f"{name}.cap: must be a whole amount")
    if not address.startswith("https://"):
        raise ValueError(f"{name}.address: must begin with https://")
    if len(currency) != 3 or not currency.isupper():
        raise ValueError(f"{name}.currency: must be three capital letters, as ISO 4217 has them")
    return LawNote(
        name,
        place=_texts(name, table, "place"),
        note=_texts(name, table, "note"),
        cap=cap,
        currency=currency,
        source=_texts(name, table, "source"),
        article=_word(name, table, "article"),
        address=address,
        in_force=_day(name, table, "in_force"),
        checked=_day(name, table, "checked"),
    )


def _word(name: str, table: Mapping[str, object], key: str) -> str:
    value = table[key]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name}.{key}: must be a text")
    return value


def _day(name: str, table: Mapping[str, object], key: str) -> date:
    value = table[key]
    if type(value) is not date:
        raise ValueError(f"{name}.{key}: must be a day, as 2026-11-22")
    return value


def _texts(name: str, table: Mapping[str, object], key: str) -> Mapping[str, str]:
    texts = table[key]
    if not isinstance(texts, dict) or set(texts) != set(LANGUAGES):
        raise ValueError(f"{name}.{key}: needs a text for each of {', '.join(LANGUAGES)}")
    return MappingProxyType({language: _word(f"{name}.{key}", texts, language) for language in LANGUAGES})
