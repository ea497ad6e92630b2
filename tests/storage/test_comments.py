"""Comments, in whatever order a platform tells us what became of a message."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from bot.chat.events import Attachment, MessagePosted
from bot.domain.places import Channel, Member
from bot.storage.comments import StoredComment, Verdict
from bot.storage.work import Work

from .conftest import NOW, Bench

ROOM = Channel("discord", "G1", "R1", "thread", "parent")
POSTED = MessagePosted(
    ROOM,
    "m1",
    Member("discord", "G1", "U1"),
    "Lin",
    "When is tea back?",
    NOW - 5,
    attachments=(Attachment("茶.png"), Attachment("../../etc/passwd")),
    url="https://example.org/m1",
)
VERDICT = Verdict("en", True, "question_mark", ("injection",))


async def add(bench: Bench, posted: MessagePosted = POSTED) -> int:
    row = await bench.write(lambda work: work.comments.add(posted, VERDICT, NOW))
    assert row is not None
    return row


async def test_a_comment_is_kept_whole(bench: Bench) -> None:
    row = await add(bench)
    assert await bench.read(lambda work: work.comments.get(row)) == StoredComment(
        id=row,
        channel=ROOM,
        message_id="m1",
        author=POSTED.author,
        author_name="Lin",
        text=POSTED.text,
        attachments=("茶.png", "../../etc/passwd"),
        url=POSTED.url,
        reply_to=None,
        verdict=VERDICT,
        sent_at=NOW - 5,
        deleted=False,
        answered_by=None,
        answered_text="",
    )


async def test_a_message_is_one_comment(bench: Bench) -> None:
    await add(bench)
    again = replace(POSTED, text="another text", backfilled=True)
    assert await bench.write(lambda work: work.comments.add(again, VERDICT, NOW)) is None
    found = await bench.read(lambda work: work.comments.find(ROOM, "m1"))
    assert found is not None
    assert found.text == POSTED.text


@pytest.mark.parametrize(
    "elsewhere",
    [replace(ROOM, platform="slack"), replace(ROOM, tenant="G2"), replace(ROOM, channel_id="R2")],
    ids=["platform", "tenant", "channel"],
)
async def test_the_same_message_id_elsewhere_is_another_message(bench: Bench, elsewhere: Channel) -> None:
    mine = await add(bench)
    other = await bench.write(lambda work: work.comments.add(replace(POSTED, channel=elsewhere), VERDICT, NOW))
    assert other not in {None, mine}
    await bench.write(lambda work: work.comments.edit(elsewhere, "m1", "theirs", NOW, NOW))
    await bench.write(lambda work: work.comments.delete(elsewhere, "m1", NOW))
    kept = await bench.read(lambda work: work.comments.get(mine))
    assert (kept.text, kept.deleted) == (POSTED.text, False)


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])))
async def test_of_several_edits_the_newest_counts(bench: Bench, order: tuple[int, ...]) -> None:
    await add(bench)
    for at in order:
        await bench.write(lambda work, at=at: work.comments.edit(ROOM, "m1", f"edit {at}", NOW + at, NOW))
    found = await bench.read(lambda work: work.comments.find(ROOM, "m1"))
    assert found is not None
    assert found.text == "edit 3"


def post(work: Work) -> object:
    return work.comments.add(POSTED, VERDICT, NOW)


def edit(work: Work) -> object:
    return work.comments.edit(ROOM, "m1", "edited", NOW + 1, NOW)


def edit_again(work: Work) -> object:
    return work.comments.edit(ROOM, "m1", "edited again", NOW + 2, NOW)


def delete(work: Work) -> object:
    return work.comments.delete(ROOM, "m1", NOW + 3)


@pytest.mark.parametrize("order", list(permutations([post, edit, edit_again, delete])))
async def test_in_every_order_the_same_comment_comes_out(bench: Bench, order: tuple[object, ...]) -> None:
    for happened in order:
        await bench.write(happened)  # type: ignore[arg-type]
    found = await bench.read(lambda work: work.comments.find(ROOM, "m1"))
    assert found is not None
    assert (found.deleted, found.author, found.verdict, found.url) == (True, POSTED.author, VERDICT, POSTED.url)


@pytest.mark.parametrize("order", list(permutations([post, edit, edit_again])))
async def test_in_every_order_the_newest_text_stays(bench: Bench, order: tuple[object, ...]) -> None:
    for happened in order:
        await bench.write(happened)  # type: ignore[arg-type]
    found = await bench.read(lambda work: work.comments.find(ROOM, "m1"))
    assert found is not None
    assert (found.text, found.deleted, found.author_name) == ("edited again", False, "Lin")


async def test_what_is_known_from_edits_only_is_no_comment_yet(bench: Bench) -> None:
    """A teammate's or a bot's own message can be edited and deleted too, and never was a comment."""
    for happened in (edit, edit_again, edit):
        assert await bench.write(happened) is None
    assert await bench.write(post) is not None
    assert await bench.write(edit_again) is not None
    assert await bench.write(delete) is not None


async def test_what_was_deleted_before_it_came_is_kept_and_needs_nothing(bench: Bench) -> None:
    assert await bench.write(delete) is None
    assert await bench.write(delete) is None
    assert await bench.write(post) is None
    found = await bench.read(lambda work: work.comments.find(ROOM, "m1"))
    assert found is not None
    assert (found.deleted, found.author_name) == (True, "Lin")


async def test_a_comment_is_adopted_once(bench: Bench) -> None:
    await bench.write(edit)
    assert await bench.write(post) is not None
    assert await bench.write(post) is None


async def test_an_answer_by_a_teammate_changes_the_hash(bench: Bench) -> None:
    row = await add(bench)
    before = await bench.read(lambda work: work.comments.get(row))
    await bench.write(lambda work: work.comments.answered(row, "Dora", "On Friday."))
    after = await bench.read(lambda work: work.comments.get(row))
    assert (after.answered_by, after.answered_text) == ("Dora", "On Friday.")
    assert after.ruled.hash != before.ruled.hash


async def test_a_verdict_can_be_renewed(bench: Bench) -> None:
    row = await add(bench)
    await bench.write(lambda work: work.comments.judge(row, Verdict("zh", False, "thanks", ())))
    assert (await bench.read(lambda work: work.comments.get(row))).verdict == Verdict("zh", False, "thanks", ())


async def test_a_comment_is_found_by_its_link(bench: Bench) -> None:
    row = await add(bench)
    found = await bench.read(lambda work: work.comments.by_url("https://example.org/m1"))
    assert found is not None
    assert found.id == row
    assert await bench.read(lambda work: work.comments.by_url("https://example.org/m")) is None


async def test_a_thread_is_what_came_before_in_the_same_conversation(bench: Bench) -> None:
    root = await add(bench)
    one = await add(bench, replace(POSTED, message_id="m2", reply_to="m1", text="one"))
    gone = await add(bench, replace(POSTED, message_id="m3", reply_to="m1", text="gone"))
    await add(bench, replace(POSTED, message_id="m4", text="another conversation"))
    await add(bench, replace(POSTED, message_id="m5", reply_to="m1", channel=replace(ROOM, channel_id="R2")))
    two = await add(bench, replace(POSTED, message_id="m6", reply_to="m1", text="two"))
    last = await add(bench, replace(POSTED, message_id="m7", reply_to="m1", text="last"))
    await add(bench, replace(POSTED, message_id="m8", reply_to="m1", text="later"))
    await bench.write(lambda work: work.comments.delete(ROOM, "m3", NOW))

    async def thread(of: int, limit: int) -> list[int]:
        return await bench.read(lambda work: [c.id for c in work.comments.in_thread(work.comments.get(of), limit)])

    assert await thread(last, 9) == [root, one, two]
    assert await thread(last, 2) == [one, two]
    assert await thread(root, 9) == []
    assert gone


# ---- what giveaways ask


LIN, BO = "discord:G1:U1", "slack:T1:U1"
"""The same id on two platforms is two members."""


async def said(bench: Bench, number: int, author: str = LIN, at: float = NOW, where: Channel = ROOM) -> MessagePosted:
    member = Member.parse(author)
    posted = replace(POSTED, message_id=f"n{number}", author=member, channel=where, sent_at=at, text=f"text {number}")
    await add(bench, posted)
    return posted


async def test_messages_of_members_are_counted(bench: Bench) -> None:
    slack = Channel("slack", "T1", "C1")
    for number, (author, at, where) in enumerate(
        [(LIN, NOW - 10, ROOM), (LIN, NOW - 5, ROOM), (LIN, NOW, slack), (BO, NOW, slack), ("discord:G1:U2", NOW, ROOM)]
    ):
        await said(bench, number, author, at, where)

    async def written(since: float, *members: str) -> int:
        return await bench.read(lambda work: work.comments.written(members, since))

    assert await written(NOW - 100, LIN) == 2
    assert await written(NOW - 5, LIN) == 1
    assert await written(NOW - 4, LIN) == 0
    assert await written(NOW - 100, LIN, BO, LIN) == 4
    assert await written(0.0) == 0


async def test_what_was_deleted_or_never_read_is_not_counted(bench: Bench) -> None:
    for number in range(3):
        await said(bench, number)
    await bench.write(lambda work: work.comments.delete(ROOM, "n1", NOW))
    await bench.write(lambda work: work.comments.edit(ROOM, "m9", "an edit that came first", NOW, NOW))
    assert await bench.read(lambda work: work.comments.written([LIN], NOW - 100)) == 2
    found = await bench.read(lambda work: work.comments.commenters(ROOM, NOW - 100, NOW + 100))
    assert [one.message_id for one in found] == ["n0", "n2"]


async def test_a_contest_sees_the_comments_of_its_place_and_time(bench: Bench) -> None:
    other, thread = replace(ROOM, thread_id="other"), replace(ROOM, channel_id="R2")
    first = await said(bench, 1, at=NOW + 1)
    await said(bench, 2, at=NOW - 1)
    await said(bench, 3, at=NOW + 10)
    second = await said(bench, 4, "discord:G1:U2", at=NOW)
    in_other = await said(bench, 5, at=NOW + 2, where=other)
    await said(bench, 6, at=NOW + 2, where=thread)

    async def seen(where: Channel) -> list[tuple[str, str, Member, str, float]]:
        found = await bench.read(lambda work: work.comments.commenters(where, NOW, NOW + 10))
        return [(one.message_id, one.text, one.author, one.author_name, one.sent_at) for one in found]

    def wanted(*some: MessagePosted) -> list[tuple[str, str, Member, str, float]]:
        return [(one.message_id, one.text, one.author, one.author_name, one.sent_at) for one in some]

    assert await seen(ROOM) == wanted(second, first)
    assert await seen(replace(ROOM, thread_id=None)) == wanted(second, first, in_other)
    assert await seen(replace(ROOM, channel_id="R9")) == []


async def test_comments_of_one_moment_are_on_one_page_each(bench: Bench) -> None:
    """Times are not unique: a page ends within a second, and the next one begins there."""
    for number, at in enumerate([NOW, NOW + 1, NOW + 1, NOW + 1, NOW, NOW + 1, NOW + 2]):
        await said(bench, number, at=at)

    def paged(work: Work) -> list[str]:
        names: list[str] = []
        after = (0.0, 0)
        while found := work.comments.commenters(ROOM, NOW, NOW + 9, after, 2):
            assert len(found) <= 2
            names += [one.message_id for one in found]
            after = (found[-1].sent_at, found[-1].id)
        return names

    assert await bench.read(paged) == ["n0", "n4", "n1", "n2", "n3", "n5", "n6"]
