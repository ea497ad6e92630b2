"""Steps in words, for the transcript."""

from __future__ import annotations

from bot.rehearsal.scenario import Advance, Expect, ExpectNone, KillAt, Service, Step, Together
from bot.rehearsal.values import Json

_LABELS = {"place": "in", "name": "as"}
_NAMES = {"ChangeMember": "member", "VoteMany": "vote_many", "ClickMany": "click_many"}
_SILENT = {"by", "place", "text", "within"}


def tell(step: Step) -> str:
    """Who does what, where; or what is expected."""
    if isinstance(step, Service):
        return f"{step.verb:<11} {step.service}"
    if isinstance(step, Advance):
        return f"{'advance':<11} " + (f"to {step.to} {step.zone}" if step.to else f"{step.seconds:g} s")
    if isinstance(step, Together):
        return f"{'together':<11} {len(step.steps)} acts"
    if isinstance(step, KillAt):
        return f"{'kill':<11} bot at {step.at}, in {len(step.steps)} steps"
    fields = step.model_dump(exclude_defaults=True)
    kind = "expect none" if isinstance(step, ExpectNone) else "expect" if isinstance(step, Expect) else _kind(step)
    who = " ".join(str(fields[name]) for name in ("by",) if name in fields)
    where = f"in {fields['place']}" if "place" in fields else ""
    text = f"“{fields['text']}”" if "text" in fields else ""
    rest = " ".join(
        f"{_LABELS.get(name, name)}={_plain(value)}" for name, value in fields.items() if name not in _SILENT
    )
    return " ".join(part for part in (f"{kind:<11}", who, where, text, rest) if part)


def _kind(step: Step) -> str:
    name = type(step).__name__
    return _NAMES.get(name, name.lower())


def _plain(value: Json) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(str(item) for item in value) + "]"
    return str(value)
