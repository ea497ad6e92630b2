"""What can go wrong in a rehearsal, as one family of errors."""

from __future__ import annotations


class RehearsalError(Exception):
    """The rehearsal cannot go on; `str()` says what happened and what to do."""


class BadScenario(RehearsalError):
    """A scenario file cannot be read; one line per fault, with file and line number."""


class ControlRefused(RehearsalError):
    """The sandbox could not carry out a control call."""


class StepFailed(RehearsalError):
    """A step did not go as written; `seen` are lines that tell what was there instead."""

    def __init__(self, message: str, seen: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.seen = seen
