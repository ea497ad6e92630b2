"""Giveaways in the fault run: kill -9 at every failpoint between the end of a giveaway and the proof of its draw.

Each is a rehearsal of its own with the real bot. Whatever dies: one freeze text, one result, everybody who entered on
the list, and a proof that is VALID, whose order therefore is the one that seed, list and the announced round give.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatch

from bot.domain.failpoints import Point
from bot.rehearsal.errors import RehearsalError
from bot.rehearsal.loading import parse_scenarios
from bot.rehearsal.options import Options
from bot.rehearsal.rehearse import play
from bot.rehearsal.transcript import Transcript

from .verdict import Verdict

NAME = "giveaway: {}"
PLATFORM = "slack"
ENTRANTS = 8
TOLD = 12
"""Lines of a rehearsal that failed."""

_TIMER = (Point.TIMER_DUE, Point.TIMER_MADE, Point.TIMER_COMMITTED)
_MESSAGE = (
    Point.OUTBOX_SENDING,
    Point.OUTBOX_REQUEST,
    Point.OUTBOX_ANSWERED,
    Point.OUTBOX_CONFIRMING,
    Point.OUTBOX_CONFIRMED,
)


def _points(timers: Sequence[str], messages: Sequence[str]) -> tuple[str, ...]:
    found = [f"{point.value}/{about}" for about in timers for point in _TIMER]
    return tuple(found + [f"{point.value}/{about}" for about in messages for point in _MESSAGE])


FREEZING = _points(("giveaway_close", "giveaway_freezing"), ("giveaway_freeze", "room_file"))
"""From the end to the published list."""
DRAWING = _points(("giveaway_draw", "giveaway_proof"), ("giveaway_result", "giveaway_direct", "room_file"))
"""From the beacon's round to the proof file; `room_file` is the list in the first, the proof in the second."""
PHASES = {"freezing": FREEZING, "drawing": DRAWING}

_BEFORE = f"""\
name: killed at {{point}} while {{phase}}
config: {{{{review: {{{{channels: [slack/review]}}}}}}}}
members:
  host: {{{{platform: slack, roles: [admin]}}}}
  slackers: {{{{platform: slack, count: {ENTRANTS}}}}}
steps:
  - command: {{{{by: host, in: slack/community, text: "/giveaway start 1h 2w A cup"}}}}
  - expect: {{{{in: slack/community, seen_by: host, private: true, buttons: [confirm], as: preview}}}}
  - click: {{{{by: host, on: preview, button: confirm}}}}
  - expect: {{{{in: slack/community, private: false, contains: "A cup", buttons: [enter], as: card}}}}
  - expect: {{{{in: slack/community, private: false, contains: "commit=", as: promise}}}}
  - click_many: {{{{by: slackers, on: card, button: enter}}}}
  - entrants: {{{{on: card, entered: {ENTRANTS}, beside: "👥"}}}}
"""
_KILLED = '  - kill: {{at: "{point}", while: [{{advance: {time}}}]}}\n'
_FROZEN = f"""\
  - expect: {{in: slack/community, private: false, contains: "entries={ENTRANTS}", within: 40s, as: freeze}}
  - expect: {{in: slack/community, private: false, contains: "entries={ENTRANTS}", count: 1, within: 2s}}
"""
_AFTER = f"""\
  - expect: {{in: slack/community, private: false, contains: "Winners of", within: 60s}}
  - verify: {{in: slack/community, of: card, winners: 2, entries: entered, rerolls: 0, freeze: freeze, announced: promise, delayed: false}}
  - expect: {{in: slack/community, private: false, contains: "Winners of", count: 1, within: 2s}}
  - expect_none: {{in: slack/community, contains: "entries={ENTRANTS}", within: 1s}}
"""  # noqa: E501 - one step is one line


def scenario(phase: str, point: str) -> str:
    """The rehearsal of one death, as a scenario file has it."""
    if phase == "freezing":
        middle = [_KILLED.format(point=point, time="1h"), _FROZEN, "  - advance: 3m\n"]
    else:
        middle = ["  - advance: 1h\n", _FROZEN, _KILLED.format(point=point, time="3m")]
    return _BEFORE.format(point=point, phase=phase) + "".join(middle) + _AFTER


def chosen(patterns: Sequence[str]) -> list[tuple[str, str]]:
    """Phase and failpoint of every death whose group has one of these names (* is a wildcard)."""
    every = [(phase, point) for phase, points in PHASES.items() for point in points]
    return [
        (phase, point) for phase, point in every if any(fnmatch(name_of(phase, point), pattern) for pattern in patterns)
    ]


def name_of(phase: str, point: str) -> str:
    """The name of its group."""
    return NAME.format(f"{phase}, {point}")


async def giveaways(deaths: Sequence[tuple[str, str]], tell: Callable[[str], None]) -> list[Verdict]:
    """All these deaths, one after another."""
    verdicts = []
    for phase, point in deaths:
        began, out = time.monotonic(), io.StringIO()
        verdict = Verdict(PLATFORM, name_of(phase, point), 1, 1, comments=ENTRANTS)
        (one,) = parse_scenarios(scenario(phase, point))
        try:
            went = await play(one, Options(), Transcript(out))
        except RehearsalError as error:
            went = False
            out.write(f"{error}\n")
        if not went:
            verdict.counted = 0
            verdict.wrong = out.getvalue().splitlines()[-TOLD:]
        verdict.seconds = time.monotonic() - began
        tell(verdict.line())
        verdicts.append(verdict)
    return verdicts
