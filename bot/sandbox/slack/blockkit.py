"""The rules of Block Kit that a schema of types does not hold: lengths, counts, and ids used twice.

Figures: docs.slack.dev/reference/block-kit (blocks, block elements, composition objects) and reference/views.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from bot.sandbox.frame import Json

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
VIEW_BYTES = 250_000
MARKDOWN_TOTAL = 12_000


class Limit(NamedTuple):
    """The smallest and largest length of a string, text object or list in the named field."""

    field: str
    largest: int
    smallest: int = 1


_OPTIONS = (Limit("options", 100), Limit("option_groups", 100), Limit("placeholder", 150))
_INPUT = (Limit("placeholder", 150), Limit("initial_value", 3000, 0))
_ANY = (Limit("block_id", 255), Limit("action_id", 255))

LIMITS: dict[str, tuple[Limit, ...]] = {
    "section": (Limit("text", 3000), Limit("fields", 10)),
    "header": (Limit("text", 150),),
    "context": (Limit("elements", 10),),
    "context_actions": (Limit("elements", 5),),
    "actions": (Limit("elements", 25),),
    "input": (Limit("label", 2000), Limit("hint", 2000)),
    "image": (Limit("image_url", 3000), Limit("alt_text", 2000), Limit("title", 2000)),
    "markdown": (Limit("text", MARKDOWN_TOTAL),),
    "video": (Limit("title", 199), Limit("author_name", 49), Limit("description", 199)),
    "table": (Limit("rows", 100),),
    "button": (Limit("text", 75), Limit("value", 2000), Limit("url", 3000), Limit("accessibility_label", 75)),
    "workflow_button": (Limit("text", 75), Limit("accessibility_label", 75)),
    "overflow": (Limit("options", 5),),
    "checkboxes": (Limit("options", 10),),
    "radio_buttons": (Limit("options", 10),),
    "static_select": _OPTIONS,
    "multi_static_select": _OPTIONS,
    "plain_text_input": _INPUT,
    "email_text_input": _INPUT,
    "url_text_input": _INPUT,
    "number_input": _INPUT,
    "option": (Limit("text", 75), Limit("value", 150, 0), Limit("description", 75), Limit("url", 3000)),
    "option_group": (Limit("label", 75), Limit("options", 100)),
    "confirm": (Limit("title", 100), Limit("text", 300), Limit("confirm", 30), Limit("deny", 30)),
    "modal": (Limit("title", 24), Limit("submit", 24), Limit("close", 24)),
    "view": (Limit("private_metadata", 3000, 0), Limit("callback_id", 255, 0), Limit("external_id", 255, 0)),
}
_LABELLED_OPTIONS = {"checkboxes", "radio_buttons"}
_FIELD_TEXT = 2000
_TEXT_OBJECT = 3000
_INPUT_LENGTH = 3000


def message_errors(blocks: list[Json]) -> list[str]:
    """What Slack refuses in a message's blocks, in its words; empty where nothing is wrong."""
    errors = list(_blocks_errors(blocks, "/blocks", MESSAGE_BLOCKS))
    total = sum(len(block["text"]) for block in blocks if block["type"] == "markdown")
    if total > MARKDOWN_TOTAL:
        errors.append(f"markdown text must be at most {MARKDOWN_TOTAL} characters in all [json-pointer:/blocks]")
    return errors or list(_picture_errors(blocks))


def view_errors(view: dict[str, Json]) -> list[str]:
    """What Slack refuses in a view."""
    errors = list(_lengths(view, "view", "/view"))
    if view["type"] == "modal":
        errors += _lengths(view, "modal", "/view")
        if not view.get("submit") and any(block["type"] == "input" for block in view["blocks"]):
            errors.append("`submit` is required when an `input` is within blocks [json-pointer:/view]")
    if len(json.dumps(view, ensure_ascii=False).encode()) > VIEW_BYTES:
        errors.append("view is larger than 250 kB [json-pointer:/view]")
    return errors + list(_blocks_errors(view["blocks"], "/view/blocks", VIEW_BLOCKS))


def _picture_errors(blocks: list[Json]) -> Iterator[str]:
    """Slack fetches every picture before it takes the message, from outside, and refuses it where it cannot. Nothing is
    fetched here: addresses of this computer and of hosts under `.invalid` (RFC 6761) cannot be had, all others can."""
    for number, block in enumerate(blocks):
        inside = ((f"/{part}", block.get(part)) for part in ("accessory", "element"))
        listed = ((f"/elements/{index}", one) for index, one in enumerate(block.get("elements") or ()))
        for where, one in (("", block), *inside, *listed):
            if isinstance(one, dict) and one.get("type") == "image" and not _can_be_had(one.get("image_url")):
                yield f"downloading image failed [json-pointer:/blocks/{number}{where}/image_url]"


def _can_be_had(address: Json) -> bool:
    if address is None:
        return True  # a file of Slack's own
    try:
        parts = urlsplit(str(address))
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and "." in host and not host.startswith("127.") and _top(host) != "invalid"


def _top(host: str) -> str:
    return host.rstrip(".").rpartition(".")[2].lower()


def complete(blocks: list[Json]) -> list[Json]:
    """The blocks as Slack keeps them: with the block and action ids, and the defaults, that were left out."""
    counter = itertools.count()
    return [_complete({"block_id": f"b{next(counter)}", **block}, counter) for block in blocks]


def elements(block: dict[str, Json]) -> list[dict[str, Json]]:
    """The interactive (and other) elements of a block."""
    inside = [block[name] for name in ("accessory", "element") if isinstance(block.get(name), dict)]
    listed = block.get("elements") if block["type"] in ("actions", "context", "context_actions") else None
    return [*inside, *(listed or ())]


def _complete(value: Json, counter: Iterator[int]) -> Json:
    if isinstance(value, list):
        return [_complete(item, counter) for item in value]
    if not isinstance(value, dict):
        return value
    done = {name: _complete(item, counter) for name, item in value.items()}
    if done.get("type") == "plain_text":
        done.setdefault("emoji", True)
    elif done.get("type") == "mrkdwn":
        done.setdefault("verbatim", False)
    elif done.get("type") in _INTERACTIVE:
        done.setdefault("action_id", f"a{next(counter)}")
    return done


_INTERACTIVE = {
    "button", "overflow", "static_select", "users_select", "conversations_select", "channels_select", "external_select",
    "multi_static_select", "multi_users_select", "multi_conversations_select", "multi_channels_select", "datepicker",
    "timepicker", "datetimepicker", "checkboxes", "radio_buttons", "plain_text_input", "email_text_input",
    "url_text_input", "number_input", "rich_text_input", "file_input", "workflow_button",
}  # fmt: skip


def _blocks_errors(blocks: list[Json], where: str, most: int) -> Iterator[str]:
    if len(blocks) > most:
        yield f"no more than {most} items allowed [json-pointer:{where}]"
    yield from _repeated(blocks, "block_id", where)
    for number, block in enumerate(blocks):
        yield from _block_errors(block, f"{where}/{number}")


def _block_errors(block: dict[str, Json], where: str) -> Iterator[str]:
    yield from _lengths(block, block["type"], where)
    if block["type"] == "section":
        if not block.get("text") and not block.get("fields"):
            yield f"must define either `text` or `fields` [json-pointer:{where}]"
        for number, item in enumerate(block.get("fields") or ()):
            yield from _length(item, Limit("text", _FIELD_TEXT), f"{where}/fields/{number}")
    for number, item in enumerate(block["elements"] if block["type"] == "context" else ()):
        if item["type"] != "image":
            yield from _length(item, Limit("text", _TEXT_OBJECT), f"{where}/elements/{number}")
    inside = elements(block)
    yield from _repeated(inside, "action_id", f"{where}/elements")
    for number, element in enumerate(inside):
        yield from _element_errors(element, f"{where}/elements/{number}")


def _element_errors(element: dict[str, Json], where: str) -> Iterator[str]:
    kind = element["type"]
    yield from _lengths(element, kind, where)
    if "confirm" in element:
        yield from _lengths(element["confirm"], "confirm", f"{where}/confirm")
    for number, option in enumerate(element.get("options") or ()):
        yield from _option_errors(option, kind, f"{where}/options/{number}")
    for number, group in enumerate(element.get("option_groups") or ()):
        yield from _lengths(group, "option_group", f"{where}/option_groups/{number}")
        for index, option in enumerate(group["options"]):
            yield from _option_errors(option, kind, f"{where}/option_groups/{number}/options/{index}")
    if kind == "plain_text_input":
        yield from _input_errors(element, where)
    if kind in ("static_select", "multi_static_select") and bool(element.get("options")) == bool(
        element.get("option_groups")
    ):
        yield f"must define either `options` or `option_groups` [json-pointer:{where}]"


def _option_errors(option: dict[str, Json], kind: str, where: str) -> Iterator[str]:
    for limit in LIMITS["option"]:
        if kind in _LABELLED_OPTIONS and limit.field in ("text", "description"):
            continue  # No length is documented for the text beside a box.
        yield from _length(option.get(limit.field), limit, f"{where}/{limit.field}")


def _input_errors(element: dict[str, Json], where: str) -> Iterator[str]:
    least, most = element.get("min_length", 0), element.get("max_length", _INPUT_LENGTH)
    if not 0 <= least <= _INPUT_LENGTH:
        yield f"must be between 0 and {_INPUT_LENGTH} [json-pointer:{where}/min_length]"
    if not 1 <= most <= _INPUT_LENGTH or most < least:
        yield f"must be between 1 and {_INPUT_LENGTH}, and not below min_length [json-pointer:{where}/max_length]"
    if len(element.get("initial_value", "")) > most:
        yield f"must be less than {most + 1} characters [json-pointer:{where}/initial_value]"


def _lengths(value: dict[str, Json], kind: str, where: str) -> Iterator[str]:
    for limit in (*LIMITS.get(kind, ()), *_ANY):
        yield from _length(value.get(limit.field), limit, f"{where}/{limit.field}")


def _length(value: Json, limit: Limit, where: str) -> Iterator[str]:
    if value is None:
        return
    content = value.get("text", "") if isinstance(value, dict) else value
    if isinstance(content, list):
        if len(content) > limit.largest:
            yield f"no more than {limit.largest} items allowed [json-pointer:{where}]"
        if not content:
            yield f"must provide at least one item [json-pointer:{where}]"
    elif len(content) > limit.largest:
        yield f"must be less than {limit.largest + 1} characters [json-pointer:{where}]"
    elif len(content) < limit.smallest:
        yield f"must be more than {limit.smallest - 1} characters [json-pointer:{where}]"


def _repeated(items: list[Json], field: str, where: str) -> Iterator[str]:
    seen: set[str] = set()
    for number, item in enumerate(items):
        identity = item.get(field)
        if identity in seen:
            yield f"`{field}` {json.dumps(identity)} already exists [json-pointer:{where}/{number}/{field}]"
        seen.add(identity) if identity else None
