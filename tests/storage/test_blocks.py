"""What platforms told us to wait for."""

from __future__ import annotations

from bot.storage.blocks import Block

from .conftest import NOW, Bench


async def held(bench: Bench, platform: str = "discord", now: float = NOW) -> list[Block]:
    return await bench.read(lambda work: work.blocks.of(platform, now))


async def keep(bench: Bench, *blocks: Block, platform: str = "discord") -> None:
    for block in blocks:
        await bench.write(lambda work, block=block: work.blocks.keep(platform, block))


async def test_a_block_is_kept_until_it_is_over(bench: Bench) -> None:
    channel, bot = Block("C1", NOW + 10, "429"), Block("", NOW + 82_721, "banned")
    await keep(bench, channel, bot)
    assert await held(bench) == [bot, channel]
    assert await held(bench, now=NOW + 10) == [bot]
    assert await held(bench, "slack") == []


async def test_the_longer_block_stays(bench: Bench) -> None:
    long, short = Block("C1", NOW + 60, "long"), Block("C1", NOW + 5, "short")
    await keep(bench, short, long, short)
    assert await held(bench) == [long]
    longer = Block("C1", NOW + 61, "longer")
    await keep(bench, longer)
    assert await held(bench) == [longer]


async def test_platforms_do_not_share_them(bench: Bench) -> None:
    await keep(bench, Block("1", NOW + 5))
    await keep(bench, Block("1", NOW + 9), platform="telegram")
    assert await held(bench) == [Block("1", NOW + 5)]
    await bench.write(lambda work: work.blocks.forget("telegram", NOW + 9))
    assert await held(bench, "telegram") == []
    assert await held(bench) == [Block("1", NOW + 5)]


async def test_only_what_is_over_is_forgotten(bench: Bench) -> None:
    await keep(bench, Block("1", NOW + 5), Block("2", NOW + 6))
    await bench.write(lambda work: work.blocks.forget("discord", NOW + 5))
    assert await held(bench) == [Block("2", NOW + 6)]
