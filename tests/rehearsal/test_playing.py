"""What a played scenario does and looks at, against a small control server."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.rehearsal.client import ControlClient
from bot.rehearsal.errors import ControlRefused, RehearsalError, StepFailed
from bot.rehearsal.loading import parse_scenarios
from bot.rehearsal.player import Player
from bot.rehearsal.processes import Process
from bot.rehearsal.relay import Relay
from bot.rehearsal.stage import Stage
from bot.rehearsal.transcript import Transcript

from .community import Community

MEMBERS = "members: {asker: {platform: slack}, first: {platform: slack}, second: {platform: slack}}\nsteps:\n"


class Play:
    """Plays steps in a community; `text` is the transcript."""

    def __init__(self, community: Community, control: ControlClient, folder: Path) -> None:
        self.community = community
        self._out = io.StringIO()
        relay = Relay("http://127.0.0.1:1/v1")
        self.stage = Stage(folder, control, Process("sandbox", (), {}, folder / "log"), {"model": relay})
        self.stage.settings = {"channels": {"slack/community": "C123"}}

    async def __call__(self, *steps: str) -> None:
        (scenario,) = parse_scenarios(MEMBERS + "".join(f"  - {step}\n" for step in steps))
        await Player(scenario, self.stage, Transcript(self._out)).play()

    @property
    def text(self) -> str:
        return self._out.getvalue()


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[Play]:
    community = Community()
    base = await community.start()
    async with ControlClient(base) as control:
        yield Play(community, control, tmp_path)
    await community.stop()


SAY = 'say: {by: asker, in: slack/community, text: "When?", as: q}'


def answers(text: str, **more: Any) -> Any:
    """The bot puts a card into the review channel when somebody says something."""

    async def act(community: Community, _: dict[str, Any]) -> dict[str, Any]:
        community.put("review", text, **more)
        return {}

    return act


async def test_only_what_came_since_the_last_acts_is_looked_at(play: Play) -> None:
    play.community.put("review", "an old card")
    with pytest.raises(StepFailed):
        await play(SAY, "expect: {in: slack/review, contains: card, within: 200ms}")
    assert "(nothing)" in play.text
    play.community.acts["say"] = answers("a new card")
    await play(SAY, "expect: {in: slack/review, contains: card, count: 1, within: 200ms}")


async def test_what_changed_is_looked_at(play: Play) -> None:
    card = play.community.put("review", "card", buttons=["v1|1|approve|m"])

    async def act(_: Community, __: dict[str, Any]) -> dict[str, Any]:
        card["buttons"] = [{"id": "v1|1|undo|m", "label": "Undo"}]
        return {}

    play.community.acts["say"] = act
    await play(SAY, "expect: {in: slack/review, buttons: [undo], without_buttons: [approve], within: 200ms}")


async def test_several_acts_and_several_expectations_share_one_look(play: Play) -> None:
    play.community.acts["say"] = answers("card")
    await play(
        SAY,
        "advance: 1s",
        "expect: {in: slack/review, contains: card, count: 1, within: 100ms}",
        "expect: {in: slack/review, contains: card, count: 1, within: 100ms}",
    )


async def test_members_own_messages_are_left_out_unless_an_author_is_named(play: Play) -> None:
    await play(
        SAY,
        'expect_none: {in: slack/community, contains: "When", within: 100ms}',
        'expect: {in: slack/community, contains: "When", author: asker, within: 100ms}',
    )


async def test_it_waits_until_the_time_is_over(play: Play) -> None:
    async def act(community: Community, _: dict[str, Any]) -> dict[str, Any]:
        community.later(0.3, lambda: community.put("review", "late card"))
        return {}

    play.community.acts["say"] = act
    await play(SAY, "expect: {in: slack/review, contains: late, within: 5s}")


@pytest.mark.parametrize("count", [0, 2])
async def test_a_count_holds_exactly_at_the_end(play: Play, count: int) -> None:
    async def act(community: Community, _: dict[str, Any]) -> dict[str, Any]:
        community.put("review", "card")
        community.later(0.2, lambda: community.put("review", "card again"))
        return {}

    play.community.acts["say"] = act
    expect = f"expect: {{in: slack/review, contains: card, count: {count}, within: 600ms}}"
    if count == 2:
        await play(SAY, expect)
        return
    with pytest.raises(StepFailed, match="found 2"):
        await play(SAY, expect)


async def test_a_failing_step_tells_what_was_there_instead(play: Play) -> None:
    play.community.acts["say"] = answers("another card", buttons=["v1|1|approve|m"])
    with pytest.raises(StepFailed):
        await play(SAY, "expect: {in: slack/review, contains: [another, missing], within: 100ms}")
    assert "FAIL" in play.text
    assert "another card [Approve v1|1|approve|m]" in play.text


async def test_what_must_not_be_there_fails_as_soon_as_it_is(play: Play) -> None:
    play.community.acts["say"] = answers("@everyone")
    with pytest.raises(StepFailed, match="should not be there"):
        await play(SAY, 'expect_none: {in: slack/review, contains: "@everyone", within: 1h}')


async def test_not_contains_and_reply_to(play: Play) -> None:
    async def act(community: Community, _: dict[str, Any]) -> dict[str, Any]:
        community.put("community", "Friday", reply_to="1")
        community.put("community", "Monday", reply_to=None)
        return {}

    play.community.acts["say"] = act
    await play(
        SAY,
        "expect: {in: slack/community, reply_to: q, count: 1, within: 100ms}",
        "expect: {in: slack/community, not_contains: Friday, count: 1, within: 100ms}",
        "expect_none: {in: slack/community, reply_to: q, contains: Monday, within: 100ms}",
    )


async def test_private_notices_are_seen_by_their_reader_only(play: Play) -> None:
    play.community.acts["say"] = answers("for you alone", private_to="second")
    await play(
        SAY,
        "expect: {in: slack/review, seen_by: second, private: true, within: 100ms}",
        "expect: {in: slack/review, private: true, within: 100ms}",
        "expect_none: {in: slack/review, seen_by: first, private: true, within: 100ms}",
        "expect_none: {in: slack/review, seen_by: second, private: false, within: 100ms}",
    )


async def test_a_click_names_its_message_and_its_toast_counts_once(play: Play) -> None:
    play.community.acts["say"] = answers("card", buttons=["v1|1|approve|m"])

    async def click(community: Community, body: dict[str, Any]) -> dict[str, Any]:
        community.put("review", "you may not", private_to=body["member"])
        return {"toast": "you may not"}

    play.community.acts["click"] = click
    await play(
        SAY,
        "expect: {in: slack/review, seen_by: first, buttons: [approve], within: 100ms, as: card}",
        "click: {by: first, on: card, button: approve}",
        'expect: {in: slack/review, seen_by: first, private: true, contains: "may not", count: 1, within: 100ms}',
    )
    name, body = play.community.calls[-1]
    assert (name, body["message_id"], body["button"], body["member"]) == ("click", "2", "approve", "first")


@pytest.mark.parametrize("on", ["on: form, ", ""])
async def test_a_form_is_filled_in_by_its_only_field(play: Play, on: str) -> None:
    play.community.acts["say"] = answers("card")
    form = {"id": "F1", "title": "Edit", "fields": [{"id": "block-7", "label": "Text", "value": "old words"}]}

    async def click(_: Community, __: dict[str, Any]) -> dict[str, Any]:
        return {"form": form}

    play.community.acts["click"] = click
    await play(
        SAY,
        "expect: {in: slack/review, within: 100ms, as: card}",
        "click: {by: first, on: card, button: edit, as: form}",
        "expect: {in: slack/review, seen_by: first, contains: [Edit, old words], within: 100ms}",
        f"submit: {{by: first, {on}values: {{text: new words}}}}",
    )
    name, body = play.community.calls[-1]
    assert name == "submit"
    assert (body["form_id"], body["values"], body["member"]) == ("F1", {"block-7": "new words"}, "first")


async def test_a_form_that_opens_later_as_a_message_is_waited_for(play: Play) -> None:
    play.community.acts["say"] = answers("card")
    form = {"id": "-1/9", "title": "Reply with the text", "fields": [{"id": "text"}]}

    async def click(community: Community, _: dict[str, Any]) -> dict[str, Any]:
        community.later(0.3, lambda: community.put("review", "Reply with the text", form=form))
        return {"toast": "reply below"}

    play.community.acts["click"] = click
    await play(
        SAY,
        "expect: {in: slack/review, within: 100ms, as: card}",
        "click: {by: first, on: card, button: edit, as: form}",
        "submit: {by: first, on: form, values: {text: new}}",
    )
    assert play.community.calls[-1][1]["form_id"] == "-1/9"


async def test_acts_together_are_all_made(play: Play) -> None:
    play.community.acts["say"] = answers("card")
    await play(
        SAY,
        "expect: {in: slack/review, within: 100ms, as: card}",
        "together: [{click: {by: first, on: card, button: approve}}, {click: {by: second, on: card, button: approve}}]",
    )
    assert {body["member"] for name, body in play.community.calls if name == "click"} == {"first", "second"}


async def test_a_name_that_nothing_has_is_told(play: Play) -> None:
    with pytest.raises(StepFailed, match="nothing is called 'card' yet"):
        await play("click: {by: first, on: card, button: approve}")


async def test_a_refused_act_fails_its_step(play: Play) -> None:
    async def click(_: Community, __: dict[str, Any]) -> dict[str, Any]:
        return {"error": "message 2 has no button 'approve'"}

    play.community.acts |= {"say": answers("card"), "click": click}
    with pytest.raises(StepFailed, match="has no button"):
        await play(
            SAY,
            "expect: {in: slack/review, within: 100ms, as: card}",
            "click: {by: first, on: card, button: approve}",
        )


async def test_a_member_acts_on_their_own_platform_only(play: Play) -> None:
    with pytest.raises(StepFailed, match="asker is on slack"):
        await play("say: {by: asker, in: telegram/community, text: hi}")


async def test_a_message_that_is_gone(play: Play) -> None:
    play.community.acts["say"] = answers("reply")
    named = "expect: {in: slack/review, within: 100ms, as: reply}"
    with pytest.raises(StepFailed, match="reply is still there"):
        await play(SAY, named, "expect: {in: slack/review, gone: reply, within: 100ms}")

    async def delete(community: Community, _: dict[str, Any]) -> dict[str, Any]:
        community.later(0.2, community.messages["review"].clear)
        return {}

    play.community.acts["delete"] = delete
    await play(SAY, named, "delete: {by: first, on: reply}", "expect: {in: slack/review, gone: reply, within: 5s}")


async def test_a_fault_may_name_a_channel_and_the_clock_moves_for_both(play: Play) -> None:
    await play(
        "fault: {platform: slack, kind: slow, match: slack/community, seconds: 1m}", "advance: 2h", "advance: 30m"
    )
    assert play.community.calls == [
        ("fault", {"platform": "slack", "kind": "slow", "match": "C123", "seconds": 60.0}),
        ("advance", {"seconds": 7200.0}),
        ("advance", {"seconds": 1800.0}),
    ]
    assert (play.stage.folder / "clock").read_text() == "9000.0\n"


async def test_a_fault_may_name_a_message(play: Play) -> None:
    await play(SAY, "fault: {platform: slack, kind: swallow_reply, match: q}")
    assert play.community.calls[-1][1]["match"] == "1"


async def test_services_that_do_not_run_here_are_told(play: Play) -> None:
    with pytest.raises(StepFailed, match="redis does not run in this rehearsal"):
        await play("stop: redis")


async def test_control_errors_are_told_apart(play: Play) -> None:
    async def refuse(_: Community, __: dict[str, Any]) -> dict[str, Any]:
        return {"error": "no"}

    play.community.acts["raw"] = refuse
    with pytest.raises(ControlRefused, match="no"):
        await play.stage.control.post("raw", {})
    with pytest.raises(RehearsalError, match="without JSON"):
        await play.stage.control.get("nothing", {})
