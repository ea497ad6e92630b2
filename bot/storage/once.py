"""What is made once for each object, when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class once(Generic[T]):
    """Like `functools.cached_property`, without the lock that it has before Python 3.12, which costs more than what is
    made for every unit of work. For objects that one thread uses at a time.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    def __get__(self, owner: object, kind: type) -> T:
        """Make it; from then on it is an attribute of the object."""
        value = self._make(owner)
        owner.__dict__[self._name] = value
        return value
