"""One limit among several workers: shared buckets, and what each may do alone when it cannot reach them (F13).

With the shared buckets a worker takes a token for each request just before it makes it. One that cannot reach them says
so to the others by a lease, and from then on everybody keeps to a division of the limits: destinations belong to one
worker each, the whole bot's limit is split evenly, and nobody uses the shared buckets for what belongs to a worker that
is alone. Views of who lives and who is alone reach the workers at different moments. So each does only what every view
of the last ten seconds allows, in which time everybody has either a new view or no lease to work by.
"""

from __future__ import annotations

import logging
import math
import threading
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.chat.processes import PaceUnavailable, SharedPace
from bot.engine.buckets import SHARE, Rate

SETTLE = 10.0
"""Seconds in which every worker has seen what there was to see, or has lost its lease."""
LOOK = 3.0
"""Seconds after which it is looked again who works."""
FRESH = 0.05
"""Seconds from the taking of a token to the choice, and from the choice to the request; then it is too old."""
AGAIN = 0.001
"""Seconds after which a missing token may be there: as soon as it was asked for."""
ON_THE_WAY = 0.05
"""Seconds more that a request may take to arrive without making the windows too full."""
AT_ONCE = 16
"""Requests for which tokens are taken in one go."""
OTHERS = 2.0
"""Seconds after which it is looked again whether a destination is still another worker's."""
WHOLE = "bot"
"""The bucket of the whole bot."""
RETRY = 2.0
"""Seconds after which the shared buckets are tried again; doubled for each loss of late, up to `RETRY_MOST`."""
RETRY_MOST = 60.0
LATELY = 300.0

log = logging.getLogger("herald.limiter")


class Crew(Protocol):
    """The workers, as the database's leases tell."""

    @property
    def me(self) -> str:
        """This worker's name."""

    def held(self, prefix: str) -> frozenset[str]:
        """What follows `prefix` in the names of the leases that living processes hold, as last read.

        Empty while this process cannot trust its own leases.
        """

    def want(self, name: str) -> None:
        """Hold a lease of this name from now on."""

    def renounce(self, name: str) -> None:
        """Hold it no longer."""


@dataclass(frozen=True, slots=True)
class Need:
    """A token of one shared bucket."""

    bucket: str
    rate: Rate


@dataclass(frozen=True, slots=True)
class View:
    """Who works, and who of them cannot reach the shared buckets."""

    live: tuple[str, ...]
    alone: frozenset[str]

    def owner(self, destination: str) -> str:
        """Whose destination it is when anybody is alone: the same answer everywhere, and few move when one goes."""
        return max(self.live, key=lambda worker: (zlib.crc32(f"{worker} {destination}".encode()), worker), default="")


def cautious(rate: Rate) -> Rate:
    """A limit as several may use it together: a little late on the way, no window holds more than is published.

    A bucket lets at most `burst` + rate x (window + lateness) pass within a window, and that is to stay below one more
    than what is published.
    """
    longest = rate.seconds + 2 * FRESH + ON_THE_WAY
    a_second = min(SHARE * rate.count / rate.seconds, 0.99 * rate.count / longest)
    room = math.ceil(rate.count + 1 - a_second * longest) - 1
    return Rate(a_second * rate.seconds, rate.seconds, max(1.0, min(rate.burst, float(room))))


class Sharing:
    """The tokens of one platform's limiter."""

    def __init__(
        self,
        pace: SharedPace,
        crew: Crew,
        platform: str,
        monotonic: Callable[[], float],
        settle: float = SETTLE,
    ) -> None:
        """`settle` is at least as long as anybody trusts its leases without renewing them."""
        self._settle = settle
        self._pace = pace
        self._crew = crew
        self._lease = f"alone:{platform}:"
        self._monotonic = monotonic
        self._views: deque[tuple[float, View]] = deque()
        self.alone = False
        """Whether the shared buckets cannot be reached."""
        self.look_again = LOOK
        """Seconds after which somebody has to `fetch`, even without anything to send."""
        self._losses: deque[float] = deque()
        self._retry_at = 0.0
        self._forgotten = self._greeted = False
        self._tokens: dict[str, deque[float]] = {}
        self._denied: dict[str, float] = {}
        self._wanted: list[Sequence[Need]] = []
        self._owed: deque[Need] = deque()
        self._lock = threading.Lock()

    # ---- who may do what

    def look(self, now: float) -> None:
        """Take a view of the workers."""
        view = View(tuple(sorted(self._crew.held("worker:"))), self._crew.held(self._lease))
        last = self._views[-1][1] if self._views else None
        if view == last:
            return
        if last is not None and last.alone - view.alone:
            self._forgotten = True  # somebody's requests are unknown to the shared buckets
        self._views.append((now, view))
        while len(self._views) > 1 and self._views[1][0] <= now - self._settle:
            self._views.popleft()

    def part(self, now: float) -> float:
        """The part of the whole bot's limit that we may use; 0: nothing at present."""
        views = self._recent(now)
        if any(self._crew.me not in view.live for view in views[-1:]):
            return 0.0
        if not any(view.alone for view in views) and not self.alone:
            return 1.0
        if now - self._views[0][0] < self._settle:  # we have not watched for long enough
            return 0.0
        return min(self._part_in(view) for view in views)

    def _part_in(self, view: View) -> float:
        if self.alone:
            return 1 / len(view.live) if self._crew.me in view.alone else 0.0
        return (len(view.live) - len(view.alone & set(view.live))) / len(view.live) if view.live else 0.0

    def _mine_in(self, view: View, destination: str) -> bool:
        if not self.alone and not view.alone:
            return True
        owner = view.owner(destination)
        return owner == self._crew.me if self.alone else owner not in view.alone

    def _recent(self, now: float) -> list[View]:
        while len(self._views) > 1 and self._views[1][0] <= now - self._settle:
            self._views.popleft()
        return [view for _, view in self._views] or [View((), frozenset())]

    def pause(self, now: float) -> float:
        """Seconds until it is worth another look whether anything may be sent; 0.0: it may."""
        return OTHERS if self.part(now) == 0 else 0.0

    def leave(self, destination: str, now: float) -> float:
        """Seconds until it is worth another look whether a destination is ours; 0.0: it is."""
        return 0.0 if all(self._mine_in(view, destination) for view in self._recent(now)) else OTHERS

    # ---- tokens

    @property
    def takes(self) -> bool:
        """Whether each request takes shared tokens."""
        return not self.alone

    def use(self, needs: Sequence[Need], now: float) -> float:
        """Use a token of each; otherwise none, and the seconds until it is worth another try."""
        with self._lock:
            missing = [need.bucket for need in needs if not self._held(need.bucket, now)]
            if not missing:
                for need in needs:
                    self._tokens[need.bucket].popleft()
                return 0.0
            wait = max(self._denied.get(bucket, 0.0) - now for bucket in missing)
            if wait <= 0:
                self._wanted.append(needs)
            return max(wait, AGAIN)

    def whole(self, now: float) -> float:
        """Seconds until it is worth another try for any destination; 0.0: it is now."""
        with self._lock:
            if len(self._wanted) >= AT_ONCE:
                return AGAIN
            return 0.0 if self._held(WHOLE, now) else max(0.0, self._denied.get(WHOLE, 0.0) - now)

    def _held(self, bucket: str, now: float) -> int:
        tokens = self._tokens.get(bucket, deque())
        while tokens and tokens[0] <= now - FRESH:
            tokens.popleft()
        return len(tokens)

    def owe(self, needs: Sequence[Need]) -> None:
        """A request was made without these tokens: others are to wait for it."""
        self._owed.extend(needs)

    async def fetch(self) -> None:
        """Take the tokens that were missing, the most urgent first. Never raises because the server is gone."""
        now = self._monotonic()
        self.look(now)
        with self._lock:
            wanted, self._wanted = self._wanted, []
        if self.alone and now < self._retry_at:
            return
        try:
            if not self._greeted:  # who cannot reach them knows it before there is anything to send
                self._greeted = True
                await self._pace.take("greeting", 1.0, 1.0, 1)
            if self.alone or self._forgotten:
                await self._pace.empty()
                self._found()
            await self._fetch(wanted)
        except PaceUnavailable as error:
            self._lost(error)

    async def _fetch(self, wanted: Sequence[Sequence[Need]]) -> None:
        while self._owed:
            if await self._take(self._owed[0]) is None:
                return
            self._owed.popleft()
        with self._lock:
            now = self._monotonic()
            self._denied = {bucket: until for bucket, until in self._denied.items() if until > now}
            spare = {bucket: held for bucket in self._tokens if (held := self._held(bucket, now))}
            self._tokens = {bucket: self._tokens[bucket] for bucket in spare}
        for needs in wanted:
            got: list[str] = []
            for need in needs:
                if spare.get(need.bucket, 0) > 0:
                    spare[need.bucket] -= 1
                elif (taken := await self._take(need)) is not None:
                    with self._lock:
                        self._tokens.setdefault(need.bucket, deque()).append(taken)
                else:
                    spare |= {bucket: spare.get(bucket, 0) + 1 for bucket in got}  # for the next ones
                    break
                got.append(need.bucket)

    async def _take(self, need: Need) -> float | None:
        """When a token was taken, or None."""
        began = self._monotonic()
        if self._denied.get(need.bucket, 0.0) > began:
            return None
        wait = await self._pace.take(need.bucket, need.rate.count / need.rate.seconds, need.rate.burst, 1)
        if wait > 0:
            with self._lock:
                self._denied[need.bucket] = began + wait
            return None
        return began

    async def admit(self, needs: Sequence[Need]) -> float:
        """Take a token of each now; otherwise the seconds until it is worth another try. Never raises as above."""
        now = self._monotonic()
        self.look(now)
        if self.alone or self._forgotten:
            return RETRY
        try:
            for need in needs:
                if await self._take(need) is None:
                    return max(self._denied.get(need.bucket, 0.0) - now, AGAIN)
        except PaceUnavailable as error:
            self._lost(error)
            return RETRY
        return 0.0

    def _lost(self, error: PaceUnavailable) -> None:
        now = self._monotonic()
        if not self.alone:
            self._losses.append(now)
            self._crew.want(self._lease + self._crew.me)
            log.warning("shared rate buckets cannot be reached, this worker keeps to its own part: %s", error)
        while self._losses and self._losses[0] < now - LATELY:
            self._losses.popleft()
        self.alone = True
        self._retry_at = now + min(RETRY * 2 ** len(self._losses), RETRY_MOST)
        with self._lock:
            self._tokens.clear()

    def _found(self) -> None:
        if self.alone:
            self._crew.renounce(self._lease + self._crew.me)
            log.warning("shared rate buckets are there again")
        self.alone = self._forgotten = False
        with self._lock:
            self._tokens.clear()
            self._denied.clear()


class Sole:
    """A single process, which shares with nobody."""

    alone = False
    takes = False
    look_again = math.inf

    def part(self, _now: float) -> float:
        """All of it."""
        return 1.0

    def pause(self, _now: float) -> float:
        """Never."""
        return 0.0

    def leave(self, _destination: str, _now: float) -> float:
        """Every destination is ours."""
        return 0.0

    def whole(self, _now: float) -> float:
        """There is nothing to take."""
        return 0.0

    def use(self, _needs: Sequence[Need], _now: float) -> float:
        """There is nothing to take."""
        return 0.0

    def owe(self, _needs: Sequence[Need]) -> None:
        """To nobody."""

    async def fetch(self) -> None:
        """There is nothing to take."""

    async def admit(self, _needs: Sequence[Need]) -> float:
        """There is nothing to take."""
        return 0.0


SOLE = Sole()
