"""What a button's payload calls it, where it looks like `v1|<id>|<word>[:<argument>]|<mac>`: its action."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

_PAYLOAD = re.compile(r"v\d+\|")
Button = TypeVar("Button")


def is_payload(text: str) -> bool:
    """Whether it begins as payloads do."""
    return _PAYLOAD.match(text) is not None


def actions(payload: str) -> tuple[str, ...]:
    """What its action is called, the most exact first: `vote:2`; of `v1|7|vote|2|mac` it is `vote:2` and `vote`."""
    pieces = payload.split("|") if is_payload(payload) else []
    if len(pieces) < 3:
        return ()
    return tuple(dict.fromkeys((":".join(pieces[2:-1]) or pieces[2], pieces[2])))


def by_word(buttons: Iterable[tuple[str, Button]], wanted: str) -> Button | None:
    """The button whose action begins with that word before its colon, where it is the only one; `buttons` are pairs
    of payload and button."""
    found = [button for payload, button in buttons if any(a.partition(":")[0] == wanted for a in actions(payload))]
    return found[0] if len(found) == 1 else None
