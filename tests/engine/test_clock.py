"""The clock, and the file that moves it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from bot.engine.clock import ALONE_SECONDS, Clock, boot_seconds

from .world import DEADLINE, until


def test_without_a_file_it_is_the_machines() -> None:
    clock = Clock()
    before = (time.time(), time.monotonic(), boot_seconds())
    shown = (clock.now(), clock.monotonic(), boot_seconds())
    after = (time.time(), time.monotonic(), boot_seconds())
    assert all(a <= b <= c for a, b, c in zip(before, shown, after, strict=True))
    assert clock.patience == ALONE_SECONDS


async def test_there_is_nothing_to_follow_without_a_file() -> None:
    async with asyncio.timeout(DEADLINE):
        await Clock().follow()


def test_patience_is_as_told_and_short_beside_a_file() -> None:
    assert Clock(patience=lambda: 2.0).patience == 2.0
    assert Clock(Path("f"), lambda: 2.0).patience == 0.1
    assert Clock(Path("f"), lambda: 0.05).patience == 0.05


async def test_both_times_are_ahead_by_what_the_file_says_whatever_it_said_before(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    clock = Clock(file)
    following = asyncio.create_task(clock.follow())
    for text, ahead in (("3600\n", 3600), ("no number", 3600), (None, 3600), ("-86400.5", -86400.5), ("", 0)):
        file.unlink(missing_ok=True) if text is None else file.write_text(text)

        async def there(ahead: float = ahead) -> bool:
            return abs(clock.now() - time.time() - ahead) < 1 and abs(clock.monotonic() - time.monotonic() - ahead) < 1

        await until(there)
        for _ in range(5):  # a fault would end it by now
            await asyncio.sleep(0.05)
        assert not following.done()
    following.cancel()
    await asyncio.wait([following])
