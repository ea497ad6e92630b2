"""What a poll needs, in the sandbox: moments, many long buttons, and buttons that one person sees."""

from __future__ import annotations

from bot.chat import moments
from bot.chat.events import ButtonPressed, CommandInvoked
from bot.chat.messages import Button, Card, Line, Notice
from tests.integrations.slack.conftest import RecordingSink, Stage

AT, SHOWN = 1_795_370_400, "Sun 22 Nov 2026, 18:00 (UTC+8)"
CLOSES = moments.moment(AT, SHOWN)
READ = "6:00 PM"
"""How the people of the local Slack read it: their zone is UTC."""
OPTIONS = tuple(
    Button(f"{number:02} 一个很长的选项 *bold* & <!here> " + "x" * 40, f"v1|p.x|vote:{number}|m")
    for number in range(1, 21)
)
CONTROLS = (Button("Mine", "v1|p.x|mine|m"), Button("Results", "v1|p.x|results|m"))


async def test_a_poll_card_is_shown_whole_and_each_option_can_be_pressed(stage: Stage, sink: RecordingSink) -> None:
    lines = tuple(f"{button.label} 0" for button in OPTIONS)
    card = Card("Where?", details=(*lines, f"Closes {CLOSES}"), buttons=(*OPTIONS, *CONTROLS), stacked=True)
    async with stage.running(sink) as platform:
        sent = await platform.send(card, stage.community, "d1")
        (shown,) = [message for message in await stage.sees("ana") if message["id"] == sent]
        for button in (OPTIONS[0], OPTIONS[19], CONTROLS[1]):
            label = shown["buttons"][(*OPTIONS, *CONTROLS).index(button)]["label"]
            await stage.control("click", channel="community", message_id=sent, member="ana", button=label)
            pressed = await sink.event(ButtonPressed, payload=button.payload)
            assert (pressed.channel, pressed.message_id) == (stage.community, sent)
    assert len(shown["buttons"]) == 22
    assert "*bold* & <!here>" in shown["text"]
    assert READ in shown["text"]


async def test_moments_travel_as_dates_and_as_text(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink) as platform:
        after = await stage.mark()
        sent = await platform.send(Line(f"Open until {CLOSES}"), stage.community, "d1")
        await platform.edit(Line("Closed"), stage.community, sent)
        (posted,) = await stage.requests("chat.postMessage", after)
        (message,) = [message for message in await stage.sees("ana") if message["id"] == sent]
    assert posted["body"]["text"] == f"Open until {SHOWN}"
    (block,) = posted["body"]["blocks"]
    assert [element.get("timestamp") for element in block["elements"][0]["elements"]] == [None, AT]
    assert message["text"] == "Closed"


async def test_buttons_that_one_person_sees_are_pressed_and_answered_privately(
    stage: Stage, sink: RecordingSink
) -> None:
    buttons = (Button("Publish", "v1|p.y|confirm|m", "primary"), Button("Discard", "v1|p.y|discard|m", "danger"))
    async with stage.running(sink) as platform:
        await stage.control("command", channel="community", member="ana", text="/poll x")
        asked = await sink.event(CommandInvoked, text="x")
        await platform.notify(
            Notice(f"Publish this? It closes {CLOSES}", asked.member, buttons=buttons), asked.channel, asked.reply
        )
        preview = await stage.until_seen("ana", lambda message: "Publish this?" in message["text"])
        assert [button["label"] for button in preview["buttons"]] == ["Publish", "Discard"]
        assert (preview["private_to"], READ in preview["text"]) == ("ana", True)
        where = {"channel": "community", "message_id": preview["id"]}
        await stage.control("click", member="ana", button="Publish", **where)
        pressed = await sink.event(ButtonPressed, payload="v1|p.y|confirm|m")
        (stored,) = [incoming.raw for incoming in sink.stored if incoming.event == pressed]
        assert platform.parse(stored) == pressed
        await platform.notify(Notice("It is open", pressed.member), pressed.channel, pressed.reply)
        answer = await stage.until_seen("ana", lambda message: message["text"] == "It is open")
    assert pressed.member == asked.member
    assert pressed.channel == stage.community
    assert answer["private_to"] == "ana"
    assert not any("open" in message["text"] for message in await stage.sees("ben") if message["private_to"])
    assert preview["id"] not in {message["id"] for message in await stage.sees("ben")}


async def test_buttons_reach_who_is_not_in_the_channel_by_the_answer_to_the_command(
    stage: Stage, sink: RecordingSink
) -> None:
    async with stage.running(sink) as platform:
        await stage.control("command", channel="community", member="ana", text="/poll y")
        asked = await sink.event(CommandInvoked, text="y")
        nowhere = type(asked.channel)("slack", asked.channel.tenant, "C0NOWHERE")
        notice = Notice("Shall it be?", asked.member, buttons=(Button("Yes", "v1|p.z|confirm|m"),))
        await platform.notify(notice, nowhere, asked.reply)
        told = await stage.until_seen("ana", lambda message: message["text"] == "Shall it be?")
        await stage.control("click", channel="community", message_id=told["id"], member="ana", button="Yes")
        pressed = await sink.event(ButtonPressed, payload="v1|p.z|confirm|m")
    assert pressed.channel == stage.community
    assert told["private_to"] == "ana"
