"""Reading JSON that somebody sent us over HTTP: strictly, and without holding up everything else.

What no platform sends is refused: nesting beyond 200 levels, a key twice in one object, NaN, infinities and numbers
beyond any meaning, lone surrogates, other bytes than UTF-8 (RELIABILITY section 5.1, case 17).
"""

from __future__ import annotations

import math
import re

import jiter

MOST_PARTS = 100_000
"""Brackets, braces, colons and commas in one body: more values than these stand for would hold up the loop."""
DIGITS = 40
"""The longest integer that is taken: twice as long as any platform's ids."""

_LONG = re.compile(rb"[0-9]{%d}" % (DIGITS + 1))
_HUGE = re.compile(rb"[0-9][eE]")


class BadBody(ValueError):
    """The body is not JSON that a platform would send. `str()` quotes nothing of it but the name of a key."""


def read_json(body: bytes) -> object:
    """The value in a body of at most 1 MiB. Raises BadBody; takes at most about 50 ms."""
    if sum(map(body.count, (b"[", b"{", b":", b","))) > MOST_PARTS:
        raise BadBody("more values than a platform sends")
    try:
        value: object = jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise BadBody(str(error)) from None
    # Only a body that may hold such a number is looked through: texts may hold the same digits.
    if (_LONG.search(body) or _HUGE.search(body)) and not _is_sober(value):
        raise BadBody("a number beyond any meaning")
    return value


def _is_sober(value: object) -> bool:
    """Whether all numbers in it are finite and not absurdly long."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
        elif (isinstance(one, float) and not math.isfinite(one)) or (isinstance(one, int) and abs(one) >= 10**DIGITS):
            return False
    return True
