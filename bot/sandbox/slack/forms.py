"""The inputs of blocks: what they hold at first, what a person may put in, and what the client refuses to send."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from bot.sandbox.frame import ControlError, Json
from bot.sandbox.slack import blockkit
from bot.sandbox.slack.text import Reader

_TEXTS = {"plain_text_input", "number_input", "email_text_input", "url_text_input"}
_ONE_OPTION = {"static_select", "radio_buttons", "external_select"}
_MANY_OPTIONS = {"multi_static_select", "checkboxes", "multi_external_select"}
# Element type: (key in the state, key of the initial value).
_SINGLE = {
    "users_select": ("selected_user", "initial_user"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "channels_select": ("selected_channel", "initial_channel"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
    "rich_text_input": ("rich_text_value", "initial_value"),
}
_MULTIPLE = {
    "multi_users_select": ("selected_users", "initial_users"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
    "multi_channels_select": ("selected_channels", "initial_channels"),
    "file_input": ("files", "initial_files"),
}

Values = dict[str, dict[str, dict[str, Json]]]
"""`state.values`: block id, action id, the element's state."""


class Input(NamedTuple):
    """An element that holds something, in its block."""

    block: dict[str, Json]
    element: dict[str, Json]

    @property
    def keys(self) -> tuple[str, str, str]:
        """What it may be called: block id, action id, label."""
        label = (self.block.get("label") or {}).get("text", "")
        return self.block["block_id"], self.element["action_id"], label


def state_key(kind: str) -> str | None:
    """The key that an element of this type holds its value under; None for one that holds nothing."""
    if kind in _TEXTS:
        return "value"
    if kind in _ONE_OPTION:
        return "selected_option"
    if kind in _MANY_OPTIONS:
        return "selected_options"
    return (_SINGLE.get(kind) or _MULTIPLE.get(kind) or (None,))[0]


def inputs(blocks: list[Json]) -> Iterator[Input]:
    """The stateful elements of some (completed) blocks."""
    for block in blocks:
        for element in blockkit.elements(block):
            if state_key(element["type"]):
                yield Input(block, element)


def initial_values(blocks: list[Json]) -> Values:
    """The state of blocks that nobody has touched."""
    values: Values = {}
    for item in inputs(blocks):
        block_id, action_id, _ = item.keys
        kind = item.element["type"]
        state = {"type": kind, str(state_key(kind)): _initial(item.element)}
        values.setdefault(block_id, {})[action_id] = state
    return values


def options(element: dict[str, Json]) -> list[dict[str, Json]]:
    """All options of a select, grouped or not."""
    groups = element.get("option_groups") or ()
    return [*(element.get("options") or ()), *(option for group in groups for option in group["options"])]


def fields(blocks: list[Json], values: Values, reader: Reader) -> list[dict[str, Json]]:
    """A form's fields for the control interface: `id` (block id), `label`, `type`, `value`, and `options` if any."""
    listed = []
    for item in inputs(blocks):
        block_id, action_id, label = item.keys
        kind = item.element["type"]
        value = _shown(values[block_id][action_id][str(state_key(kind))])
        field = {"id": block_id, "label": label, "type": kind, "value": value}
        choices = [reader.text(option["text"]) for option in options(item.element)]
        listed.append(field | ({"options": choices} if choices else {}))
    return listed


def fill_in(blocks: list[Json], given: Mapping[str, Json], resolve: Callable[[str], str]) -> Values:
    """The state after a person filled in `given` (by block id, action id or label).

    `resolve` turns a member's or channel's name into its id. Raises ControlError for a field or option that
    is not there.
    """
    values, open_keys = initial_values(blocks), dict(given)
    for item in inputs(blocks):
        key = next((name for name in item.keys if name in open_keys), None)
        if key is not None:
            block_id, action_id, _ = item.keys
            kind = str(state_key(item.element["type"]))
            values[block_id][action_id][kind] = _chosen(item.element, open_keys.pop(key), resolve)
    if open_keys:
        raise ControlError(f"the form has no field {[*open_keys]}; it has {[item.keys for item in inputs(blocks)]}")
    return values


def refusals(blocks: list[Json], values: Values) -> dict[str, str]:
    """What the client itself refuses to send, by block id: required fields, and lengths of texts."""
    errors: dict[str, str] = {}
    for item in inputs(blocks):
        block_id, action_id, _ = item.keys
        if item.block["type"] != "input":
            continue
        value = values[block_id][action_id][str(state_key(item.element["type"]))]
        if value in (None, "", []):
            if not item.block.get("optional"):
                errors[block_id] = "Please complete this required field."
        elif isinstance(value, str) and item.element["type"] in _TEXTS:
            problem = _too_long_or_short(item.element, value)
            if problem:
                errors[block_id] = problem
    return errors


def _too_long_or_short(element: dict[str, Json], value: str) -> str | None:
    least, most = element.get("min_length", 0), element.get("max_length", 3000)
    if len(value) < least:
        return f"Please enter at least {least} characters."
    return f"Please enter at most {most} characters." if len(value) > most else None


def _initial(element: dict[str, Json]) -> Json:
    kind = element["type"]
    if kind in _TEXTS:
        return element.get("initial_value")
    if kind in _ONE_OPTION:
        return element.get("initial_option")
    if kind in _MANY_OPTIONS:
        return element.get("initial_options") or []
    if kind in _SINGLE:
        return element.get(_SINGLE[kind][1])
    return element.get(_MULTIPLE[kind][1]) or []


def _chosen(element: dict[str, Json], value: Json, resolve: Callable[[str], str]) -> Json:
    kind = element["type"]
    if kind in _TEXTS:
        return None if value in (None, "") else str(value)
    if kind in _ONE_OPTION:
        return None if value is None else _option(element, value)
    listed = value if isinstance(value, list) else [value]
    if kind in _MANY_OPTIONS:
        return [_option(element, one) for one in listed]
    if kind in _MULTIPLE:
        return [resolve(str(one)) for one in listed]
    return resolve(value) if isinstance(value, str) and kind.endswith("s_select") else value


def _option(element: dict[str, Json], wanted: Json) -> dict[str, Json]:
    for option in options(element):
        if wanted in (option.get("value"), option["text"]["text"]):
            return option
    raise ControlError(f"no option {wanted!r}; there are {[o['text']['text'] for o in options(element)]}")


def _shown(value: Json) -> Json:
    if isinstance(value, dict) and "text" in value:
        return value.get("value") or value["text"]["text"]
    return [_shown(one) for one in value] if isinstance(value, list) else value
