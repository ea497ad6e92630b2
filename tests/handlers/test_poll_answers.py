"""What people are told of polls when they ask: no more than they may know, and nothing that is wrong."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from sqlalchemy import Connection

from bot.chat.events import FormSubmitted
from bot.chat.messages import OpenForm
from bot.domain.polls import State
from bot.handlers.context import Context
from bot.handlers.polls import posting
from bot.storage.work import Work

from .house import channel, member
from .polltable import Polls


async def test_an_open_quiz_keeps_its_answer(polls: Polls) -> None:
    number = await polls.ask('quiz 2 explain "Leaves are oxidised" "Black tea is" "raw" "rolled"')
    await polls.vote(1, "lin")
    right = polls.house.told("poll.result.right", name="rolled", count=0)
    await polls.house.command("poll", f"results {number}", who="mei")
    told = polls.house.notices("mei")[-1]
    assert right not in told and "oxidised" not in told
    await polls.close(number)
    await polls.house.command("poll", f"results {number}", who="mei")
    told = polls.house.notices("mei")[-1]
    assert right in told and "oxidised" in told


async def test_the_results_of_a_ranked_poll_name_who_wins_by_all_preferences(polls: Polls) -> None:
    number = await polls.ask('ranked "Tea?" "Green" "Black" "White"')
    ballots = {"a": (1,), "b": (1,), "c": (1,), "d": (2,), "e": (2,), "f": (3, 2), "g": (3, 2)}
    for who, ranking in ballots.items():
        for option in ranking:
            await polls.vote(option, who)
    await polls.house.command("poll", f"results {number}", who="lin")
    assert "🏆 Black" in polls.house.notices("lin")[-1]
    await polls.close(number)
    assert "🏆 Black" in "\n".join(polls.result().status)
    await polls.house.command("poll", f"results {number}", who="lin")
    assert "🏆 Black" in polls.house.notices("lin")[-1]


async def test_where_all_abstain_nobody_says_that_nobody_voted(polls: Polls) -> None:
    number = await polls.ask('consent "Shall we meet on Sundays?"')
    await polls.vote(3, "lin")
    await polls.close(number)
    assert polls.house.told("poll.result.none") not in polls.result().status
    assert polls.house.told("poll.result.undecided") in polls.result().status


async def test_a_poll_that_has_not_opened_is_not_called_closed(polls: Polls) -> None:
    number = await polls.ask('anonymous "Raise?" "Yes" "No" starts 1h')
    await polls.house.command("poll", f"mine {number}", who="lin")
    assert polls.house.notices("lin")[-1] == polls.house.told("poll.mine.none")


async def test_whoever_linked_accounts_after_the_end_still_finds_their_vote(polls: Polls) -> None:
    number = await polls.ask('"Tea?" "Green" "Black"')
    await polls.vote(2, "lin")
    await polls.close(number)
    house, counted = polls.house, polls.house.told("poll.mine.counted", choice="Black", count=1)
    code = "".join(sign for sign in await _code(polls, "lin") if sign.isdigit())[:6]
    await house.command("link", f"{code}", "discord", "lin")
    await house.command("link", f"{code} yes", "discord", "lin")
    await house.command("poll", f"mine {number}", who="lin")
    assert house.notices("lin")[-1] == counted
    await house.command("poll", f"mine {number}", "discord", "mei")
    assert house.notices("mei", "discord")[-1] == house.told("poll.mine.none")


async def _code(polls: Polls, who: str) -> str:
    await polls.house.command("link", "", who=who)
    return polls.house.notices(who)[-1]


async def test_what_was_discarded_is_nowhere(polls: Polls) -> None:
    await polls.preview('"Secret?" "Yes" "No"')
    await polls.press("discard", "ana")
    await polls.house.command("poll", "list", who="lin")
    assert polls.house.notices("lin")[-1] == polls.house.told("poll.list.empty")
    for word in ("results 1", "mine 1", "again 1", "history 1"):
        await polls.house.command("poll", word)
        assert polls.house.notices("ana")[-1] == polls.house.told("poll.no_such")


async def test_a_poll_that_was_called_off_stays_in_the_list(polls: Polls) -> None:
    number = await polls.ask('"Tea?" "Green" "Black"')
    await polls.house.command("poll", f"cancel {number}")
    await polls.house.command("poll", "list", who="lin")
    assert f"#{number} " in polls.house.notices("lin")[-1]


async def test_no_form_opens_where_no_poll_can_be_made(polls: Polls) -> None:
    opened = await polls.house.command("poll", "", channel=channel("slack", "dm"), private=True)
    assert not isinstance(opened, OpenForm)
    assert ("en", "command.private") in polls.house.texts.said


async def test_a_preview_is_not_shown_of_what_cannot_be_published(polls: Polls) -> None:
    await polls.preview('"Tea?" "Green" "Black" ends 60d')
    assert polls.house.notices("ana")[-1] == polls.house.told("poll.refused.too_long", days=31)


async def test_whoever_may_vote_may_also_add_an_option(polls: Polls) -> None:
    number = await polls.ask('open account 30d member 7d "Where?" "Hangzhou"', "discord")
    long_ago, room = polls.house.clock.at - 90 * 86400, channel("discord", "community")
    added = FormSubmitted(
        room, member("discord", "lin"), "Lin", polls.offered("add", "discord"), {"text": "Online"}, {"handle": "h"},
        joined_at=long_ago, created_at=long_ago,
    )  # fmt: skip
    await polls.house.hear(added)
    assert polls.house.notices("lin", "discord")[-1] == polls.house.told("poll.add.done")
    young = replace(added, member=member("discord", "mei"), values={"text": "Chengdu"}, created_at=polls.house.clock.at)
    await polls.house.hear(young)
    assert polls.house.notices("mei", "discord")[-1] == polls.house.told("poll.refused.account_age", days=30)
    assert len((await polls.poll(number)).question.options) == 2


async def test_a_poll_whose_time_went_by_is_called_off_and_the_team_hears_of_it(polls: Polls) -> None:
    await polls.preview('anonymous "Tea?" "Green" "Black" starts 1h ends tomorrow 18:00')
    await polls.confirm()
    number = (await polls.newest()).id
    polls.house.clock.at += 5 * 86400
    await polls.house.settle()
    poll = await polls.poll(number)
    assert poll.state is State.CANCELLED
    assert polls.house.cards("slack") == {}
    assert any(polls.house.told("poll.not_opened", number=number) in line for line in polls.lines())
    await polls.house.advance(70)
    assert polls.house.desk.keys.find(poll.name) is None


async def test_only_votes_that_count_are_reported(polls: Polls) -> None:
    number = await polls.ask('"Tea?" "Green" "Black"', "discord")
    now = polls.house.clock.at
    await polls.vote(1, "lin", "discord", created_at=now - 100)
    await polls.vote(1, "lin", "discord", created_at=now - 100)
    await polls.vote(1, "mei", "discord", created_at=now - 100)
    await polls.close(number)
    (line,) = {line for line in polls.lines() if "⚠️" in line}
    assert "mei" in line and "lin" not in line
    await polls.house.command("poll", f"history {number}")
    assert line in polls.house.notices("ana")[-1]


async def test_results_are_told_of_polls_that_have_some(polls: Polls) -> None:
    later = await polls.ask('"Surprise?" "A party" "A trip" starts 1h')
    await polls.house.command("poll", f"results {later}", who="lin")
    assert polls.house.notices("lin")[-1] == polls.house.told("poll.refused.not_open")
    for flag in ("", "hidden"):
        number = await polls.ask(f'"Tea?" "Green" "Black" {flag}')
        await polls.vote(1, "lin")
        await polls.house.command("poll", f"cancel {number}")
        await polls.house.command("poll", f"results {number}", who="lin")
        assert polls.house.notices("lin")[-1] == polls.house.told("poll.cancelled")


async def test_a_card_offers_no_taking_back_where_votes_are_final(polls: Polls) -> None:
    for kind in ("single", "limit 2", "ranked"):
        for flag in ("", "fixed"):
            await polls.ask(f'"Tea?" "Green" "Black" "White" {kind} {flag}')
            text = "\n".join(polls.card().status)
            assert (polls.house.told("poll.fixed") in text) is bool(flag)
            assert ("again" in text) is not bool(flag)


async def test_a_follow_up_finds_rooms_however_they_are_written(polls: Polls) -> None:
    named, room = polls.house.desk.named, channel("slack", "community")
    assert isinstance(named, dict)
    del named["slack/community"]
    named["slack/TeaRoom"] = room
    number = await polls.ask('"Tea?" "Green" "Black"', room="community")
    await polls.house.command("poll", f"again {number}")
    poll = await polls.newest()
    assert poll.id != number and poll.channels == (room,)


async def test_an_option_of_a_member_can_be_taken_out_by_the_team_only(polls: Polls) -> None:
    number = await polls.ask('open "Where?" "Hangzhou" "Chengdu"')
    opened = await polls.press("add", "lin")
    assert isinstance(opened, OpenForm)
    await polls.submit(opened.form.payload, {"text": "Nowhere, you fools"}, who="lin")
    await polls.live()
    await polls.vote(3, "lin")
    await polls.house.command("poll", f"drop {number} 3", who="lin")
    assert polls.house.notices("lin")[-1] == polls.house.told("poll.not_yours")
    for option, why in (("1", "own_option"), ("9", "no_option"), ("x", "no_option")):
        await polls.house.command("poll", f"drop {number} {option}")
        assert polls.house.notices("ana")[-1] == polls.house.told(f"poll.refused.{why}")
    await polls.house.command("poll", f"移除 {number} #3")
    assert polls.house.notices("ana")[-1] == polls.house.told("poll.done.keep_out", number=3)
    await polls.live()
    card = polls.card()
    assert len(card.details) == 2 and any("#3" in line for line in card.status)
    assert not any("fools" in line for line in (*card.details, *card.status))


async def test_what_is_said_of_a_poll_asked_again_holds_or_is_refused(polls: Polls) -> None:
    number = await polls.ask('"Tea?" "Green" "Black"')
    await polls.house.command("poll", f"again {number} anonymous hidden ends 2h")
    poll = await polls.newest()
    assert poll.id == number + 1 and poll.question.anonymous and poll.question.hidden and poll.name.startswith("a.")
    for flag in ("ranked", "limit 2", '"White"', "member 7d"):
        await polls.house.command("poll", f"again {number} {flag}")
        assert "/poll again" in polls.house.notices("ana")[-1]
        assert (await polls.newest()).id == number + 1


async def test_the_team_hears_where_a_poll_never_appeared(polls: Polls) -> None:
    house, late = polls.house, "discord discord-community"
    for end, told in (("cancel", 0), ("close", 1)):
        number = await polls.ask('"Tea?" "Green" "Black"', "discord")
        await house.command("poll", f"{end} {number}")

        def unit(connection: Connection, number: int = number) -> None:
            """As if the platform had been out of reach for all that time."""
            work = Work(connection, house.clock.at)
            (post,) = work.poll_posts.of(number)
            work.poll_posts.gone(post.id)
            posting.repost(cast(Context, SimpleNamespace(work=work)), post)

        await house.store.write(unit)
        await house.settle()
        line = house.told("poll.post.late", number=number, where=late)
        assert polls.lines().count(line) == told
