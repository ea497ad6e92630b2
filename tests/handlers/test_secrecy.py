"""Anonymous polls in a running house: sealed clicks and answers, restarts, and the end of the key."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from engine.world import until

from bot.chat.events import ButtonPressed, FormSubmitted
from bot.chat.ports import Incoming
from bot.domain.failpoints import VARIABLE, Point, _armed, arm
from bot.domain.polls import State
from bot.handlers.links import _hold
from bot.handlers.secrecy import SHRED, PollSeals, poll_of
from bot.handlers.shredding import SWEEP, SWEEP_SECONDS, Shredder, is_quiet
from bot.integrations.discord.client import intents
from bot.integrations.slack.inbound import _is_whispered
from bot.storage.keys import Keys
from bot.storage.tables import ballots, inbox, outbox
from bot.storage.work import Work

from .booth import NAME, Booth, electorate, press, resumed, voting

ANA, BEN, CAI = electorate(3)


@pytest.fixture
async def booth(path: Path) -> AsyncIterator[Booth]:
    async with voting(path) as made:
        yield made


async def rows(booth: Booth, table: sa.Table, *names: str) -> list[tuple[Any, ...]]:
    query = sa.select(*(table.c[name] for name in names)).order_by(*table.primary_key.columns)
    return await booth.house.store.read(lambda connection: [tuple(row) for row in connection.execute(query)])


async def raws(booth: Booth) -> list[dict[str, Any]]:
    return [json.loads(raw) for (raw,) in await rows(booth, inbox, "raw") if raw.startswith("{")]


async def asks(booth: Booth) -> None:
    """Somebody asks whether their vote counted: the answer is no passing one."""
    await booth.hear(booth.incoming(ANA, "mine"))


# ---- voting


async def test_a_vote_counts_and_its_voter_is_told(booth: Booth) -> None:
    for voter in (ANA, BEN, CAI):
        await booth.vote(voter, 2)
        assert len(booth.told(voter)) == 1
        assert "Chengdu" in booth.told(voter)[0]
    assert await booth.counts() == {(2,): 3}


async def test_a_vote_is_changed_and_taken_back_and_never_doubled(booth: Booth) -> None:
    await booth.vote(ANA, 1)
    await booth.vote(ANA, 3)
    await booth.vote(BEN, 3)
    assert await booth.counts() == {(3,): 2}
    await booth.vote(ANA, 3)
    assert await booth.counts() == {(3,): 1}


async def test_a_vote_and_a_question_about_it_leave_sealed_rows_only(booth: Booth) -> None:
    await booth.vote(ANA, 1)
    (envelope,) = await raws(booth)
    assert set(envelope) == {"herald_sealed", "data"}
    assert envelope["herald_sealed"] == NAME
    assert not [row for row in await rows(booth, outbox, "kind") if "notice" in row[0]]  # said from memory
    await asks(booth)
    notices = [row for row in await rows(booth, outbox, "kind", "text", "extra", "message_id") if "notice" in row[0]]
    ((kind, text, extra, message_id),) = notices
    assert (kind, text, message_id) == ("sealed_notice", "", "")
    assert set(json.loads(extra)) == {"poll", "sealed"}
    ((voter, member, at),) = await rows(booth, ballots, "voter", "member", "at")
    assert (member, at, len(voter)) == (None, None, 24)


async def test_a_press_that_the_platform_tells_twice_counts_once(booth: Booth) -> None:
    item = booth.incoming(ANA, "vote:1")
    await booth.hear(item)
    await booth.hear(item)  # a second press on the same option would take the vote back
    assert await booth.counts() == {(1,): 1}
    assert len(booth.told(ANA)) == 1
    assert len(await raws(booth)) == 1


async def test_a_press_that_was_stored_and_not_handled_counts_after_a_restart(path: Path) -> None:
    async with voting(path) as booth:
        await booth.stop()
        item = booth.incoming(BEN, "vote:1")
        await booth.hear(item, booth.incoming(ANA, "vote:2"), settled=False)
    async with resumed(booth) as again:
        await again.house.settle()
        assert await again.counts() == {(1,): 1, (2,): 1}
        assert "Hangzhou" in again.told(BEN)[0]
        await again.hear(item)
        assert await again.counts() == {(1,): 1, (2,): 1}


async def test_an_answer_that_was_not_sent_is_sent_after_a_restart(path: Path) -> None:
    async with voting(path) as booth:
        await booth.vote(ANA, 2)
        await asks(booth)
        await booth.house.store.write(
            lambda c: c.execute(sa.update(outbox).where(outbox.c.kind == "sealed_notice").values(state="pending"))
        )
        await booth.stop()
    async with resumed(booth) as again:
        await again.house.settle()
        (text,) = again.told(ANA)
        assert "Chengdu" in text


async def test_what_a_form_says_is_sealed_too(booth: Booth) -> None:
    found = booth.incoming(ANA, "add")
    pressed = found.event
    assert isinstance(pressed, ButtonPressed)
    values = {"text": "Suzhou"}
    event = FormSubmitted(pressed.channel, pressed.member, ANA.name, pressed.payload, values, pressed.reply)
    seals = PollSeals(booth.house.desk.keys)
    closed = seals.close(replace(found, raw=f"{ANA.user_id} Suzhou", event=event))
    name, data = json.loads(closed.raw).values()
    assert ANA.user_id not in closed.raw
    assert seals.open(name, data) == event
    assert seals.covers(event)


async def test_everything_of_an_event_comes_back(booth: Booth) -> None:
    seals = PollSeals(booth.house.desk.keys)
    for voter in electorate(30):
        item = press(voter, booth.payload(voter, "vote:1"), 7)
        name, data = json.loads(seals.close(item).raw).values()
        assert seals.open(name, data) == item.event


async def test_what_we_cannot_read_of_such_a_poll_is_not_kept(booth: Booth) -> None:
    raw = json.dumps({"user": ANA.user_id, "action": {"selected": booth.payload(ANA, "vote:1")}})
    await booth.hear(Incoming("slack:T1", "x1", raw, None), Incoming("slack:T1", "x2", "else", None))
    assert [row[0] for row in await rows(booth, inbox, "raw")] == [json.dumps({"herald_sealed": NAME}), "else"]


async def test_a_name_with_half_a_character_is_not_written_in_another_way(booth: Booth) -> None:
    item = press(ANA, booth.payload(ANA, "vote:1"), 7)
    assert isinstance(item.event, ButtonPressed)
    await booth.hear(replace(item, event=replace(item.event, member_name="\ud83d")))
    assert await raws(booth) == [{"herald_sealed": NAME}]
    assert await booth.counts() == {(1,): 1}  # it was handled from memory


@pytest.mark.parametrize(
    ("payload", "poll"),
    [
        (f"v1|{NAME}|vote:1|mac", NAME),
        ("v1|p.named|vote:1|mac", None),
        ("v1|card|approve|mac", None),
        ("v1|a.../../etc|vote:1|mac", None),
        ("a.x", None),
        ("", None),
        ("v1|a.x", "a.x"),
    ],
)
def test_payloads_say_which_anonymous_poll_they_are_of(payload: str, poll: str | None) -> None:
    assert poll_of(payload) == poll


# ---- the end


async def test_after_the_end_the_key_is_gone_and_nothing_opens(booth: Booth) -> None:
    await booth.vote(ANA, 1)
    (envelope,) = await raws(booth)
    assert PollSeals(Keys(booth.folder / "ballots")).open(NAME, envelope["data"]) is not None
    await booth.end()
    assert booth.keys == []
    assert PollSeals(Keys(booth.folder / "ballots")).open(NAME, envelope["data"]) is None
    assert PollSeals(booth.house.desk.keys).open(NAME, envelope["data"]) is None
    assert await booth.counts() == {(1,): 1}


async def test_the_key_waits_for_answers_that_are_on_their_way(booth: Booth) -> None:
    await asks(booth)
    later = booth.house.clock.at + 30.0
    await _open_again(booth, later)
    await booth.close()
    await booth.house.advance(20.0)
    assert booth.keys == [f"{NAME}.key"]
    await booth.house.advance(11.0)
    await booth.house.advance(1.0)
    assert booth.keys == []
    assert len(booth.told(ANA)) == 2


async def test_an_answer_that_cannot_go_holds_the_key_for_a_minute_only(booth: Booth) -> None:
    await asks(booth)
    await _open_again(booth, booth.house.clock.at + 9000.0)
    await booth.close()
    await booth.house.advance(59.0)
    assert booth.keys == [f"{NAME}.key"]
    await booth.house.advance(2.0)
    assert booth.keys == []
    await booth.house.advance(9000.0)
    assert len(booth.told(ANA)) == 1  # it was dropped
    states = {state for kind, state in await rows(booth, outbox, "kind", "state") if kind == "sealed_notice"}
    assert states == {"cancelled"}


async def _open_again(booth: Booth, due: float) -> None:
    """Make the answer to a question one that still has to go."""
    query = sa.update(outbox).where(outbox.c.kind == "sealed_notice").values(state="pending", due_at=due)
    await booth.house.store.write(lambda connection: connection.execute(query) and None)


async def test_the_key_waits_for_presses_from_before_the_end(path: Path) -> None:
    async with voting(path) as booth:
        await booth.stop()
        await booth.hear(booth.incoming(ANA, "vote:1"), settled=False)
        poll = await booth.poll()
        closed = replace(poll, state=State.CLOSED, closed_at=booth.house.clock.at + 1.0)

        def unit(connection: sa.Connection) -> bool:
            work = Work(connection, booth.house.clock.at + 1.0)
            work.polls.swap(poll, closed)
            return is_quiet(work, closed)

        assert not await booth.house.store.write(unit)
        await booth.house.store.write(lambda c: c.execute(sa.update(inbox).values(state="done")) and None)
        assert await booth.house.read(lambda work: is_quiet(work, closed))


async def test_the_key_of_an_open_poll_is_never_destroyed(booth: Booth) -> None:
    await booth.house.store.write(lambda c: Work(c, 0.0).timers.set(SHRED, NAME, 0.0))
    await booth.house.advance(100.0)
    assert booth.keys == [f"{NAME}.key"]
    assert booth.house.errors == [f"herald.secrecy: poll {NAME} is not over: its key stays None"]
    booth.house.errors.clear()
    await shredder(booth).sweep()
    await booth.house.advance(100.0)
    assert booth.keys == [f"{NAME}.key"]


def shredder(booth: Booth) -> Shredder:
    return Shredder(booth.house.store, booth.house.clock, booth.house.desk.keys)


async def test_a_start_destroys_keys_of_polls_that_are_over_and_of_none(booth: Booth) -> None:
    poll = await booth.poll()
    closed = replace(poll, state=State.CLOSED, closed_at=booth.house.clock.at)
    await booth.house.store.write(lambda c: Work(c, 0.0).polls.swap(poll, closed))  # and no timer was set
    booth.house.desk.keys.make("a.stray")
    booth.house.desk.keys.make("a.fresh")
    os.utime(booth.folder / "ballots" / "a.stray.key", (1, 1))
    (booth.folder / "ballots" / "a.left.gone").write_bytes(b"k" * 32)  # half destroyed by a process that was killed
    assert f"{NAME}.key" in booth.keys
    await shredder(booth).sweep()
    await booth.house.advance(61.0)
    assert booth.keys == ["a.fresh.key"]  # its poll may be about to be written


@pytest.mark.parametrize("point", [Point.SHREDDING, Point.KEY_HIDDEN, Point.KEY_OVERWRITTEN, Point.SHREDDED])
async def test_no_crash_leaves_the_key_of_a_closed_poll(path: Path, point: Point) -> None:
    async with voting(path) as booth:
        await booth.vote(ANA, 1)
        arm({VARIABLE: f"{point.value}=raise:*"})
        try:
            plan = next(iter(_armed.values()))
            await booth.close(settled=False)

            async def reached() -> bool:
                return plan.reached > 0

            await until(reached)
            await booth.stop()
        finally:
            arm({})
        booth.house.errors.clear()
        assert await booth.waits(SHRED) == [NAME]
    async with resumed(booth) as again:
        await shredder(again).sweep()
        await again.house.advance(61.0)
        assert again.keys == []
        assert await again.waits(SHRED) == []


async def test_an_open_poll_that_has_lost_its_key_is_told_of(booth: Booth) -> None:
    """So it is after a backup was restored: nobody makes such a key anew, since votes would count twice."""
    booth.house.desk.keys.destroy(NAME)
    await shredder(booth).sweep()
    assert booth.keys == []
    (line,) = booth.house.errors
    assert "poll 1 is open without its key" in line
    booth.house.errors.clear()


async def test_sweeping_is_done_again_and_again(booth: Booth) -> None:
    await shredder(booth).sweep()
    booth.house.desk.keys.make("a.stray")
    os.utime(booth.folder / "ballots" / "a.stray.key", (1, 1))
    await booth.house.advance(SWEEP_SECONDS + 1.0)
    await booth.house.advance(1.0)
    assert "a.stray.key" not in booth.keys
    assert await booth.waits(SWEEP) == [""]


# ---- polls without a key


async def test_who_presses_too_late_is_told_and_named_nowhere(booth: Booth) -> None:
    await booth.end()
    await booth.vote(ANA, 1)
    (text,) = booth.told(ANA)
    assert text == booth.house.told("poll.refused.closed")
    stored = str([await rows(booth, inbox, "raw"), await rows(booth, outbox, "extra", "text", "lane")])
    for name in (ANA.user_id, ANA.name):
        assert name not in stored
    assert await booth.counts() == {}


async def test_such_a_press_outlives_a_restart_as_long_as_the_guests_key(path: Path) -> None:
    async with voting(path) as booth:
        await booth.end()
        await booth.stop()
        await booth.hear(booth.incoming(ANA, "vote:1"), settled=False)
    async with resumed(booth) as again:
        await again.house.settle()
        assert len(again.told(ANA)) == 1


async def test_without_any_key_it_is_ignored(path: Path) -> None:
    async with voting(path) as booth:
        await booth.stop()
        await booth.hear(booth.incoming(ANA, "vote:1"), settled=False)
        (booth.folder / "ballots" / f"{NAME}.key").unlink()  # never by us: a folder that was lost
    async with resumed(booth) as again:
        await again.house.settle()
        assert await rows(again, inbox, "state", "error") == [("ignored", "unreadable")]
        await again.vote(BEN, 1)
        assert await again.counts() == {}  # nobody can vote any more, and is told so
        assert again.told(BEN) == [again.house.told("poll.refused.closed")]


# ---- linked accounts


async def test_linking_moves_no_ballot_of_an_open_anonymous_poll(booth: Booth) -> None:
    await booth.vote(ANA, 1)
    await booth.vote(BEN, 2)
    before = await rows(booth, ballots, *ballots.c.keys())

    def link(connection: sa.Connection) -> None:
        work = Work(connection, booth.house.clock.at)
        ctx: Any = SimpleNamespace(work=work)
        _hold(ctx, [str(ANA.member), str(BEN.member)])
        work.links.tie(ANA.member, BEN.member)

    await booth.house.store.write(link)
    assert await rows(booth, ballots, *ballots.c.keys()) == before
    await booth.vote(ANA, 3)
    assert await booth.counts() == {(3,): 1, (2,): 1}  # still the ballot that was ANA's, and BEN's beside it
    await booth.end()
    assert await booth.house.read(lambda work: work.facts.beginning(f"poll:{NAME}:")) == {}


# ---- what platforms bring back


def test_discord_does_not_tell_us_our_own_whispers() -> None:
    """With the intent for direct messages it would bring back what only one person sees, with their id beside it."""
    assert not intents().dm_messages
    assert not intents().dm_reactions


@pytest.mark.parametrize("event", [{"bot_id": "B1", "text": "Your vote"}, {"message": {"bot_id": "B1"}, "text": ""}])
def test_slack_does_but_it_is_not_kept(event: dict[str, Any]) -> None:
    assert _is_whispered({"event": {"type": "message", "channel": "D0ANA", **event}})
    assert not _is_whispered({"event": {"type": "message", "channel": "C0ROOM", **event}})
    assert not _is_whispered({"event": {"type": "message", "channel": "D0ANA", "user": "U1", "text": "hello"}})
