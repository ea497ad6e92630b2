"""Which members are one person, by the consent of both sides, and the codes by which they say so."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from bot.domain.places import Member
from bot.storage.dialects import insert
from bot.storage.hot import Hot
from bot.storage.tables import link_codes, link_tries, links

PERSON = "person:"
"""Begins the names of persons with several members. No platform is called so."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A code that was shown to a member and is typed by another. `until` in UTC seconds."""

    member: Member
    name: str
    until: float
    back: str
    """How the member can be told what became of it; only who made the offer reads it."""
    shown_to: str
    """The member who was told last whose code it is; empty: nobody."""


_PERSON = Hot(sa.select(links.c.person).where(links.c.member == bindparam("of_member")))
_OFFER = (link_codes.c.member, link_codes.c.name, link_codes.c.until, link_codes.c.back, link_codes.c.shown_to)


class Links:
    """The linked accounts of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # ---- persons

    def person_of(self, member: Member) -> str:
        """The person behind a member: the member's own address unless accounts are linked. Asked for every vote."""
        address = str(member)
        found: str | None = _PERSON.value(self._connection, {"of_member": address})
        return address if found is None else found

    def members_of(self, person: str) -> list[Member]:
        """The members that are this person, by address."""
        if not person.startswith(PERSON):
            return [Member.parse(person)]
        query = sa.select(links.c.member).where(links.c.person == person)
        return [Member.parse(one) for one in sorted(self._connection.execute(query).scalars())]

    def persons(self) -> list[tuple[str, list[Member]]]:
        """Every person with several members, and these, by address."""
        found: dict[str, list[Member]] = {}
        query = sa.select(links.c.person, links.c.member).order_by(links.c.member)
        for person, member in self._connection.execute(query):
            found.setdefault(person, []).append(Member.parse(member))
        return sorted(found.items())

    def tie(self, a: Member, b: Member) -> str:
        """Make two members, and all that are linked with either, one person; the person."""
        one, other = self.person_of(a), self.person_of(b)
        if one == other:
            return one
        person = next((name for name in (one, other) if name.startswith(PERSON)), PERSON + secrets.token_hex(8))
        for member in {*self.members_of(one), *self.members_of(other)}:
            values = insert(links).values(member=str(member), person=person)
            change = {"person": values.excluded.person}
            self._connection.execute(values.on_conflict_do_update(index_elements=["member"], set_=change))
        return person

    def untie(self, member: Member) -> bool:
        """Part a member from all others, of whom a single one is just a member again; False if it is not linked."""
        person = self.person_of(member)
        if not person.startswith(PERSON):
            return False
        leaving = [member]
        rest = [one for one in self.members_of(person) if one != member]
        if len(rest) == 1:
            leaving += rest
        self._connection.execute(sa.delete(links).where(links.c.member.in_([str(one) for one in leaving])))
        return True

    # ---- codes

    def offer(self, code_hash: str, member: Member, name: str, until: float, back: str = "") -> bool:
        """Keep a code in place of the member's earlier one; False if another member has the same."""
        self._connection.execute(sa.delete(link_codes).where(link_codes.c.member == str(member)))
        values = {"code_hash": code_hash, "member": str(member), "name": name, "until": until, "back": back}
        query = insert(link_codes).values(values).on_conflict_do_nothing().returning(link_codes.c.code_hash)
        return self._connection.execute(query).first() is not None

    def find(self, code_hash: str, now: float) -> Offer | None:
        """What stands behind a code; None where there is none that is valid now."""
        query = sa.select(*_OFFER).where(link_codes.c.code_hash == code_hash, link_codes.c.until > now)
        row = self._connection.execute(query).one_or_none()
        return Offer(Member.parse(row[0]), row[1], row[2], row[3], row[4] or "") if row else None

    def show(self, code_hash: str, member: Member) -> None:
        """This member was told whose code it is."""
        query = sa.update(link_codes).where(link_codes.c.code_hash == code_hash)
        self._connection.execute(query.values(shown_to=str(member)))

    def take(self, code_hash: str, now: float) -> Offer | None:
        """The same as `find`, once: the code is used up, and so is every one that is no longer valid."""
        found = self.find(code_hash, now)
        over = sa.or_(link_codes.c.code_hash == code_hash, link_codes.c.until <= now)
        self._connection.execute(sa.delete(link_codes).where(over))
        return found

    def missed(self, member: Member, now: float) -> None:
        """A member typed a code that does not exist."""
        self._connection.execute(insert(link_tries).values(member=str(member), at=now))

    def misses(self, member: Member | None, since: float) -> int:
        """How often they did since then, or all members together; what lies before is forgotten, for everybody."""
        self._connection.execute(sa.delete(link_tries).where(link_tries.c.at <= since))
        query = sa.select(sa.func.count()).select_from(link_tries)
        if member is not None:
            query = query.where(link_tries.c.member == str(member))
        return int(self._connection.execute(query).scalar_one())
