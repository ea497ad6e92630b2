"""Which roles somebody holds right now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from bot.chat.ports import Platform, ReadsRoles, SendError
from bot.domain.places import Member
from bot.domain.roles import Grant, Role
from bot.engine.sealing import without_words

CACHE_SECONDS = 30.0
"""How old a read of a platform's role may be; integrations keep their lists for at most as long again."""

log = logging.getLogger("herald.access")


class Access:
    """Roles by the settings' grants; what a platform cannot tell counts as no role (fail closed)."""

    def __init__(
        self, grants: Iterable[Grant], platforms: Mapping[str, Platform], monotonic: Callable[[], float]
    ) -> None:
        self._members: dict[Member, set[Role]] = {}
        self._groups: dict[tuple[str, str], list[Grant]] = {}
        self._platforms = platforms
        self._monotonic = monotonic
        self._seen: dict[tuple[Member, str], tuple[float, bool]] = {}
        for grant in grants:
            if grant.user_id is not None:
                member = Member(grant.platform, grant.tenant, grant.user_id)
                self._members.setdefault(member, set()).add(grant.role)
            else:
                self._groups.setdefault((grant.platform, grant.tenant), []).append(grant)

    def known(self, member: Member, carried: Iterable[str] | None = None) -> frozenset[Role] | None:
        """All roles, or None if the platform has to be asked.

        `carried` are all platform roles of the member where a fresh event vouches for them, else None.
        """
        held = set(self._members.get(member, ()))
        wanted = [g for g in self._groups.get((member.platform, member.tenant), ()) if g.role not in held]
        if carried is None:
            return None if wanted else frozenset(held)
        vouched = set(carried)
        return frozenset(held | {grant.role for grant in wanted if grant.platform_role in vouched})

    def groups(self, platform: str, tenant: str) -> tuple[str, ...]:
        """The platform's own roles by which somebody there has one of ours."""
        return tuple(grant.platform_role or "" for grant in self._groups.get((platform, tenant), ()))

    async def roles(self, member: Member, carried: Iterable[str] | None = None) -> frozenset[Role]:
        """All roles, asking the platform where that is needed."""
        known = self.known(member, carried)
        if known is not None:
            return known
        held = set(self._members.get(member, ()))
        for grant in self._groups[member.platform, member.tenant]:
            if grant.role not in held and await self._holds(member, grant.platform_role or ""):
                held.add(grant.role)
        return frozenset(held)

    async def _holds(self, member: Member, role: str) -> bool:
        now = self._monotonic()
        known = self._seen.get((member, role))
        if known and now - known[0] < CACHE_SECONDS:
            return known[1]
        platform: object = self._platforms.get(member.platform)
        if not isinstance(platform, ReadsRoles):
            return False
        try:
            async with asyncio.timeout(5):
                held = await platform.holds(member, role)
        except (SendError, TimeoutError) as error:
            # Without the member: who pressed something is not always for the log.
            log.warning("roles on %s cannot be read: %s", member.platform, type(error).__name__)
            return False
        except Exception as error:
            # Without a trace: it would quote what must not be written down.
            log.error("roles on %s cannot be read: %s", member.platform, without_words(error))  # noqa: TRY400
            return False
        if len(self._seen) > 10_000:
            self._seen = {key: value for key, value in self._seen.items() if now - value[0] < CACHE_SECONDS}
        self._seen[member, role] = (now, held)
        return held
