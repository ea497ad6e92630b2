"""The tables of giveaways. Times are UTC seconds since 1970; offers, lists and maps are JSON texts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from bot.storage.columns import metadata, number, place

_Exact = String().with_variant(String(collation="C"), "postgresql")
"""Compared and sorted by code points on servers too, as SQLite does: the frozen list has one order everywhere."""

giveaways = Table(
    "giveaways",
    metadata,
    number(),
    Column("name", String, nullable=False, unique=True),
    Column("offer", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("host", String, nullable=False),
    Column("host_name", String, nullable=False),
    Column("language", String, nullable=False),
    Column("channels", Text, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("commitment", String, nullable=False),
    Column("chain", String, nullable=False),
    Column("round", BigInteger, nullable=False),
    Column("announced_round", BigInteger, nullable=False),
    Column("opens_at", Float, nullable=False),
    Column("closes_at", Float, nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("closed_at", Float, nullable=False),
    Column("frozen_at", Float, nullable=False),
    Column("published_at", Float, nullable=False),
    Column("drawn_at", Float, nullable=False),
    Column("lasts", Float, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("delayed", Text, nullable=False),
    Column("void", Text, nullable=False),
)
Index("giveaways_state", giveaways.c.state, giveaways.c.id)

# Apart from the rest, so that nothing that shows a giveaway can show its seed before the freeze.
giveaway_seeds = Table(
    "giveaway_seeds",
    metadata,
    Column("giveaway_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seed", LargeBinary, nullable=False),
)

giveaway_freezes = Table(
    "giveaway_freezes",
    metadata,
    Column("giveaway_id", BigInteger, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("hash", String, nullable=False),
    Column("root", String, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("weight", BigInteger, nullable=False),
)

giveaway_draws = Table(
    "giveaway_draws",
    metadata,
    Column("giveaway_id", BigInteger, primary_key=True, autoincrement=False),
    Column("signature", Text, nullable=False),
    Column("value", String, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("mirrors", Text, nullable=False),
    Column("tickets", Text),  # the order that was drawn; null until it was
)

giveaway_rerolls = Table(
    "giveaway_rerolls",
    metadata,
    number(),
    Column("giveaway_id", BigInteger, nullable=False),
    Column("ticket", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("who", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    UniqueConstraint("giveaway_id", "ticket"),
)

giveaway_witnesses = Table(
    "giveaway_witnesses",
    metadata,
    number(),
    Column("giveaway_id", BigInteger, nullable=False),
    Column("what", String, nullable=False),
    Column("platform", String, nullable=False),
    Column("url", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("extra", Text, nullable=False),
    UniqueConstraint("giveaway_id", "what", "platform", "url"),
)

giveaway_posts = Table(
    "giveaway_posts",
    metadata,
    number(),
    Column("giveaway_id", BigInteger, nullable=False, index=True),
    *place(),
    Column("what", String, nullable=False),
    Column("message_id", String),
    Column("at", Float),
)

giveaway_log = Table(
    "giveaway_log",
    metadata,
    number(),
    Column("giveaway_id", BigInteger, nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("who", String, nullable=False),
    Column("what", String, nullable=False),
    Column("detail", Text, nullable=False),
)

giveaway_signals = Table(
    "giveaway_signals",
    metadata,
    Column("giveaway_id", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", String, primary_key=True),
    Column("who", String, primary_key=True),
    Column("detail", Text, nullable=False),
    sqlite_with_rowid=False,
)

giveaway_templates = Table(
    "giveaway_templates",
    metadata,
    Column("name", String, primary_key=True),
    Column("offer", Text, nullable=False),
    Column("host", String, nullable=False),
)

giveaway_entries = Table(
    "giveaway_entries",
    metadata,
    Column("giveaway_id", BigInteger, primary_key=True, autoincrement=False),
    Column("person", _Exact, primary_key=True),
    Column("member", String),
    Column("name", String, nullable=False),
    Column("place", String, nullable=False),
    Column("ticket", _Exact, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("weight", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("granted", Boolean, nullable=False),
    Column("appealed", Boolean, nullable=False),
    Column("at", Float, nullable=False),
    Column("joined_at", Float),
    Column("account_made", Float),
)
# The index holds all that is asked of the whole list in its order, so that nothing else is read (a million entries in
# a second or two). The rows themselves lie as they came, which makes an entry a third cheaper to keep than a table that
# is sorted by person: most of it is added at the end.
Index(
    "giveaway_entries_list",
    giveaway_entries.c.giveaway_id,
    giveaway_entries.c.ticket,
    giveaway_entries.c.weight,
    giveaway_entries.c.state,
)
# The counts that cards show, where several processes write: on SQLite the one that does keeps them (`tallies`), and no
# entry has a part in this index, which would make each of them slower to keep.
Index(
    "giveaway_entries_counts",
    giveaway_entries.c.giveaway_id,
    giveaway_entries.c.state,
    giveaway_entries.c.rule,
    giveaway_entries.c.place,
    giveaway_entries.c.granted,
    giveaway_entries.c.weight,
    sqlite_where=text("0"),
)

giveaway_wins = Table(
    "giveaway_wins",
    metadata,
    number(),
    Column("giveaway_id", BigInteger, nullable=False),
    Column("ticket", String, nullable=False),
    Column("person", String, nullable=False, index=True),
    Column("member", String, index=True),
    Column("name", String, nullable=False),
    Column("state", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("claimed_at", Float, nullable=False),
    Column("handed_at", Float, nullable=False),
    UniqueConstraint("giveaway_id", "ticket"),
)

prize_codes = Table(
    "prize_codes",
    metadata,
    number(),
    Column("giveaway_id", BigInteger, nullable=False),
    Column("sealed", Text, nullable=False),  # by the giveaway's key; empty once it is forgotten
    Column("win_id", BigInteger, unique=True),
    Column("shown_at", Float, nullable=False),
)
Index("prize_codes_giveaway", prize_codes.c.giveaway_id, prize_codes.c.win_id, prize_codes.c.id)

prize_addresses = Table(
    "prize_addresses",
    metadata,
    Column("win_id", BigInteger, primary_key=True, autoincrement=False),
    Column("sealed", Text, nullable=False),
    Column("until", Float, nullable=False),
)
