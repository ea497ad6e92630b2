"""Contests of comments: who is entered by which comment."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.contests import Comment, counts, entered
from bot.domain.giveaways import Contest
from bot.domain.places import Channel, Member

ROOM = Channel("slack", "T1", "C1")
SINCE, UNTIL = 1000.0, 2000.0
PLAIN, WORD = Contest(ROOM, SINCE), Contest(ROOM, SINCE, "I'm in")


def comment(person: str, sent_at: float = 1500.0, text: str = "hello", message_id: str = "9") -> Comment:
    return Comment(Member("slack", "T1", person), person, person.title(), message_id, text, sent_at)


@pytest.mark.parametrize(
    ("sent_at", "good"), [(999.999, False), (1000.0, True), (1999.999, True), (2000.0, False), (2000.1, False)]
)
def test_a_comment_counts_between_the_two_times(sent_at: float, good: bool) -> None:
    assert counts(PLAIN, UNTIL, comment("ana", sent_at)) == good


@pytest.mark.parametrize(
    ("keyword", "text", "good"),
    [
        ("", "", True),
        ("", "anything", True),
        ("I'm in", "Yes, i'M  IN!", True),
        ("I'm in", "Yes, I am in!", False),
        ("#win", "I want to ＃ＷＩＮ", True),
        ("抽奖", "我要参加抽奖活动", True),
        ("抽奖", "我要参加抽獎活動", False),
        ("straße", "In der STRASSE", True),
        ("café", "CAFE\u0301 at noon", True),
        ("win", "w\u200bin", True),
        ("🎉", "🎉\ufe0f!", True),
    ],
)
def test_the_keyword_is_found_as_people_read_it(keyword: str, text: str, good: bool) -> None:
    assert counts(replace(WORD, keyword=keyword), UNTIL, comment("ana", text=text)) == good


def test_the_first_comment_that_counts_enters_and_the_others_do_not() -> None:
    comments = [
        comment("bo", 1300, "I'm in", "3"),
        comment("ana", 1400, "I'm in again", "4"),
        comment("ana", 1100, "what is this?", "1"),
        comment("ana", 1200, "I'm in", "2"),
        comment("ana", 1200, "I'm in", "2"),
        comment("cy", 999, "I'm in", "0"),
    ]
    found = entered(WORD, UNTIL, comments)
    assert [(one.person, one.message_id) for one in found] == [("ana", "2"), ("bo", "3")]


def test_two_accounts_of_one_person_enter_once() -> None:
    first = comment("ana", 1200)
    second = replace(first, member=Member("telegram", "B1", "7"), sent_at=1100.0, message_id="70")
    assert entered(PLAIN, UNTIL, [first, second]) == [second]


def test_in_the_same_moment_the_smaller_number_was_first() -> None:
    found = entered(PLAIN, UNTIL, [comment("ana", message_id="100"), comment("bo", message_id="99")])
    assert [one.person for one in found] == ["bo", "ana"]


@given(
    st.lists(
        st.builds(
            comment,
            st.sampled_from(["ana", "bo", "cy"]),
            st.sampled_from([900.0, 1000.0, 1500.0, 2000.0]),
            st.sampled_from(["I'm in", "no"]),
            st.integers(1, 12).map(str),
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_order_and_copies_of_what_is_told_do_not_matter(comments: list[Comment], random: object) -> None:
    found = entered(WORD, UNTIL, comments)
    again = [*comments, *comments]
    random.shuffle(again)  # type: ignore[attr-defined]
    persons = [(one.person, one.sent_at, one.message_id) for one in entered(WORD, UNTIL, again)]
    assert persons == [(one.person, one.sent_at, one.message_id) for one in found]
    assert {one.person for one in found} == {one.person for one in comments if counts(WORD, UNTIL, one)}
    assert len({one.person for one in found}) == len(found)
    assert [one.sent_at for one in found] == sorted(one.sent_at for one in found)
