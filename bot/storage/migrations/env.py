"""How Alembic reaches the database: one connection, one transaction per migration.

Python's sqlite3 begins no transaction for DDL by itself, so a crash would leave half a migration behind that the next
start stumbles over. Here the transaction is begun by hand.
"""

from __future__ import annotations

import sqlite3

import sqlalchemy as sa
from alembic import context

from bot.storage.tables import metadata

engine = sa.create_engine(context.config.get_main_option("sqlalchemy.url") or "")


@sa.event.listens_for(engine, "connect")
def _leave_transactions_to_us(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None


@sa.event.listens_for(engine, "begin")
def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


with engine.connect() as connection:
    context.configure(
        connection=connection, target_metadata=metadata, transaction_per_migration=True, transactional_ddl=True
    )
    with context.begin_transaction():
        context.run_migrations()
