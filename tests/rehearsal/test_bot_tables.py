"""The rehearsal's queries fit the bot's own tables."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from bot.rehearsal.queries import Progress, Records, read_progress, read_records
from bot.storage.tables import metadata


def test_the_queries_run_on_the_bots_tables(tmp_path: Path) -> None:
    path = tmp_path / "herald.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    engine.dispose()
    assert read_records(path) == Records()
    assert read_progress(path) == Progress()
    assert read_progress(tmp_path / "none.db") == Progress()
