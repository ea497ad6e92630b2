"""The client and the local mirrors, which were written apart from each other."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.chat.beacons import BeaconUnavailable
from bot.integrations.drand import Drand
from bot.outside import make_beacon
from bot.settings import load

ROOT = Path(__file__).parents[3]


@pytest.fixture
async def base() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot.sandbox", "--port", "0", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        yield line.decode().split()[-1]
    finally:
        process.terminate()
        await process.wait()


async def test_they_understand_each_other(base: str, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{base}/control/info") as answer:
            info = await answer.json()
        told = {name: value for name, value in info.items() if name.startswith("HERALD_GIVEAWAYS")}
        drand = make_beacon(load(told, tmp_path / "none.toml"))
        assert isinstance(drand, Drand)
        number = drand.round_at(time.time() - 60)
        found = await drand.fetch(number)
        assert (found.round, found.verified, len(found.mirrors)) == (number, False, 2)
        assert await drand.check(time.time()) == []
        with pytest.raises(BeaconUnavailable, match=r"drand/a: not there yet; .*drand/b: not there yet"):
            await drand.fetch(drand.round_at(time.time() + 3600))
        for kind, reason in (("wrong", "contradict each other"), ("corrupt", "")):
            fault = {"platform": "drand", "kind": kind, "match": "drand/b"}
            async with session.post(f"{base}/control/fault", json=fault) as answer:
                assert answer.status == 200, await answer.text()
            if reason:
                with pytest.raises(BeaconUnavailable, match=reason):
                    await drand.fetch(number)
            else:
                assert len((await drand.fetch(number)).mirrors) == 1
            assert await drand.fetch(number) == found
        await drand.close()
