"""Leases among several processes: what one of them holds, no other uses, and what a dead one held is taken over.

A holder raises the `beat` of its rows again and again. Whoever wants a lease watches it with a clock of its own: one
that has not changed for `lease` seconds belongs to a dead process, and is taken over by compare-and-swap. A holder that
could not renew stops using what it holds a beat before anybody may take it, counted from when it began to renew last.
No clock is ever compared with that of another machine.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import Connection

from bot.chat.ports import StoreUnavailable
from bot.domain.failpoints import Point, reach
from bot.domain.parts import share
from bot.engine.clock import boot_seconds
from bot.storage.leases import PRESENCE, Lease, Leases
from bot.storage.store import Store

PART = "part:"
HURRY_SECONDS = 0.05
"""How long a part that is being given up waits at a time for its events under way."""
CHECK_SECONDS = 0.5
"""How often it is looked whether something is still held: a suspended machine's timers stand still."""
LEAVE_SECONDS = 2.0
"""How long giving everything back may take at a stop, which has ten seconds in all."""

log = logging.getLogger("herald.leases")


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: how often a holder shows that it lives, and after how long without that it counts as dead."""

    beat: float = 3.0
    lease: float = 10.0

    @property
    def trust(self) -> float:
        """How long a holder believes in a renewal."""
        return self.lease - self.beat

    @property
    def look(self) -> float:
        """How often leases are looked at: a death is noticed at most two looks after the lease is over."""
        return self.beat / 3


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written next."""

    take: Sequence[tuple[str, Lease | None]] = ()
    give: Collection[str] = ()
    forget: Sequence[Lease] = ()

    def __bool__(self) -> bool:
        return bool(self.take or self.give or self.forget)


class Watch:
    """Since when each lease has looked the way it does, by our own clock."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._since: dict[tuple[str, str, int, int], float] = {}
        self._last: float | None = None

    def see(self, leases: Collection[Lease], now: float) -> None:
        """These are all leases; they were read at some moment before `now`.

        Who could not look for so long that holders lose their trust begins to count anew: perhaps nobody could renew
        in that time either, and all would take everything from each other.
        """
        blind = self._last is None or now - self._last > self._timing.trust
        before = {} if blind else self._since
        keys = {(lease.name, lease.holder, lease.token, lease.beat) for lease in leases}
        self._since = {key: before.get(key, now) for key in keys}
        self._last = now

    def free(self, lease: Lease, now: float) -> bool:
        """Whether it may be taken: nobody holds it, or its holder is dead."""
        since = self._since.get((lease.name, lease.holder, lease.token, lease.beat), now)
        return not lease.holder or now - since >= self._timing.lease


@dataclass
class Claims:
    """What one process holds and wants; no input or output. `now` is always its own clock."""

    me: str
    timing: Timing
    worker: bool
    wanted: set[str] = field(default_factory=set)
    """Leases that it wants for itself alone."""
    names: frozenset[str] = frozenset()
    leaving: frozenset[str] = frozenset()
    """Parts that others are to have: not used any more, and given up once nothing of them is under way."""
    living: frozenset[str] = frozenset()
    """The names of all leases that somebody holds who is not known to be dead, as last read."""
    _until: float = float("-inf")

    def __post_init__(self) -> None:
        self._watch = Watch(self.timing)

    def holds(self, name: str, now: float) -> bool:
        """Whether it may be used at this moment."""
        return name in self.names and self.trusted(now)

    def parts(self, now: float) -> frozenset[int]:
        """The parts that may be used at this moment."""
        if not self.trusted(now):
            return frozenset()
        return frozenset(int(name.removeprefix(PART)) for name in self.names - self.leaving if name.startswith(PART))

    def trusted(self, now: float) -> bool:
        """Whether the last renewal may still be believed in."""
        return now < self._until

    def giving(self, names: Collection[str]) -> None:
        """These are about to be given up: whatever comes of it, they are not ours until a renewal says so."""
        self.names -= frozenset(names)

    def renewed(self, names: Collection[str], since: float) -> None:
        """All these, and nothing else, were ours in a renewal that began at `since`."""
        self.names = frozenset(names)
        self.leaving &= self.names
        self._until = since + self.timing.trust

    def plan(self, leases: Sequence[Lease], now: float, busy: Collection[int] = ()) -> Plan:
        """What to do about these leases, read just before `now`; parts that are `busy` are not given up yet."""
        self._watch.see(leases, now)
        rows = {lease.name: lease for lease in leases}
        free = {lease.name for lease in leases if self._watch.free(lease, now) and lease.holder != self.me}
        held = {name: row.holder for name, row in rows.items() if name not in free}
        wanted = self.wanted | ({PRESENCE + self.me} if self.worker else set())
        self.living = frozenset(held)
        take = [name for name in sorted(wanted) if held.get(name) is None]
        give = {name for name, holder in held.items() if holder == self.me and not name.startswith((PART, PRESENCE))}
        give -= self.wanted
        if self.worker:
            more, self.leaving = self._share(held)
            take += more
        under_way = {f"{PART}{part}" for part in busy}
        dead = [rows[name] for name in sorted(free) if name.startswith(PRESENCE)]
        return Plan([(name, rows.get(name)) for name in take], give | (self.leaving - under_way), dead)

    def _share(self, held: Mapping[str, str]) -> tuple[list[str], frozenset[str]]:
        """The parts to take and those to leave, so that all living workers have equally many."""
        workers = {name.removeprefix(PRESENCE) for name in held if name.startswith(PRESENCE)} | {self.me}
        holders = {int(name.removeprefix(PART)): holder for name, holder in held.items() if name.startswith(PART)}
        mine = share(self.me, workers, holders)
        return [f"{PART}{part}" for part in mine.take], frozenset(f"{PART}{part}" for part in mine.give)


class Keeper:
    """Keeps the leases of this process. For routers and timers it is the `Parts` that they may work on."""

    def __init__(
        self,
        store: Store,
        me: str,
        about: str,
        timing: Timing,
        *,
        worker: bool,
        seconds: Callable[[], float] = boot_seconds,
    ) -> None:
        self._store = store
        self._about = about
        self._timing = timing
        self._claims = Claims(me, timing, worker)
        self._seconds = seconds
        self._busy: Callable[[], Collection[int]] = tuple
        self._listeners: list[Callable[[], None]] = []
        self._woken = asyncio.Event()
        self._changed = asyncio.Event()
        self._beaten = float("-inf")
        self._before: object = None
        store.listen("leases", self._woken.set)

    def mine(self) -> frozenset[int]:
        """The parts of the work that are this worker's own at this moment."""
        return self._claims.parts(self._seconds())

    def listen(self, call: Callable[[], None]) -> None:
        """Have `call` run in the loop whenever something was taken, given up or lost."""
        self._listeners.append(call)

    def watch(self, busy: Callable[[], Collection[int]]) -> None:
        """Parts that `busy` names are not handed to others yet."""
        self._busy = busy

    @property
    def me(self) -> str:
        """This process's name among the others."""
        return self._claims.me

    def held(self, prefix: str) -> frozenset[str]:
        """What follows `prefix` in the names of the leases that living processes hold, as last read.

        Empty while this process cannot trust its own leases.
        """
        if not self._claims.trusted(self._seconds()):
            return frozenset()
        return frozenset(name.removeprefix(prefix) for name in self._claims.living if name.startswith(prefix))

    def holds(self, name: str) -> bool:
        """Whether this process may use it at this moment."""
        return self._claims.holds(name, self._seconds())

    def want(self, name: str) -> None:
        """From now on try to hold it, and hold it."""
        self._claims.wanted.add(name)
        self._woken.set()

    def renounce(self, name: str) -> None:
        """It is not wanted any more. Whoever used it has stopped doing so."""
        self._claims.wanted.discard(name)
        self._woken.set()

    async def gained(self, name: str) -> None:
        """Wait until this process holds it."""
        while not self.holds(name):
            await self._change()

    async def lost(self, name: str) -> None:
        """Wait until this process may not use it any more."""
        while self.holds(name):
            await self._change()

    async def _change(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CHECK_SECONDS):
                await self._changed.wait()

    async def run(self) -> None:
        """Keep, take and give until cancelled."""
        told = False
        while True:
            self._woken.clear()
            try:
                await self.turn()
                told = False
            except StoreUnavailable as error:
                if not told:
                    log.warning("leases cannot be renewed: %s", error)
                told = True
            self._tell()
            with suppress(TimeoutError):
                async with asyncio.timeout(HURRY_SECONDS if self._claims.leaving else self._timing.look):
                    await self._woken.wait()

    async def turn(self) -> None:
        """Look once, and write what follows from it. Raises StoreUnavailable."""
        rows = await self._store.read(lambda connection: Leases(connection).all())
        plan = self._claims.plan(rows, self._seconds(), self._busy())
        self._tell()
        if plan or self._seconds() - self._beaten >= self._timing.beat:
            await self._exchange(plan)

    async def _exchange(self, plan: Plan) -> None:
        """Write a plan and renew everything in one unit: what is held afterwards is known exactly."""
        me, about, since = self._claims.me, self._about, self._seconds()

        def unit(connection: Connection) -> frozenset[str]:
            leases = Leases(connection)
            for name, seen in sorted(plan.take, key=lambda one: one[0]):
                leases.take(name, me, about, seen)
            leases.give(me, plan.give)
            leases.forget(plan.forget)
            return leases.beat(me)

        self._claims.giving(plan.give)
        reach(Point.LEASES_RENEWING)
        names = await self._store.write(unit)
        self._claims.renewed(names, since)
        self._beaten = since

    def _tell(self) -> None:
        claims = self._claims
        state = (claims.names, claims.leaving, claims.trusted(self._seconds()))
        if state == self._before:
            return
        self._before = state
        self._changed.set()
        self._changed = asyncio.Event()
        for call in self._listeners:
            call()

    async def leave(self) -> None:
        """Everything of this process has stopped: others need not wait until it counts as dead."""
        me = self._claims.me
        self._claims.renewed((), self._seconds())
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._store.write(lambda connection: Leases(connection).leave(me))
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("leases could not be given back, others take them over in a while: %s", error)
