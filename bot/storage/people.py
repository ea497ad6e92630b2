"""Small things kept by name: people's languages, prompts that wait for an answer, facts about the installation."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from bot.domain.places import Channel, Member
from bot.storage.dialects import insert
from bot.storage.hot import Hot
from bot.storage.tables import facts, people, prompts


@dataclass(frozen=True, slots=True)
class StoredPrompt:
    """A question that a member was asked to answer by replying to it."""

    id: int
    member: str
    payload: str
    field: str


_LANGUAGE = Hot(sa.select(people.c.language).where(people.c.member == bindparam("of_member")))
_FACT = Hot(sa.select(facts.c.value).where(facts.c.name == bindparam("key")))


class People:
    """Members' choices."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._languages: dict[str, str | None] = {}

    def language(self, member: Member) -> str | None:
        """The language that they chose. Looked up once in a unit of work: everything that is said asks for it."""
        address = str(member)
        if address not in self._languages:
            self._languages[address] = _LANGUAGE.value(self._connection, {"of_member": address}) or None
        return self._languages[address]

    def remember_language(self, member: Member, language: str) -> None:
        """It was read beside something else: it need not be looked up in this unit of work."""
        self._languages[str(member)] = language or None

    def choose_language(self, member: Member, language: str) -> None:
        """Keep it."""
        self._languages.pop(str(member), None)
        values = insert(people).values(member=str(member), language=language)
        self._connection.execute(
            values.on_conflict_do_update(index_elements=["member"], set_={"language": values.excluded.language})
        )

    def zone(self, member: Member) -> str | None:
        """The time zone that they chose (`Asia/Shanghai`)."""
        query = sa.select(people.c.zone).where(people.c.member == str(member))
        return self._connection.execute(query).scalar_one_or_none() or None

    def choose_zone(self, member: Member, zone: str) -> None:
        """Keep it; an empty one is no choice any more."""
        values = insert(people).values(member=str(member), language="", zone=zone)
        self._connection.execute(
            values.on_conflict_do_update(index_elements=["member"], set_={"zone": values.excluded.zone})
        )


class Prompts:
    """Forms that are asked for by message."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, channel: Channel, member: Member, payload: str, field: str, now: float) -> int:
        """Plan a prompt; its id."""
        query = insert(prompts).values(
            platform=channel.platform,
            tenant=channel.tenant,
            channel_id=channel.channel_id,
            thread_id=channel.thread_id,
            member=str(member),
            payload=payload,
            field=field,
            created_at=now,
        )
        return int(self._connection.execute(query.returning(prompts.c.id)).scalar_one())

    def waiting(self, channel: Channel, member: Member, since: float) -> int:
        """How many prompts of this member's in this channel, planned since then, are not answered."""
        mine = (prompts.c.platform == channel.platform, prompts.c.channel_id == channel.channel_id)
        query = sa.select(sa.func.count()).select_from(prompts).where(*mine, prompts.c.member == str(member))
        return int(self._connection.execute(query.where(prompts.c.created_at > since)).scalar_one())

    def posted(self, prompt_id: int, message_id: str) -> None:
        """The platform has taken it as this message."""
        self._connection.execute(sa.update(prompts).where(prompts.c.id == prompt_id).values(message_id=message_id))

    def answered_by(self, channel: Channel, message_id: str, member: Member) -> StoredPrompt | None:
        """The prompt that a reply of this member to this message answers."""
        query = sa.select(prompts.c.id, prompts.c.member, prompts.c.payload, prompts.c.field).where(
            prompts.c.platform == channel.platform,
            prompts.c.channel_id == channel.channel_id,
            prompts.c.message_id == message_id,
            prompts.c.member == str(member),
        )
        row = self._connection.execute(query).one_or_none()
        return StoredPrompt(*row) if row else None

    def end(self, prompt_id: int) -> None:
        """It was answered."""
        self._connection.execute(sa.delete(prompts).where(prompts.c.id == prompt_id))


LINK = "link:"
"""What the names of those facts begin with that tell since when (UTC seconds) a service cannot be reached."""


class Facts:
    """Facts about the installation that outlive a restart."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> str | None:
        """Its value."""
        found: str | None = _FACT.value(self._connection, {"key": name})
        return found

    def set(self, name: str, value: str) -> None:
        """Keep it."""
        values = insert(facts).values(name=name, value=value)
        self._connection.execute(
            values.on_conflict_do_update(index_elements=["name"], set_={"value": values.excluded.value})
        )

    def beginning(self, prefix: str) -> dict[str, str]:
        """All facts whose names begin so, by what follows."""
        query = sa.select(facts.c.name, facts.c.value).where(facts.c.name.startswith(prefix, autoescape=True))
        return {row.name.removeprefix(prefix): row.value for row in self._connection.execute(query)}

    def forget(self, name: str) -> None:
        """Remove it."""
        self._connection.execute(sa.delete(facts).where(facts.c.name == name))
