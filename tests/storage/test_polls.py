"""Polls come back as they were kept, change only from what somebody saw, and are listed quickly."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from bot.domain.places import Channel, Member
from bot.domain.polls import Kind, Option, OptionState, Poll, Question, Restrictions, Series, State
from bot.storage.poll_posts import PollPost
from bot.storage.polls import Conflict, Entry, Signal, as_row, as_stored
from bot.storage.tables import polls
from bot.storage.work import Work

from .conftest import NOW, Bench

HOST = Member("slack", "T1", "U1")
ROOM, TOPIC = Channel("slack", "T1", "C1"), Channel("telegram", "1", "-100", "7", "-1")
QUESTION = Question("Where do we meet?", (Option(1, "Hangzhou"), Option(2, "杭州 “二”")))


def poll(name: str = "p.one", **changes: object) -> Poll:
    made = Poll(0, name, QUESTION, State.PREVIEW, HOST, "Ana", "zh", (ROOM, TOPIC), NOW)
    return replace(made, **changes)  # type: ignore[arg-type]  # fields of a Poll


async def kept(bench: Bench, one: Poll) -> Poll:
    def unit(work: Work) -> Poll:
        found = work.polls.get(work.polls.add(one))
        assert found is not None
        return found

    return await bench.write(unit)


FULL = poll(
    "a.full",
    question=Question(
        "Which\nflavour?",
        (Option(1, "Mint"), Option(3, "Rose", OptionState.WAITING, "slack:T1:U2"), Option(4, "x", OptionState.REFUSED)),
        Kind.QUIZ,
        2,
        True,
        True,
        True,
        True,
        True,
        3,
        "Because.",
        Restrictions("discord:G1:role:R1", 86400.0, 7.5),
    ),
    state=State.OPEN,
    opens_at=NOW + 1,
    closes_at=NOW + 2.5,
    opened_at=NOW + 3,
    closed_at=NOW + 4,
    lasts=7200.0,
    remind=False,
    series=Series("FREQ=WEEKLY;BYDAY=MO", "Asia/Shanghai"),
    revision=7,
    edits=("“Mint” was “Mind”.", "second"),
)


async def test_a_poll_comes_back_as_it_was_kept(bench: Bench) -> None:
    for one in (poll(), FULL):
        found = await kept(bench, one)
        assert found == replace(one, id=found.id)
        assert found.id > 0
        assert await bench.read(lambda work, name=one.name: work.polls.named(name)) == found
    assert await bench.read(lambda work: work.polls.get(99)) is None
    assert await bench.read(lambda work: work.polls.named("p.two")) is None


_words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
_options = st.builds(Option, st.integers(1, 99), _words, st.sampled_from(OptionState), _words)
_times = st.floats(0, 1e10)
_polls = st.builds(
    Poll,
    id=st.just(5),
    name=_words,
    question=st.builds(
        Question,
        text=_words,
        options=st.lists(_options, max_size=4).map(tuple),
        kind=st.sampled_from(Kind),
        limit=st.integers(1, 20),
        anonymous=st.booleans(),
        hidden=st.booleans(),
        fixed=st.booleans(),
        native=st.booleans(),
        approval=st.booleans(),
        correct=st.integers(0, 20),
        explanation=_words,
        restrictions=st.builds(Restrictions, _words, _times, _times),
    ),
    state=st.sampled_from(State),
    host=st.just(HOST),
    host_name=_words,
    language=st.sampled_from(["en", "zh"]),
    channels=st.lists(st.sampled_from([ROOM, TOPIC]), max_size=3).map(tuple),
    made_at=_times,
    opens_at=_times,
    closes_at=_times,
    opened_at=_times,
    closed_at=_times,
    lasts=_times,
    remind=st.booleans(),
    series=st.none() | st.builds(Series, _words, _words),
    revision=st.integers(0, 1000),
    edits=st.lists(_words, max_size=3).map(tuple),
)


@given(_polls)
def test_every_poll_survives_its_row(one: Poll) -> None:
    assert as_stored((one.id, *as_row(one).values())) == one


async def test_a_poll_changes_only_from_what_is_stored(bench: Bench) -> None:
    before = await kept(bench, poll())
    after = replace(before, state=State.OPEN, opened_at=NOW + 1, revision=1, edits=("x",), question=FULL.question)
    await bench.write(lambda work: work.polls.swap(before, after))
    assert await bench.read(lambda work: work.polls.named("p.one")) == after
    for stale in (before, replace(after, revision=0), replace(after, state=State.PREVIEW), replace(after, id=77)):
        with pytest.raises(Conflict, match=f"poll {stale.id} is no longer revision {stale.revision}, {stale.state}"):
            await bench.write(lambda work, stale=stale: work.polls.swap(stale, replace(stale, host_name="Eve")))
    assert await bench.read(lambda work: work.polls.get(before.id)) == after


async def test_a_change_leaves_other_polls_and_the_origin_alone(bench: Bench) -> None:
    one, other = await kept(bench, poll("p.1")), await kept(bench, poll("p.2"))
    bent = replace(one, name="p.2", host=Member("slack", "T1", "EVE"), made_at=0.0, revision=1)
    await bench.write(lambda work: work.polls.swap(one, bent))
    assert await bench.read(lambda work: work.polls.get(one.id)) == replace(one, revision=1)
    assert await bench.read(lambda work: work.polls.get(other.id)) == other


async def test_what_is_read_is_never_stale(bench: Bench) -> None:
    """The reading of a row is remembered: by all that it says, so that a change is seen at once."""
    before = await kept(bench, poll())
    for revision in range(1, 4):
        now = replace(before, revision=revision, language=f"l{revision}")
        await bench.write(lambda work, now=now: work.polls.swap(replace(now, revision=now.revision - 1), now))
        assert await bench.read(lambda work: work.polls.named("p.one")) == now


async def test_pages_are_newest_first(bench: Bench) -> None:
    states = [State.CLOSED, State.OPEN, State.CLOSED, State.CANCELLED, State.CLOSED, State.OPEN]
    ids = [(await kept(bench, poll(f"p.{n}", state=state))).id for n, state in enumerate(states)]

    async def page(wanted: list[State], count: int = 99, before: int = 0) -> list[int]:
        return [one.id for one in await bench.read(lambda work: work.polls.page(wanted, count, before))]

    assert await page([State.OPEN]) == [ids[5], ids[1]]
    assert await page([State.CLOSED, State.CANCELLED]) == [ids[4], ids[3], ids[2], ids[0]]
    assert await page([State.CLOSED, State.CANCELLED], 2) == [ids[4], ids[3]]
    assert await page([State.CLOSED, State.CANCELLED], 2, ids[3]) == [ids[2], ids[0]]
    assert await page([State.OPEN, State.OPEN]) == [ids[5], ids[1]]
    assert await page([State.SCHEDULED]) == []
    assert await page([]) == []


async def test_a_page_is_a_range_of_an_index(bench: Bench) -> None:
    """10,000 past polls: none is read that is not shown, and nothing is sorted."""

    def unit(connection: Connection) -> str:
        query = sa.select(polls.c.id).where(polls.c.state == "closed", polls.c.id < 9999)
        text = str(query.order_by(polls.c.id.desc()).limit(5).compile(compile_kwargs={"literal_binds": True}))
        if connection.dialect.name == "sqlite":
            return "\n".join(str(row) for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + text))
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return "\n".join(str(row) for row in connection.exec_driver_sql("EXPLAIN " + text))

    plan = await bench.store.read(unit)
    assert ("polls_state (state=? AND id<?)" in plan) or "Index" in plan, plan
    assert "B-TREE" not in plan, plan
    assert "Sort" not in plan, plan


async def test_a_receipt_is_kept_as_it_was_given(bench: Bench) -> None:
    one = await kept(bench, poll())
    assert await bench.read(lambda work: work.polls.receipt(one.id)) is None
    await bench.write(lambda work: work.polls.close_with(one.id, '{"选": 1}'))
    assert await bench.read(lambda work: work.polls.receipt(one.id)) == '{"选": 1}'
    assert await bench.read(lambda work: work.polls.get(one.id)) == one
    assert await bench.read(lambda work: work.polls.receipt(99)) is None


async def test_posts_are_found_by_poll_number_and_native_name(bench: Bench) -> None:
    card = await bench.write(lambda work: work.poll_posts.add(1, TOPIC, False))
    native = await bench.write(lambda work: work.poll_posts.add(1, ROOM, True))
    await bench.write(lambda work: work.poll_posts.add(2, ROOM, True))
    planned = [PollPost(card, 1, TOPIC, False, None), PollPost(native, 1, ROOM, True, None)]
    assert await bench.read(lambda work: work.poll_posts.of(1)) == planned
    assert await bench.read(lambda work: work.poll_posts.native("slack", "poll9")) is None
    await bench.write(lambda work: work.poll_posts.posted(card, "-100:5:poll9"))
    await bench.write(lambda work: work.poll_posts.posted(native, "C1:55:poll9"))
    posted = [PollPost(card, 1, TOPIC, False, "-100:5:poll9"), PollPost(native, 1, ROOM, True, "C1:55:poll9")]
    assert await bench.read(lambda work: work.poll_posts.of(1)) == posted
    assert await bench.read(lambda work: work.poll_posts.get(card)) == posted[0]
    assert await bench.read(lambda work: work.poll_posts.get(99)) is None
    assert await bench.read(lambda work: work.poll_posts.native("slack", "poll9")) == posted[1]
    for platform, name in (("telegram", "poll9"), ("slack", "C1:55:poll9"), ("slack", "55")):
        assert await bench.read(lambda work, p=platform, n=name: work.poll_posts.native(p, n)) is None


async def test_a_native_poll_may_be_called_as_its_message(bench: Bench) -> None:
    native = await bench.write(lambda work: work.poll_posts.add(1, ROOM, True))
    await bench.write(lambda work: work.poll_posts.posted(native, "1234"))
    found = await bench.read(lambda work: work.poll_posts.native("slack", "1234"))
    assert found is not None
    assert found.id == native


async def test_a_native_poll_is_waited_for_as_long_as_it_is_open(bench: Bench) -> None:
    one = await kept(bench, poll(state=State.OPEN))
    native = await bench.write(lambda work: work.poll_posts.add(one.id, ROOM, True))
    assert await bench.read(lambda work: work.poll_posts.coming("slack"))
    assert not await bench.read(lambda work: work.poll_posts.coming("discord"))
    await bench.write(lambda work: work.polls.swap(one, replace(one, state=State.CLOSED)))
    assert not await bench.read(lambda work: work.poll_posts.coming("slack"))
    other = await kept(bench, poll("p.two", state=State.OPEN))
    await bench.write(lambda work: work.poll_posts.add(other.id, ROOM, False))
    assert native and not await bench.read(lambda work: work.poll_posts.coming("slack"))


async def test_the_log_keeps_its_order(bench: Bench) -> None:
    for at, who, what in ((NOW + 5, "slack:T1:U1", "open"), (NOW, "", "close")):
        await bench.write(lambda work, at=at, who=who, what=what: work.polls.log(1, at, who, what))
    await bench.write(lambda work: work.polls.log(2, NOW, "", "open"))
    await bench.write(lambda work: work.polls.log(1, NOW, "x", "correct", "“a” → “b”"))
    assert await bench.read(lambda work: work.polls.history(1)) == [
        Entry(NOW + 5, "slack:T1:U1", "open", ""),
        Entry(NOW, "", "close", ""),
        Entry(NOW, "x", "correct", "“a” → “b”"),
    ]


async def test_refusals_count_voters_and_not_tries(bench: Bench) -> None:
    def refuse(work: Work) -> None:
        for poll_id, rule, voter in (
            (1, "role", "a"),
            (1, "role", "a"),
            (1, "role", "b"),
            (1, "age", "a"),
            (2, "x", "a"),
        ):
            work.polls.refuse(poll_id, rule, voter)

    await bench.write(refuse)
    assert await bench.read(lambda work: work.polls.refusals(1)) == {"role": 2, "age": 1}
    assert await bench.read(lambda work: work.polls.refusals(3)) == {}


async def test_one_who_was_refused_under_two_names_counts_once(bench: Bench) -> None:
    def refuse(work: Work) -> None:
        for poll_id, rule, voter in ((1, "role", "a"), (1, "role", "b"), (1, "age", "b"), (2, "role", "b")):
            work.polls.refuse(poll_id, rule, voter)
        work.polls.rename_refused(1, "b", "a")
        work.polls.rename_refused(1, "a", "a")

    await bench.write(refuse)
    assert await bench.read(lambda work: work.polls.refusals(1)) == {"role": 1, "age": 1}
    assert await bench.read(lambda work: work.polls.refusals(2)) == {"role": 1}


async def test_signals_are_told_once_with_their_newest_detail(bench: Bench) -> None:
    def signal(work: Work) -> None:
        for reason, who, detail in (
            ("new", "b", "1 d"),
            ("new", "a", "2 d"),
            ("new", "b", "3 d"),
            ("burst", "b", "9/s"),
        ):
            work.polls.signal(1, reason, who, detail)

    await bench.write(signal)
    wanted = [Signal("burst", "b", "9/s"), Signal("new", "a", "2 d"), Signal("new", "b", "3 d")]
    assert await bench.read(lambda work: work.polls.signals(1)) == wanted
    assert await bench.read(lambda work: work.polls.signals(2)) == []
