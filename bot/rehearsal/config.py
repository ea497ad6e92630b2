"""The bot's settings in a rehearsal: the sample community, the sandbox's channels, the scenario's own wishes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.rehearsal.errors import RehearsalError

SAMPLE = "config/herald.example.toml"
"""The sample community's settings, from the project's folder."""

_HOME = Path(__file__).resolve().parents[2]


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both settings together: tables merge deeply, everything else of `over` replaces, lists too."""
    result = dict(under)
    for key, value in over.items():
        known = result.get(key)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        result[key] = merged(known, value) if both else value  # type: ignore[arg-type]
    return result


def sample_settings(path: Path | None = None) -> dict[str, Any]:
    """The sample community's settings, its knowledge path made absolute. Raises RehearsalError."""
    places = [path] if path else [Path.cwd() / SAMPLE, _HOME / SAMPLE]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise RehearsalError(f"the sample community {places[-1]} is missing: run this in the project's folder")
    try:
        settings = tomllib.loads(found.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RehearsalError(f"cannot read {found}: {error}") from error
    return _with_absolute_knowledge(settings, found)


def _with_absolute_knowledge(settings: dict[str, Any], file: Path) -> dict[str, Any]:
    """The rehearsal writes its settings elsewhere, from where a relative path would lead nowhere."""
    knowledge = settings.get("knowledge")
    if not isinstance(knowledge, dict) or not isinstance(knowledge.get("path"), str):
        return settings
    relative = knowledge["path"]
    bases = [file.parent, file.parent.parent, Path.cwd()]
    places = [base.resolve() / relative for base in bases]
    found = next((place for place in places if place.exists()), places[0])
    return merged(settings, {"knowledge": {"path": str(found)}})


def bot_settings(
    sample: Mapping[str, Any],
    channels: Mapping[str, str | int],
    platforms: Sequence[str],
    roles: Mapping[str, Sequence[str]],
    wishes: Mapping[str, Any],
) -> dict[str, Any]:
    """What the bot is given: `sample`, then the sandbox's `channels` (ids by `platform/name`) of these platforms with
    all their `community` channels watched and `review` channels for review, the members who hold each of the bot's
    `roles`, and over all that the scenario's `wishes`."""
    named = {name: identity for name, identity in channels.items() if name.partition("/")[0] in platforms}
    staging = {
        "watch": {"channels": [f"{p}/community" for p in platforms if f"{p}/community" in named]},
        "review": {"channels": [f"{p}/review" for p in platforms if f"{p}/review" in named]},
    }
    settings = merged(sample, staging)
    settings["channels"] = named
    # The sample's own people are nobody in this sandbox.
    settings["roles"] = {role: list(members) for role, members in roles.items()}
    return merged(settings, wishes)
