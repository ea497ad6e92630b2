"""How Alembic reaches the database.

A PostgreSQL connection is handed over with its transaction open; all migrations are part of it.

SQLite gets a connection here and one transaction per migration. Python's sqlite3 begins no transaction for DDL by
itself, so a crash would leave half a migration behind that the next start stumbles over: it is begun by hand.
"""

from __future__ import annotations

import sqlite3

import sqlalchemy as sa
from alembic import context

from bot.storage.tables import metadata


def _leave_transactions_to_us(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _run(connection: sa.Connection) -> None:
    context.configure(
        connection=connection, target_metadata=metadata, transaction_per_migration=True, transactional_ddl=True
    )
    with context.begin_transaction():
        context.run_migrations()


given: sa.Connection | None = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    engine = sa.create_engine(context.config.get_main_option("sqlalchemy.url") or "")
    sa.event.listen(engine, "connect", _leave_transactions_to_us)
    sa.event.listen(engine, "begin", _begin)
    with engine.connect() as own:
        _run(own)
