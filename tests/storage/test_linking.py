"""Persons: members that were linked are one, until they part; and the codes by which both sides agree."""

from __future__ import annotations

from itertools import combinations

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.places import Member
from bot.storage.linking import PERSON, Links
from bot.storage.tables import links, metadata

from .conftest import NOW, Bench

ANA, BEN, CAT, DAN = (Member("slack", "T1", name) for name in ("ana", "ben", "cat", "dan"))
ABROAD = Member("telegram", "1", "77")


async def tie(bench: Bench, a: Member, b: Member) -> str:
    return await bench.write(lambda work: work.links.tie(a, b))


async def person(bench: Bench, member: Member) -> str:
    return await bench.read(lambda work: work.links.person_of(member))


async def test_a_member_alone_is_a_person(bench: Bench) -> None:
    assert await person(bench, ANA) == str(ANA)
    assert await bench.read(lambda work: work.links.members_of(str(ANA))) == [ANA]


async def test_linked_members_are_one_person(bench: Bench) -> None:
    who = await tie(bench, ABROAD, ANA)
    assert who.startswith(PERSON)
    assert {await person(bench, one) for one in (ANA, ABROAD)} == {who}
    assert await bench.read(lambda work: work.links.members_of(who)) == [ANA, ABROAD]
    assert await person(bench, BEN) == str(BEN)
    assert await tie(bench, ANA, ABROAD) == who


async def test_a_member_cannot_be_tied_to_itself(bench: Bench) -> None:
    assert await tie(bench, ANA, ANA) == str(ANA)
    assert await person(bench, ANA) == str(ANA)
    assert not await bench.write(lambda work: work.links.untie(ANA))


async def test_a_person_keeps_its_name_when_it_grows(bench: Bench) -> None:
    who = await tie(bench, ANA, BEN)
    assert await tie(bench, CAT, BEN) == who
    assert await tie(bench, ANA, DAN) == who
    assert await bench.read(lambda work: work.links.members_of(who)) == [ANA, BEN, CAT, DAN]


async def test_two_persons_become_one(bench: Bench) -> None:
    one, other = await tie(bench, ANA, BEN), await tie(bench, CAT, DAN)
    assert one != other
    assert await tie(bench, BEN, CAT) == one
    assert await bench.read(lambda work: work.links.members_of(one)) == [ANA, BEN, CAT, DAN]
    assert await bench.read(lambda work: work.links.members_of(other)) == []


async def test_who_parts_is_alone_and_so_is_a_last_one(bench: Bench) -> None:
    who = await tie(bench, ANA, BEN)
    await tie(bench, BEN, CAT)
    assert await bench.write(lambda work: work.links.untie(ANA))
    assert [await person(bench, one) for one in (ANA, BEN, CAT)] == [str(ANA), who, who]
    assert await bench.write(lambda work: work.links.untie(CAT))
    assert [await person(bench, one) for one in (ANA, BEN, CAT)] == [str(ANA), str(BEN), str(CAT)]
    assert not await bench.write(lambda work: work.links.untie(CAT))
    assert not await bench.write(lambda work: work.links.untie(DAN))
    assert await bench.read(lambda work: work.links.members_of(who)) == []


async def test_a_code_is_good_once_and_not_for_ever(bench: Bench) -> None:
    assert await bench.write(lambda work: work.links.offer("h1", ANA, "Ana", NOW + 600, "back"))
    found = await bench.read(lambda work: work.links.find("h1", NOW))
    assert found is not None
    assert (found.member, found.name, found.until, found.back, found.shown_to) == (ANA, "Ana", NOW + 600, "back", "")
    assert await bench.read(lambda work: work.links.find("h1", NOW + 600)) is None
    assert await bench.read(lambda work: work.links.find("h2", NOW)) is None
    assert await bench.write(lambda work: work.links.take("h2", NOW)) is None
    assert await bench.write(lambda work: work.links.take("h1", NOW + 599)) == found
    assert await bench.write(lambda work: work.links.take("h1", NOW)) is None


async def test_a_new_code_replaces_the_one_before(bench: Bench) -> None:
    await bench.write(lambda work: work.links.offer("h1", ANA, "Ana", NOW + 600))
    await bench.write(lambda work: work.links.offer("h2", ANA, "Ana", NOW + 700))
    assert await bench.read(lambda work: work.links.find("h1", NOW)) is None
    assert await bench.read(lambda work: work.links.find("h2", NOW)) is not None


async def test_two_members_never_have_the_same_code(bench: Bench) -> None:
    assert await bench.write(lambda work: work.links.offer("h1", ANA, "Ana", NOW + 600))
    assert not await bench.write(lambda work: work.links.offer("h1", BEN, "Ben", NOW + 600))
    found = await bench.read(lambda work: work.links.find("h1", NOW))
    assert found is not None
    assert found.member == ANA


async def test_codes_that_are_over_are_swept_away(bench: Bench) -> None:
    await bench.write(lambda work: work.links.offer("h1", ANA, "Ana", NOW + 5))
    await bench.write(lambda work: work.links.offer("h2", BEN, "Ben", NOW + 600))
    await bench.write(lambda work: work.links.take("nothing", NOW + 5))
    assert await bench.write(lambda work: work.links.take("h1", NOW)) is None
    assert await bench.write(lambda work: work.links.take("h2", NOW)) is not None


async def test_it_is_known_who_was_told_last(bench: Bench) -> None:
    await bench.write(lambda work: work.links.offer("h1", ANA, "Ana", NOW + 600))
    for who in (CAT, BEN):
        await bench.write(lambda work, who=who: work.links.show("h1", who))
    found = await bench.read(lambda work: work.links.find("h1", NOW))
    assert found is not None
    assert found.shown_to == str(BEN)


async def test_wrong_codes_are_counted_for_a_while(bench: Bench) -> None:
    for at in (NOW, NOW + 1, NOW + 1, NOW + 300):
        await bench.write(lambda work, at=at: work.links.missed(ANA, at))
    await bench.write(lambda work: work.links.missed(BEN, NOW))
    assert await bench.write(lambda work: work.links.misses(ANA, NOW - 1)) == 4
    assert await bench.write(lambda work: work.links.misses(ANA, NOW)) == 3
    assert await bench.write(lambda work: work.links.misses(BEN, NOW)) == 0
    assert await bench.write(lambda work: work.links.misses(ANA, NOW - 1)) == 3


_MEMBERS = st.integers(0, 5)
_STEPS = st.lists(st.tuples(st.sampled_from(["tie", "tie", "untie"]), _MEMBERS, _MEMBERS), max_size=20)


@settings(max_examples=80, deadline=None)
@given(_STEPS)
def test_persons_are_what_was_tied_and_not_untied(steps: list[tuple[str, int, int]]) -> None:
    everybody = [Member("slack", "T1", f"u{number}") for number in range(6)]
    groups = [{number} for number in range(6)]
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        known = Links(connection)
        for what, a, b in steps:
            mine = next(group for group in groups if a in group)
            theirs = next(group for group in groups if b in group)
            if what == "untie":
                assert known.untie(everybody[a]) is (len(mine) > 1)
                mine.discard(a)
                groups.append({a})
            elif a != b:
                known.tie(everybody[a], everybody[b])
                if mine is not theirs:
                    groups.remove(theirs)
                    mine |= theirs
            groups = [group for group in groups if group]
            persons = [known.person_of(one) for one in everybody]
            for x, y in combinations(range(6), 2):
                assert (persons[x] == persons[y]) is any({x, y} <= group for group in groups)
            for number, one in enumerate(persons):
                group = next(group for group in groups if number in group)
                assert known.members_of(one) == [everybody[other] for other in sorted(group)]
                assert one.startswith(PERSON) is (len(group) > 1)
        rows = connection.execute(sa.select(sa.func.count()).select_from(links)).scalar_one()
        assert rows == sum(len(group) for group in groups if len(group) > 1)
    engine.dispose()
