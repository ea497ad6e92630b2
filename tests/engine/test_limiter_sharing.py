"""Several workers under one limit: through Redis being flushed, restarted, lost by all or by one, and found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.delivery import Urgency
from bot.engine import limiter as limiter_module
from bot.engine import places as places_module
from bot.engine.buckets import PUBLISHED, Rate
from bot.engine.limiter import Candidate
from bot.engine.sharing import Sharing, View, cautious

from .fleet import EVERYWHERE, FEW, Buckets, Fleet


@pytest.fixture(autouse=True)
def _virtual(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    Fleet.dying = []

    async def sleep(_seconds: float) -> None:
        raise AssertionError("nothing is late here")

    monkeypatch.setattr(limiter_module, "asyncio", SimpleNamespace(sleep=sleep))
    yield


@pytest.mark.parametrize("platform", list(PUBLISHED))
def test_two_workers_share_the_limit_and_use_most_of_it(platform: str) -> None:
    fleet = Fleet(2, platform)
    fleet.live(30, EVERYWHERE)
    fleet.check()
    both = [len(world.order) for world in fleet.worlds]
    assert min(both) > 0.3 * sum(both)
    least = {"telegram": 22.0, "slack": 3.5, "discord": 25.0}[platform]
    assert sum(both) > least * 29


def test_a_worker_that_has_nothing_to_send_leaves_it_to_the_other() -> None:
    fleet = Fleet(2)
    fleet.live(20, EVERYWHERE, idle=(1,))
    assert fleet.sent() > 22 * 19


@pytest.mark.parametrize("what", ["flushed", "restarted", "cut for all", "cut for one", "killed alone", "joined"])
@pytest.mark.parametrize("wanted", [EVERYWHERE, FEW], ids=["many", "few"])
def test_never_faster(what: str, wanted: list[Candidate]) -> None:
    fleet = Fleet(2)
    fleet.live(8, wanted)
    if what == "flushed":
        for _ in range(5):
            fleet.server.forget()
            fleet.live(2.2, wanted)
    elif what == "restarted":
        fleet.server.down = True
        fleet.live(3, wanted)
        fleet.server.down = False
        fleet.server.forget()
    elif what == "cut for all":
        fleet.server.down = True
        fleet.live(40, wanted)
        fleet.server.down = False
    else:
        fleet.links[0].cut = True
        fleet.live(25, wanted)
        if what == "killed alone":
            fleet.die(0)
        elif what == "joined":
            fleet.join()
            fleet.live(20, wanted)
        fleet.links[0].cut = False
    before = fleet.sent()
    fleet.live(40, wanted)
    assert fleet.sent() > before + 40
    fleet.check()


def test_who_cannot_reach_the_others_pauses_and_then_keeps_to_its_part() -> None:
    fleet = Fleet(2)
    fleet.live(5, EVERYWHERE)
    fleet.links[0].cut = True
    before = len(fleet.worlds[0].order)
    fleet.live(9.9, EVERYWHERE)
    assert len(fleet.worlds[0].order) <= before + 10  # those that had their tokens
    assert "alone:telegram:w0" in fleet.leases.rows
    start = len(fleet.worlds[0].order)
    fleet.live(30, EVERYWHERE)
    alone = len(fleet.worlds[0].order) - start
    assert 100 < alone <= 15 * 30
    theirs = {one.destination for _, one in fleet.worlds[0].order[start:]}
    assert theirs == {
        one.destination for one in EVERYWHERE if View(("w0", "w1"), frozenset()).owner(one.destination) == "w0"
    }
    fleet.check()


def test_without_leases_nothing_is_sent() -> None:
    fleet = Fleet(2)
    fleet.leases.rows.clear()
    fleet.live(5, EVERYWHERE)
    assert fleet.sent() == 0
    assert fleet.worlds[0].limiter.waits().keys() == {""}


def test_answers_are_made_and_paid_for_later_where_they_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PUBLISHED, "telegram", replace(PUBLISHED["telegram"], answers_count=True))
    fleet = Fleet(1)
    fleet.live(5, [])
    answers = [Candidate(number, "-1", Urgency.ANSWER) for number in range(30)]
    fleet.turn(0, answers)
    assert fleet.sent() == 30
    fleet.live(1.0, [to for to in EVERYWHERE if to.destination == "7"])
    assert fleet.sent() == 30  # thirty tokens at 24 a second, less the few that were there
    fleet.live(1.0, [to for to in EVERYWHERE if to.destination == "7"])
    assert fleet.sent() == 31


async def test_tokens_that_became_old_before_the_request_are_taken_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(1)
    fleet.live(5, [])
    limiter = fleet.worlds[0].limiter

    async def sleep(seconds: float) -> None:
        fleet.clock.at += seconds

    monkeypatch.setattr(limiter_module, "asyncio", SimpleNamespace(sleep=sleep))
    one = Candidate(1, "7", Urgency.REPLY)
    assert not limiter.choose([one], 1)
    await limiter.share()
    assert limiter.choose([one], 1)
    fleet.clock.at += 0.3  # the commit was slow
    takes = fleet.server.takes
    assert await limiter.admit(one)
    assert fleet.server.takes >= takes + 2
    limiter.went(one)
    fleet.links[0].cut = True
    fleet.clock.at += 5
    fleet.crew[0].read()
    assert not limiter.choose([one], 1)


@given(
    seed=st.integers(0, 10**6),
    deeds=st.lists(
        st.tuples(
            st.sampled_from(["flush", "down", "up", "cut 0", "cut 1", "mend", "join", "die"]), st.floats(0.5, 15)
        ),
        min_size=1,
        max_size=6,
    ),
)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_never_faster_whatever_happens(seed: int, deeds: list[tuple[str, float]]) -> None:
    Fleet.dying = []
    fleet = Fleet(2, seed=seed)
    fleet.live(3, FEW)
    for deed, seconds in deeds:
        match deed:
            case "flush":
                fleet.server.forget()
            case "down":
                fleet.server.down = True
            case "up":
                fleet.server.down = False
                fleet.server.forget()
            case "mend":
                for link in fleet.links:
                    link.cut = False
            case "join" if len(fleet.crew) < 4:
                fleet.join()
            case "die" if sum(worker.slow < 100 for worker in fleet.crew) > 1:
                fleet.die(next(n for n, worker in enumerate(fleet.crew) if worker.slow < 100))
            case "cut 0" | "cut 1":
                fleet.links[int(deed[-1])].cut = True
        fleet.live(seconds, FEW)
    fleet.check()


@pytest.mark.parametrize("rate", [rate for pace in PUBLISHED.values() for rate in (pace.overall, *pace.of("-1"))])
def test_a_shared_bucket_leaves_room_for_what_is_late(rate: Rate) -> None:
    shared = cautious(rate)
    assert shared.burst >= 1
    assert shared.burst + shared.count / shared.seconds * (rate.seconds + 0.15) < rate.count + 1


def test_owners_stay_when_others_go() -> None:
    three, two = View(("a", "b", "c"), frozenset()), View(("a", "b"), frozenset())
    names = [str(number) for number in range(300)]
    assert all(two.owner(name) == three.owner(name) for name in names if three.owner(name) != "c")
    assert all(60 < sum(three.owner(name) == worker for name in names) < 140 for worker in "abc")


# Mutants: each lets something through that the platform counts as too much


def flushed(fleet: Fleet) -> None:
    for _ in range(6):
        fleet.server.forget()
        fleet.live(0.3, EVERYWHERE)


def one_cut_off(fleet: Fleet) -> None:
    fleet.links[0].cut = True
    fleet.live(30, FEW)


def the_other_notices_late(fleet: Fleet) -> None:
    fleet.crew[1].slow = 6.0
    fleet.live(7, FEW)
    one_cut_off(fleet)


def full_at_birth(self: Buckets, bucket: str, rate: float, burst: float, count: int) -> float:
    self.known.setdefault(bucket, (burst, self.clock.at))
    return _take(self, bucket, rate, burst, count)


_take = Buckets.take


def everything_is_mine(_self: Sharing, _destination: str, _now: float) -> float:
    return 0.0


def no_pause(self: Sharing, _now: float) -> float:
    return 1 / max(1, len(self._views[-1][1].live)) if self.alone else 1.0


def only_the_newest_view(self: Sharing, _now: float) -> list[View]:
    return [self._views[-1][1]]


def as_published(rate: Rate) -> Rate:
    return rate


MUTANTS = {
    "buckets are full after a flush": (Buckets, "take", full_at_birth, flushed),
    "destinations belong to nobody": (Sharing, "leave", everything_is_mine, one_cut_off),
    "no pause": (Sharing, "part", no_pause, one_cut_off),
    "the newest view is enough": (Sharing, "_recent", only_the_newest_view, the_other_notices_late),
    "the whole figure": (places_module, "cautious", as_published, lambda fleet: fleet.live(20, EVERYWHERE)),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, method, mutant, deed = MUTANTS[name]

    def scenario(seed: int) -> None:
        fleet = Fleet(2, seed=seed, way=0.09)
        fleet.live(6, FEW)
        deed(fleet)
        fleet.check()

    scenario(0)
    monkeypatch.setattr(owner, method, mutant)
    with pytest.raises(AssertionError, match=r"too many in all| in \d+ s"):
        for seed in range(8):
            scenario(seed)
