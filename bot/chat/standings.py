"""How members stand on their platform: what giveaways and their conditions ask for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar, runtime_checkable

from bot.chat.ports import NotSent, SendError, Unclear
from bot.domain.places import Channel, Member

log = logging.getLogger("herald.standings")

PAUSES: Final = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds before each further try of a look-up, at least: standings are read for minutes, an outage may end."""
LONGEST_WAIT: Final = 300.0
"""Seconds that a platform may have us wait; what it puts off for longer is not read now."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Standing:
    """How somebody stands in a tenant now. None: the platform does not tell. Times are UTC seconds since 1970."""

    present: bool
    """Still a member."""
    roles: frozenset[str] | None = None
    """Those of the roles asked for that they hold, named as in `ReadsRoles`; on Telegram also `booster@<chat id>`."""
    joined_at: float | None = None
    created_at: float | None = None
    boosting: bool | None = None
    is_bot: bool = False


@runtime_checkable
class ReadsStandings(Protocol):
    """Platforms where it can be looked up how many members stand at once."""

    async def standings(
        self, members: Collection[Member], at: Channel, roles: Collection[str]
    ) -> Mapping[Member, Standing]:
        """How these members stand now in the tenant of this channel, freshly read in as few requests as it takes.

        Who cannot be read is missing. It may take long (limits of the platform are kept to): cancelling it is safe.
        Raises SendError when nothing at all could be read.
        """


async def patiently(ask: Callable[[], Awaitable[T]], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> T:
    """What `ask` gives, asked again while it finds no answer, after as long as the platform says.

    Raises Refused at once, NotSent and Unclear after so many tries as there are PAUSES, and one.
    """
    for pause in PAUSES:
        try:
            return await ask()
        except (NotSent, Unclear) as error:
            told = (error.retry_after if isinstance(error, NotSent) else None) or 0.0
            if told > LONGEST_WAIT:
                raise
            log.info("a look-up waits %.0f s: %s", max(pause, told), error)
            await sleep(max(pause, told))
    return await ask()


async def one_by_one(
    members: Iterable[Member], read: Callable[[Member], Awaitable[Standing | None]], at_once: int = 1
) -> tuple[dict[Member, Standing], SendError | None]:
    """What `read` gives for each of them, `at_once` under way, and what ended it before all were read.

    `read` gives None for somebody who cannot be read, and raises SendError for what would meet the others, too.
    """
    found: dict[Member, Standing] = {}
    waiting = iter(members)
    ended: SendError | None = None

    async def work() -> None:
        for member in waiting:
            standing = await read(member)
            if standing is not None:
                found[member] = standing

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(at_once):
                group.create_task(work(), name=f"standings {number}")
    except* SendError as failed:
        ended = _first(failed)
    return found, ended


def told(found: Mapping[Member, Standing], ended: SendError | None) -> Mapping[Member, Standing]:
    """What was read; raises what ended it where that is nothing at all."""
    if ended is not None and not found:
        raise ended
    if ended is not None:
        log.warning("standings: only %d could be read: %s", len(found), ended)
    return found


def _first(group: BaseExceptionGroup[SendError]) -> SendError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
