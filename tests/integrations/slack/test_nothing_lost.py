"""Whatever happens to the connections and to the store: all that was said is stored, and each message once."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bot.chat.events import MessagePosted
from tests.integrations.slack.conftest import RecordingSink
from tests.integrations.slack.payloads import event
from tests.integrations.slack.test_connections import CURSOR, running
from tests.integrations.slack.wires import Exchange, Wire, exchange


@dataclass
class Channel:
    """What a Slack keeps: its history, and the events that nobody has acknowledged yet."""

    slack: Exchange
    said: list[str] = field(default_factory=list)
    owed: dict[str, dict[str, Any]] = field(default_factory=dict)

    def history(self, fields: dict[str, str]) -> dict[str, Any]:
        oldest = float(fields.get("oldest") or 0)
        found = [{"type": "message", "user": "U1", "text": ts, "ts": ts} for ts in self.said if float(ts) > oldest]
        limit = int(fields.get("limit") or 100)
        return {"ok": True, "messages": found[::-1][:limit]}

    async def say(self, which: int) -> None:
        """Somebody says something; Slack delivers it over any connection, and not at all where there is none."""
        ts = f"{len(self.said) + 2}.000000"
        self.said.append(ts)
        if self.slack.open:
            self.owed[f"e{ts}"] = event(ts=ts, text=ts) | {"event_id": f"Ev{ts}"}
            await self._deliver(f"e{ts}", self.slack.open[which % len(self.slack.open)])

    async def again(self) -> None:
        """Slack delivers what was not acknowledged once more."""
        acknowledged = {envelope for wire in self.slack.wires for envelope in wire.acknowledged}
        for envelope in self.owed.keys() - acknowledged:
            if self.slack.open:
                await self._deliver(envelope, self.slack.open[0])

    async def _deliver(self, envelope: str, wire: Wire) -> None:
        with contextlib.suppress(ConnectionError):  # it went while we wrote
            await wire.deliver(envelope, self.owed[envelope])


STEPS = st.one_of(
    st.tuples(st.just("say"), st.integers(0, 3)),
    st.tuples(st.just("disconnect"), st.integers(0, 1)),
    st.tuples(st.just("cut"), st.integers(0, 1)),
    st.tuples(st.just("cut all"), st.integers(0, 2)),
    st.tuples(st.just("refuse"), st.integers(0, 1)),
    st.tuples(st.just("settle"), st.just(0)),
)


async def _step(what: str, number: int, channel: Channel, sink: RecordingSink) -> None:
    slack = channel.slack
    match what:
        case "say":
            await channel.say(number)
        case "disconnect" if slack.open:
            with contextlib.suppress(ConnectionError):
                await slack.open[number % len(slack.open)].disconnect("refresh_requested")
        case "cut" if slack.open:
            slack.open[number % len(slack.open)].cut()
        case "cut all":
            slack.most = 0
            for wire in list(slack.open):
                wire.cut()
            await slack.until(lambda: not slack.open)
            for _ in range(number):
                await channel.say(0)
            slack.most = 10
        case "refuse":
            refused, sink.refusals = len(sink.refused), 1
            await channel.say(number)
            with contextlib.suppress(TimeoutError):  # it may have gone over a line that is cut
                async with asyncio.timeout(1):
                    await sink.until(lambda: len(sink.refused) > refused)
        case "settle":
            await _settled(slack, sink)


async def _settled(slack: Exchange, sink: RecordingSink) -> None:
    """Wait until all connections stand and nothing is being read back."""
    await slack.until(lambda: len(slack.open) == 2)
    await sink.until(lambda: sink.gaps and sink.gaps[-1] == (CURSOR, None))


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),  # a failing example takes its time: to shrink it takes too much
)
@given(st.lists(STEPS, min_size=4, max_size=12))
async def test_nothing_is_lost_and_nothing_is_stored_twice(steps: list[tuple[str, int]]) -> None:
    sink = RecordingSink()
    sink.positions[CURSOR] = 1_000_000
    async with exchange() as slack:
        channel = Channel(slack)
        slack.server.answers["conversations.history"] = channel.history
        async with running(slack, sink):
            await _settled(slack, sink)
            for what, number in steps:
                await _step(what, number, channel, sink)
            sink.refusals = 0
            async with asyncio.timeout(20):
                while not set(channel.said) <= {one.message_id for one in sink.events(MessagePosted)}:
                    await slack.until(lambda: slack.open)
                    await channel.again()
                    await asyncio.sleep(0.05)
        position = sink.positions[CURSOR]
    stored = {(one.message_id, one.backfilled) for one in sink.events(MessagePosted)}
    assert {message for message, _ in stored} == set(channel.said)
    assert len(stored) == len(sink.events(MessagePosted))
    assert position <= max([1_000_000, *(int(float(ts) * 1_000_000) for ts in channel.said)])
