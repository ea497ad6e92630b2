"""A tenth of the fault run (`./test faults` is all of it), and that its table names every failpoint."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bot.domain.failpoints import Point
from bot.rehearsal.loading import parse_scenarios

from .__main__ import arguments, play
from .giveaways import PHASES, chosen, scenario
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


def test_deaths_of_giveaways_are_rehearsals_of_known_places() -> None:
    deaths = chosen(["giveaway: *"])
    assert len(deaths) == len(set(deaths)) == sum(len(points) for points in PHASES.values()) >= 30
    for phase, point in deaths:
        assert point.partition("/")[0] in set(Point)
        (one,) = parse_scenarios(scenario(phase, point))
        assert point in one.name


ROOT = Path(__file__).parents[2]
COMMANDS = re.findall(r"`\./test ([^`]+)`", (ROOT / "docs" / "faults.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", sorted({one for one in COMMANDS if "N`" not in one and "--seed N" not in one}))
def test_what_the_paper_on_faults_says_to_run_is_there(command: str) -> None:
    words = shlex.split(command)
    if words[0] != "faults":
        paths = [ROOT / word for word in words if word.startswith("tests/")]
        assert paths
        assert all(path.exists() for path in paths)
        if "-k" in words:
            assert f"def {words[-1]}(" in "".join(path.read_text(encoding="utf-8") for path in paths)
    elif words[1:]:
        options = arguments(words[1:])
        plans = [whole(platform).only(options.only) for platform in options.platform]
        several = any(name.startswith("several: ") for name in options.only)
        assert several or chosen(options.only) or all(plan.dies or plan.links for plan in plans)
