"""What it costs to be connected to three platforms."""

from __future__ import annotations

from pathlib import Path

from bench.world import cpu_seconds, herald, process, resident_mb, sandbox


async def measure(folder: Path) -> dict[str, float]:
    """CPU seconds until connected, and resident memory then."""
    async with sandbox() as world:
        platforms = ("slack", "discord", "telegram")
        environment = herald(folder / "cost", await world.environment(), platforms)
        async with process(["-m", "bot", "run"], "herald ready", environment) as (child, _):
            return {
                "three_platforms_cpu_seconds": cpu_seconds(child.pid),
                "three_platforms_resident_mb": resident_mb(child.pid),
            }
