"""How long polling waits between tries."""

from __future__ import annotations

from bot.integrations.telegram.patience import Backoff


def test_waits_grow_to_two_seconds_in_the_first_minute_and_to_fifteen_later() -> None:
    now = 0.0
    backoff = Backoff(lambda: now)
    early = [backoff.failed() for _ in range(12)]
    assert 0.125 <= early[0] <= 0.25
    assert all(1.0 <= delay <= 2.0 for delay in early[4:])
    now = 60.0
    late = [backoff.failed() for _ in range(12)]
    assert all(7.5 <= delay <= 15.0 for delay in late)
    assert len(set(late)) > 1  # jitter: two bots do not come back together


def test_a_success_ends_the_outage() -> None:
    now = 0.0
    backoff = Backoff(lambda: now)
    for _ in range(8):
        backoff.failed()
    backoff.succeeded()
    now = 1000.0
    assert backoff.failed() <= 0.25
    assert backoff.failures == 1
