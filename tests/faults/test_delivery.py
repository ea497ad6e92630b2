"""kill -9 in the middle of a delivery: a reply is on the platform at most once, unless a person has it sent again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.domain.failpoints import Point

from .ledger import doubled, lost
from .world import World, opened, until

PLATFORMS = ("telegram", "slack", "discord")
ANSWERING = {"telegram": "/sendMessage", "slack": "thread_ts", "discord": "message_reference"}
"""What, once the cards are there, only a request holds that makes a reply."""
WISHES = {
    "review": {"undo_seconds": 0, "card_lines": False},
    "delivery": {"request_timeout": 5, "grace": 1, "lease": 15},
}
QUESTION = "When will the jasmine tea be restocked? I mean tin number {}."
STATE = "SELECT drafts.state FROM drafts JOIN comments ON comments.id = drafts.comment_id WHERE comments.message_id = ?"
SETTLED = ("sent", "uncertain")
PENDING = "SELECT 1 FROM outbox WHERE kind = 'reply' AND state IN ('pending', 'claimed', 'sending')"


async def asked(world: World, count: int) -> list[tuple[str, str]]:
    """A run that dies when all is quiet: so many questions, each with the card that offers to approve its draft."""
    bot = world.bot()
    await bot.ready()
    texts = [QUESTION.format(number) for number in range(1, count + 1)]
    messages = [await world.say(text) for text in texts]
    cards = [await world.offering("approve", text) for text in texts]
    await until("the cards are recorded", world.settled)
    await bot.kill()
    return list(zip(messages, cards, strict=True))


async def approved(world: World, card: str) -> None:
    """The click of somebody whose bot may die under it: what they see then is not looked at."""
    await asyncio.gather(world.click(card, "approve"), return_exceptions=True)


def state(world: World, message: str) -> str:
    return str(world.rows(STATE, message)[0][0])


async def doubtful(world: World, message: str, number: int) -> None:
    """Settled without a person: found on the platform, or put to a person by three buttons."""
    await until("the draft is settled", lambda: state(world, message) in SETTLED)
    if state(world, message) == "uncertain":
        text = QUESTION.format(number)
        cards = {await world.offering(action, text) for action in ("arrived", "again", "drop")}
        assert len(cards) == 1
    else:
        assert world.platform != "telegram", "nobody can know that on Telegram"


async def killed(world: World, points: str, card: str) -> None:
    """A run that dies at this point of delivering what is approved on the card."""
    bot = world.bot(points)
    await bot.ready()
    await until("what the run before had approved is on its way", lambda: not world.rows(PENDING))
    await asyncio.gather(approved(world, card), bot.killed_at(Point(points.partition("/")[0])))


async def killed_without_answer(world: World, message: str, card: str) -> None:
    """A run that dies after the platform has made the reply and before it has said so."""
    bot = world.bot()
    await bot.ready()
    fault = {"kind": "swallow_reply", "match": ANSWERING[world.platform], "times": 1}
    await world.control.post("fault", {"platform": world.platform, **fault})
    clicking = asyncio.create_task(approved(world, card))
    await until("the platform has the reply", lambda: world.replies(message))
    await bot.kill()
    await clicking
    assert state(world, message) in {"approved", "checking"}


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_reply_is_never_doubled_by_a_kill(platform: str, tmp_path: Path) -> None:
    async with opened(tmp_path, platform, WISHES, forked=True) as world:
        questions = await asked(world, 5)
        unmarked, confirmed, unsent, arrived, unheard = every = [message for message, _ in questions]
        cards = [card for _, card in questions]
        await killed(world, "outbox.sending/reply=kill", cards[0])
        await killed(world, "outbox.confirmed/reply=kill:2", cards[1])  # the first is that of the run before
        await killed(world, "outbox.request/reply=kill", cards[2])
        await killed(world, "outbox.answered/reply=kill", cards[3])
        await killed_without_answer(world, unheard, cards[4])
        last = world.bot()
        await last.ready()
        for number, message in enumerate((unsent, arrived, unheard), 3):
            await doubtful(world, message, number)
        await until("everything is settled", world.settled)
        assert [state(world, message) for message in (unmarked, confirmed)] == ["sent", "sent"]
        before = [len(world.replies(message)) for message in every]
        if platform == "telegram":  # nobody but a person knows
            assert before == [1, 1, 0, 1, 1]
            assert [state(world, message) for message in every[2:]] == ["uncertain"] * 3
        else:  # the platform was asked: what was there is left alone, what was not is sent
            assert before == [1, 1, 1, 1, 1]
            assert [state(world, message) for message in every] == ["sent"] * 5
        for number, message, button in ((3, unsent, "again"), (4, arrived, "arrived"), (5, unheard, "drop")):
            if state(world, message) == "uncertain":
                await world.click(await world.offering(button, QUESTION.format(number)), button)
        await until("nothing is in doubt", lambda: not world.rows("SELECT 1 FROM drafts WHERE state = 'uncertain'"))
        await until("everything is settled", world.settled)
        await last.stop()
        assert [len(world.replies(message)) for message in every] == [1, 1, 1, 1, 1]
        assert lost(world) == set()
        assert doubled(world) == []


async def test_a_card_in_doubt_is_shown_again(tmp_path: Path) -> None:
    """Two live cards do no harm, the first decision wins; a draft that nobody sees would."""
    async with opened(tmp_path, "slack", WISHES) as world:
        bot = world.bot("outbox.confirming/card=kill")
        await bot.ready()
        message = await world.say(QUESTION.format(1))
        await bot.killed_at(Point.OUTBOX_CONFIRMING)
        last = world.bot()
        await last.ready()
        await until("a card is recorded", lambda: world.count("SELECT 1 FROM cards WHERE message_id IS NOT NULL"))
        text = QUESTION.format(1)
        cards = [str(one["id"]) for one in await world.review() if text in one["text"] and one["buttons"]]
        assert len(cards) == 2
        await asyncio.gather(*(world.click(card, "approve") for card in cards))
        await until("the reply is sent", lambda: state(world, message) == "sent")
        await until("everything is settled", world.settled)
        await last.stop()
        assert world.count("SELECT count(*) FROM decisions WHERE action = 'approve'") == 1
        assert len(world.replies(message)) == 1
