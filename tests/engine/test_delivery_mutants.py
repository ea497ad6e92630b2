"""What the design of delivery rests on, left out on purpose: the model catches each (RELIABILITY section 3)."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test
from storage.backends import fresh

from bot.domain.delivery import Deadlines
from bot.engine.courier import Courier
from bot.engine.settling import Settling
from bot.storage import outbox as storage_module
from bot.storage.doubts import Doubts
from bot.storage.outbox import Delivery, Outbox
from bot.storage.work import Work

from .platforms import Finder
from .test_delivery_model import Deliveries, Several, SeveralAsked
from .world import running

SEARCHED = settings(
    max_examples=300,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


def say(mutant: str, began: float) -> None:
    """Shown by `pytest -s` or `-rP`."""
    sys.stdout.write(f"\nmutant caught in {time.perf_counter() - began:.1f} s: {mutant}\n")


def caught(name: str, machine: type[Deliveries]) -> None:
    """Search until a reply is on the platform once too often, and say how long that took."""
    began = time.perf_counter()
    doubled: list[str] = []

    def noting(self: Deliveries, key: str, times: int, most: int) -> None:
        if times > most:
            doubled.append(key)
        machine.not_too_often(self, key, times, most)

    watched = type(f"Watched{machine.__name__}", (machine,), {"not_too_often": noting})
    # Threads run as they like: that the same steps do not fail a second time does not undo the first.
    with pytest.raises((AssertionError, Flaky)):
        run_state_machine_as_test(watched, settings=SEARCHED)
    assert doubled
    say(f"{name}, {machine.__name__}", began)


@pytest.mark.parametrize("base", [Deliveries, SeveralAsked])
def test_trying_again_after_a_timeout_is_caught(base: type[Deliveries]) -> None:
    """What most bots do."""
    caught("a timeout is a failure", type(f"Retrying{base.__name__}", (base,), {"once": False}))


@pytest.mark.parametrize("base", [Several, SeveralAsked])
def test_taking_an_expired_lease_for_not_sent_is_caught(
    base: type[Deliveries], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What most queues do."""

    def left(_: Settling[Any], work: Work, row: Delivery, why: str) -> None:
        work.outbox.postpone(row, work.now, row.tries, why)

    monkeypatch.setattr(Settling, "left", left)
    caught("an expired lease is tried again", base)


async def test_looking_before_the_quiet_period_is_over_is_caught_by_the_directed_scenario(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since absence is believed at the second look only, random search takes very long to find this one."""
    from .test_reconciler import test_nothing_is_asked_before_the_quiet_period_is_over as scenario

    began = time.perf_counter()
    sure = Settling.failed

    def hasty(self: Settling[Any], work: Work, row: Delivery, error: Any) -> None:
        kept, self.deadlines = self.deadlines, Deadlines(0.0, self.deadlines.lease, 0.0)
        sure(self, work, row, error)
        self.deadlines = kept

    async with running(path, platform=Finder()) as engine:
        await scenario(engine)
    monkeypatch.setattr(Settling, "failed", hasty)
    with pytest.raises(AssertionError):
        async with running(fresh(path.with_name("mutant.db")), platform=Finder()) as engine:
            await scenario(engine)
    say("no quiet period, directed scenario", began)


async def test_not_writing_down_that_a_request_is_about_to_be_made_is_caught_by_the_directed_scenario(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row stays claimed until the outcome is known."""
    from .test_courier import test_a_reply_that_was_with_the_platform_at_the_kill_is_not_sent_again as scenario

    began = time.perf_counter()
    changed = Outbox._changed

    def begin(_: Outbox, rows: list[Delivery]) -> list[Delivery]:
        return rows

    def late(self: Outbox, statement: Any, row: Delivery, **values: object) -> bool:
        if statement is not storage_module._RELEASE:
            mark = "UPDATE outbox SET state = 'sending', started_at = ? WHERE id = ? AND token = ?"
            self._connection.exec_driver_sql(f"{mark} AND state = 'claimed'", (self._now, row.id, row.token))
        return changed(self, statement, row, **values)

    await scenario(path)
    monkeypatch.setattr(Outbox, "begin", begin)
    monkeypatch.setattr(Outbox, "_changed", late)
    with pytest.raises(AssertionError):
        await scenario(fresh(path.with_name("mutant.db")))
    say("no marker before the request, directed scenario", began)


async def test_a_missing_look_at_the_clock_is_caught_by_the_directed_scenario(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was suspended longer than its lease between the mark and the request sends all the same."""
    from .test_recovery import test_whoever_was_suspended_before_its_request_does_not_send as scenario

    began = time.perf_counter()
    deliver = Courier._deliver

    async def late(self: Courier[Any], one: Any, _: float) -> None:
        await deliver(self, one, float("inf"))

    await scenario(path, Finder)
    monkeypatch.setattr(Courier, "_deliver", late)
    with pytest.raises(AssertionError):
        await scenario(fresh(path.with_name("mutant.db")), Finder)
    say("no look at the clock before the request, directed scenario", began)


async def test_a_missing_token_is_caught_by_the_directed_scenario(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write by a worker looks at the state only. Random search does not find this one."""
    from .test_courier import test_a_stopped_workers_late_answer_changes_nothing as scenario

    began = time.perf_counter()
    changed = Outbox._changed

    def unfenced(self: Outbox, statement: Any, row: Delivery, **values: object) -> bool:
        token = self._connection.exec_driver_sql("SELECT token FROM outbox WHERE id = ?", (row.id,)).scalar_one()
        current = Delivery(**{name: getattr(row, name) for name in row.__slots__} | {"token": token})
        return changed(self, statement, current, **values)

    await scenario(path)
    monkeypatch.setattr(Outbox, "_changed", unfenced)
    with pytest.raises(AssertionError):
        await scenario(fresh(path.with_name("mutant.db")))
    say("no fencing token, directed scenario", began)


async def test_a_look_up_without_a_fence_is_caught_by_the_directed_scenario(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a suspended looker saw long ago counts as if it were so now."""
    from .test_reconciler_several import test_a_suspended_looker_changes_nothing_once_another_has_looked as scenario

    began = time.perf_counter()
    changed = Doubts._changed

    def unfenced(self: Doubts, statement: Any, row: Delivery, **values: object) -> bool:
        query = "SELECT token, looks FROM outbox WHERE id = ?"
        token, looks = self._connection.exec_driver_sql(query, (row.id,)).one()
        named = {name: getattr(row, name) for name in row.__slots__}
        return changed(self, statement, Delivery(**named | {"token": token, "looks": looks}), **values)

    await scenario(path)
    monkeypatch.setattr(Doubts, "_changed", unfenced)
    with pytest.raises((AssertionError, TimeoutError)):
        await scenario(fresh(path.with_name("mutant.db")))
    say("no fence around look-ups, directed scenario", began)
