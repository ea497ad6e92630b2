"""From a scenario file to scenarios: `vary` written out, every field checked, every fault told with its line.

`vary: {P: [telegram, slack]}` at the top of a file plays it once for each value, with `{P}` in all texts replaced; with
several names, once for each combination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError

from bot.rehearsal.durations import parse_duration
from bot.rehearsal.errors import BadScenario
from bot.rehearsal.giveaway_steps import ClickMany
from bot.rehearsal.scenario import (
    MODELS,
    Advance,
    KillAt,
    Participant,
    PollRules,
    Repeat,
    Scenario,
    Service,
    Step,
    Tally,
    Together,
    VoteMany,
    find_member,
)
from bot.rehearsal.values import Json
from bot.rehearsal.yaml_lines import Document, read_yaml
from bot.rehearsal.yaml_lines import Path as Where

Listed = TypeVar("Listed", bound=BaseModel)
_TOP = ("name", "vary", "config", "members", "polls", "same_person", "steps")
_VERBS = get_args(Service.model_fields["verb"].annotation)
_GROUPS = ("together", "repeat")
_LOOKS = {"expect", "expect_none", "tally", "entrants", "verify", *_GROUPS}
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
        self._people: dict[str, Participant] = {}
        self._polls: dict[str, PollRules] = {}

    def scenario(self, value: dict[str, Json], label: str) -> Scenario | None:
        """The scenario, or None with `faults` filled."""
        for key in value.keys() - set(_TOP):
            self._fault((key,), f"a scenario has no {key}; it has {', '.join(_TOP)}")
        self._people = self._listed(Participant, value.get("members") or {}, "members", "{platform, roles}")
        self._check_crowds()
        self._polls = self._listed(PollRules, value.get("polls") or {}, "polls", "{options}")
        same = self._same_person(value.get("same_person") or [])
        steps = self._steps(value.get("steps"), ("steps",))
        config = value.get("config") or {}
        if not isinstance(config, dict):
            self._fault(("config",), "config is a mapping of settings")
        if self.faults:
            return None
        name = str(value.get("name") or self._name)
        whole = {"config": config, "members": self._people, "polls": self._polls, "same_person": same, "steps": steps}
        return Scenario(name=f"{name} [{label}]" if label else name, **whole)

    def _fault(self, path: Where, text: str) -> None:
        self.faults.append(f"{self._name}:{self._document.line(path)}: {text}")

    def _listed(self, model: type[Listed], value: Json, key: str, fields: str) -> dict[str, Listed]:
        """A mapping of names to fields at the top of a scenario."""
        if not isinstance(value, dict):
            self._fault((key,), f"{key} is a mapping of names to {fields}")
            return {}
        found = {}
        for name, body in value.items():
            made = self._model(model, body, (key, name), f"{key.removesuffix('s')} {name}")
            if isinstance(made, model):
                found[name] = made
        return found

    def _check_crowds(self) -> None:
        for name, member in self._people.items():
            if member.count is not None and name[-1:].isdecimal():
                self._fault(("members", name), f"member {name}: the name of a crowd does not end in a digit")

    def _same_person(self, value: Json) -> tuple[tuple[str, ...], ...]:
        pairs = isinstance(value, list) and all(isinstance(g, list) and len(g) > 1 for g in value)
        if not pairs:
            self._fault(("same_person",), "same_person is a list of lists of members, like [[ana, ana_on_slack]]")
            return ()
        groups = tuple(tuple(str(name) for name in group) for group in value)
        listed = [name for group in groups for name in group]
        for name in dict.fromkeys(listed):
            if find_member(self._people, name) is None:
                self._fault(("same_person",), f"same_person: nobody is called {name}")
            elif listed.count(name) > 1:
                self._fault(("same_person",), f"same_person: {name} is listed twice")
        return groups

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
            step = self._model(MODELS[kind], body, path, kind)
            self._check_votes(step, path)
            return step  # type: ignore[return-value]  # every model of MODELS is a step
        if kind == "kill" and isinstance(body, dict):
            return self._kill_at(body, path)
        if kind in _VERBS:
            return self._model(Service, {"verb": kind, "service": body}, path, kind)  # type: ignore[return-value]  # it is a step
        special: dict[str, Callable[[Json, Where], Step | None]] = {
            "advance": self._advance,
            "together": self._together,
            "repeat": self._repeat,
        }
        if kind in special:
            return special[kind](body, path)
        self._fault(path, f"there is no step {kind!r}; there are {', '.join(_KINDS)}")
        return None

    def _check_votes(self, step: BaseModel | None, path: Where) -> None:
        """Crowds vote and do nothing else; what is counted is one of the polls of the scenario."""
        by, poll = getattr(step, "by", None), getattr(step, "poll", None)
        crowd = self._people.get(str(by))
        if isinstance(step, VoteMany):
            self._check_choices(step, path)
        if isinstance(step, VoteMany | ClickMany):
            if crowd is None or crowd.count is None:
                self._fault((*path, "by"), f"{path[-1]}: {by} is no crowd: give a member of the scenario a count")
            elif step.of is not None and step.of > crowd.count:
                self._fault((*path, "of"), f"{path[-1]}: {by} are only {crowd.count}")
        elif crowd is not None and crowd.count is not None:
            self._fault((*path, "by"), f"{by} is a crowd: one of them is called {by}1")
        counts = isinstance(step, VoteMany | Tally) or isinstance(poll, str)
        if counts and (poll not in self._polls if poll is not None else len(self._polls) != 1):
            self._fault((*path, "poll"), f"no poll {poll or '(the only one)'} is listed under polls, with its options")

    def _check_choices(self, step: VoteMany, path: Where) -> None:
        rules = self._polls.get(step.poll or next(iter(self._polls), ""))
        if rules is None:
            return
        count = len(rules.options)
        if step.choices is not None and (len(step.choices) != count or not sum(step.choices)):
            self._fault((*path, "choices"), f"vote_many: choices has one number for each of the {count} options")
        if step.picks > count:
            self._fault((*path, "picks"), f"vote_many: there are only {count} options to pick")

    def _together(self, body: Json, path: Where) -> Together:
        self._check_acts(body, path, "together")
        return Together(steps=self._steps(body, path))

    def _check_acts(self, body: Json, path: Where, what: str) -> None:
        for index, item in enumerate(body if isinstance(body, list) else []):
            kinds = item.keys() if isinstance(item, dict) else set()
            if _LOOKS & kinds or ("kill" in kinds and isinstance(item["kill"], dict)):
                self._fault((*path, index), f"{what} takes acts only: what is expected of them comes after it")

    def _kill_at(self, body: dict[str, Json], path: Where) -> Step | None:
        acts = body.get("while", [])
        self._check_acts(acts, (*path, "while"), "kill")
        steps = self._steps(acts, (*path, "while"))
        return self._model(KillAt, {**body, "while": steps}, path, "kill")  # type: ignore[return-value]  # as given

    def _advance(self, body: Json, path: Where) -> Advance | None:
        if isinstance(body, dict) and "to" in body:
            return self._model(Advance, body, path, "advance")  # type: ignore[return-value]  # of the type that is given
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
