"""A giveaway with two workers on PostgreSQL: both take entries, both are stopped in the freeze, a third finishes."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.verifier import verify

from .town import APPROVER, DESK, Town, opened, until

FANS = 40
STOP = "timer.made/giveaway_freezing=stop"


@dataclass
class Fair:
    """What people do with one giveaway."""

    town: Town
    clock: Path
    ahead: float = 0.0

    async def advance(self, seconds: float) -> None:
        self.ahead += seconds
        await self.town.control.post("advance", {"seconds": seconds})
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(str(self.ahead), encoding="utf-8")
        fresh.replace(self.clock)

    async def room(self) -> list[dict[str, Any]]:
        return await self.town.control.seen(DESK, "community", APPROVER, None)

    async def offering(self, word: str) -> str:
        """The newest message with that button."""
        found: list[str] = []

        async def there() -> bool:
            found[:] = [str(one["id"]) for one in await self.room() if _offers(one, word)]
            return bool(found)

        await until(f"something offers {word}", there)
        return found[-1]

    async def click(self, word: str, who: str = APPROVER) -> None:
        fields = {"platform": DESK, "channel": "community", "message_id": await self.offering(word), "member": who}
        await self.town.control.post("click", fields | {"button": word})

    async def enter(self, people: list[str]) -> None:
        fields = {"platform": DESK, "channel": "community", "message_id": await self.offering("enter")}
        clicks = [{"member": one, "button": "enter"} for one in people]
        await self.town.control.post("click_many", fields | {"clicks": clicks, "at_once": 16})

    async def is_so(self, query: str, wanted: object) -> None:
        async def so() -> bool:
            return await self.town.rows(query) == [(wanted,)]

        await until(f"{query} gives {wanted}", so)

    async def proof(self) -> str:
        """The newest proof file."""
        found: list[str] = []

        async def there() -> bool:
            files = [file for message in await self.room() for file in message.get("files") or ()]
            named = [str(one["id"]) for one in files if "proof" in f"{one.get('name')}{one.get('title')}"]
            found[:] = named[-1:]
            return bool(named)

        await until("there is a proof", there)
        answer = await self.town.control.get("file", {"platform": DESK, "id": found[0]})
        return str(answer["text"])


def _offers(message: dict[str, Any], word: str) -> bool:
    return any(word in str(one["id"]).split("|") for one in message["buttons"])


async def test_workers_that_are_stopped_in_the_freeze_change_nothing_of_it(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    """Both had made the list when they were stopped; they go on when it is drawn, and nothing is said twice."""
    clock = tmp_path / "clock"
    clock.write_text("0", encoding="utf-8")
    async with opened(tmp_path, postgres_url, redis_url) as town:
        town.environment["HERALD_CLOCK_FILE"] = str(clock)
        fair = Fair(town, clock)
        gateway, first, second = town.herald("gateway"), town.herald("worker", STOP), town.herald("worker", STOP)
        await asyncio.gather(*(one.ready() for one in (gateway, first, second)))
        place = {"platform": DESK, "channel": "community", "member": APPROVER}
        await town.control.post("command", place | {"text": "/giveaway start 1h 2w A cup"})
        await fair.click("confirm")
        made = await town.control.post("crowd", {"platform": DESK, "prefix": "fan", "count": FANS})
        await fair.enter([f"fan{number}" for number in range(1, FANS + 1)])
        await fair.is_so("SELECT count(*) FROM giveaway_entries WHERE state = 'in'", FANS)
        holders = await town.rows("SELECT holder, count(*) FROM leases WHERE name LIKE 'part:%' GROUP BY 1")
        assert sorted(count for _, count in holders) == [32, 32]

        await fair.advance(3600)
        await first.says("failpoint timer.made reached")
        await second.says("failpoint timer.made reached")
        assert await town.rows("SELECT state FROM giveaways") == [("closed",)]
        third = town.herald("worker")
        await third.ready()
        await fair.is_so("SELECT count(*) FROM giveaways WHERE state = 'frozen' AND published_at > 0", 1)
        frozen = await town.rows("SELECT text, hash, root, entries FROM giveaway_freezes")
        await fair.advance(180)
        await fair.is_so("SELECT state FROM giveaways", "drawn")
        order = await town.rows("SELECT tickets FROM giveaway_draws")
        for one in (first, second):
            one.signal(signal.SIGCONT)

        wins = await town.rows("SELECT ticket, member FROM giveaway_wins ORDER BY id")
        ids = [str(one) for one in made["ids"]]
        await fair.click("claim", f"fan{1 + ids.index(str(wins[0][1]).rpartition(':')[2])}")
        await fair.is_so("SELECT count(*) FROM giveaway_wins WHERE state = 'claimed'", 1)
        proof = await fair.proof()
        assert verify.verify(proof.encode()).faults == []
        fields = json.loads(proof)
        assert (fields["freeze_hash"], len(fields["entries"])) == (frozen[0][1], FANS)
        assert fields["final"] == [ticket for ticket, _ in wins]
        await fair.is_so("SELECT count(*) FROM outbox WHERE state IN ('pending', 'claimed', 'sending')", 0)
        texts = [str(message["text"]) for message in await fair.room()]
        assert len([text for text in texts if f"SHA-256 = {frozen[0][1]}" in text]) == 1
        assert len([text for text in texts if "Winners of" in text]) == 1
        assert await town.rows("SELECT text, hash, root, entries FROM giveaway_freezes") == frozen
        assert await town.rows("SELECT tickets FROM giveaway_draws") == order
