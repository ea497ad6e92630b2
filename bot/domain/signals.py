"""Signs that not everybody on a list is a person of their own: a report to the host, with reasons. Pure.

Never a filter: nobody is put out by it. A host who wants to put somebody out does so by name, which is counted in
public. Each sign also fits honest people, and its reason says what was seen and nothing else.

What comes in crowds (entries, accounts that were made, names alike) is held against how many would be there by chance:
a window is a sign where so many in it are less likely than 1 in 1,000 in the whole list (`_unlikely`), taken that they
come at the pace seen around it. People do come in waves, after an announcement say, and that is no sign: the pace
around is taken as high as it may be (`_at_most`), on the busier side, and may double from one window to the next
(`WAVE`). In 2,600 made-up crowds of 8 to 3,000 people, half of them in waves of 20 seconds to an hour, there was no
false sign. A wave of only five seconds cannot be told from a burst.
"""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

YOUNG_SECONDS = 7 * 86400.0
"""An account that is younger than this when it enters is young."""
BURSTS = ((1.0, 6), (5.0, 10))
"""Windows in which entries may be a burst: how many seconds, and how many entries at least."""
AROUND = 10
"""Entries in a window are held against those in so many such windows before and after."""
WAVE = 2.0
"""Where people come in a wave, at most so many times as many come in a window as in the one next to it."""
LAST_SECONDS, LAST_LEAST = 5.0, 4
"""The last moments before the end, and how many entries in them may be a sign."""
NAMES_SECONDS, NAMES_LEAST = 600.0, 5
"""Names alike are a sign where so many enter within so long."""
MADE_SECONDS, MADE_LEAST = 600.0, 5
"""Accounts are a sign where so many were made within so long ..."""
MADE_AROUND_SECONDS = 86400.0
"""... held against those that were made so long before and after."""
UNLIKELY = 1e-3
"""How likely chance may make one false sign of a kind in a whole list."""
_USUAL = 500
"""Before anything is known of a stem it is taken to be the name of one in so many."""
_NUMBERED = re.compile(r"(.*?)[\W_]*\d+[\W_]*", re.DOTALL)

REASONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("young_account", ("count", "days")),
    ("joined_after_opening", ("count",)),
    ("burst", ("count", "seconds", "at", "usual")),
    ("similar_names", ("count", "stem", "minutes")),
    ("last_moment", ("count", "seconds", "usual")),
    ("made_together", ("count", "minutes", "at")),
)
"""Every reason with its arguments: `at` is UTC seconds, `usual` how many were to be expected at most, the others are
counts and lengths."""


@dataclass(frozen=True, slots=True)
class Row:
    """Somebody on the list. None: not known. Times are UTC seconds."""

    person: str
    name: str
    at: float
    """When they entered."""
    account_made: float | None = None
    joined_at: float | None = None
    """Since when they are a member."""


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that a host may want to look at: a reason (a catalogue word), and of whom it was seen (their persons,
    in the order in which they entered)."""

    reason: str
    who: tuple[str, ...]
    args: Mapping[str, str | int | float] = field(default_factory=dict)


def report(rows: Iterable[Row], opened_at: float, closes_at: float) -> list[Sign]:
    """All signs in a list, each reason's one after the other; the same for the same rows in any order."""
    listed = sorted(rows, key=lambda row: (row.at, row.person))
    return [
        *_young(listed),
        *_late_members(listed, opened_at),
        *_bursts(listed, closes_at),
        *_alike(listed),
        *_last_moment(listed, opened_at, closes_at),
        *_made_together(listed),
    ]


def _young(rows: Sequence[Row]) -> Iterator[Sign]:
    who = [one.person for one in rows if one.account_made is not None and one.at - one.account_made < YOUNG_SECONDS]
    if who:
        yield Sign("young_account", tuple(who), {"count": len(who), "days": round(YOUNG_SECONDS / 86400)})


def _late_members(rows: Sequence[Row], opened_at: float) -> Iterator[Sign]:
    who = [one.person for one in rows if one.joined_at is not None and one.joined_at > opened_at]
    if who:
        yield Sign("joined_after_opening", tuple(who), {"count": len(who)})


def _bursts(rows: Sequence[Row], closes_at: float) -> Iterator[Sign]:
    """Many entries in the same second, or in a few. The last moments have a sign of their own."""
    before = [one for one in rows if one.at < closes_at - LAST_SECONDS]
    times = [one.at for one in before]
    marked: set[int] = set()
    found = []
    for width, least in BURSTS:
        for first, end, usual in _crowds(times, width, least, AROUND * width):
            if marked.isdisjoint(range(first, end)):
                found.append((first, end, usual))
            marked.update(range(first, end))
    for first, end, usual in sorted(found):
        seconds = math.ceil(times[end - 1] - times[first]) or 1
        args = {"count": end - first, "seconds": seconds, "at": times[first], "usual": round(usual, 1)}
        yield Sign("burst", tuple(one.person for one in before[first:end]), args)


def _made_together(rows: Sequence[Row]) -> Iterator[Sign]:
    """Accounts that were made one after the other, however far apart they entered."""
    dated = sorted(
        ((one.account_made, at) for at, one in enumerate(rows) if one.account_made is not None),
    )
    times = [made for made, _ in dated]
    for first, end, _ in _crowds(times, MADE_SECONDS, MADE_LEAST, MADE_AROUND_SECONDS):
        who = [rows[at].person for at in sorted(at for _, at in dated[first:end])]
        minutes = math.ceil((times[end - 1] - times[first]) / 60) or 1
        yield Sign("made_together", tuple(who), {"count": len(who), "minutes": minutes, "at": times[first]})


def _last_moment(rows: Sequence[Row], opened_at: float, closes_at: float) -> Iterator[Sign]:
    """Entries that leave nobody time to look at them."""
    times = [one.at for one in rows]
    first, end = bisect_left(times, closes_at - LAST_SECONDS), bisect_left(times, closes_at)
    around = min(AROUND * LAST_SECONDS, max(closes_at - LAST_SECONDS - opened_at, LAST_SECONDS))
    seen = first - bisect_left(times, closes_at - LAST_SECONDS - around)
    just_before = first - bisect_left(times, closes_at - 2 * LAST_SECONDS)
    usual = max(_at_most(seen) * LAST_SECONDS / around, WAVE * just_before)
    if end - first >= LAST_LEAST and _unlikely(end - first, usual, 1):
        args = {"count": end - first, "seconds": round(LAST_SECONDS), "usual": round(usual, 1)}
        yield Sign("last_moment", tuple(one.person for one in rows[first:end]), args)


def _alike(rows: Sequence[Row]) -> Iterator[Sign]:
    """Names that differ by a number only (`Ana1`, `ana_27`), and that come together.

    A stem that many people like is spread over the whole list; how many of it are to be expected among those who enter
    in the same minutes is told by the others.
    """
    stems: dict[str, list[int]] = defaultdict(list)
    for at, one in enumerate(rows):
        stem = stem_of(one.name)
        if stem:
            stems[stem].append(at)
    times = [one.at for one in rows]
    for stem, members in sorted(stems.items()):
        if len(members) < NAMES_LEAST:
            continue

        def usual(first: int, end: int, of: list[int] = members) -> float:
            """How many of the stem are to be expected in the minutes from this one on, by all who entered outside."""
            within = bisect_left(times, times[of[first]] + NAMES_SECONDS) - of[first]
            others = len(of) - (end - first)
            share = _at_most(others) / (len(rows) - within + 4 * _USUAL)
            return share * within

        found = _windows([times[at] for at in members], NAMES_SECONDS, NAMES_LEAST, usual, len(rows))
        for first, end, _ in found:
            who = [rows[at].person for at in members[first:end]]
            minutes = math.ceil((times[members[end - 1]] - times[members[first]]) / 60) or 1
            yield Sign("similar_names", tuple(who), {"count": len(who), "stem": stem, "minutes": minutes})


def stem_of(name: str) -> str:
    """What is left of a name without the number at its end, without case and width; empty where it has none, or where
    less than two signs are left (one is a coincidence)."""
    if not any(one.isdigit() for one in name[-4:]):
        return ""
    plain = unicodedata.normalize("NFKC", name).casefold().strip()
    found = _NUMBERED.fullmatch(plain)
    return found[1] if found and len(found[1]) >= 2 else ""


def _crowds(times: Sequence[float], width: float, least: int, around: float) -> Iterator[tuple[int, int, float]]:
    """Where rising times come closer together than around them: see `_windows`."""

    def usual(first: int, end: int) -> float:
        start, stop = times[first], times[first] + width
        before = first - bisect_left(times, start - around)
        after = bisect_left(times, stop + around) - end
        next_to = max(first - bisect_left(times, start - width), bisect_left(times, stop + width) - end)
        return max(_at_most(max(before, after)) * width / around, WAVE * next_to)

    return _windows(times, width, least, usual, len(times))


def _windows(
    times: Sequence[float], width: float, least: int, usual: Callable[[int, int], float], tries: int
) -> Iterator[tuple[int, int, float]]:
    """Where at least so many of these rising times are within a width, and `usual(first, end)` makes that unlikely:
    (first, end, the most that were to be expected in the first of them), windows that overlap as one."""
    begin = end = last = 0
    expected = 0.0
    for first, time in enumerate(times):
        while last < len(times) and times[last] < time + width:
            last += 1
        if last - first < least:
            continue
        most = usual(first, last)
        if not _unlikely(last - first, most, tries):
            continue
        if first >= end:
            if end:
                yield begin, end, expected
            begin, expected = first, most
        end = last
    if end:
        yield begin, end, expected


def _at_most(seen: int) -> float:
    """How many there may be on average where so many were seen once: some four deviations more (Poisson)."""
    return seen + 4 * math.sqrt(seen) + 4


def _unlikely(count: int, usual: float, tries: int) -> bool:
    """Whether so many are too many where `usual` come on average, in any of so many windows: Chernoff's bound for the
    tail of a Poisson distribution, times the windows looked at, is below UNLIKELY."""
    if count <= usual:
        return False
    return count - usual - count * math.log(count / usual) + math.log(tries) < math.log(UNLIKELY)
