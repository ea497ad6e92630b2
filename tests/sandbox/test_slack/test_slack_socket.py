"""Socket Mode: connections, events, acknowledgements, redelivery."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from bot.sandbox.frame import ControlError, Fault
from bot.sandbox.slack import connections, socket_mode


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Acknowledgements are due sooner than in the real world."""
    monkeypatch.setattr(socket_mode, "ACK_SECONDS", 0.2)


async def test_a_ticket_is_good_for_one_connection(slack: Any) -> None:
    url = (await slack.raw("apps.connections.open", token="app")).body["url"]
    socket = await slack.session.ws_connect(url)
    hello = json.loads(await socket.receive_str(timeout=5))
    assert (hello["type"], hello["num_connections"]) == ("hello", 1)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await slack.session.ws_connect(url)
    assert "ticket=***" in slack.frame.journal.rows[0]["response"]["url"]


async def test_a_message_arrives_as_slack_sends_it(slack: Any) -> None:
    socket = await slack.connect()
    ts = await slack.server.say({"channel": "community", "member": "ana", "text": "1 < 2 & @herald"})
    envelope = await socket.event()
    payload, event = envelope["payload"], envelope["payload"]["event"]
    bot = (await slack.call("auth.test"))["user_id"]
    assert (envelope["type"], envelope["retry_attempt"], envelope["retry_reason"]) == ("events_api", 0, "")
    assert (payload["type"], payload["event_id"][:2]) == ("event_callback", "Ev")
    assert (event["type"], event["ts"], event["channel"]) == ("message", ts, slack.channels["community"])
    assert (event["channel_type"], event["team"]) == ("channel", payload["team_id"])
    assert event["text"] == f"1 &lt; 2 &amp; <@{bot}>"
    assert event["client_msg_id"]
    mention = (await socket.event())["payload"]["event"]
    assert (mention["type"], mention["ts"]) == ("app_mention", ts)
    await slack.server.say({"channel": "community", "member": "bo", "text": "reply", "reply_to": ts})
    reply = (await socket.event())["payload"]["event"]
    assert (reply["thread_ts"], reply["parent_user_id"]) == (ts, event["user"])


async def test_changes_reactions_and_own_posts_arrive_too(slack: Any) -> None:
    socket = await slack.connect()
    posted = await slack.post("by the bot")
    own = (await socket.event())["payload"]["event"]
    assert (own["ts"], own["bot_id"]) == (posted["ts"], (await slack.call("auth.test"))["bot_id"])
    who = {"channel": "community", "member": "ana"}
    ts = await slack.server.say({**who, "text": "before", "attachment": "a.png"})
    said = (await socket.event())["payload"]["event"]
    assert (said["subtype"], said["files"][0]["name"]) == ("file_share", "a.png")
    assert (await socket.event())["payload"]["event"]["type"] == "file_shared"
    await slack.server.edit({**who, "message_id": ts, "text": "after"})
    edited = (await socket.event())["payload"]["event"]
    assert (edited["subtype"], edited["hidden"]) == ("message_changed", True)
    assert (edited["message"]["text"], edited["previous_message"]["text"]) == ("after", "before")
    await slack.server.react({**who, "message_id": ts, "emoji": "👍"})
    reaction = (await socket.event())["payload"]["event"]
    assert (reaction["type"], reaction["reaction"], reaction["item"]["ts"]) == ("reaction_added", "+1", ts)
    await slack.server.delete({**who, "message_id": ts})
    deleted = (await socket.event())["payload"]["event"]
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", ts)
    assert deleted["previous_message"]["text"] == "after"


async def test_a_deleted_message_with_replies_leaves_a_tombstone(slack: Any) -> None:
    socket = await slack.connect()
    who = {"channel": "community", "member": "ana"}
    ts = await slack.server.say({**who, "text": "question"})
    await slack.server.say({**who, "text": "reply", "reply_to": ts})
    await slack.server.delete({**who, "message_id": ts})
    changed = [(await socket.event())["payload"]["event"] for _ in range(3)][-1]
    assert (changed["subtype"], changed["message"]["subtype"]) == ("message_changed", "tombstone")
    assert changed["previous_message"]["text"] == "question"


async def test_joining_and_leaving_are_told(slack: Any) -> None:
    socket = await slack.connect()
    ana = slack.server.member("ana", {}, None)["member_id"]
    joined = [(await socket.event())["payload"]["event"] for _ in slack.channels]
    assert {(e["type"], e["user"]) for e in joined} == {("member_joined_channel", ana)}
    assert {e["channel"] for e in joined} == set(slack.channels.values())
    slack.server.member("ana", {"left": True}, None)
    assert (await socket.event())["payload"]["event"]["type"] == "member_left_channel"
    with pytest.raises(ControlError, match="has left"):
        await slack.server.say({"channel": "community", "member": "ana", "text": "still here"})


async def test_another_workspace_has_its_own_team_and_no_token(slack: Any) -> None:
    socket = await slack.connect()
    await slack.server.say({"channel": "community", "member": "ana", "text": "hi", "tenant": "other"})
    payload = (await socket.event())["payload"]
    assert payload["team_id"] != (await slack.call("auth.test"))["team_id"]
    answer = await slack.call("chat.postMessage", channel=payload["event"]["channel"], text="x")
    assert answer["error"] == "channel_not_found"
    assert slack.server.seen("community", None, None) == []
    assert [m.text for m in slack.server.seen("community", "ana", "other")] == ["hi"]


@pytest.mark.usefixtures("impatient")
async def test_an_unacknowledged_event_comes_three_times_more(slack: Any) -> None:
    socket = await slack.connect()
    await slack.server.say({"channel": "community", "member": "ana", "text": "hi"})
    copies = [await socket.event(ack=False), await socket.event(ack=False)]
    for delay in socket_mode.RETRY_DELAYS[1:]:
        # The retry is planned once the copy before it has timed out; moving the clock sooner would move the plan.
        await slack.until(lambda: slack.server.core.socket.waiting)
        slack.frame.clock.advance(delay)
        copies.append(await socket.event(ack=False))
    assert [(c["retry_attempt"], c["retry_reason"]) for c in copies] == [
        (0, ""),
        (1, "timeout"),
        (2, "timeout"),
        (3, "timeout"),
    ]
    assert len({c["payload"]["event_id"] for c in copies}) == 1


@pytest.mark.usefixtures("impatient")
async def test_an_acknowledged_event_does_not_come_again(slack: Any) -> None:
    socket = await slack.connect()
    who = {"channel": "community", "member": "ana"}
    await slack.server.say({**who, "text": "one"})
    first = await socket.event(ack=False)
    again = await socket.event()
    assert again["envelope_id"] == first["envelope_id"]
    await slack.until(lambda: not slack.server.core.socket.unacknowledged)
    slack.frame.clock.advance(1000)
    await slack.server.say({**who, "text": "two"})
    assert (await socket.event())["payload"]["event"]["text"] == "two"


async def test_a_closed_connection_leaves_its_events_to_the_next_one(slack: Any) -> None:
    first = await slack.connect()
    who = {"channel": "community", "member": "ana"}
    await slack.server.say({**who, "text": "while open"})
    lost = await first.event(ack=False)
    await first.ws.close()
    await slack.until(lambda: slack.server.core.socket.waiting)
    await slack.server.say({**who, "text": "while away"})
    second = await slack.connect()
    received = [await second.event(), await second.event()]
    assert [e["payload"]["event"]["text"] for e in received] == ["while open", "while away"]
    assert received[0]["payload"]["event_id"] == lost["payload"]["event_id"]
    assert all(e["retry_attempt"] >= 1 for e in received)


async def test_who_stays_away_too_long_misses_events(slack: Any) -> None:
    who = {"channel": "community", "member": "ana"}
    await slack.server.say({**who, "text": "long ago"})
    socket_mode_state = slack.server.core.socket
    for delay in socket_mode.RETRY_DELAYS:
        slack.frame.clock.advance(delay)
    await slack.until(lambda: slack.frame.clock.advance(100) or not socket_mode_state.unacknowledged)
    socket = await slack.connect()
    await slack.server.say({**who, "text": "now"})
    assert (await socket.event())["payload"]["event"]["text"] == "now"
    history = await slack.call("conversations.history", channel=slack.channels["community"])
    assert [m["text"] for m in history["messages"]] == ["now", "long ago"]


async def test_each_event_goes_to_one_of_the_open_connections(slack: Any) -> None:
    sockets = [await slack.connect(), await slack.connect()]
    for number in range(4):
        await slack.server.say({"channel": "community", "member": "ana", "text": str(number)})
    texts = [[(await s.event())["payload"]["event"]["text"] for _ in range(2)] for s in sockets]
    assert sorted(text for pair in texts for text in pair) == ["0", "1", "2", "3"]


async def test_the_eleventh_connection_is_sent_away(slack: Any) -> None:
    for _ in range(connections.MAX_CONNECTIONS):
        await slack.connect()
    url = (await slack.raw("apps.connections.open", token="app")).body["url"]
    extra = await slack.session.ws_connect(url)
    assert json.loads(await extra.receive_str(timeout=5))["reason"] == "too_many_websockets"
    assert (await extra.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE


async def test_disconnect_asks_to_come_again_and_closes(slack: Any) -> None:
    socket = await slack.connect()
    await slack.server.fault(Fault("disconnect"))
    assert (await socket.next())["reason"] == "refresh_requested"
    assert (await socket.ws.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
    again = await slack.connect()
    await slack.server.fault(Fault("disconnect", seconds=0.1))
    assert [(await again.next())["reason"], (await again.next())["reason"]] == ["warning", "refresh_requested"]


@pytest.mark.usefixtures("impatient")
async def test_a_deaf_connection_lives_but_a_new_one_gets_the_events(slack: Any) -> None:
    deaf = await slack.connect()
    await slack.server.fault(Fault("deaf", seconds=600))
    await slack.server.say({"channel": "community", "member": "ana", "text": "hello?"})
    await slack.until(lambda: slack.server.core.socket.waiting)
    assert slack.events("events_api") == []
    await deaf.ws.ping(b"sdk-ping-pong:1.0")
    fresh = await slack.connect()
    await deaf.ws.close()
    assert (await fresh.event())["payload"]["event"]["text"] == "hello?"


async def test_raw_frames_go_out_as_they_stand(slack: Any) -> None:
    with pytest.raises(ControlError, match="no Socket Mode connection"):
        await slack.server.raw({"type": "x"})
    socket = await slack.connect()
    forged = {"envelope_id": "e1", "type": "events_api", "payload": {"event": {"type": "nonsense"}}}
    await slack.server.raw(forged)
    await slack.server.raw("not json {")
    assert await socket.next() == forged
    assert await socket.ws.receive_str(timeout=5) == "not json {"
    assert [row.get("injected") for row in slack.frame.journal.rows if row["direction"] == "event"] == [
        None,
        True,
        True,
    ]


async def test_one_of_several_connections_is_refreshed_and_its_events_go_to_another(
    slack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only its end can have an event sent again, not the time.
    monkeypatch.setattr(socket_mode, "ACK_SECONDS", 600.0)
    first, second = await slack.connect(), await slack.connect()
    for number in range(2):
        await slack.server.say({"channel": "community", "member": "ana", "text": str(number)})
    lost, kept = await first.event(ack=False), await second.event()
    await slack.server.fault(Fault("disconnect", match="1"))
    assert (await first.next())["reason"] == "refresh_requested"
    await first.ws.close()
    again = await second.event()
    assert again["payload"] == lost["payload"] != kept["payload"]
    assert (again["retry_attempt"], again["retry_reason"]) == (1, "timeout")
    with pytest.raises(ControlError, match="numbered from 1"):
        await slack.server.fault(Fault("disconnect", match="2"))


async def test_a_connection_that_is_warned_of_still_gets_events(slack: Any) -> None:
    socket = await slack.connect()
    await slack.server.fault(Fault("disconnect", seconds=30))
    assert (await socket.next())["reason"] == "warning"
    await slack.server.say({"channel": "community", "member": "ana", "text": "still"})
    assert (await socket.event())["payload"]["event"]["text"] == "still"


async def test_each_opening_gives_another_address(slack: Any) -> None:
    urls = {(await slack.raw("apps.connections.open", token="app")).body["url"] for _ in range(3)}
    assert len(urls) == 3
