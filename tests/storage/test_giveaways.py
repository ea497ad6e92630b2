"""Giveaways come back as they were kept, change only from what somebody saw, and are listed quickly."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from bot.domain.giveaways import Bonus, Contest, Giveaway, Offer, Requirements, State
from bot.domain.places import Channel, Member
from bot.storage.giveaways import Conflict, as_row, as_stored
from bot.storage.offers import offer_json, read_offer
from bot.storage.tables import giveaway_seeds, giveaways
from bot.storage.work import Work

from .conftest import NOW, Bench

HOST = Member("slack", "T1", "U1")
ROOM, TOPIC = Channel("slack", "T1", "C1"), Channel("telegram", "1", "-100", "7", "-1")
SEED = bytes(range(32))


def giveaway(name: str = "w.one", **changes: object) -> Giveaway:
    made = Giveaway(0, name, Offer("Tea"), State.PREVIEW, HOST, "Ana", "zh", (ROOM, TOPIC), NOW, "c0ffee")
    return replace(made, **changes)  # type: ignore[arg-type]  # fields of a Giveaway


FULL = giveaway(
    "w.full",
    offer=Offer(
        "茶 “Longjing”",
        3,
        2,
        "All\nof it.",
        "Ben & Co.",
        "https://example.org/tea.png",
        Requirements(
            ("viewer", "discord:G1:role:R1"),
            1.0,
            2.5,
            3,
            4.0,
            5,
            True,
            True,
            ("slack:T1:U2",),
            ("slack:T1:U3", "discord:G1:4"),
            6.0,
            True,
            (Bonus("discord:G1:role:R2", 4), Bonus("moderator", 1)),
            7,
        ),
        86400.0,
        True,
        Contest(TOPIC, NOW - 5.5, "tea"),
    ),
    state=State.DRAWN,
    chain="52db",
    round=1003,
    announced_round=1001,
    opens_at=NOW + 1,
    closes_at=NOW + 2.5,
    opened_at=NOW + 3,
    closed_at=NOW + 4,
    frozen_at=NOW + 5,
    published_at=NOW + 6,
    drawn_at=NOW + 7,
    lasts=7200.0,
    revision=8,
    delayed="late",
    void="The prize broke.",
)


async def kept(bench: Bench, one: Giveaway) -> Giveaway:
    def unit(work: Work) -> Giveaway:
        found = work.giveaways.get(work.giveaways.add(one, SEED))
        assert found is not None
        return found

    return await bench.write(unit)


async def test_a_giveaway_comes_back_as_it_was_kept(bench: Bench) -> None:
    for one in (giveaway(), FULL):
        found = await kept(bench, one)
        assert found == replace(one, id=found.id)
        assert found.id > 0
        assert await bench.read(lambda work, name=one.name: work.giveaways.named(name)) == found
    assert await bench.read(lambda work: work.giveaways.get(99)) is None
    assert await bench.read(lambda work: work.giveaways.named("w.two")) is None


_words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
_lists = st.lists(_words, max_size=3).map(tuple)
_times = st.floats(0, 1e10)
_requirements = st.builds(
    Requirements,
    roles=_lists,
    member_seconds=_times,
    account_seconds=_times,
    messages=st.integers(0, 99),
    messages_seconds=_times,
    poll=st.integers(0, 99),
    boosted=st.booleans(),
    linked=st.booleans(),
    allow=_lists,
    block=_lists,
    cooldown_seconds=_times,
    staff=st.booleans(),
    bonuses=st.lists(st.builds(Bonus, _words, st.integers(1, 100)), max_size=3).map(tuple),
    cap=st.integers(0, 99),
)
_offers = st.builds(
    Offer,
    prize=_words,
    winners=st.integers(1, 10_000),
    alternates=st.integers(0, 10_000),
    about=_words,
    sponsor=_words,
    picture=_words,
    requirements=_requirements,
    claim_seconds=_times,
    address=st.booleans(),
    contest=st.none() | st.builds(Contest, st.sampled_from([ROOM, TOPIC]), _times, _words),
)
_giveaways = st.builds(
    Giveaway,
    id=st.just(5),
    name=_words,
    offer=_offers,
    state=st.sampled_from(State),
    host=st.just(HOST),
    host_name=_words,
    language=st.sampled_from(["en", "zh"]),
    channels=st.lists(st.sampled_from([ROOM, TOPIC]), max_size=3).map(tuple),
    made_at=_times,
    commit=_words,
    chain=_words,
    round=st.integers(0, 2**60),
    announced_round=st.integers(0, 2**60),
    opens_at=_times,
    closes_at=_times,
    opened_at=_times,
    closed_at=_times,
    frozen_at=_times,
    published_at=_times,
    drawn_at=_times,
    lasts=_times,
    revision=st.integers(0, 1000),
    delayed=_words,
    void=_words,
)


@given(_giveaways)
def test_every_giveaway_survives_its_row(one: Giveaway) -> None:
    assert as_stored((one.id, *as_row(one).values())) == one


@given(_offers)
def test_every_offer_survives_its_text(one: Offer) -> None:
    assert read_offer(offer_json(one)) == one


def test_a_row_has_every_field() -> None:
    """A field that is added to a giveaway must not be lost on the way."""
    names = set(as_row(FULL)) - {"commitment"} | {"id", "commit"}
    assert names == set(asdict(FULL))
    assert list(as_row(FULL)) == [column.name for column in giveaways.c if column.name != "id"]


async def test_the_seed_is_apart_from_everything_that_is_shown(bench: Bench) -> None:
    one = await kept(bench, giveaway())
    assert await bench.read(lambda work: work.giveaways.seed(one.id)) == SEED
    with pytest.raises(LookupError, match="giveaway 99 has no seed"):
        await bench.read(lambda work: work.giveaways.seed(99))
    assert SEED.hex() not in repr(one)
    assert "seed" not in {column.name for column in giveaways.c}

    def rows(connection: Connection) -> str:
        return repr(connection.execute(sa.select(giveaways)).all())

    shown = await bench.store.read(rows)
    assert SEED.hex() not in shown
    assert repr(SEED)[2:-1] not in shown
    assert await bench.store.read(lambda c: c.execute(sa.select(sa.func.count()).select_from(giveaway_seeds)).scalar())


async def test_a_giveaway_changes_only_from_what_is_stored(bench: Bench) -> None:
    before = await kept(bench, giveaway())
    after = replace(FULL, id=before.id, name="w.one", state=State.OPEN, revision=1, commit=before.commit)
    await bench.write(lambda work: work.giveaways.swap(before, after))
    assert await bench.read(lambda work: work.giveaways.named("w.one")) == after
    for stale in (before, replace(after, revision=0), replace(after, state=State.PREVIEW), replace(after, id=77)):
        said = f"giveaway {stale.id} is no longer revision {stale.revision}, {stale.state}"
        with pytest.raises(Conflict, match=said):
            await bench.write(lambda work, stale=stale: work.giveaways.swap(stale, replace(stale, host_name="Eve")))
    assert await bench.read(lambda work: work.giveaways.get(before.id)) == after


async def test_a_change_leaves_other_giveaways_and_the_origin_alone(bench: Bench) -> None:
    one, other = await kept(bench, giveaway("w.1")), await kept(bench, giveaway("w.2"))
    bent = replace(one, name="w.2", host=Member("slack", "T1", "EVE"), made_at=0.0, commit="bad", revision=1)
    await bench.write(lambda work: work.giveaways.swap(one, bent))
    assert await bench.read(lambda work: work.giveaways.get(one.id)) == replace(one, revision=1)
    assert await bench.read(lambda work: work.giveaways.get(other.id)) == other
    assert await bench.read(lambda work: work.giveaways.seed(one.id)) == SEED


async def test_what_is_read_is_never_stale(bench: Bench) -> None:
    """The reading of a row is remembered: by all that it says, so that a change is seen at once."""
    before = await kept(bench, giveaway())
    for revision in range(1, 4):
        now = replace(before, revision=revision, language=f"l{revision}")
        await bench.write(lambda work, now=now: work.giveaways.swap(replace(now, revision=now.revision - 1), now))
        assert await bench.read(lambda work: work.giveaways.named("w.one")) == now


async def test_pages_are_newest_first(bench: Bench) -> None:
    states = [State.DRAWN, State.OPEN, State.DRAWN, State.CANCELLED, State.DRAWN, State.OPEN]
    ids = [(await kept(bench, giveaway(f"w.{n}", state=state))).id for n, state in enumerate(states)]

    async def page(wanted: list[State], count: int = 99, before: int = 0) -> list[int]:
        return [one.id for one in await bench.read(lambda work: work.giveaways.page(wanted, count, before))]

    assert await page([State.OPEN]) == [ids[5], ids[1]]
    assert await page([State.DRAWN, State.CANCELLED]) == [ids[4], ids[3], ids[2], ids[0]]
    assert await page([State.DRAWN, State.CANCELLED], 2) == [ids[4], ids[3]]
    assert await page([State.DRAWN, State.CANCELLED], 2, ids[3]) == [ids[2], ids[0]]
    assert await page([State.OPEN, State.OPEN]) == [ids[5], ids[1]]
    assert await page([State.FROZEN]) == []
    assert await page([]) == []


async def test_templates_are_kept_by_name(bench: Bench) -> None:
    for name, offer, host in (("tea", Offer("x"), HOST), ("茶", FULL.offer, HOST), ("tea", FULL.offer, TOPIC)):
        by = host if isinstance(host, Member) else Member("slack", "T1", "U9")
        await bench.write(lambda work, name=name, offer=offer, by=by: work.giveaways.save_template(name, offer, by))
    assert await bench.read(lambda work: work.giveaways.template("tea")) == FULL.offer
    assert await bench.read(lambda work: work.giveaways.template("none")) is None
    assert await bench.read(lambda work: work.giveaways.templates()) == ["tea", "茶"]
