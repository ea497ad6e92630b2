"""A modal as a member sees it, and what the client makes of what they filled in."""

from __future__ import annotations

from collections.abc import Mapping

from bot.sandbox.discord import components as parts
from bot.sandbox.discord.model import Interaction
from bot.sandbox.frame import ControlError, Json

_TEXT_INPUT, _CHECKBOX, _RADIO = 4, 23, 21
_LABEL = 18
_KINDS = {4: "text", 3: "select", 5: "user", 6: "role", 7: "mentionable", 8: "channel", 19: "file", 21: "radio"}
_KINDS |= {22: "checkboxes", 23: "checkbox"}
_Field = tuple[str, dict[str, Json]]


def _fields(modal: dict[str, Json]) -> list[_Field]:
    """The fields of a modal with their labels."""
    labels: dict[str, str] = {}
    for _, component in parts.walk(modal["components"]):
        if component["type"] == _LABEL:
            labels[component["component"]["custom_id"]] = component["label"]
    everything = (component for _, component in parts.walk(modal["components"]))
    return [(str(labels.get(c["custom_id"]) or c.get("label") or ""), c) for c in everything if "custom_id" in c]


def shown(interaction: Interaction) -> dict[str, Json]:
    """The form of the control interface: `{"id", "title", "fields": [{"id", "label", "type", "value"}]}`."""
    modal = interaction.modal or {}
    fields = [
        {
            "id": component["custom_id"],
            "label": label,
            "type": _KINDS.get(component["type"], str(component["type"])),
            "value": component.get("value") or "",
            "required": component.get("required", True) is not False,
            **({"options": [o["label"] for o in component["options"]]} if component.get("options") else {}),
        }
        for label, component in _fields(modal)
    ]
    return {"id": interaction.id, "title": modal["title"], "fields": fields}


def texts(interaction: Interaction) -> list[str]:
    """What a person reads on the form."""
    modal = interaction.modal or {}
    said = [modal["title"], *parts.texts(modal["components"])]
    for label, component in _fields(modal):
        said += [text for text in (label, component.get("value")) if text]
    return said


def by_field(interaction: Interaction, values: Mapping[str, Json]) -> dict[str, Json]:
    """Values given by field id or label, by field id. Raises `ControlError` for a field that is not there."""
    fields = _fields(interaction.modal or {})
    named = {label: c["custom_id"] for label, c in fields} | {c["custom_id"]: c["custom_id"] for _, c in fields}
    unknown = [name for name in values if name not in named]
    if unknown:
        raise ControlError(f"the form has no field {unknown[0]!r}; it has: {', '.join(named)}")
    return {named[name]: value for name, value in values.items()}


def errors(interaction: Interaction, values: Mapping[str, Json]) -> dict[str, str]:
    """What the client objects to before it sends anything, by field id."""
    found = {}
    for _, component in _fields(interaction.modal or {}):
        words = _objection(component, values.get(component["custom_id"], component.get("value")))
        if words:
            found[component["custom_id"]] = words
    return found


def _objection(component: dict[str, Json], value: Json) -> str:
    needed = component.get("required", True) is not False
    if not value and value is not False:
        return "This field is required" if needed else ""
    if component["type"] == _TEXT_INPUT:
        least, most = component.get("min_length") or 0, component.get("max_length") or 4000
        return "" if least <= len(str(value)) <= most else f"Must be between {least} and {most} in length."
    options = component.get("options")
    if options:
        return "" if all(_option(options, v) for v in _listed(value)) else "Choose one of the options."
    return ""


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _option(options: list[dict[str, Json]], wanted: Json) -> str | None:
    """The value of the option that is meant by its value or label."""
    return next((o["value"] for o in options if wanted in (o["value"], o["label"])), None)


def submitted(interaction: Interaction, values: Mapping[str, Json]) -> dict[str, Json]:
    """The data of the submit interaction, in the shape of the opened modal (rows or labels)."""
    modal = interaction.modal or {}
    return {"custom_id": modal["custom_id"], "components": [_echo(c, values) for c in modal["components"]]}


def _echo(component: dict[str, Json], values: Mapping[str, Json]) -> dict[str, Json]:
    base: dict[str, Json] = {"type": component["type"], "id": component["id"]}
    if "components" in component:
        return base | {"components": [_echo(child, values) for child in component["components"]]}
    if "component" in component:
        return base | {"component": _echo(component["component"], values)}
    if "custom_id" not in component:
        return base
    base["custom_id"] = component["custom_id"]
    value = values.get(component["custom_id"], component.get("value"))
    if component["type"] == _TEXT_INPUT:
        return base | {"value": value or ""}
    if component["type"] in (_RADIO, _CHECKBOX):
        return base | {"value": value}
    options = component.get("options") or []
    return base | {"values": [_option(options, v) or v for v in _listed(value)] if value else []}
