"""What a person can press in a message or modal, and what the app is told of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bot.sandbox.frame import ControlError, Json
from bot.sandbox.payloads import actions, by_word, is_payload
from bot.sandbox.slack import blockkit
from bot.sandbox.slack.forms import options

_CHOICES = {"overflow", "static_select", "radio_buttons"}
_GENERATED = re.compile(r"a\d+$")


@dataclass(frozen=True)
class Press:
    """A button, or one option of a menu that acts like one."""

    block: dict[str, Json]
    element: dict[str, Json]
    option: dict[str, Json] | None = None

    @property
    def label(self) -> dict[str, Json]:
        """What is written on it, as a text object."""
        text: dict[str, Json] = (self.option or self.element)["text"]
        return text

    @property
    def value(self) -> str:
        """The value that the app gave it ("" for none)."""
        return str((self.option or self.element).get("value", ""))

    @property
    def action_id(self) -> str:
        """Its action id."""
        return str(self.element["action_id"])

    @property
    def id(self) -> str:
        """What the control interface calls it: its payload where it carries one, else its action id."""
        if is_payload(self.value) or self.option or _GENERATED.match(self.action_id):
            return self.value or self.action_id
        return self.action_id

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions of its payloads."""
        return (*actions(self.value), *actions(self.action_id))

    def wire(self, ts: str) -> dict[str, Json]:
        """The entry of `actions` in the app's payload."""
        kept = ("type", "action_id", "text", "value", "style", "placeholder")
        base = {name: self.element[name] for name in kept if name in self.element}
        base |= {"block_id": self.block["block_id"], "action_ts": ts}
        return base | ({"selected_option": self.option} if self.option else {})


def presses(blocks: Iterable[dict[str, Json]]) -> Iterator[Press]:
    """Everything that can be pressed in (completed) blocks, in reading order."""
    for block in blocks:
        for element in blockkit.elements(block):
            if element["type"] == "button":
                yield Press(block, element)
            elif element["type"] in _CHOICES and block["type"] != "input":
                yield from (Press(block, element, option) for option in options(element))


def find(blocks: Iterable[dict[str, Json]], wanted: str, read: Callable[[Json], str]) -> Press:
    """The button of that id, value, label or action word, the more exact first. Raises ControlError."""
    listed = list(presses(blocks))
    ways: tuple[Callable[[Press], bool], ...] = (
        lambda press: wanted == press.value,
        lambda press: wanted == press.action_id,
        lambda press: wanted == read(press.label),
        lambda press: wanted in press.actions,
        lambda press: wanted.casefold() == read(press.label).casefold(),
    )
    for fits in ways:
        for press in listed:
            if fits(press):
                return press
    for payloads in ([press.value for press in listed], [press.action_id for press in listed]):
        if (only := by_word(zip(payloads, listed, strict=True), wanted)) is not None:
            return only
    raise ControlError(f"no button {wanted!r} there; there are {[read(press.label) for press in listed]}")
