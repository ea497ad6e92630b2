"""Entries follow their makers: whoever is linked with others, or parted from them, keeps one entry under a new name."""

from __future__ import annotations

from collections.abc import Iterable

from bot.domain.giveaways import EntryState
from bot.domain.places import Member
from bot.handlers.context import Context


def follow(ctx: Context, members: Iterable[Member]) -> None:
    """After these were linked or parted: their entries are found under the persons that they are now.

    Otherwise somebody could enter anew after each link and each parting. Of two who had both entered the second keeps
    its name, and the freeze leaves it out, counted in public.
    """
    made = [(entry, member) for member in members for entry in ctx.work.entries.of_member(member)]
    for entry, member in sorted(made, key=lambda one: (one[0].state is not EntryState.IN, one[0].at, one[0].ticket)):
        if entry.member == member:
            ctx.work.entries.move(entry.giveaway_id, entry.person, ctx.work.links.person_of(member))
