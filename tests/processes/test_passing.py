"""Who presses hears of it from the process that handled the press, not from the one that heard it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot.rehearsal.errors import RehearsalError

from .town import APPROVER, DESK, Town, opened, until

POLL = '/poll "Where do we meet?" "Hangzhou" "Chengdu" ends 2h'
VOTERS = ("lin", "mei", "kai")
NOTICES = "SELECT count(*) FROM outbox WHERE kind = 'notice'"
BALLOTS = "SELECT count(*) FROM ballots"


async def pressed(town: Town, platform: str, channel: str, who: str, button: str) -> Any:
    """What somebody is told within three seconds of a press on the newest such button; None: there is none yet."""
    for message in reversed(await town.control.seen(platform, channel, who, None)):
        if any(button in str(one["id"]).split("|") for one in message["buttons"]):
            fields = {"platform": platform, "channel": channel, "message_id": message["id"], "member": who}
            return await town.control.post("click", fields | {"button": button})
    return None


async def test_a_worker_says_what_came_of_a_vote_that_the_gateway_heard(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    """Once for each, and in no table."""
    async with opened(tmp_path, postgres_url, redis_url) as town:
        gateway, worker = await town.started("gateway", "worker")
        await town.control.post("command", {"platform": DESK, "channel": "review", "member": APPROVER, "text": POLL})

        async def confirmed() -> bool:
            return await pressed(town, DESK, "review", APPROVER, "confirm") is not None

        async def opened_there() -> bool:
            return bool(await town.rows("SELECT 1 FROM polls WHERE state = 'open'"))

        await until("the preview is confirmed", confirmed)
        await until("the poll is open", opened_there)
        ((before,),) = await town.rows(NOTICES)
        for who in VOTERS:
            told: list[str] = []

            async def is_told(who: str = who, told: list[str] = told) -> bool:
                try:
                    answer = await pressed(town, "telegram", "community", who, "vote:1")
                except RehearsalError:
                    return False
                told += [str(answer["toast"])] if answer and "toast" in answer else []
                return bool(told)

            await until(f"{who} is told", is_told)
            assert "Hangzhou" in told[0]
        assert await town.rows(NOTICES) == [(before,)]
        assert await town.rows(BALLOTS) == [(len(VOTERS),)]
        for one in (gateway, worker):
            await one.stop()
            assert one.code == 0
