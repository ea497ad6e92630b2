"""From a scenario file to scenarios: `vary` written out, every field checked, every fault told with its line.

`vary: {P: [telegram, slack]}` at the top of a file plays it once for each value, with `{P}` in all texts replaced; with
several names, once for each combination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError

from bot.rehearsal.durations import parse_duration
from bot.rehearsal.errors import BadScenario
from bot.rehearsal.scenario import MODELS, Advance, Participant, Repeat, Scenario, Service, Step, Together
from bot.rehearsal.values import Json
from bot.rehearsal.yaml_lines import Document, read_yaml
from bot.rehearsal.yaml_lines import Path as Where

_TOP = ("name", "vary", "config", "members", "steps")
_VERBS = get_args(Service.model_fields["verb"].annotation)
_GROUPS = ("together", "repeat")
_KINDS = (*MODELS, "advance", *_VERBS, *_GROUPS)


def builtin_scenarios() -> list[Path]:
    """The files of the scenarios that come with the program, by name."""
    return sorted((Path(__file__).parent / "scenarios").glob("*.yaml"))


def load_scenarios(path: Path) -> list[Scenario]:
    """All scenarios that a file holds. Raises BadScenario."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadScenario(f"cannot read the scenario {path}: {error}") from error
    return parse_scenarios(text, path.name)


def parse_scenarios(text: str, name: str = "scenario") -> list[Scenario]:
    """All scenarios of a YAML text; `name` stands before the line numbers in errors. Raises BadScenario."""
    document = read_yaml(text, name)
    if not isinstance(document.value, dict):
        raise BadScenario(f"{name}:1: a scenario is a mapping with {', '.join(_TOP)}")
    found = []
    for label, value in _varied(document, name):
        reader = _Reader(document, name)
        scenario = reader.scenario(value, label)
        if scenario is None:
            raise BadScenario("\n".join(dict.fromkeys(reader.faults)))
        found.append(scenario)
    return found


def _varied(document: Document, name: str) -> Iterator[tuple[str, dict[str, Json]]]:
    value = {key: part for key, part in document.value.items() if key != "vary"}
    vary = document.value.get("vary") or {}
    if not isinstance(vary, dict) or not all(isinstance(values, list) and values for values in vary.values()):
        raise BadScenario(f"{name}:{document.line(('vary',))}: vary is a mapping of names to lists of values")
    for values in product(*vary.values()):
        chosen = dict(zip(vary, (str(v) for v in values), strict=True))
        yield " · ".join(chosen.values()), _replaced(value, chosen)


def _replaced(value: Json, chosen: Mapping[str, str]) -> Json:
    if isinstance(value, str):
        for key, text in chosen.items():
            value = value.replace("{" + key + "}", text)
        return value
    if isinstance(value, list):
        return [_replaced(item, chosen) for item in value]
    if isinstance(value, dict):
        return {_replaced(key, chosen): _replaced(item, chosen) for key, item in value.items()}
    return value


class _Reader:
    """Reads one scenario and gathers what is wrong with it."""

    def __init__(self, document: Document, name: str) -> None:
        self._document = document
        self._name = name
        self.faults: list[str] = []

    def scenario(self, value: dict[str, Json], label: str) -> Scenario | None:
        """The scenario, or None with `faults` filled."""
        for key in value.keys() - set(_TOP):
            self._fault((key,), f"a scenario has no {key}; it has {', '.join(_TOP)}")
        members = self._members(value.get("members") or {})
        steps = self._steps(value.get("steps"), ("steps",))
        config = value.get("config") or {}
        if not isinstance(config, dict):
            self._fault(("config",), "config is a mapping of settings")
        if self.faults:
            return None
        name = str(value.get("name") or self._name)
        return Scenario(name=f"{name} [{label}]" if label else name, config=config, members=members, steps=steps)

    def _fault(self, path: Where, text: str) -> None:
        self.faults.append(f"{self._name}:{self._document.line(path)}: {text}")

    def _members(self, value: Json) -> dict[str, Participant]:
        if not isinstance(value, dict):
            self._fault(("members",), "members is a mapping of names to {platform, roles}")
            return {}
        found = {}
        for name, fields in value.items():
            member = self._model(Participant, fields, ("members", name), f"member {name}")
            if isinstance(member, Participant):
                found[name] = member
        return found

    def _steps(self, value: Json, path: Where) -> tuple[Step, ...]:
        if not isinstance(value, list):
            self._fault(path, "steps is a list")
            return ()
        read = [self._step(item, (*path, index)) for index, item in enumerate(value)]
        return tuple(step for step in read if step is not None)

    def _step(self, item: Json, path: Where) -> Step | None:
        if not isinstance(item, dict) or len(item) != 1:
            self._fault(path, "a step is one word with its fields, like `say: {by: asker, in: slack/community}`")
            return None
        kind, body = next(iter(item.items()))
        path = (*path, kind)
        if kind in MODELS:
            return self._model(MODELS[kind], body, path, kind)  # type: ignore[return-value]
        if kind in _VERBS:
            return self._model(Service, {"verb": kind, "service": body}, path, kind)  # type: ignore[return-value]
        special: dict[str, Callable[[Json, Where], Step | None]] = {
            "advance": self._advance,
            "together": self._together,
            "repeat": self._repeat,
        }
        if kind in special:
            return special[kind](body, path)
        self._fault(path, f"there is no step {kind!r}; there are {', '.join(_KINDS)}")
        return None

    def _together(self, body: Json, path: Where) -> Together:
        for index, item in enumerate(body if isinstance(body, list) else []):
            if isinstance(item, dict) and {"expect", "expect_none", *_GROUPS} & item.keys():
                self._fault((*path, index), "together takes acts only: what is expected of them comes after it")
        return Together(steps=self._steps(body, path))

    def _advance(self, body: Json, path: Where) -> Advance | None:
        value = body["seconds"] if isinstance(body, dict) and body.keys() == {"seconds"} else body
        try:
            return Advance(seconds=parse_duration(value))
        except ValueError as error:
            self._fault(path, f"advance: {error}")
        return None

    def _repeat(self, body: Json, path: Where) -> Repeat | None:
        if not isinstance(body, dict) or body.keys() != {"times", "steps"}:
            self._fault(path, "repeat takes times and steps")
            return None
        steps = self._steps(body["steps"], (*path, "steps"))
        made = self._model(Repeat, {"times": body["times"], "steps": steps}, path, "repeat")
        return made if isinstance(made, Repeat) else None

    def _model(self, model: type[BaseModel], body: Json, path: Where, what: str) -> BaseModel | None:
        try:
            return model.model_validate(body)
        except ValidationError as error:
            for fault in error.errors():
                self._fault((*path, *fault["loc"]), f"{what}: {_told(model, fault)}")
        return None


def _told(model: type[BaseModel], fault: Json) -> str:
    field = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = [info.alias or name for name, info in model.model_fields.items()]
        return f"no field {field}; it takes {', '.join(known)}"
    if fault["type"] == "missing":
        return f"{field} is missing"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{field}: {message}" if field else message
