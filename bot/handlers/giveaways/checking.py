"""Who may stay on the list: platforms are asked how entrants stand, and the rules are looked at again.

Asked when somebody enters whose press does not tell enough; of everybody a while before the end, when there is still
time to appeal; and at the end, after which the list is frozen. What a platform does not tell then changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from bot.chat.ports import Platform, SendError
from bot.chat.standings import ReadsStandings, Standing
from bot.domain.eligibility import judge, weight_of
from bot.domain.giveaways import Entry, EntryState, Giveaway, Refused, Requirements, State
from bot.domain.places import Channel, Member
from bot.engine.access import Access
from bot.handlers import public
from bot.handlers.context import Context
from bot.handlers.giveaways import entering, facts, panel, posting
from bot.locales import Value
from bot.storage.store import Store
from bot.storage.work import Work

PAGE = 200
"""Entries that are looked at in one unit."""
LOOK_SECONDS = 45.0
"""How long platforms have to say how everybody stands: less than lies between the end and the beacon's round."""
AT_ONCE = 500
"""Members that a platform is asked about in one call."""
PLATFORMS_OWN = frozenset(
    {"role", "unknown_role", "member_since", "unknown_member_since", "account_age", "unknown_account_age", "boosted",
     "unknown_boosted", "gone", "bot"}
)  # fmt: skip
"""Rules that only their platform can judge."""

log = logging.getLogger("herald.giveaways")


@dataclass(frozen=True, slots=True)
class Look:
    """What was found out about some entrants."""

    entries: tuple[Entry, ...] = ()
    standings: Mapping[Member, Standing] = field(default_factory=dict)
    roles: Mapping[Member, frozenset[str]] = field(default_factory=dict)
    """Roles of Herald's own that they hold."""


@dataclass(frozen=True, slots=True)
class Checker:
    """Asks platforms about entrants."""

    store: Store
    platforms: Mapping[str, Platform]
    access: Access

    async def waiting(self, giveaway: Giveaway) -> Look:
        """About those who are in only when their platform has been asked."""
        entries = await self._page(giveaway, EntryState.CHECKING, "")
        members = [one.member for one in entries if one.member is not None]
        asked = asks_platform(giveaway.offer.requirements)
        standings = await self.standings(giveaway, members) if asked else {}
        return Look(tuple(entries), standings, await self._roles(entries, standings, ask=True))

    async def everybody(self, giveaway: Giveaway) -> AsyncIterator[Look]:
        """About everybody on the list, page by page; nothing where no rule can have changed for anybody."""
        needs = giveaway.offer.requirements
        if not _can_change(needs):
            return
        standings = await self._standings_of_all(giveaway, asks_platform(needs))
        after = ""
        while entries := await self._page(giveaway, EntryState.IN, after):
            known = {one.member: standings[one.member] for one in entries if one.member in standings and one.member}
            yield Look(tuple(entries), known, await self._roles(entries, known, ask=False))
            after = entries[-1].person

    async def _standings_of_all(self, giveaway: Giveaway, asked: bool) -> Mapping[Member, Standing]:
        if not asked:
            return {}
        members: list[Member] = []
        after = ""
        while entries := await self._page(giveaway, EntryState.IN, after):
            members += [one.member for one in entries if one.member is not None]
            after = entries[-1].person
        return await self.standings(giveaway, members)

    async def _page(self, giveaway: Giveaway, state: EntryState, after: str) -> list[Entry]:
        return await self.store.read(
            lambda connection: Work(connection, 0.0).entries.page(giveaway.id, state, after, PAGE)
        )

    async def _roles(
        self, entries: Iterable[Entry], standings: Mapping[Member, Standing], *, ask: bool
    ) -> dict[Member, frozenset[str]]:
        """Herald's own roles of those who have any. Of whom no standing tells, and without asking, those that settings
        grant to members."""
        found: dict[Member, frozenset[str]] = {}
        for entry in entries:
            if entry.member is not None:
                standing = standings.get(entry.member)
                unknown = standing is None or standing.roles is None
                carried = standing.roles if standing is not None and not unknown else None if ask else ()
                held = await self.access.roles(entry.member, carried)
                if held:
                    found[entry.member] = frozenset(one.value for one in held)
        return found

    async def standings(self, giveaway: Giveaway, members: Collection[Member]) -> Mapping[Member, Standing]:
        """How these stand on their platforms, as far as those tell in time."""
        by_platform: dict[str, list[Member]] = {}
        for member in members:
            by_platform.setdefault(member.platform, []).append(member)
        found = await asyncio.gather(*(self._ask(giveaway, name, some) for name, some in by_platform.items()))
        return {member: standing for some in found for member, standing in some.items()}

    async def _ask(self, giveaway: Giveaway, name: str, members: list[Member]) -> Mapping[Member, Standing]:
        platform: object = self.platforms.get(name)
        if not isinstance(platform, ReadsStandings):
            return {}
        here = next((one for one in giveaway.channels if one.platform == name), Channel(name, "", ""))
        at = replace(here, tenant=here.tenant or members[0].tenant)  # rooms of the settings name no tenant
        asked = [*_asked_roles(giveaway.offer.requirements, at), *self.access.groups(at.platform, at.tenant)]
        found: dict[Member, Standing] = {}
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                for first in range(0, len(members), AT_ONCE):  # what is read until the time is over counts
                    some = members[first : first + AT_ONCE]
                    found |= await platform.standings(some, at, list(dict.fromkeys(asked)))
        except (SendError, TimeoutError) as error:
            log.warning("giveaway %d: %s does not tell how entrants stand: %s", giveaway.id, name, type(error).__name__)
        return found


def unread(giveaway: Giveaway, look: Look) -> Counter[str]:
    """How many of these their platform should have told about and has not, by platform."""
    if not asks_platform(giveaway.offer.requirements):
        return Counter()
    return Counter(one.member.platform for one in look.entries if one.member and one.member not in look.standings)


def tell_unread(ctx: Context, giveaway: Giveaway, missed: Mapping[str, int]) -> None:
    """The team hears of whom nobody could be asked again: they stay as they were."""
    for name, count in sorted(missed.items()):
        values: dict[str, Value] = {"number": giveaway.id, "platform": name.capitalize(), "count": count}
        public.tell_team(ctx, posting.NOTES, "giveaway.unread", values)


def asks_platform(needs: Requirements) -> bool:
    """Whether a platform has to be asked for these rules."""
    return bool(needs.every_role or needs.boosted or needs.member_seconds)


def _can_change(needs: Requirements) -> bool:
    """Whether somebody who was let in may be out by now."""
    return needs != Requirements(staff=needs.staff)


def _asked_roles(needs: Requirements, at: Channel) -> list[str]:
    """The roles of this platform that the rules name, as it names them."""
    found = []
    for role in needs.every_role:
        match role.split(":"):
            case [platform, _, "role", number] if platform == at.platform:
                found.append(number)
    if needs.boosted:
        found.append(f"booster@{at.channel_id}")
    return found


# ---- what is made of it, in a unit of work


def settle_waiting(ctx: Context, name: str, look: Look, *, final: bool) -> bool | None:
    """Decide about those who waited for their platform, and tell them; whether some still wait. None where its list is
    no longer to be changed so.

    At the end (`final`) whoever is not known is out; before, they wait on.
    """
    giveaway = ctx.work.giveaways.named(name)
    if giveaway is None or not _may_change(giveaway, final=final):
        return None
    waits = False
    for seen in look.entries:
        entry = ctx.work.entries.get(giveaway.id, seen.person)
        if entry is None or entry.state is not EntryState.CHECKING or entry.member is None:
            continue
        standing = look.standings.get(entry.member)
        if standing is None and not final:
            waits = True
            continue
        known = facts.of_standing(ctx, giveaway, entry, standing, look.roles.get(entry.member, frozenset()))
        after, failed = entering.decided(giveaway, entry, known, ctx.now)
        ctx.work.entries.change(entry, after)
        asker = facts.recall(ctx, giveaway, entry.person)
        if asker is not None:
            entering.tell_outcome(ctx, asker, giveaway, after, failed)
        elif failed:
            _tell_out(ctx, giveaway, entry, [one.why for one in failed], appeals=not final)
    posting.changed(ctx, giveaway)
    return waits


def concerned(ctx: Context, giveaway: Giveaway, look: Look) -> Look:
    """The same with those only for whom something changes: most do not, and nothing has to be written for them."""
    return replace(look, entries=tuple(one for one in look.entries if _changes(ctx, giveaway, one, look)))


def look_again(ctx: Context, giveaway: Giveaway, look: Look, *, appeals: bool) -> None:
    """Put out whom a rule keeps out by now, and tell them; the weights of the others follow their roles.

    Nothing where that comes too late: what is asked of platforms takes its time, and meanwhile the list may be final.
    """
    now = ctx.work.giveaways.get(giveaway.id)
    if now is None or not _may_change(now, final=not appeals):
        return
    for seen in look.entries:
        entry = ctx.work.entries.get(giveaway.id, seen.person)
        if entry is None or (found := _changes(ctx, giveaway, entry, look)) is None:
            continue
        failed, weight = found
        if failed:
            ctx.work.entries.decide(entry, EntryState.EXCLUDED, failed[0].why, entry.weight)
            _tell_out(ctx, giveaway, entry, [one.why for one in failed], appeals=appeals)
        else:
            ctx.work.entries.decide(entry, EntryState.IN, "", weight)


def _changes(ctx: Context, giveaway: Giveaway, entry: Entry, look: Look) -> tuple[tuple[Refused, ...], int] | None:
    """The rules that keep somebody on the list out by now, and their weight; None where all stays as it was."""
    if entry.state is not EntryState.IN or entry.member is None:
        return None
    needs, standing = giveaway.offer.requirements, look.standings.get(entry.member)
    known = facts.of_standing(ctx, giveaway, entry, standing, look.roles.get(entry.member, frozenset()))
    failed = () if entry.granted else judge(needs, known, ctx.now)
    if standing is None:  # its platform did not tell: what only it knows stays as it was
        failed = tuple(one for one in failed if one.why not in PLATFORMS_OWN)
    weight = entry.weight if known.roles is None else weight_of(needs, known)
    return (failed, weight) if failed or weight != entry.weight else None


def _may_change(giveaway: Giveaway, *, final: bool) -> bool:
    """Whether its list may still be changed by a look: at the end until it is final, else while it is open."""
    return giveaway.state is State.CLOSED if final else is_running(giveaway)


def _tell_out(ctx: Context, giveaway: Giveaway, entry: Entry, why: list[str], *, appeals: bool) -> None:
    if entry.member is None:
        return
    language = ctx.work.people.language(entry.member) or ctx.desk.language(
        next((one for one in giveaway.channels if one.platform == entry.member.platform), giveaway.channels[0])
    )
    rules = ", ".join(ctx.desk.texts.say(language, f"giveaway.rule.{one}") for one in why)
    key = "giveaway.excluded_now" if appeals else "giveaway.excluded_last"
    posting.tell_directly(ctx, giveaway, entry.member, key, {
        "number": giveaway.id, "prize": panel.short(giveaway), "rules": rules,
    })  # fmt: skip


def doubles(work: Work, giveaway: Giveaway) -> list[str]:
    """Accounts that were linked after both had entered are one person, and the first entry counts: the others."""
    second = []
    for _, members in work.links.persons():
        # By who made them: an entry may still have the name of a person that is part of another one by now.
        made = [one for member in members for one in work.entries.of_member(member) if one.giveaway_id == giveaway.id]
        inside = sorted((one for one in made if one.state is EntryState.IN), key=lambda one: (one.at, one.ticket))
        second += [one.person for one in inside[1:]]
    return second


def put_out(ctx: Context, giveaway: Giveaway, doubles: Iterable[str]) -> None:
    """Put second entries of one person out at the end, and tell them."""
    now = ctx.work.giveaways.get(giveaway.id)
    if now is None or not _may_change(now, final=True):
        return
    for person in doubles:
        late = ctx.work.entries.get(giveaway.id, person)
        if late is not None and late.state is EntryState.IN:
            ctx.work.entries.decide(late, EntryState.EXCLUDED, "twice", late.weight)
            _tell_out(ctx, giveaway, late, ["twice"], appeals=False)


def is_running(giveaway: Giveaway | None) -> bool:
    """Whether people may still enter."""
    return giveaway is not None and giveaway.state in {State.OPEN, State.PAUSED}
