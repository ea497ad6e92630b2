"""Several workers under one limit: through Redis being flushed, restarted, lost by all or by one, and found again."""

from __future__ import annotations

import random
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.chat.ports import PaceUnavailable
from bot.domain.delivery import Urgency
from bot.engine import limiter as limiter_module
from bot.engine import places as places_module
from bot.engine.buckets import PUBLISHED, Rate
from bot.engine.limiter import Candidate, Limiter
from bot.engine.sharing import Sharing, View, cautious

from .limits import Ticks, World, jitter

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Nothing of this really waits: time is virtual."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("it waits in real time")


class Buckets:
    """What Redis does with the script, in virtual time (tests/integrations/redis runs the real one)."""

    def __init__(self, clock: Ticks) -> None:
        self.clock = clock
        self.forget()
        self.down = False
        self.takes = 0

    def forget(self) -> None:
        self.born = self.clock.at
        self.known: dict[str, tuple[float, float]] = {}

    def take(self, bucket: str, rate: float, burst: float, count: int) -> float:
        self.takes += 1
        tokens, at = self.known.get(bucket, (0.0, self.born))
        tokens = min(burst, tokens + (self.clock.at - at) * rate)
        if tokens + 1e-9 < count:
            return (count - tokens) / rate
        self.known[bucket] = (tokens - count, self.clock.at)
        return 0.0


@dataclass
class Link:
    """One worker's way to the shared buckets."""

    server: Buckets
    cut: bool = False

    async def take(self, bucket: str, rate: float, burst: float, count: int) -> float:
        self._reach()
        return self.server.take(bucket, rate, burst, count)

    async def empty(self) -> None:
        self._reach()
        self.server.forget()

    def _reach(self) -> None:
        if self.cut or self.server.down:
            raise PaceUnavailable("gone")


@dataclass
class Leases:
    """The database's leases. Each worker reads them now and then, and trusts what it read for seven seconds."""

    clock: Ticks
    rows: dict[str, str] = field(default_factory=dict)


@dataclass
class Worker:
    """A worker's view of the leases."""

    me: str
    leases: Leases
    seen: frozenset[str] = frozenset()
    read_at: float = -100.0
    slow: float = 1.0

    def held(self, prefix: str) -> frozenset[str]:
        if self.leases.clock.at - self.read_at > 7:
            return frozenset()
        return frozenset(name.removeprefix(prefix) for name in self.seen if name.startswith(prefix))

    def want(self, name: str) -> None:
        self.leases.rows[name] = self.me

    def renounce(self, name: str) -> None:
        self.leases.rows.pop(name, None)

    def read(self) -> None:
        if self.leases.clock.at - self.read_at >= self.slow:
            self.read_at = self.leases.clock.at
            self.seen = frozenset(self.leases.rows)


class Fleet:
    """Workers of one bot that all want to send as much as they can to the same destinations."""

    def __init__(self, count: int, platform: str = "telegram", seed: int = 0, way: float = 0.04) -> None:
        self.clock = Ticks()
        self.platform = platform
        self.server = Buckets(self.clock)
        self.leases = Leases(self.clock)
        self.chance = random.Random(seed)
        self.way = way
        self.crew: list[Worker] = []
        self.links: list[Link] = []
        self.worlds: list[World] = []
        for _ in range(count):
            self.join()

    def join(self) -> None:
        number = len(self.crew)
        worker, link = Worker(f"w{number}", self.leases, slow=1 + number % 3), Link(self.server)
        self.leases.rows[f"worker:w{number}"] = worker.me
        sharing = Sharing(link, worker, self.platform, self.clock.monotonic)
        limiter = Limiter(PUBLISHED[self.platform], self.clock.monotonic, self.clock.now, self.platform, sharing)
        self.crew.append(worker)
        self.links.append(link)
        self.worlds.append(World(limiter, self.clock, way=jitter(self.chance.randrange(999), most=self.way)))

    def die(self, number: int) -> None:
        """Killed: what it held lasts ten seconds more, as far as the others can see."""
        name = self.crew[number].me
        self.crew[number].slow = 1e9
        self.dying.append((self.clock.at + 10, name))

    dying: list[tuple[float, str]]

    def turn(self, number: int, wanted: list[Candidate]) -> None:
        world, limiter = self.worlds[number], self.worlds[number].limiter
        self.crew[number].read()
        run(limiter.share())
        for one in limiter.choose(wanted, 64 - world.flying):
            if run(limiter.admit(one)):
                world.send([one])
            else:
                limiter.unused(one)

    def live(self, seconds: float, wanted: list[Candidate], idle: tuple[int, ...] = ()) -> None:
        until = self.clock.at + seconds
        numbers = [number for number in range(len(self.crew)) if number not in idle and self.crew[number].slow < 100]
        while self.clock.at < until:
            self.chance.shuffle(numbers)
            for number in numbers:
                self.turn(number, wanted)
            start = self.clock.at
            for world in self.worlds:
                self.clock.at = start
                world.pass_time(0.04)
            for at, name in [entry for entry in self.dying if entry[0] <= self.clock.at]:
                self.dying.remove((at, name))
                self.leases.rows = {lease: who for lease, who in self.leases.rows.items() if who != name}

    def check(self) -> None:
        together = World(self.worlds[0].limiter, self.clock)
        for world in self.worlds:
            together.order += world.order
            for name, times in world.arrived.items():
                together.arrived.setdefault(name, []).extend(times)
        together.check(self.platform)

    def sent(self) -> int:
        return sum(len(world.order) for world in self.worlds)


@pytest.fixture(autouse=True)
def _virtual(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    Fleet.dying = []

    async def sleep(_seconds: float) -> None:
        raise AssertionError("nothing is late here")

    monkeypatch.setattr(limiter_module, "asyncio", SimpleNamespace(sleep=sleep))
    yield


EVERYWHERE = [Candidate(number, name, Urgency.REPLY) for number, name in enumerate(("-1", "-2", *map(str, range(40))))]
FEW = EVERYWHERE[:6]


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


def test_answers_are_made_and_paid_for_later() -> None:
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
