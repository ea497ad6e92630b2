"""Who presses on a giveaway: the giveaway, and in one look the person behind the member, their language and entry."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from bot.domain.giveaways import Entry, Giveaway
from bot.domain.places import Member
from bot.storage.entries import as_entry
from bot.storage.giveaways import Giveaways
from bot.storage.hot import Hot
from bot.storage.tables import giveaway_entries, links, people


@dataclass(frozen=True, slots=True)
class Entrant:
    """Somebody before a giveaway."""

    giveaway: Giveaway
    person: str
    """As `Links.person_of` names them."""
    entry: Entry | None
    language: str
    """The one that they chose; empty: none."""


_member = bindparam("of_member", type_=links.c.member.type)
_somebody = sa.select(sa.literal(1).label("one")).subquery("somebody")
_LOOK = Hot(
    sa.select(links.c.person.label("of_person"), people.c.language.label("chosen"), giveaway_entries)
    .select_from(_somebody)
    .outerjoin(links, links.c.member == _member)
    .outerjoin(people, people.c.member == _member)
    .outerjoin(
        giveaway_entries,
        sa.and_(
            giveaway_entries.c.giveaway_id == bindparam("of_giveaway"),
            giveaway_entries.c.person == sa.func.coalesce(links.c.person, _member),
        ),
    )
)


def look(connection: Connection, name: str, member: Member) -> Entrant | None:
    """The giveaway whose buttons carry this name and this member's part in it; None: there is no such giveaway."""
    giveaway = Giveaways(connection).named(name)
    if giveaway is None:
        return None
    address = str(member)
    row = _LOOK.row(connection, {"of_giveaway": giveaway.id, "of_member": address})
    assert row is not None
    person, language, *entry = row
    return Entrant(giveaway, person or address, as_entry(entry) if entry[0] is not None else None, language or "")
