"""The tables of polls and of linked accounts. Times are UTC seconds since 1970; lists are JSON texts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, String, Table, Text, UniqueConstraint

from bot.storage.columns import metadata, number, place

polls = Table(
    "polls",
    metadata,
    number(),
    Column("name", String, nullable=False, unique=True),
    Column("state", String, nullable=False),
    Column("question", Text, nullable=False),
    Column("host", String, nullable=False),
    Column("host_name", String, nullable=False),
    Column("language", String, nullable=False),
    Column("channels", Text, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("opens_at", Float, nullable=False),
    Column("closes_at", Float, nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("closed_at", Float, nullable=False),
    Column("lasts", Float, nullable=False),
    Column("remind", Boolean, nullable=False),
    Column("series_rule", String),
    Column("series_zone", String),
    Column("revision", Integer, nullable=False),
    Column("edits", Text, nullable=False),
    Column("receipt", Text),
)
Index("polls_state", polls.c.state, polls.c.id)

poll_posts = Table(
    "poll_posts",
    metadata,
    number(),
    Column("poll_id", BigInteger, nullable=False, index=True),
    *place(),
    Column("native", Boolean, nullable=False),
    Column("message_id", String),
    Column("native_name", String),  # what the platform calls its own poll: what its message's id ends in
    UniqueConstraint("platform", "native_name"),
)

ballots = Table(
    "ballots",
    metadata,
    Column("poll_id", BigInteger, primary_key=True, autoincrement=False),
    Column("voter", String, primary_key=True),
    Column("choice", Text, nullable=False),
    Column("place", String, nullable=False),
    # Null in anonymous polls; for the same reason rows are kept by voter and not in the order in which they came.
    Column("member", String),
    Column("at", Float),
    sqlite_with_rowid=False,
)

poll_log = Table(
    "poll_log",
    metadata,
    number(),
    Column("poll_id", BigInteger, nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("who", String, nullable=False),
    Column("what", String, nullable=False),
    Column("detail", Text, nullable=False),
)

poll_refusals = Table(
    "poll_refusals",
    metadata,
    Column("poll_id", BigInteger, primary_key=True, autoincrement=False),
    Column("rule", String, primary_key=True),
    Column("voter", String, primary_key=True),
    sqlite_with_rowid=False,
)

poll_signals = Table(
    "poll_signals",
    metadata,
    Column("poll_id", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", String, primary_key=True),
    Column("who", String, primary_key=True),
    Column("detail", Text, nullable=False),
    sqlite_with_rowid=False,
)

links = Table(
    "links",
    metadata,
    Column("member", String, primary_key=True),
    Column("person", String, nullable=False, index=True),
)

link_codes = Table(
    "link_codes",
    metadata,
    Column("code_hash", String, primary_key=True),
    Column("member", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("until", Float, nullable=False),
    Column("back", Text, nullable=False),  # how the member can be told what became of it
    Column("shown_to", String),  # the member who was told last whose code it is
)

link_tries = Table(
    "link_tries",
    metadata,
    number(),
    Column("member", String, nullable=False),
    Column("at", Float, nullable=False),
)
Index("link_tries_member", link_tries.c.member, link_tries.c.at)
