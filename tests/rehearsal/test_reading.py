"""Durations, YAML with lines, scenarios."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.rehearsal.durations import parse_duration
from bot.rehearsal.errors import BadScenario
from bot.rehearsal.fields import moment_of
from bot.rehearsal.loading import builtin_scenarios, load_scenarios, parse_scenarios
from bot.rehearsal.scenario import (
    Advance,
    Click,
    Expect,
    ExpectNone,
    Fault,
    Say,
    Service,
    Tally,
    Together,
    VoteMany,
    unrolled,
)
from bot.rehearsal.yaml_lines import read_yaml

EXAMPLE = """
name: a question is answered once
config: {languages: [zh, en], review: {channels: [slack/review, telegram/review]}}
members:
  asker: {platform: telegram}
  first: {platform: slack, roles: [approver]}
steps:
  - say: {by: asker, in: telegram/community, text: "茶什么时候补货？", as: q}
  - expect: {in: slack/review, seen_by: first, contains: "补货", within: 5s, as: card}
  - together:
      - click: {by: first, on: card, button: approve}
      - click: {by: first, on: card, button: claim}
  - restart: bot
  - fault: {platform: telegram, kind: 429, times: 1}
  - advance: 2h
  - expect: {in: telegram/community, reply_to: q, count: 1}
  - expect_none: {in: telegram/community, contains: ["@everyone", "@here"], within: 1s}
"""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("5s", 5), ("10m", 600), ("2h", 7200), ("3d", 259200), ("1h30m", 5400), (7, 7), ("1.5s", 1.5)],
)
def test_durations_are_seconds(text: object, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5 weeks", "-5s", "5s!", True, None, -1, [5]])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="no length of time"):
        parse_duration(text)


def test_moments_are_given_as_so_long_ago() -> None:
    assert moment_of("2d ago", 1_000_000.0) == 1_000_000.0 - 172_800
    assert moment_of(5.0, 1_000_000.0) == 5.0
    assert moment_of("2026-01-02T03:04:05", 1.0) == "2026-01-02T03:04:05"
    (scenario,) = parse_scenarios("members: {a: {platform: discord, created: 3h ago, joined_at: 7}}\nsteps: []\n")
    assert (scenario.members["a"].created, scenario.members["a"].joined_at) == ("3h ago", 7)
    for wrong in ("soon", "2 weeks ago", "true"):
        with pytest.raises(BadScenario, match="created"):
            parse_scenarios(f"members: {{a: {{platform: discord, created: {wrong}}}}}\nsteps: []\n")


def test_yaml_keeps_on_and_dates_as_texts() -> None:
    document = read_yaml("on: card\nwhen: 2026-01-02\nyes: no\nn: 3\nf: 1.5\nt: true\nz: ~\nq: '3'\n", "x")
    assert document.value == {
        "on": "card", "when": "2026-01-02", "yes": "no", "n": 3, "f": 1.5, "t": True, "z": None, "q": "3",
    }  # fmt: skip
    assert document.line(("yes",)) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [("a: 1\na: 2", "x:2: a is given twice"), ("a: [1", "x:2: this is no YAML"), ("{a: {b}: 1}", "x:1")],
)
def test_bad_yaml_is_told_with_its_line(text: str, told: str) -> None:
    with pytest.raises(BadScenario) as caught:
        read_yaml(text + "\n", "x")
    assert str(caught.value).startswith(told)


def test_the_documented_example_is_read() -> None:
    (scenario,) = parse_scenarios(EXAMPLE)
    kinds = [type(step) for step in scenario.steps]
    assert kinds == [Say, Expect, Together, Service, Fault, Advance, Expect, ExpectNone]
    say, expect, together, restart, fault, advance, again, none = scenario.steps
    assert isinstance(say, Say) and (say.by, say.place, say.name) == ("asker", "telegram/community", "q")
    assert isinstance(expect, Expect) and (expect.contains, expect.within) == (("补货",), 5.0)
    assert isinstance(together, Together) and [s.button for s in together.steps if isinstance(s, Click)] == [
        "approve",
        "claim",
    ]
    assert isinstance(restart, Service) and (restart.verb, restart.service) == ("restart", "bot")
    assert isinstance(fault, Fault) and fault.kind == "429"
    assert isinstance(advance, Advance) and advance.seconds == 7200
    assert isinstance(again, Expect) and (again.count, again.within) == (1, 5.0)
    assert isinstance(none, ExpectNone) and none.contains == ("@everyone", "@here")


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("say: {by: asker, in: slack/community, txt: hi}", "no field txt"),
        ("say: {in: slack/community, text: hi}", "by is missing"),
        ("say: {by: asker, in: community, text: hi}", "in:"),
        ("shout: {by: asker}", "there is no step 'shout'"),
        ("expect: {in: slack/review, within: soon}", "no length of time"),
        ("advance: tomorrow", "no length of time"),
        ("together: [{expect: {in: slack/review}}]", "together takes acts only"),
        ("repeat: {times: 2}", "repeat takes times and steps"),
        ("{say: {by: a, in: slack/x}, click: {by: a, on: x, button: b}}", "a step is one word"),
    ],
)
def test_a_wrong_step_is_told_with_its_line(step: str, told: str) -> None:
    text = "name: x\nmembers: {asker: {platform: slack}}\nsteps:\n  - advance: 1s\n  - " + step + "\n"
    with pytest.raises(BadScenario) as caught:
        parse_scenarios(text, "file.yaml")
    assert str(caught.value).startswith("file.yaml:5: ")
    assert told in str(caught.value)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(BadScenario) as caught:
        parse_scenarios("nme: x\nmembers: {a: {platform: fax}}\nsteps: {}\n", "f")
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == ["f:1", "f:2", "f:3"]


def test_vary_plays_each_combination() -> None:
    text = """
name: n
vary: {P: [slack, telegram], W: [tea, 茶]}
config: {review: {channels: ["{P}/review"]}}
members: {asker: {platform: "{P}"}}
steps: [{say: {by: asker, in: "{P}/community", text: "{W}?"}}]
"""
    found = parse_scenarios(text)
    assert [s.name for s in found] == ["n [slack · tea]", "n [slack · 茶]", "n [telegram · tea]", "n [telegram · 茶]"]
    last = found[-1]
    assert last.members["asker"].platform == "telegram"
    assert last.config == {"review": {"channels": ["telegram/review"]}}
    assert last.steps[0] == Say.model_validate({"by": "asker", "in": "telegram/community", "text": "茶?"})


def test_repetitions_are_written_out_in_order() -> None:
    text = "steps: [{repeat: {times: 2, steps: [{advance: 1s}, {repeat: {times: 2, steps: [{advance: 2s}]}}]}}]"
    (scenario,) = parse_scenarios(text)
    assert [s.seconds for s in unrolled(scenario.steps) if isinstance(s, Advance)] == [1, 2, 2, 1, 2, 2]


def test_a_killed_bot_comes_back_only_where_no_step_starts_it() -> None:
    (scenario,) = parse_scenarios("steps: [{kill: bot}, {start: bot}, {kill: bot}, {kill: model}]")
    steps = unrolled(scenario.steps)
    assert [s.revive for s in steps if isinstance(s, Service)] == [False, False, True, False]
    (scenario,) = parse_scenarios("steps: [{together: [{advance: 1s}, {kill: bot}]}, {expect: {in: slack/x}}]")
    (acts, _) = unrolled(scenario.steps)
    assert isinstance(acts, Together)
    assert [s.revive for s in acts.steps if isinstance(s, Service)] == [True]


def test_every_built_in_scenario_is_valid_and_covers_every_platform() -> None:
    found = [scenario for path in builtin_scenarios() for scenario in load_scenarios(path)]
    names = [scenario.name for scenario in found]
    assert len(names) == len(set(names))
    spoken = {s.place.partition("/")[0] for scenario in found for s in scenario.steps if isinstance(s, Say)}
    assert spoken == {"slack", "discord", "telegram"}
    for scenario in found:
        assert any(isinstance(step, Expect) for step in scenario.steps), scenario.name


def test_names_are_given_before_they_are_used() -> None:
    for path in builtin_scenarios():
        for scenario in load_scenarios(path):
            _check_names(scenario.name, unrolled(scenario.steps))


def _check_names(scenario: str, steps: Sequence[object]) -> None:
    known: set[str] = set()
    for step in steps:
        acts = step.steps if isinstance(step, Together) else (step,)
        for act in acts:
            for field in ("on", "reply_to", "gone"):
                used = getattr(act, field, None) or ()
                for name in used if isinstance(used, tuple) else (used,):
                    assert name in known, f"{scenario}: {name} is used before it is there"
            if getattr(act, "name", None):
                known.add(act.name)  # type: ignore[attr-defined]


POLL = """
members:
  ana: {platform: slack}
  fans: {platform: telegram, count: 12}
polls: {tea: {options: [green, black]}}
same_person: [[ana, fans3]]
steps:
"""


def test_crowds_polls_and_persons_are_read() -> None:
    step = "  - vote_many: {by: fans, on: card, choices: [1, 2], of: 5, seed: 3}\n  - tally: {on: card}\n"
    (scenario,) = parse_scenarios(POLL + step)
    assert scenario.same_person == (("ana", "fans3"),)
    vote, tally = scenario.steps
    assert isinstance(vote, VoteMany)
    assert (vote.choices, vote.of, vote.native, vote.counted) == ((1, 2), 5, False, True)
    assert isinstance(tally, Tally)
    assert (tally.on, tally.equals, tally.edits) == (("card",), "votes", None)
    assert [bool(scenario.member(name)) for name in ("ana", "fans1", "fans12", "fans13", "fans01", "fans")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("  - vote_many: {by: ana, on: card}", "scenario:8: vote_many: ana is no crowd"),
        ("  - vote_many: {by: fans, on: card, of: 13}", "scenario:8: vote_many: fans are only 12"),
        ("  - vote_many: {by: fans, on: card, choices: [1]}", "one number for each of the 2 options"),
        ("  - vote_many: {by: fans, on: card, choices: [0, 0]}", "one number for each of the 2 options"),
        ("  - vote_many: {by: fans, on: card, choices: [1, -1]}", "choices.1"),
        ("  - vote_many: {by: fans, on: card, picks: 3}", "only 2 options to pick"),
        ("  - vote_many: {by: fans, on: card, poll: coffee}", "no poll coffee is listed"),
        ("  - vote_many: {by: fans, on: card, color: red}", "no field color"),
        ("  - tally: {on: card, equals: everything}", "tally: equals"),
        ("  - tally: {on: card, poll: coffee}", "no poll coffee is listed"),
        ("  - click: {by: ana, on: card, button: go, poll: x}", "no poll x is listed"),
        ("  - say: {by: fans, in: slack/community, text: hi}", "fans is a crowd: one of them is called fans1"),
        ("  - together: [{tally: {on: card}}]", "together takes acts only"),
        ("  - advance: {to: soon}", "advance: to"),
        ('  - advance: {to: "2031-03-24 09:00+01:00"}', "on the wall clock of the zone"),
        ("  - advance: {to: 2031-03-24, zone: Mars/Olympus}", "no zone"),
        ("  - expect: {in: slack/x, take: {code: '('}}", "no pattern"),
    ],
)
def test_votes_that_cannot_be_are_told_with_their_line(change: str, told: str) -> None:
    with pytest.raises(BadScenario) as caught:
        parse_scenarios(POLL + change + "\n")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("top", "told"),
    [
        ("members: {fans2: {platform: slack, count: 3}}\nsteps: []", "does not end in a digit"),
        ("members: {fans: {platform: slack, count: 0}}\nsteps: []", "member fans: count"),
        ("polls: {tea: {options: []}}\nsteps: []", "poll tea: options"),
        ("polls: [tea]\nsteps: []", "polls is a mapping"),
        ("same_person: [ana]\nsteps: []", "same_person is a list of lists"),
        ("same_person: [[ana, bo]]\nsteps: []", "nobody is called ana"),
        ("members: {a: {platform: slack}}\nsame_person: [[a, a]]\nsteps: []", "a is listed twice"),
        ("steps: [{tally: {on: card}}]", "no poll (the only one) is listed"),
    ],
)  # fmt: skip
def test_crowds_and_polls_that_cannot_be_are_told(top: str, told: str) -> None:
    with pytest.raises(BadScenario) as caught:
        parse_scenarios(top)
    assert told in str(caught.value)
