"""How often the bot may log in: the rules by a clock in our hands, and the local Discord over several starts."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

import pytest

from bot.chat.events import MessagePosted
from bot.chat.ports import PlatformDown
from bot.integrations.discord.logins import DAY, FREE, LONGEST_WAIT, MOST_A_DAY, RECENT, Clocks, LogIns
from tests.integrations.discord.conftest import RecordingSink, Sandbox, running

NAME = "discord:7:logins"
BEGUN = 1_800_000_000.0


class Time:
    """A wall clock and a monotonic one; sleeping moves both."""

    def __init__(self) -> None:
        self.wall, self.steady = BEGUN, 50.0
        self.slept: list[float] = []

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passes(seconds)

    @property
    def clocks(self) -> Clocks:
        return Clocks(lambda: self.wall, lambda: self.steady, self._sleep)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def started(sink: RecordingSink, time: Time) -> Callable[[], LogIns]:
    """The log-ins as a process that has just begun knows them; its monotonic clock begins anew."""

    def start() -> LogIns:
        time.steady = 0.0
        return LogIns(sink, 7, time.clocks)

    return start


async def test_each_further_start_waits_twice_as_long_up_to_a_quarter_of_an_hour(
    started: Callable[[], LogIns], time: Time, sink: RecordingSink
) -> None:
    waits = []
    for _ in range(8):
        logins = started()
        waits.append(await logins.wait())
        await logins.note()  # as a bot would that does not wait
    assert waits == [0, 0, 0, 120, 240, 480, LONGEST_WAIT, LONGEST_WAIT]
    assert json.loads(sink.facts[NAME]) == [BEGUN] * 8


async def test_a_restart_waits_only_for_what_is_left(started: Callable[[], LogIns], time: Time) -> None:
    logins = started()
    for _ in range(FREE):
        await logins.note()
    time.passes(70)
    assert await started().wait() == pytest.approx(50)
    time.passes(50)
    assert await started().wait() == 0
    time.passes(RECENT)
    logins = started()
    for _ in range(FREE):
        assert await logins.wait() == 0
        await logins.note()


async def test_waiting_as_told_stays_far_below_the_limit_and_within_five_in_ten_minutes(
    started: Callable[[], LogIns], time: Time
) -> None:
    times: list[float] = []
    while time.wall < BEGUN + 2 * DAY:
        logins = started()
        time.passes(await logins.wait())
        await logins.note()
        times.append(time.wall)
        time.passes(1)
    assert max(sum(at - RECENT < one <= at for one in times) for at in times) <= 5
    assert max(sum(at - DAY < one <= at for one in times) for at in times) < MOST_A_DAY


async def test_the_days_limit_is_told_with_the_time_when_it_ends(
    started: Callable[[], LogIns], time: Time, sink: RecordingSink
) -> None:
    sink.facts[NAME] = json.dumps([BEGUN - DAY + 3600 + at for at in range(MOST_A_DAY)])
    with pytest.raises(PlatformDown, match="2027-01-15 09:00 UTC") as refused:
        await started().wait()
    assert "\n" not in str(refused.value)
    time.passes(3601)
    assert await started().wait() == 0


async def test_a_clock_that_is_set_changes_nothing(started: Callable[[], LogIns], time: Time) -> None:
    logins = started()
    for _ in range(FREE):
        await logins.note()
    time.wall += DAY
    assert await logins.wait() == 120
    time.wall -= 3 * DAY
    assert await logins.wait() == 120
    # A new process has only the wall clock to go by: times that lie ahead count as now.
    assert await started().wait() == 120


@pytest.mark.parametrize("kept", ["", "null", "no json", "[1, null]", '{"a": 1}'])
async def test_what_cannot_be_read_does_not_keep_the_bot_away(
    started: Callable[[], LogIns], sink: RecordingSink, kept: str
) -> None:
    sink.facts[NAME] = kept
    logins = started()
    assert await logins.wait() == 0
    await logins.note()
    assert json.loads(sink.facts[NAME]) == [BEGUN]


async def resumed(sandbox: Sandbox, sink: RecordingSink) -> None:
    """Return when the platform hears again."""
    text = f"anybody there? {uuid.uuid4().hex}"
    await sandbox("say", channel="community", member="ana", text=text)
    await sink.first(MessagePosted, lambda event: event.text == text)


async def test_the_fourth_start_waits_and_a_resumed_session_is_no_start(
    sandbox: Sandbox, sink: RecordingSink, time: Time
) -> None:
    for _ in range(FREE):
        async with running(sandbox.config(), sink, time.clocks):
            await sandbox("fault", kind="disconnect", times=1)
            await resumed(sandbox, sink)
    assert time.slept == []
    [(name, kept)] = sink.facts.items()
    assert name.startswith("discord:")
    assert json.loads(kept) == [BEGUN] * FREE
    async with running(sandbox.config(), sink, time.clocks):
        assert time.slept == [120]
    assert json.loads(sink.facts[name]) == [BEGUN] * FREE + [BEGUN + 120]


async def test_a_session_that_is_over_is_logged_in_anew_in_the_same_process(
    sandbox: Sandbox, sink: RecordingSink, time: Time
) -> None:
    async with running(sandbox.config(), sink, time.clocks):
        await sandbox("fault", kind="invalid_session", times=1)
        await sink.until(lambda: [len(json.loads(kept)) for kept in sink.facts.values()] == [2])
        await resumed(sandbox, sink)


async def test_at_the_days_limit_the_gateway_is_left_alone(sandbox: Sandbox, sink: RecordingSink, time: Time) -> None:
    async with running(sandbox.config(), sink, time.clocks):
        [name] = sink.facts
    sink.facts[name] = json.dumps([BEGUN - at for at in range(MOST_A_DAY)])
    with pytest.raises(PlatformDown, match="900 log-ins"):
        async with running(sandbox.config(), sink, time.clocks):
            pytest.fail("it has logged in")
    async with running(sandbox.config(spare_logins=False), sink, time.clocks):
        assert len(json.loads(sink.facts[name])) == MOST_A_DAY + 1
