"""Times as people write and read them, in English and Chinese, on the clock of their own zone."""

from __future__ import annotations


def read_time(text: str, now: float, zone: str, language: str) -> float | None:
    """The point in time (UTC seconds, later than `now`) that a text names, or None where it names none."""
    raise NotImplementedError(text, now, zone, language)


def read_rule(text: str, now: float, zone: str) -> str | None:
    """An RFC 5545 RRULE for `every monday 9:00`, `每周一9点`, `daily 18:00`, or None where the text is no such thing."""
    raise NotImplementedError(text, now, zone)


def next_time(rule: str, zone: str, after: float) -> float | None:
    """When a rule holds next (UTC seconds, later than `after`), on the zone's wall clock; None: never again."""
    raise NotImplementedError(rule, zone, after)


def show_time(at: float, zone: str, language: str) -> str:
    """`Sun 22 Nov 2026, 18:00 (UTC+8)`"""
    raise NotImplementedError(at, zone, language)


def said(at: float, zone: str, language: str) -> str:
    """The same as a moment, which platforms show in each reader's own zone where they can."""
    raise NotImplementedError(at, zone, language)
