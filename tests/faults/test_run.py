"""A tenth of the fault run (`./test faults` is all of it), and that its table names every failpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.failpoints import Point

from .__main__ import play
from .places import ALL, NOT_PLAYED, PLACES, places
from .plans import tenth, whole
from .verdict import summed

SEED = 1


async def test_a_tenth_of_the_fault_run(tmp_path: Path) -> None:
    table: list[str] = []
    verdicts = await play([tenth(platform, SEED) for platform in ALL], tmp_path, SEED, table.append)
    assert all(verdict.clean for verdict in verdicts), "\n".join([*table, summed(verdicts, SEED, 0.0)])


def test_every_failpoint_is_played_or_excused() -> None:
    played = {place.point for place in PLACES}
    assert played | {Point(name) for name in NOT_PLAYED} == set(Point)
    assert not played & {Point(name) for name in NOT_PLAYED}


@pytest.mark.parametrize("platform", ALL)
def test_at_least_twenty_five_on_each_platform(platform: str) -> None:
    names = [place.name for place in places(platform)]
    assert len({place.point for place in places(platform)}) >= 25
    assert len(set(names)) == len(names)


def test_the_whole_run_is_as_large_as_promised() -> None:
    plans = [whole(platform) for platform in ALL]
    assert sum(plan.random for plan in plans) >= 100
    assert sum(plan.stops for plan in plans) >= 20
    assert min(plan.kills for plan in plans) >= 5
    links = {(plan.platform, link.name, mode) for plan in plans for link, mode in plan.links}
    assert len(links) == 6 * 6


def test_a_tenth_holds_other_places_on_each_platform_and_every_mode() -> None:
    plans = [tenth(platform, SEED) for platform in ALL]
    drawn = [place.name for plan in plans for place in plan.places]
    assert len(set(drawn)) == len(drawn) == 12
    assert len({mode for plan in plans for _, mode in plan.links}) == 6
