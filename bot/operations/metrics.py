"""The figures of an installation in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/).

What the database knows is read anew for each scrape, so that it holds across restarts. Rows by state are gauges and not
counters, since a row leaves one state for another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bot.operations.figures import Figures


@dataclass(frozen=True, slots=True)
class Moment:
    """What only the running program knows. `connected` is by platform; `loop_lag` and `now` are seconds; `passing` are
    the direct answers to presses since the start, by platform and what became of them."""

    now: float
    connected: Mapping[str, bool]
    loop_lag: float
    passing: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def exposition(figures: Figures | None, moment: Moment) -> bytes:
    """Write everything down. Without figures, since the database cannot be read, `herald_store_up` is 0."""
    registry = CollectorRegistry()
    registry.register(_Installation(moment, figures))
    ProcessCollector(registry=registry)  # resident memory, processor time, open files
    return generate_latest(registry)


class _Installation(Collector):
    def __init__(self, moment: Moment, figures: Figures | None) -> None:
        self._moment = moment
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Every family with its samples."""
        yield from _program(self._moment)
        yield _one("herald_store_up", "Whether the database can be read.", self._figures is not None)
        if self._figures is not None:
            yield from _rows(self._figures)
            yield from _waits(self._figures, self._moment.now)


def _one(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


def _program(moment: Moment) -> Iterator[Metric]:
    connected = GaugeMetricFamily(
        "herald_platform_connected", "Whether the platform is connected.", labels=["platform"]
    )
    for platform, is_connected in moment.connected.items():
        connected.add_metric([platform], is_connected)
    yield connected
    labels = ["platform", "outcome"]
    passing = CounterMetricFamily("herald_passing_answers", "Direct answers to presses since the start.", labels=labels)
    for platform, outcomes in moment.passing.items():
        for outcome, count in outcomes.items():
            passing.add_metric([platform, outcome], count)
    yield passing
    yield _one("herald_loop_lag_seconds", "By how much the event loop was late at worst, lately.", moment.loop_lag)


def _rows(figures: Figures) -> Iterator[Metric]:
    events = GaugeMetricFamily("herald_events", "Stored events by state.", labels=["platform", "state"])
    received = CounterMetricFamily("herald_events_received", "Events stored.", labels=["platform"])
    totals: dict[str, int] = {}
    for (platform, state), count in figures.events.items():
        events.add_metric([platform, state], count)
        totals[platform] = totals.get(platform, 0) + count
    for platform, count in totals.items():
        received.add_metric([platform], count)
    drafts = GaugeMetricFamily("herald_drafts", "Drafts by state.", labels=["state"])
    for state, count in figures.drafts.items():
        drafts.add_metric([state], count)
    labels = ["platform", "kind", "state"]
    deliveries = GaugeMetricFamily("herald_deliveries", "Outgoing messages by kind and state.", labels=labels)
    for key, count in figures.deliveries.items():
        deliveries.add_metric(key, count)
    yield from (events, received, drafts, deliveries)


def _waits(figures: Figures, now: float) -> Iterator[Metric]:
    oldest = figures.oldest_event
    yield _one("herald_queue_lag_seconds", "How long the oldest unhandled event waits.", _since(oldest, now))
    late = _since(figures.oldest_due, now)
    yield _one("herald_sending_lag_seconds", "For how long the oldest waiting message has been due.", late)
    yield _one("herald_sending_paused", "Whether somebody paused sending.", figures.paused is not None)
    yield _one("herald_gaps", "Sources of which something was missed that is not read back yet.", len(figures.gaps))
    unreachable = GaugeMetricFamily(
        "herald_unreachable_seconds", "For how long a service cannot be reached.", labels=["service"]
    )
    for name, at in figures.links.items():
        unreachable.add_metric([name], _since(at, now))
    told = GaugeMetricFamily(
        "herald_told_to_wait", "Destinations that a platform told us to wait for.", labels=["platform"]
    )
    for platform in {platform for platform, _, _ in figures.blocks}:
        told.add_metric([platform], sum(one == platform for one, _, _ in figures.blocks))
    yield from (unreachable, told)


def _since(at: float | None, now: float) -> float:
    return 0.0 if at is None else max(now - at, 0.0)
