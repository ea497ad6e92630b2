"""How Alembic reaches the database: one connection, one transaction per migration."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from bot.storage.tables import metadata

engine = sa.create_engine(context.config.get_main_option("sqlalchemy.url") or "")
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
