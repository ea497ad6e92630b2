"""How members stand on their platform: what giveaways and their conditions ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bot.domain.places import Channel, Member


@dataclass(frozen=True, slots=True)
class Standing:
    """How somebody stands in a tenant now. None: the platform does not tell. Times are UTC seconds since 1970."""

    present: bool
    """Still a member."""
    roles: frozenset[str] | None = None
    """Those of the roles asked for that they hold, named as in `ReadsRoles`."""
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
