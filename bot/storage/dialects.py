"""Where SQLite and PostgreSQL differ in what they are told."""

from __future__ import annotations

from sqlalchemy.dialects.postgresql import insert

__all__ = ["insert"]
# `insert` with ON CONFLICT and RETURNING: SQLite took both clauses over from PostgreSQL, and SQLAlchemy writes
# PostgreSQL's for both (not the other way round: its SQLite form lacks what the other compiler asks for).
