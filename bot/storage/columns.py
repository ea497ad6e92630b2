"""What tables are made of: the one schema that all of them belong to, and columns that many of them have."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String

metadata = MetaData()

_Key = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in columns that are declared INTEGER."""


def number() -> Column[int]:
    """The number of a row, given by the database."""
    return Column("id", _Key, primary_key=True, autoincrement=True)


def place() -> list[Column[str]]:
    """A channel."""
    return [
        Column("platform", String, nullable=False),
        Column("tenant", String, nullable=False),
        Column("channel_id", String, nullable=False),
        Column("thread_id", String),
        Column("parent_id", String),
    ]
