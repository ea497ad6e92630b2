"""One ballot for each voter of a poll: the last one."""

from __future__ import annotations

from collections import Counter

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from bot.domain.tally import Group
from bot.storage.ballots import Cast
from bot.storage.tables import ballots, metadata
from bot.storage.work import Work

from .conftest import NOW, Bench

ANA, BEN, CAT = "slack:T1:ana", "slack:T1:ben", "person:1f"


async def put(bench: Bench, voter: str, *choice: int, poll: int = 1, place: str = "slack:C1", at: float = NOW) -> None:
    member = None if voter.startswith("token") else voter
    when = None if member is None else at
    await bench.write(lambda work: work.ballots.put(poll, voter, choice, place, member, when))


async def test_the_last_ballot_counts(bench: Bench) -> None:
    await put(bench, ANA, 2)
    await put(bench, ANA, 3, 1, place="discord:9", at=NOW + 5)
    assert await bench.read(lambda work: work.ballots.get(1, ANA)) == (3, 1)
    assert await bench.read(lambda work: work.ballots.cast(1, ANA)) == Cast(ANA, (3, 1), "discord:9", ANA, NOW + 5)
    assert await bench.read(lambda work: work.ballots.get(2, ANA)) == ()
    assert await bench.read(lambda work: work.ballots.get(1, BEN)) == ()
    assert await bench.read(lambda work: work.ballots.cast(1, BEN)) is None
    assert await bench.read(lambda work: work.ballots.voters(1)) == 1


async def test_of_an_anonymous_ballot_nothing_else_is_kept(bench: Bench) -> None:
    await put(bench, "token1", 2)
    assert await bench.read(lambda work: work.ballots.cast(1, "token1")) == Cast("token1", (2,), "slack:C1", None, None)
    await put(bench, ANA, 1)
    assert await bench.read(lambda work: work.ballots.members(1)) == {ANA}


async def test_a_ballot_that_is_taken_back_leaves_nothing(bench: Bench) -> None:
    await put(bench, ANA, 2)
    await put(bench, BEN, 1)
    await put(bench, ANA, 2, poll=2)
    assert await bench.read(lambda work: work.ballots.any(1))
    await put(bench, ANA)
    await bench.write(lambda work: work.ballots.remove(1, BEN))
    await bench.write(lambda work: work.ballots.remove(1, BEN))
    assert not await bench.read(lambda work: work.ballots.any(1))
    assert await bench.read(lambda work: work.ballots.listed(1)) == []
    assert await bench.read(lambda work: work.ballots.listed(2)) == [(ANA, (2,))]


async def test_groups_count_equal_ballots_by_place(bench: Bench) -> None:
    for number in range(3):
        await put(bench, f"slack:T1:u{number}", 1, 2)
    await put(bench, BEN, 2, 1)
    await put(bench, CAT, 1, 2, place="discord:9")
    await put(bench, ANA, 1, poll=2)
    groups = await bench.read(lambda work: work.ballots.groups(1))
    assert set(groups) == {
        Group((1, 2), "slack:C1", 3), Group((2, 1), "slack:C1", 1), Group((1, 2), "discord:9", 1)
    }  # fmt: skip
    assert len(groups) == 3
    assert await bench.read(lambda work: work.ballots.voters(1)) == 5
    assert await bench.read(lambda work: work.ballots.groups(3)) == []


async def test_ballots_are_listed_by_code_point(bench: Bench) -> None:
    """Servers sort by their locale; a hash of the list must be the same everywhere."""
    names = ["a", "B", "_", "ä", "Z", "茶", "person:1", "a-b", "ab"]
    for name in names:
        await put(bench, name, 1)
    found = await bench.read(lambda work: work.ballots.listed(1))
    assert [voter for voter, _ in found] == sorted(names)


async def test_a_voter_gets_another_name(bench: Bench) -> None:
    await put(bench, ANA, 1, at=NOW + 1)
    await put(bench, BEN, 2)
    await put(bench, ANA, 1, poll=2)
    await bench.write(lambda work: work.ballots.rename(1, ANA, CAT))
    assert await bench.read(lambda work: work.ballots.cast(1, CAT)) == Cast(CAT, (1,), "slack:C1", ANA, NOW + 1)
    assert await bench.read(lambda work: work.ballots.get(1, ANA)) == ()
    await bench.write(lambda work: work.ballots.rename(1, CAT, CAT))
    await bench.write(lambda work: work.ballots.rename(1, "nobody", BEN))
    assert await bench.read(lambda work: work.ballots.listed(1)) == [(CAT, (1,)), (BEN, (2,))]
    await bench.write(lambda work: work.ballots.rename(1, CAT, BEN))
    assert await bench.read(lambda work: work.ballots.listed(1)) == [(BEN, (1,))]
    assert await bench.read(lambda work: work.ballots.listed(2)) == [(ANA, (1,))]


async def test_an_old_ballot_is_found_by_any_of_its_names(bench: Bench) -> None:
    await bench.write(lambda work: work.ballots.put(1, CAT, (2,), "slack:C1", ANA, NOW))
    for names, there in (({CAT}, True), ({ANA}, True), ({BEN, ANA}, True), ({BEN}, False), (set(), False)):
        found = await bench.read(lambda work, names=names: work.ballots.of_any(1, names))
        assert (found is not None) is there
    assert await bench.read(lambda work: work.ballots.of_any(2, {CAT})) is None


_VOTERS = st.sampled_from(["a", "b", "c", "d"])
_CHOICES = st.lists(st.integers(1, 4), unique=True, max_size=3).map(tuple)
_STEPS = st.lists(
    st.tuples(
        _VOTERS, st.lists(st.integers(1, 4), unique=True, max_size=3).map(tuple), st.sampled_from(["x:1", "y:2"])
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(_STEPS)
def test_the_counts_are_those_of_the_last_ballots(steps: list[tuple[str, tuple[int, ...], str]]) -> None:
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    last: dict[str, tuple[tuple[int, ...], str]] = {}
    with engine.begin() as connection:
        work = Work(connection, NOW)
        for voter, choice, place in steps:
            work.ballots.put(1, voter, choice, place, None, None)
            last.pop(voter, None)
            if choice:
                last[voter] = (choice, place)
        assert Counter({(g.choice, g.place): g.count for g in work.ballots.groups(1)}) == Counter(last.values())
        assert work.ballots.listed(1) == sorted((voter, choice) for voter, (choice, _) in last.items())
        assert work.ballots.voters(1) == len(last)
        assert work.ballots.any(1) is bool(last)
    engine.dispose()


def test_ballots_lie_by_voter_and_not_as_they_came() -> None:
    """In a SQLite file, which every backup is, not even the order of the rows tells who came first."""
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        for name in ("token9", "token1", "token5"):
            Work(connection, NOW).ballots.put(1, name, (1,), "slack:C1", None, None)
        assert list(connection.execute(sa.select(ballots.c.voter)).scalars()) == ["token1", "token5", "token9"]
        with pytest.raises(OperationalError, match="no such column"):
            connection.exec_driver_sql("SELECT rowid FROM ballots")
    engine.dispose()
