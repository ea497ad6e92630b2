"""Hostile texts and presses: polls whose words, names and buttons are made to break what others see."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re

import pytest
import sqlalchemy as sa
from engine.world import until
from sqlalchemy import Connection

from bot.chat import moments
from bot.chat.events import ButtonPressed, CommandInvoked, ReplyHandle
from bot.chat.messages import Card, FieldErrors, Notice, Prompt
from bot.domain.places import Channel
from bot.domain.poll_words import Asked, read
from bot.domain.polls import Option, Poll, Question, Refused, State
from bot.domain.tally import count
from bot.domain.text import fit, weigh
from bot.drafting.characters import invisible
from bot.engine.passing import MOST
from bot.handlers import links
from bot.handlers.polls import asking, results, voting
from bot.integrations.discord import render as discord
from bot.integrations.slack import render as slack
from bot.integrations.telegram import render as telegram
from bot.storage.tables import outbox
from bot.storage.work import Work

from .house import House, channel, member
from .polltable import Polls

LONG = {
    "escaped": "*_~`" * 19,
    "astral": "😀" * 75,
    "unseen": "a" + "\u200b" * 74,
    "mentions": "<@U1> @everyone <!channel> <@&1> <!date^1^{date}|x>" * 2,
}


def _all_platforms_take(card: Card) -> None:
    discord.content(card)
    slack.post(card, channel("slack"), "key")
    telegram.create(card)
    telegram.change(card)


@pytest.mark.parametrize("kind", LONG)
async def test_no_option_is_so_long_that_a_card_cannot_be_shown(polls: Polls, kind: str) -> None:
    options = " ".join(f'"{number} {LONG[kind]}'[:74] + '"' for number in range(20))
    question = (LONG[kind] * 9)[:300]
    number = await polls.ask(f'"{question}" {options} in @slack @discord @telegram')
    await polls.vote(1, "lin")
    await polls.house.command("poll", f'edit {number} question "{question[:-1]}!"')
    await polls.house.command("poll", f'edit {number} question "{question[:-1]}?"')
    await polls.live()
    for platform in ("slack", "discord", "telegram"):
        card = polls.card(platform)
        assert len(card.details) == 20 and card.status[-3].startswith("🔒")
        _all_platforms_take(card)
    await polls.close(number)
    _all_platforms_take(polls.result())


async def test_a_ranked_result_of_many_rounds_fits_everywhere(polls: Polls) -> None:
    options = " ".join(f'"{number} {"x" * 70}"' for number in range(20))
    number = await polls.ask(f'ranked "Tea?" {options}')
    for voter in range(20):
        for choice in range(voter + 1, min(voter + 3, 21)):
            await polls.vote(choice, f"v{voter}")
    await polls.close(number)
    result = polls.result()
    assert "…" in result.status and result.status[-2].startswith("🔒")
    _all_platforms_take(result)


def test_lines_that_fit_stay_and_the_longest_give_way_first() -> None:
    assert fit(["a", "b" * 10], 13) == ("a", "b" * 10)
    assert fit(["short", "b" * 200, "c" * 60], 180) == ("short", "b" * 111 + "…", "c" * 60)
    assert fit(["*" * 30], 20) == ("*" * 9 + "…",)
    few = fit([f"{number}" + "x" * 60 for number in range(50)], 200)
    assert len(few) <= 4 and few[1] == "…" and few[0].startswith("0") and few[-1].startswith("49")
    assert sum(weigh(line) + 1 for line in few) <= 200


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        " =1",
        "＝1+1",
        "＋1",
        "－1",
        "﹣1",
        "−1",
        "＠A",
        "\u200b=1",
        "tea;=1+1",
        "x；＝1",
    ],
)
def test_no_cell_of_a_file_is_computed(text: str) -> None:
    options = (Option(1, text), Option(2, "A=1, -2 @ home; twice"))
    poll = Poll(1, "p.x", Question("Q", options), State.CLOSED, member("slack", "ana"), "Ana", "en", (), 0.0)
    rows = results.table(poll, count(poll.question, []), [("slack:T1:lin", (2,))])
    found = list(csv.reader(io.StringIO(rows.decode("utf-8-sig"))))
    assert found[1][1].startswith("'") and found[1][1].replace("'", "") == text
    assert not any(re.match(r"\s*[=+＝＋]", cell) for cell in re.split("[;；]", found[1][1]))
    assert found[2][1] == options[1].text
    assert found[5] == ["slack:T1:lin", "2"]  # as it is: the fingerprint is made of it


@pytest.mark.parametrize("flag", ["", "anonymous"])
async def test_one_member_leaves_room_for_others_options(polls: Polls, flag: str) -> None:
    await polls.ask(f'open {flag} "Snack?" "Cake" "Pie"')
    payload = polls.offered("add")
    for at in range(voting.MAX_ADDED):
        await polls.submit(payload, {"text": f"Spam {at}"}, who="lin")
    await polls.submit(payload, {"text": "One more"}, who="lin")
    assert polls.house.notices("lin")[-1] == polls.house.told("poll.refused.many_added", limit=voting.MAX_ADDED)
    await polls.submit(payload, {"text": "Plums"}, who="mei")
    poll = await polls.newest()
    assert [one.text for one in poll.question.options] == ["Cake", "Pie", "Spam 0", "Spam 1", "Spam 2", "Plums"]
    await polls.close(poll.id)
    for _ in range(8):
        await polls.house.advance(10.0)
    facts = await polls.house.read(lambda work: work.facts.beginning("poll:"))
    assert facts == {}


async def test_what_an_option_is_refused_with_is_shown_as_it_is(polls: Polls) -> None:
    await polls.ask('open "Snack?" "Cake" "Pie"')
    payload = polls.offered("add")
    text = "{0}%s $x$\ue0f0{limit}|t\ue0f1 \u202e"
    for _ in range(2):
        await polls.submit(payload, {"text": text + "\x00\ud800\n\r"}, who="lin")
    assert (await polls.newest()).question.options[-1].text == text
    await polls.house.submit("no payload", {"text": text}, who="lin")
    await polls.live()
    label = "{0}%s $x${limit}|t ⟦U+202E⟧"
    assert polls.card().buttons[2].label == label
    assert label in polls.card().details[2]


async def test_a_name_cannot_hold_marks_of_ours_or_turn_a_text_around(polls: Polls) -> None:
    name = "\ue0f0" + "1700000000|now\ue0f1 {name}\u202e"
    shout = CommandInvoked(channel("slack", "community"), member("slack", "lin"), name, "poll", "", {"handle": "h"})
    await polls.house.hear(shout)
    hints = [c.message.hint for c in polls.house.platforms["slack"].done if isinstance(c.message, Notice)]
    assert hints and all("1700000000|now {name}⟦U+202E⟧" in hint for hint in hints)


async def test_whoever_lost_the_right_publishes_nothing(polls: Polls) -> None:
    """An old preview, and the poll that one made before, are no way around it."""
    house = polls.house
    gone = member("slack", "lin")
    here = channel("slack", "community")

    def unit(connection: Connection) -> None:
        work = Work(connection, house.clock.at)
        for name, state in (("p.preview", State.PREVIEW), ("p.open", State.OPEN)):
            question = Question("Tea?", (Option(1, "Green"), Option(2, "Black")))
            work.polls.add(
                Poll(0, name, question, state, gone, "Lin", "en", (here,), 0.0, closes_at=house.clock.at + 9e4)
            )

    await house.store.write(unit)
    await polls.press_payload(house.desk.signer.make("p.preview", "confirm", here), "slack", "lin")
    assert (await polls.poll(1)).state is State.PREVIEW
    await house.command("poll", "again 2", who="lin", channel=here)
    assert (await polls.newest()).id == 2
    assert house.notices("lin") == [house.told("command.no_right", name="poll")] * 2


async def test_a_thousand_presses_do_not_fill_a_room_with_questions(polls: Polls) -> None:
    await polls.ask('open "Snack?" "Cake" "Pie"', platform="telegram", room="community")
    payload = polls.offered("add", "telegram")
    for _ in range(asking.MAX_PROMPTS + 4):
        await polls.press_payload(payload, "telegram", "lin")
    assert len(polls.posted(Prompt, "telegram")) == asking.MAX_PROMPTS
    assert polls.house.notices("lin", "telegram") == [polls.house.told("poll.form.waits")] * 4
    await polls.press_payload(payload, "telegram", "mei")
    await polls.house.advance(asking.PROMPTS_SECONDS)
    await polls.press_payload(payload, "telegram", "lin")
    assert len(polls.posted(Prompt, "telegram")) == asking.MAX_PROMPTS + 2


async def test_codes_are_not_guessed_with_many_accounts(house: House) -> None:
    def unit(connection: Connection) -> None:
        work = Work(connection, house.clock.at)
        for number in range(links.ALL_TRIES):
            work.links.missed(member("discord", f"alt{number}"), house.clock.at)

    await house.store.write(unit)
    await house.command("link", "123456", "discord", "eve")
    assert house.notices("eve", "discord") == [house.told("link.blocked", minutes=10)]
    await house.advance(links.SECONDS)
    await house.command("link", "123456", "discord", "eve")
    assert house.notices("eve", "discord")[-1] == house.told("link.wrong")


async def test_payloads_of_other_polls_rooms_and_words_change_nothing(polls: Polls) -> None:
    await polls.ask('"Tea?" "Green" "Black"')
    name, here = (await polls.newest()).name, channel("slack", "community")
    make = polls.house.desk.signer.make
    for what in ("vote:0", "vote:-1", "vote:²", "vote:٢٢", "vote:99999999999999", "vote:", "vote:1:1", "vote"):
        await polls.press_payload(make(name, what, here), "slack", "lin")
    for view, what in (
        ("p.nothing", "vote:1"),
        ("p.nothing", "confirm"),
        (name, "approve"),
        (name, "nobodys"),
        (name, ""),
    ):
        await polls.press_payload(make(view, what, here), "slack", "lin")
        assert polls.house.notices("lin")[-1] == polls.house.told("review.invalid_button")
    for what in ("vote:1", "mine", "confirm", "discard", "follow"):
        await polls.submit(make(name, what, here), {"text": "x"}, who="lin")
        assert polls.house.notices("lin")[-1] == polls.house.told("review.invalid_button")
    await polls.press_payload(make(name, "vote:1", channel("slack", "review")), "slack", "lin")
    await polls.press_payload(make(name, "newpoll", here), "slack", "lin")
    assert await polls.house.read(lambda work: work.ballots.voters(1)) == 0


async def test_two_people_who_confirm_at_once_publish_once(polls: Polls) -> None:
    await polls.preview('"Tea?" "Green" "Black"')
    payload = polls.offered("confirm")
    for who in ("ana", "dan", "ben"):
        press = ButtonPressed(channel("slack", "community"), member("slack", who), who, "m", payload, {"handle": "h"})
        await polls.house.hear(press, settled=False)
    await polls.house.settle()
    assert len(polls.house.cards("slack")) == 1


async def test_a_cancelled_preview_and_a_closed_poll_take_nothing_more(polls: Polls) -> None:
    await polls.preview('"Tea?" "Green" "Black"')
    confirm = polls.offered("confirm")
    await polls.press("discard", "ana")
    await polls.press_payload(confirm, "slack", "ana")
    assert (await polls.poll(1)).state is State.CANCELLED
    number = await polls.ask('open "Snack?" "Cake" "Pie"')
    add = polls.offered("add")
    await polls.close(number)
    refused = await polls.submit(add, {"text": "Late"}, who="lin")
    assert refused == FieldErrors({"text": polls.house.told("poll.refused.closed")})
    assert len((await polls.poll(number)).question.options) == 2


async def test_a_flood_of_presses_fills_no_outbox_and_holds_up_nobody(polls: Polls) -> None:
    """Attack 53: of the answers that cannot be given in time the newest are kept, and only one goes at a time; none of
    them is in a table."""
    await polls.ask('"Tea?" "Green" "Black"')
    house, payload = polls.house, polls.offered("vote:1")
    gate = asyncio.Event()
    notify = house.platforms["slack"].notify

    async def slow(notice: Notice, at: Channel, reply: ReplyHandle, key: str = "") -> None:
        if notice.member == member("slack", "lin"):
            await gate.wait()
        await notify(notice, at, reply, key)

    house.platforms["slack"].notify = slow  # type: ignore[method-assign]
    here = channel("slack", "community")
    for at in range(61):
        await house.hear(
            ButtonPressed(here, member("slack", "lin"), "Lin", "m", payload, {"handle": str(at)}), settled=False
        )
    await house.hear(ButtonPressed(here, member("slack", "mei"), "Mei", "m", payload, {"handle": "h"}), settled=False)

    async def mei_knows() -> bool:
        return bool(house.notices("mei"))

    await until(mei_knows)
    assert not house.notices("lin")
    assert house.senders["slack"].voice.counts == {"crowded": 61 - 1 - MOST, "said": 1}
    counted = house.told("poll.vote.counted", choice="Green")
    query = sa.select(outbox.c.id).where(outbox.c.text == counted)
    assert not await house.store.read(lambda connection: connection.execute(query).all())
    gate.set()
    await house.settle()
    assert len(house.notices("lin")) == 1 + MOST
    assert house.notices("lin")[-1] == counted
    assert await house.read(lambda work: work.ballots.voters(1)) == 2


async def test_a_receipt_is_told_with_everything_that_is_in_it(polls: Polls) -> None:
    """Nothing in it is taken for a mark of ours, or turns it around: who copies it has the same receipt."""
    number = await polls.ask('"Tea?" "\ue0f01700000000|now\ue0f1 green" "Bl\u200back"')
    await polls.close(number)
    await polls.house.command("poll", f"receipt {number}", who="lin")
    told = polls.house.notices("lin")[-1]
    assert not set(invisible(told)) and len(moments.split(told)) == 1
    assert json.loads(told) == json.loads(await polls.house.read(lambda work: work.polls.receipt(number)) or "")
    assert "\\ue0f01700000000" in told


@pytest.mark.parametrize("part", ["in", "in:", "limit", "up", "ends", "member", "role", "#", "<#", "'a", "一", "“"])
def test_nothing_that_is_typed_takes_long_to_read(part: str) -> None:
    """Two hundred of the longest take less than a second; where words are tried again for each space, some minutes."""
    for _ in range(100):
        assert isinstance(read(f'"Q" "A" "B" {part}'.ljust(5990) + "x"), Refused | Asked)
        assert isinstance(read(('"Q" "A" "B" ' + part * 5990)[:5999]), Refused | Asked)
