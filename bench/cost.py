"""What it costs to be connected to three platforms."""

from __future__ import annotations

from pathlib import Path

from bench.world import cpu_seconds, herald, process, resident_mb, sandbox, until

COMMENT = {"channel": "community", "member": "lin", "text": "When will the jasmine tea be restocked?"}


async def measure(folder: Path) -> dict[str, float]:
    """CPU seconds until connected and warm, language identification included, and resident memory then."""
    async with sandbox() as world:
        platforms = ("slack", "discord", "telegram")
        environment = herald(folder / "cost", await world.environment(), platforms)
        async with process(["-m", "bot", "run"], "herald ready", environment) as (child, _):
            for platform in platforms:  # a comment on each, so that everything that is used is loaded
                await world.post("/control/say", {"platform": platform, **COMMENT})
            await until(folder / "cost", "SELECT count(*) FROM cards WHERE message_id IS NOT NULL", 9)
            return {
                "three_platforms_cpu_seconds": cpu_seconds(child.pid),
                "three_platforms_resident_mb": resident_mb(child.pid),
            }
