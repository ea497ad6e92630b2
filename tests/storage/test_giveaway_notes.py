"""What is noted about giveaways, and their messages."""

from __future__ import annotations

from bot.domain.places import Channel
from bot.storage.giveaway_posts import GiveawayPost
from bot.storage.giveaways import Line, Signal, Witness
from bot.storage.work import Work

from .conftest import NOW, Bench

ROOM, TOPIC = Channel("slack", "T1", "C1"), Channel("telegram", "1", "-100", "7", "-1")


async def test_witnesses_keep_their_order_and_come_once(bench: Bench) -> None:
    def tell(work: Work) -> None:
        work.giveaways.witness(1, "freeze", "slack", "https://a", NOW + 5, {"freeze_hash": "ff"})
        work.giveaways.witness(1, "announcement", "slack", "https://a", NOW, {"commit": "c", "beacon": "茶"})
        work.giveaways.witness(2, "freeze", "slack", "https://a", NOW, {})

    for _ in range(2):
        await bench.write(tell)
    await bench.write(lambda work: work.giveaways.witness(1, "freeze", "slack", "https://a", 0.0, {"x": "y"}))
    await bench.write(lambda work: work.giveaways.witness(1, "freeze", "discord", "https://a", NOW + 6.5, {}))
    assert await bench.read(lambda work: work.giveaways.witnesses(1)) == [
        Witness("freeze", "slack", "https://a", NOW + 5, {"freeze_hash": "ff"}),
        Witness("announcement", "slack", "https://a", NOW, {"commit": "c", "beacon": "茶"}),
        Witness("freeze", "discord", "https://a", NOW + 6.5, {}),
    ]
    assert await bench.read(lambda work: work.giveaways.witnesses(3)) == []


async def test_the_log_keeps_its_order(bench: Bench) -> None:
    for at, who, what in ((NOW + 5, "slack:T1:U1", "open"), (NOW, "", "close")):
        await bench.write(lambda work, at=at, who=who, what=what: work.giveaways.log(1, at, who, what))
    await bench.write(lambda work: work.giveaways.log(2, NOW, "", "open"))
    await bench.write(lambda work: work.giveaways.log(1, NOW, "x", "extend", "“a” → “b”"))
    assert await bench.read(lambda work: work.giveaways.history(1)) == [
        Line(NOW + 5, "slack:T1:U1", "open", ""),
        Line(NOW, "", "close", ""),
        Line(NOW, "x", "extend", "“a” → “b”"),
    ]


async def signalled(bench: Bench) -> None:
    def signal(work: Work) -> None:
        for giveaway_id, reason, who, detail in (
            (1, "new", "b", "1 d"),
            (1, "new", "a", "2 d"),
            (1, "new", "b", "3 d"),
            (1, "burst", "b", "9/s"),
            (2, "burst", "a", "8/s"),
        ):
            work.giveaways.signal(giveaway_id, reason, who, detail)

    await bench.write(signal)


async def test_signals_are_told_once_with_their_newest_detail(bench: Bench) -> None:
    await signalled(bench)
    wanted = [Signal("burst", "b", "9/s"), Signal("new", "a", "2 d"), Signal("new", "b", "3 d")]
    assert await bench.read(lambda work: work.giveaways.signals(1)) == wanted
    await bench.write(lambda work: work.giveaways.forget_signals(1))
    assert await bench.read(lambda work: work.giveaways.signals(1)) == []
    assert await bench.read(lambda work: work.giveaways.signals(2)) == [Signal("burst", "a", "8/s")]


async def test_who_is_erased_is_in_no_signal_and_no_log(bench: Bench) -> None:
    await signalled(bench)
    for who in ("a", "b"):
        await bench.write(lambda work, who=who: work.giveaways.log(1, NOW, who, "appeal"))
    await bench.write(lambda work: work.giveaways.erase("a"))
    left = await bench.read(lambda work: [*work.giveaways.signals(1), *work.giveaways.signals(2)])
    assert {one.who for one in left} == {"b"}
    wanted = [Line(NOW, "", "appeal", ""), Line(NOW, "b", "appeal", "")]
    assert await bench.read(lambda work: work.giveaways.history(1)) == wanted


async def test_posts_are_found_by_giveaway_kind_and_number(bench: Bench) -> None:
    card = await bench.write(lambda work: work.giveaway_posts.add(1, TOPIC, "card"))
    freeze = await bench.write(lambda work: work.giveaway_posts.add(1, ROOM, "freeze"))
    await bench.write(lambda work: work.giveaway_posts.add(2, ROOM, "card"))
    planned = [GiveawayPost(card, 1, TOPIC, "card", None, None), GiveawayPost(freeze, 1, ROOM, "freeze", None, None)]
    assert await bench.read(lambda work: work.giveaway_posts.of(1)) == planned
    assert await bench.read(lambda work: work.giveaway_posts.of(1, "freeze")) == planned[1:]
    assert await bench.read(lambda work: work.giveaway_posts.of(1, "result")) == []
    await bench.write(lambda work: work.giveaway_posts.posted(freeze, "C1:55", NOW + 0.5))
    posted = GiveawayPost(freeze, 1, ROOM, "freeze", "C1:55", NOW + 0.5)
    assert await bench.read(lambda work: work.giveaway_posts.of(1)) == [planned[0], posted]
    assert await bench.read(lambda work: work.giveaway_posts.get(freeze)) == posted
    await bench.write(lambda work: work.giveaway_posts.gone(freeze))
    assert await bench.read(lambda work: work.giveaway_posts.get(freeze)) == planned[1]
    assert await bench.read(lambda work: work.giveaway_posts.get(99)) is None
