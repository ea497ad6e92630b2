"""The sandbox as its own process."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiohttp
import pytest


async def _start(*arguments: str) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot.sandbox", "--port", "0", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    assert line.startswith("sandbox listening on http://127.0.0.1:")
    return process, line.split()[-1]


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_at_once_even_while_a_poll_waits(tmp_path: Path, sign: signal.Signals) -> None:
    journal = tmp_path / "journal.jsonl"
    process, base = await _start("--limits", "none", "--journal", str(journal))
    try:
        async with aiohttp.ClientSession(base) as session:
            async with session.get("/control/info") as response:
                token = (await response.json())["HERALD_TELEGRAM__TOKEN"]
            async with session.get(f"/bot{token}/getMe") as response:
                assert (await response.json())["ok"]
            poll = asyncio.create_task(session.get(f"/bot{token}/getUpdates", params={"timeout": "40"}))
            async with session.get(f"/bot{token}/getMe"):
                process.send_signal(sign)
            assert await asyncio.wait_for(process.wait(), 2) == 0
            with pytest.raises(aiohttp.ClientError):
                await poll
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert json.loads(journal.read_text().splitlines()[0])["path"] == "/bot***/getMe"


async def test_a_taken_port_is_said_plainly() -> None:
    process, base = await _start()
    try:
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot.sandbox", "--port", base.rpartition(":")[2], stderr=asyncio.subprocess.PIPE
        )
        _, errors = await asyncio.wait_for(second.communicate(), 20)
        assert second.returncode == 1
        assert b"cannot start" in errors
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 5)
