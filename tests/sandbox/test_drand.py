"""The local drand over HTTP, as a client of public randomness meets it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.sandbox.drand.chain import CHAIN, current_round, due_at
from bot.sandbox.server import RunningSandbox, start

from .still import StillClock

LONG_AGO = 1_000_000


class Mirrors:
    """Both mirrors of a sandbox, and its control interface."""

    def __init__(self, sandbox: RunningSandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.addresses: list[str] = json.loads(sandbox.environment["HERALD_GIVEAWAYS__BEACON_URLS"])

    async def get(self, path: str, mirror: int = 0) -> tuple[int, Any]:
        async with self.session.get(f"{self.addresses[mirror]}/{path}") as response:
            text = await response.text()
            return response.status, json.loads(text) if text[:1] in ("{", "[") else text

    async def round(self, number: int | str, mirror: int = 0) -> tuple[int, Any]:
        return await self.get(f"{CHAIN}/public/{number}", mirror)

    async def control(self, name: str, **fields: Any) -> tuple[int, Any]:
        async with self.session.post(f"{self.sandbox.base}/control/{name}", json=fields) as response:
            return response.status, await response.json()

    async def fault(self, kind: str, **fields: Any) -> None:
        assert await self.control("fault", platform="drand", kind=kind, **fields) == (200, {})

    def now(self) -> float:
        return self.sandbox.frame.clock.now()


@pytest.fixture
async def mirrors(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mirrors]:
    """On a clock that stands still until it is advanced."""
    sandbox = await start(0, None, limits=False, only=())
    still, clock = StillClock(), sandbox.frame.clock
    monkeypatch.setattr(clock, "now", lambda: still.now() + clock.offset)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            yield Mirrors(sandbox, session)
    finally:
        await sandbox.stop()


async def test_it_describes_quicknet(mirrors: Mirrors) -> None:
    assert await mirrors.get("chains") == (200, [CHAIN])
    status, info = await mirrors.get(f"{CHAIN}/info", 1)
    assert status == 200
    assert (info["period"], info["genesis_time"], info["hash"]) == (3, 1692803367, CHAIN)
    assert info["schemeID"] == "bls-unchained-g1-rfc9380"
    assert len(bytes.fromhex(info["public_key"])) == 96
    assert await mirrors.get("info") == (200, info)


async def test_a_round_is_the_hash_of_its_signature_and_the_same_everywhere(mirrors: Mirrors) -> None:
    status, found = await mirrors.round(LONG_AGO)
    assert status == 200
    assert found.keys() == {"round", "randomness", "signature"}
    assert found["round"] == LONG_AGO
    signature = bytes.fromhex(found["signature"])
    assert len(signature) == 48
    assert hashlib.sha256(signature).hexdigest() == found["randomness"]
    assert await mirrors.round(LONG_AGO, 1) == (200, found)
    assert (await mirrors.round(LONG_AGO + 1))[1]["randomness"] != found["randomness"]
    assert await mirrors.get(f"public/{LONG_AGO}") == (200, found)


async def test_rounds_come_at_their_time(mirrors: Mirrors) -> None:
    """RELIABILITY 6.2: round(t) = ceil((t - genesis) / 3) + 1."""
    newest = current_round(mirrors.now())
    assert due_at(newest) <= mirrors.now() < due_at(newest + 1)
    assert (await mirrors.get(f"{CHAIN}/public/latest"))[1]["round"] == newest
    assert (await mirrors.get(f"{CHAIN}/health"))[1] == {"current": newest, "expected": newest}
    assert (await mirrors.round(0))[1]["round"] == newest
    assert await mirrors.round(newest + 40) == (404, "")
    assert await mirrors.round(newest + 40, 1) == (425, "Requested future beacon\n")
    await mirrors.control("advance", seconds=120)
    for mirror in (0, 1):
        status, found = await mirrors.round(newest + 40, mirror)
        assert (status, found["round"]) == (200, newest + 40)


async def test_the_next_round_is_waited_for(mirrors: Mirrors) -> None:
    following = current_round(mirrors.now()) + 1
    asked = asyncio.create_task(mirrors.round(following))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(asked), 0.3)
    await mirrors.control("advance", seconds=3)
    status, found = await asked
    assert (status, found["round"]) == (200, following)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{CHAIN}/public/-1", 400),
        (f"{CHAIN}/public/soon", 400),
        (f"{CHAIN}/public/{2**64}", 400),
        (f"{'0' * 64}/public/1", 404),
        (f"{'0' * 64}/info", 404),
        ("nowhere", 404),
        (f"{CHAIN}/group", 404),
    ],
)
async def test_what_is_not_there_is_refused(mirrors: Mirrors, path: str, status: int) -> None:
    assert (await mirrors.get(path))[0] == status


async def test_one_mirror_lies_and_the_other_does_not(mirrors: Mirrors) -> None:
    await mirrors.fault("wrong", match="drand/b", times=2)
    (_, honest), (_, lying) = await mirrors.round(LONG_AGO, 0), await mirrors.round(LONG_AGO, 1)
    assert honest["randomness"] != lying["randomness"]
    assert hashlib.sha256(bytes.fromhex(lying["signature"])).hexdigest() == lying["randomness"]
    assert await mirrors.round(LONG_AGO, 1) == (200, lying)
    assert await mirrors.round(LONG_AGO, 1) == (200, honest)


async def test_a_corrupt_round_does_not_hash_to_its_value(mirrors: Mirrors) -> None:
    await mirrors.fault("corrupt")
    _, torn = await mirrors.round(LONG_AGO)
    assert hashlib.sha256(bytes.fromhex(torn["signature"])).hexdigest() != torn["randomness"]


async def test_it_can_be_down_slow_or_deaf(mirrors: Mirrors) -> None:
    await mirrors.fault("500")
    assert await mirrors.round(LONG_AGO) == (500, "")
    # A client may ask once more by itself, where a connection that it had kept is gone.
    await mirrors.fault("reset", times=2)
    with pytest.raises(aiohttp.ClientError):
        await mirrors.round(LONG_AGO)
    await mirrors.fault("slow", seconds=0.2)
    assert (await mirrors.round(LONG_AGO))[0] == 200
    await mirrors.fault("deaf", match="drand/a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(mirrors.round(LONG_AGO), 0.2)
    assert (await mirrors.round(LONG_AGO, 1))[0] == 200
    await mirrors.fault("deaf", times=0)
    assert (await mirrors.round(LONG_AGO))[0] == 200


@pytest.mark.parametrize(("platform", "kind"), [("drand", "429"), ("openai", "wrong"), ("drand", "disconnect")])
async def test_each_server_has_its_own_faults(mirrors: Mirrors, platform: str, kind: str) -> None:
    status, answer = await mirrors.control("fault", platform=platform, kind=kind)
    assert status == 400
    assert kind in answer["error"]


async def test_requests_stand_in_the_journal(mirrors: Mirrors) -> None:
    await mirrors.fault("500", match="/public/")
    await mirrors.round(LONG_AGO)
    await mirrors.get(f"{CHAIN}/info")
    rows = [row for row in mirrors.sandbox.frame.journal.rows if row["platform"] == "drand"]
    assert [(row["status"], row.get("fault")) for row in rows] == [(500, "500"), (200, None)]
    assert rows[0]["path"] == f"/drand/a/{CHAIN}/public/{LONG_AGO}"
    assert rows[1]["response"]["hash"] == CHAIN
