"""Message components: rules that the description does not spell out, and the stored form that answers show.

Source: developer documentation, "Components": five rows without the Components v2 flag, forty components with it,
custom ids unique within a message, link buttons with a URL and the others with a custom id.
"""

from __future__ import annotations

from collections.abc import Iterator

from bot.sandbox.discord.errors import FormErrors, Path
from bot.sandbox.discord.model import named_snowflake
from bot.sandbox.frame import Json

Component = dict[str, Json]

ROW, BUTTON, SELECT, SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER = 1, 2, 3, 9, 10, 11, 12, 13, 14, 17
SELECTS = (3, 5, 6, 7, 8)
LINK, PREMIUM = 5, 6
_MOST_ROWS = 5
_MOST_COMPONENTS = 40
_MOST_TEXT = 4000


def walk(components: list[Component], base: Path = ("components",)) -> Iterator[tuple[Path, Component]]:
    """Every component with its place, parents first."""
    for index, component in enumerate(components):
        here = (*base, index)
        yield here, component
        yield from walk(component.get("components") or [], (*here, "components"))
        if accessory := component.get("accessory"):
            yield (*here, "accessory"), accessory
        if inner := component.get("component"):
            yield (*here, "component"), inner


def texts(components: list[Component]) -> list[str]:
    """What the text displays say, in order."""
    return [str(c["content"]) for _, c in walk(components) if c["type"] == TEXT]


def check(components: list[Component], *, v2: bool) -> None:
    """Raise error 50035 for components that Discord does not take in a message."""
    form = FormErrors()
    if not v2:
        _check_rows_only(components, form)
    everything = list(walk(components))
    if len(everything) > _MOST_COMPONENTS:
        form.add(["components"], "BASE_TYPE_MAX_LENGTH", f"Must be {_MOST_COMPONENTS} or fewer in length.")
    if sum(map(len, texts(components))) > _MOST_TEXT:
        form.add(["components"], "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", f"Text exceeds {_MOST_TEXT} characters.")
    seen: set[str] = set()
    for path, component in everything:
        _check_one(path, component, form)
        custom_id = component.get("custom_id")
        if custom_id in seen:
            form.add((*path, "custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
        elif custom_id:
            seen.add(custom_id)
    form.check()


def _check_rows_only(components: list[Component], form: FormErrors) -> None:
    if len(components) > _MOST_ROWS:
        form.add(["components"], "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {_MOST_ROWS} in length.")
    for index, component in enumerate(components):
        if component["type"] != ROW:
            form.add(["components", index, "type"], "UNION_TYPE_CHOICES", 'Value of field "type" must be one of (1,).')


def _check_one(path: Path, component: Component, form: FormErrors) -> None:
    if component["type"] == ROW:
        _check_row(path, component["components"], form)
    elif component["type"] == BUTTON:
        _check_button(path, component, form)
    elif component["type"] == SELECT:
        _check_select(path, component, form)


def _check_row(path: Path, children: list[Component], form: FormErrors) -> None:
    if any(child["type"] in SELECTS for child in children) and len(children) > 1:
        form.add((*path, "components"), "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "A select takes a whole row.")


def _check_button(path: Path, button: Component, form: FormErrors) -> None:
    style = button["style"]
    if style == LINK:
        if not button.get("url"):
            form.add((*path, "url"), "BASE_TYPE_REQUIRED", "A url is required")
        if button.get("custom_id"):
            form.add((*path, "custom_id"), "BUTTON_COMPONENT_INVALID", "A link button cannot have a custom id")
    elif style != PREMIUM:
        if not button.get("custom_id"):
            form.add((*path, "custom_id"), "BUTTON_COMPONENT_CUSTOM_ID_REQUIRED", "A custom id is required")
        if button.get("url"):
            form.add((*path, "url"), "BUTTON_COMPONENT_INVALID", "Only a link button can have a url")
    if style != PREMIUM and not button.get("label") and not button.get("emoji"):
        form.add((*path, "label"), "BASE_TYPE_REQUIRED", "A label or an emoji is required")


def _check_select(path: Path, select: Component, form: FormErrors) -> None:
    options = select["options"]
    values = [option["value"] for option in options]
    for index, value in enumerate(values):
        if value in values[:index]:
            where = (*path, "options", index, "value")
            form.add(where, "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "The specified option value is already used")
    most = select.get("max_values") or 1
    if most > len(options):
        form.add((*path, "max_values"), "NUMBER_TYPE_MAX", "max_values cannot be larger than the number of options")
    if (select.get("min_values") or 0) > most:
        form.add((*path, "min_values"), "NUMBER_TYPE_MAX", "min_values cannot be larger than max_values")


def stored(components: list[Component]) -> list[Component]:
    """The components as answers show them: nulls gone, defaults filled in, every one with its number."""
    copies = [_copy(component) for component in components]
    taken = {c["id"] for _, c in walk(copies) if c.get("id")}
    number = 0
    for _, component in walk(copies):
        if not component.get("id"):
            number = next(n for n in range(number + 1, number + 1000) if n not in taken)
            component["id"] = number
    return copies


def _copy(value: Json) -> Json:
    if isinstance(value, list):
        return [_copy(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _copy(item) for key, item in value.items() if item is not None}
    return _defaults(kept) if isinstance(kept.get("type"), int) else kept


def _defaults(component: Component) -> Component:
    kind = component["type"]
    if kind in SELECTS:
        return {"min_values": 1, "max_values": 1, **component}
    filled: dict[int, Component] = {
        SEPARATOR: {"spacing": 1, "divider": True},
        CONTAINER: {"accent_color": None, "spoiler": False},
        THUMBNAIL: {"description": None, "spoiler": False},
        FILE: {"name": None, "size": None, "spoiler": False},
    }
    component = filled.get(kind, {}) | component
    for key in ("media", "file"):
        if key in component:
            component[key] = _media(component[key])
    if kind == GALLERY:
        component["items"] = [
            {"description": None, "spoiler": False, **item, "media": _media(item["media"])}
            for item in component["items"]
        ]
    return component


def _media(media: Json) -> Json:
    return {"id": named_snowflake("media", media["url"]), "proxy_url": media["url"], **media}
