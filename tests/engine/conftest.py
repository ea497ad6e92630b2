"""A migrated file for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from storage.backends import fresh

from .world import Engine, running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return fresh(tmp_path / "herald.db")


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[Engine]:
    """With its courier running."""
    async with running(path) as made:
        yield made
