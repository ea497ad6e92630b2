"""A little of what may happen to several processes on one PostgreSQL and one Redis; `./test faults` plays all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Missing, find

from .forked import nursery
from .proxy import Mode
from .several import several


@pytest.fixture(autouse=True)
def _servers() -> Iterator[None]:
    try:
        find("postgres")
        find("redis-server")
    except Missing as missing:
        pytest.skip(str(missing))
    yield


async def test_what_dies_or_hangs_or_is_cut_off_costs_nothing(tmp_path: Path) -> None:
    table: list[str] = []
    async with nursery() as nurse, several(tmp_path, "telegram", nurse, 1, table.append) as run:
        await run.kills(2, "worker")
        await run.kills(1, "gateway")
        await run.server("Redis flushed", 1, run.redis.flush)
        await run.spoil("PostgreSQL", Mode.BLACK_HOLE)
        await run.stop()
        assert all(verdict.clean for verdict in run.verdicts), "\n".join(table)
