"""Comments on the local Telegram server: a bare echo bot, chatter through Herald, comments up to their cards."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from bench.world import DEADLINE, Slow, World, cpu_seconds, herald, process, sandbox, until

CHATTER = ["good morning everyone", "lol same here", "早上好呀", "看到了哈哈", "just finished my cup", "今天天气真好"]
QUESTIONS = ["When will the tea be restocked?", "茶什么时候补货？", "How long does shipping take?", "多久能发货？"]


async def measure(folder: Path, count: int) -> dict[str, float]:
    """Messages per second, and their ratios to the echo bot."""
    echo, echo_cpu = await _echo(count)
    chatter, chatter_cpu = await _chatter(folder / "chatter", count)
    cards, cards_cpu = await _cards(folder / "cards", count)
    return {
        "echo_messages_per_second": echo,
        "chatter_messages_per_second": chatter,
        "chatter_ratio": chatter / echo,
        "cards_messages_per_second": cards,
        "cards_ratio": cards / echo,
        "echo_cpu_seconds_per_1000": echo_cpu,
        "chatter_cpu_seconds_per_1000": chatter_cpu,
        "cards_cpu_seconds_per_1000": cards_cpu,
    }


def _texts(texts: list[str], count: int) -> list[str]:
    return [f"{texts[number % len(texts)]}" for number in range(count)]


async def _echo(count: int) -> tuple[float, float]:
    async with sandbox() as world:
        told = await world.environment()
        await world.say(_texts(QUESTIONS, count))
        begun = time.time()
        async with process(["-m", "bench.echo"], "echo ready", told) as (child, _):
            ended = await _count(world, "sendMessage", count)
            return count / (ended - begun), cpu_seconds(child.pid) * 1000 / count


async def _count(world: World, method: str, wanted: int) -> float:
    end = time.monotonic() + DEADLINE
    seen = 0
    last = 0.0
    while time.monotonic() < end:
        times = await world.sent(method)
        seen += len(times)
        last = times[-1] if times else last
        if seen >= wanted:
            return last
        await asyncio.sleep(0.1)
    raise Slow(f"{seen} of {wanted} {method}")


async def _chatter(folder: Path, count: int) -> tuple[float, float]:
    async with sandbox() as world:
        environment = herald(folder, await world.environment(), ("telegram",))
        async with process(["-m", "bot", "run"], "herald ready", environment) as (child, _):
            await world.post("/control/say", _warm("good night all"))
            await until(folder, "SELECT count(*) FROM inbox WHERE state = 'done'", 1)
            await _hold(child, world, _texts(CHATTER, count))
            begun, cpu = time.time(), cpu_seconds(child.pid)
            child.send_signal(18)
            ended = await until(folder, "SELECT count(*) FROM inbox WHERE state = 'done'", count + 1)
            return count / (ended - begun), (cpu_seconds(child.pid) - cpu) * 1000 / count


async def _cards(folder: Path, count: int) -> tuple[float, float]:
    async with sandbox() as world:
        environment = herald(folder, await world.environment(), ("telegram",))
        async with process(["-m", "bot", "run"], "herald ready", environment) as (child, _):
            await world.post("/control/say", _warm(QUESTIONS[0]))
            await _count(world, "sendMessage", 1)
            await _hold(child, world, _texts(QUESTIONS, count))
            begun, cpu = time.time(), cpu_seconds(child.pid)
            child.send_signal(18)
            ended = await _count(world, "sendMessage", count)
            return count / (ended - begun), (cpu_seconds(child.pid) - cpu) * 1000 / count


def _warm(text: str) -> dict[str, str]:
    return {"platform": "telegram", "channel": "community", "member": "warm", "text": text}


async def _hold(child: asyncio.subprocess.Process, world: World, texts: list[str]) -> None:
    """Let the messages pile up at the server while the bot stands still (SIGSTOP), as they did for the echo bot."""
    child.send_signal(19)
    await world.say(texts)
