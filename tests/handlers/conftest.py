"""A house for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from storage.backends import fresh

from .house import House, living
from .polltable import Polls


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return fresh(tmp_path / "herald.db")


@pytest.fixture
async def house(path: Path) -> AsyncIterator[House]:
    async with living(path) as made:
        yield made


@pytest.fixture
def polls(house: House) -> Polls:
    return Polls(house)
