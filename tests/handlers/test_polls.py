"""Polls from the command to the result, as people see them."""

from __future__ import annotations

import json

from bot.chat.messages import FieldErrors, OpenForm
from bot.domain.polls import Kind, State

from .polltable import Polls


async def test_nothing_is_public_before_its_maker_confirms(polls: Polls) -> None:
    await polls.preview('"Where do we meet?" "Hangzhou" "Chengdu" "Online"')
    assert polls.house.cards("slack") == {}
    notice = polls.house.notices("ana")[-1]
    assert "Where do we meet?" in notice and "2. Chengdu" in notice and "slack/community" in notice
    await polls.confirm()
    card = polls.card()
    assert card.header == "📊 Where do we meet?"
    assert [button.label for button in card.buttons][:3] == ["Hangzhou", "Chengdu", "Online"]
    await polls.confirm()
    assert len(polls.house.cards("slack")) == 1
    assert polls.house.notices("ana")[-1] == polls.house.told("poll.refused.already")


async def test_only_its_maker_or_the_team_publishes(polls: Polls) -> None:
    await polls.preview('"Tea?" "Yes" "No"')
    payload = polls.offered("confirm")
    await polls.press_payload(payload, "slack", "lin")
    assert polls.house.notices("lin") == [polls.house.told("poll.not_yours")]
    assert polls.house.cards("slack") == {}
    await polls.press_payload(payload, "slack", "dan")
    assert polls.card().header == "📊 Tea?"


async def test_members_make_no_polls_unless_allowed(polls: Polls) -> None:
    await polls.preview('"Tea?" "Yes" "No"', who="lin")
    assert polls.house.notices("lin") == [polls.house.told("command.no_right", name="poll")]


async def test_a_discarded_preview_is_never_seen(polls: Polls) -> None:
    await polls.preview('"Tea?" "Yes" "No"')
    await polls.press("discard", "ana")
    assert polls.house.notices("ana")[-1] == polls.house.told("poll.done.discarded", number=1)
    await polls.confirm()
    assert polls.house.cards("slack") == {}


async def test_from_the_teams_room_it_goes_to_every_room_with_one_tally(polls: Polls) -> None:
    number = await polls.ask('"茶？" "红茶" "绿茶"', room="review")
    for platform in ("slack", "discord", "telegram"):
        assert "红茶" in polls.card(platform).details[0]
    await polls.vote(1, "lin", "slack")
    await polls.vote(1, "mei", "discord")
    await polls.vote(2, "kai", "telegram")
    await polls.live()
    for platform in ("slack", "discord", "telegram"):
        assert polls.counts(polls.card(platform)) == [2, 1]
    await polls.close(number)
    result = polls.result("telegram")
    assert polls.counts(result) == [2, 1]
    assert any("discord/community" in line for line in result.status)
    assert any("红茶" in line and "🏆" in line for line in result.status)
    assert not polls.card("slack").buttons


async def test_a_vote_is_confirmed_privately_can_change_and_be_taken_back(polls: Polls) -> None:
    await polls.ask('"Tea?" "Green" "Black"')
    assert await polls.vote(1, "lin") == polls.house.told("poll.vote.counted", choice="Green")
    assert await polls.vote(2, "lin") == polls.house.told("poll.vote.counted", choice="Black")
    await polls.live()
    assert polls.counts(polls.card()) == [0, 1]
    assert await polls.vote(2, "lin") == polls.house.told("poll.vote.taken_back")
    await polls.live()
    assert polls.counts(polls.card()) == [0, 0]


async def test_a_fixed_vote_stays(polls: Polls) -> None:
    await polls.ask('fixed "Tea?" "Green" "Black"')
    await polls.vote(1, "lin")
    assert await polls.vote(2, "lin") == polls.house.told("poll.refused.fixed")
    await polls.live()
    assert polls.counts(polls.card()) == [1, 0]


async def test_several_choices_up_to_a_limit(polls: Polls) -> None:
    await polls.ask('limit 2 "Tea?" "Green" "Black" "White"')
    await polls.vote(1, "lin")
    await polls.vote(2, "lin")
    assert await polls.vote(3, "lin") == polls.house.told("poll.refused.limit", limit=2)
    await polls.vote(1, "lin")
    assert await polls.vote(3, "lin") == polls.house.told("poll.vote.counted", choice="Black, White")
    await polls.live()
    assert polls.counts(polls.card()) == [0, 1, 1]


async def test_ranked_choice_shows_its_rounds(polls: Polls) -> None:
    number = await polls.ask('ranked "Tea?" "Green" "Black" "White"')
    ballots = {"a": (1,), "b": (1,), "c": (2,), "d": (2,), "e": (3, 2)}
    for who, ranking in ballots.items():
        for option in ranking:
            await polls.vote(option, who)
    assert polls.house.notices("e")[-1] == polls.house.told("poll.vote.counted", choice="1. White › 2. Black")
    await polls.close(number)
    text = "\n".join(polls.result().status)
    assert "🏆 Black" in text
    assert polls.house.told("poll.result.out", names="White") in text


async def test_a_quiz_counts_the_first_press_and_explains(polls: Polls) -> None:
    number = await polls.ask('quiz 2 explain "Leaves are oxidised" "Black tea is" "raw" "oxidised"')
    await polls.vote(2, "lin")
    assert await polls.vote(1, "lin") == polls.house.told("poll.refused.fixed")
    await polls.vote(1, "mei")
    assert not any("oxidised" in line for line in polls.card().status)
    await polls.close(number)
    text = "\n".join(polls.result().status)
    assert polls.house.told("poll.result.right", name="oxidised", count=1) in text
    assert "Leaves are oxidised" in text


async def test_rating_gives_an_average(polls: Polls) -> None:
    number = await polls.ask('rating "How was the event?"')
    for who, stars in {"a": 5, "b": 4, "c": 5}.items():
        await polls.vote(stars, who)
    await polls.close(number)
    assert polls.house.told("poll.result.average", average="4.67") in polls.result().status


async def test_hidden_results_are_nowhere_before_the_end(polls: Polls) -> None:
    number = await polls.ask('hidden "Tea?" "Green" "Black"')
    await polls.vote(1, "lin")
    await polls.live()
    assert list(polls.card().details) == ["1. Green", "2. Black"]
    for word in ("results", "export"):
        await polls.house.command("poll", f"{word} {number}")
        assert polls.house.notices("ana")[-1] == polls.house.told("poll.refused.hidden")
    assert polls.documents() == []
    await polls.close(number)
    assert polls.counts(polls.result()) == [1, 0]
    assert polls.counts(polls.card()) == [1, 0]


async def test_anonymous_ballots_name_nobody_and_the_key_goes(polls: Polls) -> None:
    number = await polls.ask('anonymous "Raise?" "Yes" "No"')
    poll = await polls.poll(number)
    assert polls.house.desk.keys.find(poll.name) is not None
    assert any("admins cannot see your choice" in line for line in polls.card().status)
    assert await polls.vote(1, "lin") == polls.house.told("poll.vote.counted", choice="Yes")
    assert await polls.vote(2, "lin") == polls.house.told("poll.vote.counted", choice="No")
    listed = await polls.house.read(lambda work: work.ballots.listed(number))
    assert [choice for _, choice in listed] == [(2,)]
    assert "lin" not in listed[0][0]
    await polls.press("mine", "lin")
    assert listed[0][0] in polls.house.notices("lin")[-1]
    await polls.close(number)
    await polls.house.advance(70)
    assert polls.house.desk.keys.find(poll.name) is None
    await polls.house.command("poll", f"mine {number}", who="lin")
    assert polls.house.notices("lin")[-1] == polls.house.told("poll.mine.destroyed", number=number)


async def test_late_and_forged_votes_change_nothing(polls: Polls) -> None:
    number = await polls.ask('"Tea?" "Green" "Black" ends 1h')
    poll = await polls.poll(number)
    late = polls.offered("vote:1")
    forged = polls.house.desk.signer.make(poll.name, "vote:9", polls.house.desk.review[0])
    await polls.press_payload(forged, "slack", "lin", "review")
    assert polls.house.notices("lin")[-1] == polls.house.told("poll.refused.no_option")
    await polls.press_payload(late[:-1] + ("A" if late[-1] != "A" else "B"), "slack", "lin")
    assert polls.house.notices("lin")[-1] == polls.house.told("review.invalid_button")
    await polls.house.advance(3600)
    await polls.press_payload(late, "slack", "lin")
    assert polls.house.notices("lin")[-1] == polls.house.told("poll.refused.closed")
    assert polls.counts(polls.result()) == [0, 0]


async def test_it_closes_by_itself_and_leaves_a_receipt(polls: Polls) -> None:
    number = await polls.ask('"Tea?" "Green" "Black" ends 2h')
    await polls.vote(2, "lin")
    await polls.house.advance(7200)
    assert (await polls.poll(number)).state is State.CLOSED
    receipt = json.loads(await polls.house.read(lambda work: work.polls.receipt(number)) or "")
    assert receipt["voters"] == 1 and receipt["ballots"]["count"] == 1
    assert any(receipt["ballots"]["sha256"] in line for line in polls.result().status)
    assert [document.name for document in polls.documents()] == [f"poll-{number}.png"]


async def test_it_reminds_once_and_not_when_told_not_to(polls: Polls) -> None:
    await polls.ask('"Tea?" "Green" "Black" ends 2h')
    await polls.house.advance(7200 - 1000)
    assert [line for line in polls.lines() if "⏰" in line]
    other = await polls.ask('"Milk?" "Yes" "No" ends 2h noremind')
    await polls.house.advance(7200 - 1000)
    assert len([line for line in polls.lines() if "⏰" in line]) == 1
    assert (await polls.poll(other)).state is State.OPEN


async def test_extend_cancel_and_correct(polls: Polls) -> None:
    number = await polls.ask('"Tee?" "Green" "Black" ends 1h')
    await polls.house.command("poll", f'edit {number} question "Tea?"')
    await polls.live()
    assert polls.card().header == "📊 Tea?"
    assert not any("→" in line for line in polls.card().status)
    await polls.vote(1, "lin")
    await polls.house.command("poll", f'edit {number} 2 "Black tea"')
    await polls.live()
    assert any("Black → Black tea" in line for line in polls.card().status)
    await polls.house.command("poll", f"extend {number} 2h")
    await polls.house.advance(3600)
    assert (await polls.poll(number)).state is State.OPEN
    await polls.house.command("poll", f"cancel {number}")
    assert (await polls.poll(number)).state is State.CANCELLED
    assert polls.card().status[0] == polls.house.told("poll.cancelled")
    assert not polls.card().buttons
    await polls.house.advance(7200)
    assert not [card for card in polls.house.cards("slack").values() if card.header.startswith("🏁")]


async def test_a_scheduled_poll_opens_at_its_time(polls: Polls) -> None:
    number = await polls.ask('"Tea?" "Green" "Black" starts 1h ends 2h')
    assert polls.house.cards("slack") == {}
    assert (await polls.poll(number)).state is State.SCHEDULED
    await polls.house.advance(3600)
    assert (await polls.poll(number)).state is State.OPEN
    assert polls.card().header == "📊 Tea?"


async def test_a_recurring_poll_comes_again(polls: Polls) -> None:
    await polls.ask('"Standup?" "Good" "Bad" every day 9:00 ends 1h')
    for day in range(3):
        await polls.house.advance(86400)
        opened = [card for card in polls.house.cards("slack").values() if card.header == "📊 Standup?"]
        assert len(opened) == day + 1


async def test_members_add_options_the_team_may_look_first(polls: Polls) -> None:
    number = await polls.ask('open approval "Where?" "Hangzhou" "Chengdu"')
    opened = await polls.press("add", "lin")
    assert isinstance(opened, OpenForm)
    await polls.submit(opened.form.payload, {"text": "Online"}, who="lin")
    assert polls.house.notices("lin")[-1] == polls.house.told("poll.add.waits")
    await polls.live()
    assert len(polls.card().details) == 2
    await polls.press("let_in:3", "ana", room="review")
    await polls.live()
    assert "Online" in polls.card().details[2]
    await polls.vote(3, "mei")
    errors = await polls.submit(opened.form.payload, {"text": " online "}, who="kai")
    assert isinstance(errors, FieldErrors) and errors.errors
    assert len((await polls.poll(number)).question.options) == 3


async def test_restrictions_are_named_and_told(polls: Polls) -> None:
    number = await polls.ask('account 30d "Tea?" "Green" "Black"', "discord")
    now = polls.house.clock.at
    assert any("30" in line for line in polls.card("discord").status)
    told = await polls.vote(1, "lin", "discord", created_at=now - 86400)
    assert told == polls.house.told("poll.refused.account_age", days=30)
    await polls.vote(1, "lin", "discord", created_at=now - 86400)
    await polls.vote(1, "mei", "discord", created_at=now - 90 * 86400)
    await polls.close(number)
    assert polls.counts(polls.result("discord")) == [1, 0]
    rule = polls.house.told("poll.rule.account_age")
    assert polls.house.told("poll.excluded", rules=f"{rule}: 1") in polls.result("discord").status


async def test_young_accounts_are_told_to_the_team_and_count(polls: Polls) -> None:
    number = await polls.ask('"Tea?" "Green" "Black"', "discord")
    await polls.vote(1, "lin", "discord", created_at=polls.house.clock.at - 100)
    await polls.close(number)
    assert polls.counts(polls.result("discord")) == [1, 0]
    assert any("⚠️" in line and "lin" in line for line in polls.lines())


async def test_the_form_and_the_prompt_make_the_same(polls: Polls) -> None:
    opened = await polls.house.command("poll", "", "slack", channel=polls.house.desk.named["slack/community"])
    assert isinstance(opened, OpenForm)
    values = {"question": "Tea?", "options": "Green\nBlack", "kind": "multiple", "ends": "2h", "flags": "hidden"}
    await polls.submit(opened.form.payload, values)
    first = await polls.newest()
    assert (first.question.kind, first.question.hidden) == (Kind.MULTIPLE, True)
    errors = await polls.submit(opened.form.payload, values | {"ends": "yesterdayish"})
    assert isinstance(errors, FieldErrors) and set(errors.errors) == {"ends"}
    await polls.preview("", "telegram")
    _, prompt = polls.house.prompt()
    message = polls.posted(type(prompt), "telegram")[-1][0]
    await polls.house.say("Tea?\nGreen\nBlack\n+ hidden", "telegram", "ana", reply_to=message)
    second = await polls.newest()
    assert second.id != first.id and second.question.hidden
    assert [one.text for one in second.question.options] == ["Green", "Black"]


async def test_a_sentence_becomes_a_preview(polls: Polls) -> None:
    await polls.preview("draft 做一个关于新口味的投票")
    poll = await polls.newest()
    assert "新口味" in poll.question.text and poll.question.kind is Kind.OPEN
    assert poll.state is State.PREVIEW


async def test_again_makes_the_same_poll_anew(polls: Polls) -> None:
    number = await polls.ask('multiple "Tea?" "Green" "Black"')
    await polls.close(number)
    await polls.press("follow", "ana")
    poll = await polls.newest()
    assert poll.id != number and poll.state is State.PREVIEW
    assert [one.text for one in poll.question.options] == ["Green", "Black"]


async def test_the_export_goes_to_the_teams_room_only_and_runs_nothing(polls: Polls) -> None:
    number = await polls.ask('"Tea?" "=HYPERLINK(1)" "Black"')
    await polls.vote(1, "lin")
    await polls.preview(f"export {number}")
    assert polls.house.notices("ana")[-1] == polls.house.told("poll.refused.export_place")
    await polls.house.command("poll", f"export {number}")
    document = polls.documents()[-1]
    assert document.name == f"poll-{number}.csv"
    text = document.content.decode("utf-8-sig")
    assert "'=HYPERLINK(1)" in text and "slack:T1:lin" in text


async def test_the_list(polls: Polls) -> None:
    await polls.house.command("poll", "list")
    assert polls.house.notices("ana")[-1] == polls.house.told("poll.list.empty")
    for _ in range(12):
        await polls.ask('"Tea?" "Green" "Black"')
    await polls.house.command("poll", "list")
    first = polls.house.notices("ana")[-1]
    assert "#12 " in first and "#3 " in first and "#2 " not in first
    await polls.house.command("poll", "list 3")
    assert "#2 " in polls.house.notices("ana")[-1]


async def test_ties_of_ranked_choice_are_explained(polls: Polls) -> None:
    number = await polls.ask('ranked "Tea?" "Green" "Black"')
    await polls.vote(1, "a")
    await polls.vote(2, "b")
    await polls.close(number)
    text = "\n".join(polls.result().status)
    assert polls.house.told("poll.tie.shared", names="Green, Black", number=0) in text
    assert polls.house.told("poll.result.tie", names="Green, Black") in text
